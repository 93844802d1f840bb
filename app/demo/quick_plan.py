"""The shipped plan with every duration divided, so that its minutes are seconds. Pure; changes nothing else."""

from datetime import timedelta
from typing import Any, Final

import yaml
from pydantic import BaseModel

from app.plan.document import PlanDocument

FASTER: Final = 60  # a minute of the plan is a second of the demonstration


def quickened(document: PlanDocument, by: int = FASTER) -> str:
    """The plan as YAML with every duration divided, and nothing else changed."""
    quick = _divided(document, by)
    plain = quick.model_dump(mode="json", by_alias=True, exclude_none=True)
    return yaml.dump(plain, Dumper=_Plain, allow_unicode=True, sort_keys=False, width=110)


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True  # a plan may hold no anchors


def _divided(value: Any, by: int) -> Any:
    match value:
        case timedelta():
            # What was short stays above nought: a retry without a pause would be another plan.
            return (
                max(timedelta(seconds=1), timedelta(seconds=round(value.total_seconds() / by)))
                if value
                else value
            )
        case BaseModel():
            return value.model_copy(update={name: _divided(inner, by) for name, inner in value})
        case dict():
            return {key: _divided(inner, by) for key, inner in value.items()}
        case list():
            return [_divided(inner, by) for inner in value]
        case _:
            return value
