"""Indicators and warnings as they cross the wire."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

from app.levels.document import Colour
from app.levels.indicator import COLOURS, Figure, Indicator, Worse
from app.vocabulary import Localised, Moment
from app.warnings import course
from app.warnings.course import WarningEvent
from app.warnings.indicators import Outcome, Told
from app.warnings.tables import EarlyWarning, IndicatorRow, Sample, WarningEntry, WarningState
from app.wording import render, restored, spoken

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=63)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class TellIndicator(_Asked):
    """One value of an indicator of the plan."""

    name: Name
    value: Figure
    at: Moment | None = None
    """When it was measured; none: now. The same indicator and moment again change nothing."""

    def told(self, now: datetime) -> Told:
        return Told(self.name, self.value, self.at or now)


def _one_or_many(said: Any) -> str:
    return "many" if isinstance(said, list) else "one"


TellIndicators = Annotated[
    Annotated[TellIndicator, Tag("one")]
    | Annotated[list[TellIndicator], Field(min_length=1, max_length=1000), Tag("many")],
    Discriminator(_one_or_many),
]
"""One value, or up to a thousand: all are taken in, or none."""


class ToldRead(BaseModel):
    name: str
    at: datetime
    outcome: Outcome


class ToldAll(BaseModel):
    items: list[ToldRead]

    @classmethod
    def of(cls, told: list[Told], outcomes: list[Outcome]) -> "ToldAll":
        pairs = zip(told, outcomes, strict=True)
        return cls(items=[ToldRead(name=one.name, at=one.at, outcome=outcome) for one, outcome in pairs])


class IndicatorRead(BaseModel):
    """An indicator of the plan in force, as it stands."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    title: str
    unit: str | None
    worse: Worse
    thresholds: dict[Colour, float]
    value: float | None
    """The newest; none: never heard of."""
    at: datetime | None
    colour: Colour | None
    level: int | None
    """The level of response its colour warns of."""
    silent_since: datetime | None

    @classmethod
    def of(cls, name: str, spec: Indicator, row: IndicatorRow | None, language: str) -> "IndicatorRead":
        level = row.level if row is not None else None
        unit = spec.unit.in_language(language) if isinstance(spec.unit, Localised) else spec.unit
        return cls(
            name=name, title=spec.title.in_language(language), unit=unit,
            worse=spec.worse, thresholds=spec.thresholds, value=row.value if row is not None else None,
            at=row.at if row is not None else None, colour=COLOURS[level] if level is not None else None, level=level,
            silent_since=row.silent_since if row is not None else None,
        )  # fmt: skip


class SampleRead(BaseModel):
    at: datetime
    value: float
    late: bool

    @classmethod
    def of(cls, sample: Sample) -> "SampleRead":
        return cls(at=sample.at, value=sample.value, late=sample.is_late)


class EntryRead(BaseModel):
    seq: int
    at: datetime
    actor: str
    kind: str
    summary: str

    @classmethod
    def of(cls, entry: WarningEntry, language: str) -> "EntryRead":
        summary = render(restored(entry.said), language).strip()
        return cls(seq=entry.seq, at=entry.at, actor=entry.actor, kind=entry.kind, summary=summary)


class WarningRead(BaseModel):
    """A warning, with what may be done with it now."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    indicator: str
    title: str
    type: str
    state: WarningState
    colour: Colour | None
    """Its colour now; none: no colour holds any more."""
    level: int | None
    """The level of response it warns of."""
    gravest: int
    value: float
    began_at: datetime
    changed_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    ended_at: datetime | None
    ended_by: str | None
    reason: str | None
    incident: str | None
    """The id of the incident it became."""
    allowed: list[WarningEvent]
    version: int

    @classmethod
    def of(cls, warning: EarlyWarning, language: str) -> "WarningRead":
        known = {name: getattr(warning, name) for name in cls.model_fields if hasattr(warning, name)}
        titles = warning.title
        title = titles["en"] if language == "en" else titles["zh"]
        if language == "zh-Hant":
            title = titles.get("zh_hant") or title
        known |= {"title": title, "reason": spoken(warning.reason, language), "incident": warning.incident_id}
        known["colour"] = COLOURS[warning.level] if warning.level is not None else None
        return cls.model_validate({**known, "allowed": course.allowed(warning)})


class WarningWithEntries(WarningRead):
    timeline: list[EntryRead]


class AcknowledgeWarning(_Asked):
    note: Reason | None = None


class MoveWarning(_Asked):
    event: WarningEvent
    reason: Reason | None = None
    """Why it is lifted; of one that becomes an incident, what the incident's description says."""
