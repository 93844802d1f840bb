"""The words plan files are written in: the types that every room's part of the plan is made of.

`Part` is the strict base of them all, `Localised` a text in the plan's languages, `Span` a duration such as `15m`,
`Slug` an id in snake_case, `When` a condition, `Template` a text with `{{ … }}`. Pure; knows no room.
"""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from app.expressions import Condition, ExpressionError, Text

Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


def _no_truth_value(value: Any) -> Any:
    # `true` is 1 to Python, and would be the gravest level by mistake.
    if isinstance(value, bool):
        raise ValueError("a level is a number from 1 to 4")
    return value


LevelNumber = Annotated[
    int,
    Field(ge=1, le=4, description="Response level; 1 is the gravest (EP-4.1)"),
    BeforeValidator(_no_truth_value),  # last, or the printed schema loses its bounds
]

_YEARS = range(1970, 2200)


def _within_reach(moment: datetime) -> datetime:
    # The ends of the calendar have no UTC in some offsets, and nothing to be reckoned from.
    if moment.year not in _YEARS:
        raise ValueError(f"a moment lies in the years {_YEARS.start} to {_YEARS.stop - 1}")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_within_reach)]


class Part(BaseModel):
    """A piece of the plan: immutable, and nothing in it that is not known here."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, use_attribute_docstrings=True)


class Localised(Part):
    """A text in the plan's languages. Traditional Chinese falls back to simplified where it is not given."""

    zh: Annotated[str, Field(min_length=1, max_length=4000)]
    en: Annotated[str, Field(min_length=1, max_length=4000)]
    zh_hant: Annotated[str | None, Field(max_length=4000)] = None

    def in_language(self, language: str) -> str:
        if language == "en":
            return self.en
        return self.zh_hant or self.zh if language == "zh-Hant" else self.zh


class Layer(StrEnum):
    """Layers of the organisation (EP-2); a position's layer decides what its holder may do."""

    LEADERSHIP = "leadership"  # 领导层: commands, approves, is the end of every chain
    MANAGEMENT = "management"  # 管理层: heads of departments
    EXECUTION = "execution"  # 执行层: all staff of the centre
    COLLABORATION = "collaboration"  # 协作层: finance, HR, legal, partners


_SPAN = re.compile(r"^(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,7})s)?$")


def parse_span(value: Any) -> timedelta:
    """`1h30m` as a duration; days, hours, minutes and seconds, in that order. Raises `ValueError`."""
    if isinstance(value, timedelta):
        return value
    match = _SPAN.match(value) if isinstance(value, str) and value else None
    if match is None:
        raise ValueError("a duration is written like 90s, 15m, 4h or 3d")
    days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def write_span(span: timedelta) -> str:
    """A duration the way plan files write it."""
    total = int(span.total_seconds())
    parts = [(total // 86400, "d"), (total // 3600 % 24, "h"), (total // 60 % 60, "m"), (total % 60, "s")]
    return "".join(f"{number}{unit}" for number, unit in parts if number) or "0s"


Span = Annotated[
    timedelta,
    BeforeValidator(parse_span),
    PlainSerializer(write_span, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _SPAN.pattern, "examples": ["90s", "15m", "4h", "3d"]}),
]


def _compiles_as_condition(source: Any) -> Any:
    if not isinstance(source, str):
        raise ValueError("a condition is a text such as 'incident.level <= 2'")
    try:
        Condition.compile(source)
    except ExpressionError as error:
        raise ValueError(str(error)) from error
    return source


def _compiles_as_text(source: Any) -> Any:
    if isinstance(source, str):
        try:
            Text.compile(source)
        except ExpressionError as error:
            raise ValueError(str(error)) from error
    return source


When = Annotated[str, BeforeValidator(_compiles_as_condition), Field(max_length=4000)]
Template = Annotated[str, BeforeValidator(_compiles_as_text), Field(max_length=4000)]


class LocalisedTemplate(Part):
    """A text with `{{ … }}` in the plan's languages; it sees `incident`, `facts`, `steps` and `level`."""

    zh: Annotated[Template, Field(min_length=1)]
    en: Annotated[Template, Field(min_length=1)]
    zh_hant: Template | None = None

    def in_language(self, language: str) -> str:
        if language == "en":
            return self.en
        return self.zh_hant or self.zh if language == "zh-Hant" else self.zh


ChannelName = Literal[
    "mail",
    "webhook",
    "sms",
    "voice",
    "dingtalk",
    "wecom",
    "feishu",
    "slack",
    "teams",
    "ntfy",
    "apprise",
    "log",
]
