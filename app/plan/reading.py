"""A plan file, from its bytes to a `PlanDocument`, and what is derived from that document alone.

Holds the reading (all mistakes at once, each with its line), the digest by which two plans mean the same,
and the JSON Schema that editors complete from. It must never judge whether a plan is a good one (`check`
does), nor store it.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

from pydantic import ValidationError

from app import wording
from app.errors import WrongShape
from app.plan import strict_yaml
from app.plan.document import PlanDocument
from app.plan.strict_yaml import Mistake
from app.wording import say

SCHEMA_FILE: Final = "docs/reference/plan.schema.json"


class BadPlan(WrongShape, slug="bad-plan"):
    """This file is not a plan; `errors` lists every mistake."""

    def __init__(self, mistakes: list[Mistake], *, file: str) -> None:
        errors = [{"path": m.path, "line": m.line, "message": m.message} for m in mistakes]
        super().__init__(say("plan.unreadable", file=file, count=len(mistakes)), errors=errors, file=file)
        self.mistakes = mistakes
        self.file = file

    def told(self, language: str = "en") -> list[str]:
        """The mistakes the way compilers say them: `playbooks.yaml:9: types.other.tilte: …`."""
        return [mistake.told(self.file, language) for mistake in self.mistakes]


def read(text: str | bytes, *, file: str) -> PlanDocument:
    """The plan in this text, or `BadPlan` with all its mistakes; `file` is only what the mistakes call it."""
    try:
        loaded = strict_yaml.load(text)
    except strict_yaml.BadYaml as error:
        raise BadPlan(error.mistakes, file=file) from None
    try:
        return PlanDocument.model_validate(loaded.document)
    except ValidationError as error:
        raise BadPlan(strict_yaml.mistakes_of(error, loaded, PlanDocument), file=file) from None


def digest(document: PlanDocument) -> str:
    """SHA-256 of what it means: comments, order of keys and ways of writing a duration do not count."""
    meaning = document.model_dump(mode="json", by_alias=True)
    written = json.dumps(meaning, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()


def lines(text: str | bytes) -> dict[str, int]:
    """The line of each path of a text that can be read, so that a finding can be shown where it stands."""
    marks = strict_yaml.load(text).marks
    return {".".join(str(part) for part in path): place.line for path, place in marks.items()}


def schema() -> dict[str, Any]:
    """The JSON Schema of plan files, described in English and Chinese."""
    made = PlanDocument.model_json_schema(by_alias=True)
    for model, place in _models(made):
        for field, described in place.get("properties", {}).items():
            _describe(described, f"plan.schema.{model}.{field}")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def written_schema() -> str:
    """The schema as `docs/reference/plan.schema.json` holds it."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


def _models(made: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "PlanDocument", made
    yield from made.get("$defs", {}).items()


def _describe(described: dict[str, Any], key: str) -> None:
    """The field's own docstring is the English, or else the catalogue's; the Chinese is the catalogue's."""
    if not wording.known(key):
        return
    english = described.get("description") or wording.render(say(key), "en")
    described["description"] = f"{english}\n{wording.render(say(key), 'zh-Hans')}"
