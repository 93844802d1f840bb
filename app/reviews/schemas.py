"""Reviews, improvement items and figures as they cross the wire."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.reviews.communication import ByChannel, Communication, Spans, share
from app.reviews.improvements import ImprovementEvent, allowed
from app.reviews.metrics import Answer, By, Measured
from app.reviews.publishing import MOST_ITEMS, Edit, Item
from app.reviews.tables import Improvement, ImprovementState, Review, ReviewState

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Owner = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Amount = str | int | float | bool | None


class Cause(BaseModel, extra="forbid"):
    """Why it happened, in somebody's words."""

    text: Line
    category: Annotated[str | None, Field(max_length=100)] = None


class ImprovementRead(BaseModel):
    """Something to be done better, by whom and by when."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    incident_id: str | None
    drill_id: str | None
    """The drill that found it."""
    title: str
    owner: str
    due_on: date
    state: ImprovementState
    allowed: list[ImprovementEvent]
    evidence: str | None
    done_by: str | None
    verified_by: str | None
    note: str | None
    version: int

    @classmethod
    def of(cls, row: Improvement) -> "ImprovementRead":
        columns = {name: getattr(row, name) for name in cls.model_fields if name != "allowed"}
        return cls(allowed=allowed(ImprovementState(row.state)), **columns)


class ReviewRead(BaseModel):
    """The review of an incident."""

    incident_id: str
    state: ReviewState
    summary: str
    causes: list[Cause]
    losses: dict[str, Any]
    went_well: list[str]
    went_wrong: list[str]
    figures: dict[str, Any]
    """`times` (each with `took`, `target`, `met`), `updates`, `tasks`, `deliveries`, `chain`, `shortages`."""
    improvements: list[ImprovementRead]
    drafted_at: datetime
    due_at: datetime
    edited_by: str | None
    published_at: datetime | None
    published_by: str | None
    version: int

    @classmethod
    def of(cls, row: Review, improvements: Sequence[Improvement]) -> "ReviewRead":
        columns = {name: getattr(row, name) for name in cls.model_fields if name != "improvements"}
        return cls(improvements=[ImprovementRead.of(item) for item in improvements], **columns)


class EditImprovement(BaseModel, extra="forbid"):
    """Without `id` a new item, with title, owner and due date; with it a change, or its end with `remove`."""

    id: str | None = None
    title: Title | None = None
    owner: Owner | None = None
    due_on: date | None = None
    remove: bool = False


class EditReview(BaseModel, extra="forbid"):
    """What is given replaces what was there; what is left out stays."""

    summary: Annotated[str | None, Field(max_length=50_000)] = None
    causes: Annotated[list[Cause] | None, Field(max_length=50)] = None
    losses: Annotated[dict[Title, Amount | dict[Title, Amount]] | None, Field(max_length=50)] = None
    went_well: Annotated[list[Line] | None, Field(max_length=100)] = None
    went_wrong: Annotated[list[Line] | None, Field(max_length=100)] = None
    improvements: Annotated[list[EditImprovement], Field(max_length=MOST_ITEMS)] = Field(default_factory=list)

    def change(self) -> Edit:
        given = self.model_dump(exclude={"improvements"}, exclude_none=True)
        return Edit(given, [Item(**item.model_dump()) for item in self.improvements])


class MoveImprovement(BaseModel, extra="forbid"):
    event: ImprovementEvent
    note: Annotated[str | None, Field(max_length=4000)] = None
    evidence: Annotated[str | None, Field(max_length=4000)] = None
    """What shows that it is done; needed to complete it."""


class MeasureRead(BaseModel):
    mean: timedelta | None
    median: timedelta | None
    reached: int
    within_target: float | None
    """Share within the target of the incident's level; null while none has been reached or missed."""


class SpansRead(BaseModel):
    number: int
    """Of how many; with few, a p90 says little."""
    median: timedelta | None
    p90: timedelta | None

    @classmethod
    def of(cls, spans: Spans) -> "SpansRead":
        return cls(number=spans.number, median=_seconds(spans.median), p90=_seconds(spans.p90))


class ChannelRead(BaseModel):
    channel: str
    tried: int
    """Messages the far side took, or that failed for good."""
    delivered: int
    rate: float | None
    """Share delivered of those tried; null while none was."""
    first_try: int
    """Delivered at the first attempt."""
    first_try_share: float | None
    answered: int
    """Acknowledged by the message's own button or reply."""
    to_acknowledge: SpansRead
    """From sending to that answer."""

    @classmethod
    def of(cls, channel: str, one: ByChannel) -> "ChannelRead":
        return cls(
            channel=channel, tried=one.tried, delivered=one.delivered, rate=one.rate, first_try=one.first_try,
            first_try_share=share(one.first_try, one.tried), answered=one.answered,
            to_acknowledge=SpansRead.of(one.to_acknowledge),
        )  # fmt: skip


class ReportsRead(BaseModel):
    number: int
    """Final reports that were looked at: of closed incidents, as their reviews have it."""
    complete: int
    """With all seven parts."""
    completeness: float | None
    """Share of all parts that were there."""
    missing: dict[str, int]
    """How often each part was missing."""


class CommunicationRead(BaseModel):
    """How well people were reached and kept told (EP-5.1, EP-5.3); each share beside the counts it is made of."""

    channels: list[ChannelRead]
    calls: int
    """Callings of a reporting chain."""
    answered: int
    answered_on_first_rung: int
    to_acknowledge: SpansRead
    """From the start of a calling to its answer, whichever way that came."""
    updates_owed: int
    updates_missed: int
    reports: ReportsRead

    @classmethod
    def of(cls, told: Communication) -> "CommunicationRead":
        seen = told.reports
        return cls(
            channels=[ChannelRead.of(name, one) for name, one in told.channels.items()], calls=told.calls,
            answered=told.answered, answered_on_first_rung=told.first_rung, to_acknowledge=SpansRead.of(told.to_acknowledge),
            updates_owed=told.updates["owed"], updates_missed=told.updates["missed"],
            reports=ReportsRead(
                number=seen.number, complete=seen.complete, completeness=share(seen.present, seen.parts),
                missing=dict(seen.missing),
            ),
        )  # fmt: skip


class MeasuredRead(BaseModel):
    incidents: int
    times: dict[str, MeasureRead]
    """From detection: `acknowledge` (its mean is the MTTA), `activate`, `first_task`, `restore`."""
    updates_owed: int
    updates_on_time: float | None
    communication: CommunicationRead

    @classmethod
    def of(cls, measured: Measured) -> "MeasuredRead":
        return cls(
            incidents=measured.incidents, times=_times(measured), updates_owed=measured.updates_owed,
            updates_on_time=measured.updates_on_time, communication=CommunicationRead.of(measured.communication),
        )  # fmt: skip


class GroupRead(MeasuredRead):
    key: str


class MetricsRead(BaseModel):
    """Figures of a period; exercises, tests and cancelled incidents are left out."""

    start: Annotated[datetime, Field(serialization_alias="from")]
    end: Annotated[datetime, Field(serialization_alias="to")]
    by: By | None
    total: MeasuredRead
    groups: list[GroupRead]

    @classmethod
    def of(cls, answer: Answer, *, start: datetime, end: datetime, by: By | None) -> "MetricsRead":
        groups = [
            GroupRead(key=key, **MeasuredRead.of(one).model_dump()) for key, one in answer.groups.items()
        ]
        return cls(start=start, end=end, by=by, total=MeasuredRead.of(answer.total), groups=groups)


def _times(measured: Measured) -> dict[str, MeasureRead]:
    return {name: MeasureRead(**vars(measure)) for name, measure in measured.times.items()}


def _seconds(number: float | None) -> timedelta | None:
    return None if number is None else timedelta(seconds=number)
