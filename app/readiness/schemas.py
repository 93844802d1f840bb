"""Recurring duties, drills and capacities as they cross the wire."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.readiness import drills
from app.readiness.capacity import HOUR, Capacity
from app.readiness.drills import DrillEvent, Inject, Scheme, Taking
from app.readiness.tables import (
    Drill,
    DrillFinding,
    DrillMode,
    DrillPart,
    DrillScore,
    DrillState,
    DutyOccurrence,
    DutyState,
    Topic,
)
from app.vocabulary import LevelNumber, Localised, Moment, parse_span
from app.wording import spoken


class DutyRead(BaseModel):
    """One occurrence of a recurring duty."""

    model_config = ConfigDict(from_attributes=True)

    key: str
    duty: str
    title: str
    clause: str
    owner: str
    """A position."""
    fired_at: datetime
    """When it fell due to be done."""
    due_at: datetime
    """Until when."""
    state: DutyState
    done_at: datetime | None
    done_by: str | None
    note: str | None

    @classmethod
    def of(cls, row: DutyOccurrence, language: str) -> "DutyRead":
        title = Localised.model_validate(row.title).in_language(language)
        columns = {name: getattr(row, name) for name in cls.model_fields if name != "title"}
        return cls(title=title, **columns)


class CompleteDuty(BaseModel, extra="forbid"):
    note: Annotated[str | None, Field(max_length=4000)] = None
    """What was found, where the evidence is."""


class HourRead(BaseModel):
    begins: datetime
    available: int
    """How many are not away in any part of the hour."""


class CapacityRead(BaseModel):
    """The people of one pool over some hours."""

    pool: str
    title: str
    minimum: int
    """The least the plan asks for at any hour; 0: it asks for none."""
    members: int
    hours: list[HourRead]

    @classmethod
    def of(cls, row: Capacity, start: datetime, language: str) -> "CapacityRead":
        hours = [
            HourRead(begins=start + number * HOUR, available=available)
            for number, available in enumerate(row.available)
        ]
        title = row.title.in_language(language)
        return cls(pool=row.pool, title=title, minimum=row.minimum, members=row.members, hours=hours)


Name = Annotated[str, Field(min_length=1, max_length=500)]
Words = Annotated[str, Field(min_length=1, max_length=20_000)]
Lasting = Annotated[timedelta, Field(gt=timedelta(), le=timedelta(days=3))]
Slug = Annotated[str, Field(min_length=1, max_length=63)]


class InjectSaid(BaseModel, extra="forbid"):
    """Something let happen during a live drill."""

    after: Annotated[timedelta, Field(ge=timedelta(), le=timedelta(days=3))]
    """From the start."""
    text: Annotated[str, Field(min_length=1, max_length=2000)]
    """What those enrolled hear."""
    facts: Annotated[dict[Slug, str | int | float | bool], Field(max_length=20)] = Field(default_factory=dict)
    """Facts it puts on the drill's incident."""


class PartSaid(BaseModel, extra="forbid"):
    """Somebody's part: a position, whoever holds it then, or one person."""

    position: Slug | None = None
    person: Annotated[str | None, Field(max_length=26)] = None
    observes: bool = False
    """There to look on and to score; never paged."""
    role: Annotated[str | None, Field(max_length=200)] = None
    """What they play."""

    @model_validator(mode="after")
    def _one(self) -> "PartSaid":
        if (self.position is None) == (self.person is None):
            raise ValueError("either a position or a person")
        return self


class PlanDrill(BaseModel, extra="forbid"):
    """A drill to be held (EP-8.3): time, place, people, scheme, props."""

    title: Name
    type: Slug
    """Of incident."""
    level: LevelNumber
    playbook: Slug | None = None
    """Left out: the type's own."""
    mode: DrillMode = DrillMode.LIVE
    starts_at: Moment
    lasts: Lasting = timedelta(hours=2)
    """When that is over, a live drill ends by itself."""
    place: Name
    scheme: Words
    scenario: Annotated[list[InjectSaid], Field(max_length=100)] = Field(default_factory=list)
    parts: Annotated[list[PartSaid], Field(min_length=1, max_length=500)]
    props: Annotated[list[Name], Field(max_length=100)] = Field(default_factory=list)
    duty: Annotated[str | None, Field(max_length=200)] = None
    """The occurrence of the duty calendar it answers; left out: the oldest open one of EP-8.3."""

    def laid_down(self) -> Scheme:
        return Scheme(
            title=self.title, type=self.type, level=self.level, mode=self.mode, starts_at=self.starts_at, lasts=self.lasts,
            place=self.place, scheme=self.scheme, playbook=self.playbook, props=self.props, duty=self.duty,
            parts=[Taking(one.position, one.person, one.observes, one.role) for one in self.parts],
            scenario=[Inject(one.after, one.text, one.facts) for one in self.scenario],
        )  # fmt: skip


class MoveDrill(BaseModel, extra="forbid"):
    event: DrillEvent
    reason: Annotated[str | None, Field(max_length=1000)] = None
    """Needed to cancel."""
    summary: Annotated[str | None, Field(max_length=20_000)] = None
    """Needed to close."""


class ScoreDrill(BaseModel, extra="forbid"):
    topic: Topic
    points: Annotated[int, Field(ge=1, le=5)]
    """1 (poor) to 5 (very good)."""
    remark: Annotated[str | None, Field(max_length=4000)] = None


class FindInDrill(BaseModel, extra="forbid"):
    topic: Topic
    text: Name
    owner: Annotated[str, Field(min_length=1, max_length=200)]
    """A position, a department or a person's name."""
    due_on: date


class InjectRead(BaseModel):
    after: timedelta
    text: str
    facts: dict[str, Any]


class PartRead(BaseModel):
    position: str | None
    person: str | None
    observes: bool
    role: str | None

    @classmethod
    def of(cls, row: DrillPart) -> "PartRead":
        position, person = (None, row.who) if row.is_person else (row.who, None)
        return cls(position=position, person=person, observes=row.observes, role=row.role)


class ScoreRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    topic: Topic
    points: int
    remark: str | None
    evaluator: str
    at: datetime


class FindingRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    """Also of the improvement item it becomes when the drill is closed."""
    topic: Topic
    text: str
    owner: str
    due_on: date
    found_by: str


class DrillSummary(BaseModel):
    """One drill in a list."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    title: str
    type: str
    level: int
    mode: DrillMode
    state: DrillState
    starts_at: datetime
    ends_at: datetime
    place: str
    incident_id: str | None
    """The Exercise incident of a live drill, once started."""


class DrillRead(DrillSummary):
    """One drill with all that belongs to it."""

    playbook: str | None
    scheme: str
    scenario: list[InjectRead]
    props: list[str]
    duty: str | None
    planned_by: str
    approved_by: str | None
    started_at: datetime | None
    ended_at: datetime | None
    ended_because: str | None
    figures: dict[str, Any] | None
    """Times beside the targets of the level (`times`), updates, tasks, messages; of a simulated drill, its result."""
    summary: str | None
    version: int
    allowed: list[DrillEvent]
    parts: list[PartRead]
    scores: list[ScoreRead]
    mean_points: dict[Topic, float]
    findings: list[FindingRead]

    @classmethod
    def whole(
        cls, row: Drill, language: str, *, parts: Sequence[DrillPart], scores: Sequence[DrillScore],
        findings: Sequence[DrillFinding],
    ) -> "DrillRead":  # fmt: skip
        told = {"scenario", "allowed", "parts", "scores", "mean_points", "findings", "ended_because"}
        columns = {name: getattr(row, name) for name in cls.model_fields if name not in told}
        return cls(
            **columns, ended_because=spoken(row.ended_because, language), allowed=drills.allowed(DrillState(row.state)),
            scenario=[InjectRead(after=parse_span(i["after"]), text=i["text"], facts=i["facts"]) for i in row.scenario],
            parts=[PartRead.of(one) for one in parts], scores=[ScoreRead.model_validate(one) for one in scores],
            mean_points=drills.mean_points(scores), findings=[FindingRead.model_validate(one) for one in findings],
        )  # fmt: skip


class DrillYearRead(BaseModel):
    """Whether a year had the drills that are asked for (EP-8.3)."""

    model_config = ConfigDict(from_attributes=True)

    year: int
    needed: int
    held: int
    """Closed drills that began in the year."""
    types: list[str]
    """Of event, each once; at least two are asked for."""
    is_met: bool
