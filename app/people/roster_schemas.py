"""What crosses the wire about rosters, overrides, swaps, absences, check-ins and calendar feeds."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.access.keys import Principal
from app.people import absences, rosters
from app.people.discretion import Shown, shown
from app.people.holders import Calendar
from app.people.rota import EVERY_DAY, Rotation, Why, Window
from app.people.schemas import WallClock
from app.people.tables import (
    Absence,
    AbsenceState,
    Availability,
    Feed,
    Health,
    Override,
    Roster,
    Swap,
    SwapState,
)
from app.vocabulary import Moment, Slug
from app.wording import render, say

PersonId = Annotated[str, Field(min_length=1, max_length=26)]
_HOURS_OF_A_DAY = 24


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, use_attribute_docstrings=True)


class RestrictionGiven(_In):
    """When a rotation counts, by the clock on the wall."""

    begins: WallClock
    ends: WallClock
    """At or before `begins`: of the next day."""
    weekdays: Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(min_length=1, max_length=7)] = Field(
        default_factory=lambda: sorted(EVERY_DAY)
    )
    """On which days it begins; 1 is Monday."""


class RotationGiven(_In):
    """People in turn: one layer of a roster."""

    name: Annotated[str, Field(max_length=64)] = ""
    starts_on: Annotated[date, Field(ge=date(2000, 1, 1), le=date(2200, 1, 1))]
    """The first turn begins on this day."""
    handover: WallClock
    days_per_shift: Annotated[int, Field(ge=1, le=366)] | None = None
    """1: daily, 7: weekly."""
    hours_per_shift: Annotated[int, Field(ge=1, le=8784)] | None = None
    """For turns that are no whole days; one of the two is given."""
    participants: Annotated[list[PersonId], Field(min_length=1, max_length=200)]
    """Ids of people who hold the position, in turn; who stands there twice has two turns in a round."""
    restrictions: Annotated[list[RestrictionGiven], Field(max_length=50)] = Field(default_factory=list)
    """None: always."""

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if (self.days_per_shift is None) == (self.hours_per_shift is None):
            raise ValueError("give days_per_shift or hours_per_shift, and only one of them")
        return self

    def rotation(self, time_zone: str) -> Rotation:
        hours = self.hours_per_shift or (self.days_per_shift or 1) * _HOURS_OF_A_DAY
        return Rotation(
            time_zone=time_zone, starts_on=self.starts_on, handover=time.fromisoformat(self.handover),
            length=timedelta(hours=hours), participants=tuple(self.participants), name=self.name,
            windows=tuple(
                Window(time.fromisoformat(one.begins), time.fromisoformat(one.ends), frozenset(one.weekdays))
                for one in self.restrictions
            ),
        )  # fmt: skip

    @classmethod
    def of(cls, rotation: Rotation) -> "RotationGiven":
        days, hours = divmod(rotation.length // timedelta(hours=1), _HOURS_OF_A_DAY)
        return cls(
            name=rotation.name, starts_on=rotation.starts_on, handover=f"{rotation.handover:%H:%M}",
            days_per_shift=None if hours else days,
            hours_per_shift=days * _HOURS_OF_A_DAY + hours if hours else None,
            participants=list(rotation.participants),
            restrictions=[
                RestrictionGiven(
                    begins=f"{one.begins:%H:%M}", ends=f"{one.ends:%H:%M}", weekdays=sorted(one.weekdays)
                )
                for one in rotation.windows
            ],
        )  # fmt: skip


class WriteRoster(_In):
    """Whose turn it is at a position; replaces the roster it had.

    One rotation may be written without the list, its fields beside `position` and `time_zone`.
    """

    position: Slug
    time_zone: Annotated[str, Field(max_length=64, examples=["Asia/Shanghai"])]
    rotations: Annotated[list[RotationGiven], Field(min_length=1, max_length=20)]
    """Layers: where two count at a moment, the upper wins, and the lower stands in."""

    @model_validator(mode="before")
    @classmethod
    def _one_rotation(cls, said: Any) -> Any:
        if not isinstance(said, dict) or "rotations" in said:
            return said
        own = {name: value for name, value in said.items() if name in RotationGiven.model_fields}
        return {**{name: value for name, value in said.items() if name not in own}, "rotations": [own]}

    def stack(self) -> list[Rotation]:
        return [one.rotation(self.time_zone) for one in self.rotations]


class RosterRead(BaseModel):
    id: str
    position: str
    time_zone: str
    rotations: list[RotationGiven]
    written_at: datetime
    replaced_at: datetime | None
    version: int

    @classmethod
    def of(cls, row: Roster) -> "RosterRead":
        stack = rosters.rotations_of(row)
        return cls(
            id=row.id, position=row.position_id, time_zone=stack[0].time_zone,
            rotations=[RotationGiven.of(one) for one in stack], written_at=row.written_at,
            replaced_at=row.replaced_at, version=row.version,
        )  # fmt: skip


class StretchRead(BaseModel):
    """Who is called for the position for a time, the addresses left out."""

    begins: datetime
    ends: datetime
    people: list[dict[str, str]]
    """Id and name of each; none: nobody can be called."""
    why: Why | None
    rotation: str | None
    instead_of: str | None
    """The name of whose turn it would be."""

    @classmethod
    def all_of(cls, calendar: Calendar) -> "list[StretchRead]":
        names = calendar.names
        return [
            cls(
                begins=one.begins, ends=one.ends,
                people=[{"id": person, "name": names.get(person, person)} for person in one.people], why=one.why,
                rotation=one.rotation, instead_of=names.get(one.instead_of or ""),
            )
            for one in calendar.stretches
        ]  # fmt: skip


class Stretches(BaseModel):
    items: list[StretchRead]
    next: None = None


class PutIn(_In):
    """Somebody is put in for a time."""

    person_id: PersonId
    begins: Moment
    ends: Moment


class OverrideRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    position: str
    person_id: str
    begins: datetime
    ends: datetime
    instead_of: str | None
    swap_id: str | None
    made_at: datetime
    made_by: str
    withdrawn_at: datetime | None

    @classmethod
    def of(cls, row: Override) -> "OverrideRead":
        columns = {name: getattr(row, name) for name in cls.model_fields if name != "position"}
        return cls(position=row.position_id, **columns)


class ProposeSwap(_In):
    """Somebody gives a turn to another, perhaps for one of theirs."""

    person_id: PersonId
    """Whose turn it is."""
    begins: Moment
    ends: Moment
    with_id: PersonId
    """Who is to take it."""
    back_begins: Moment | None = None
    back_ends: Moment | None = None
    """What they give for it, if anything."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.back_begins is None) != (self.back_ends is None):
            raise ValueError("give both back_begins and back_ends, or neither")
        return self


class AnswerSwap(_In):
    event: Literal["accept", "decline", "withdraw"]


class SwapRead(BaseModel):
    id: str
    position: str
    person_id: str
    begins: datetime
    ends: datetime
    with_id: str
    back_begins: datetime | None
    back_ends: datetime | None
    state: SwapState
    proposed_at: datetime
    answered_at: datetime | None
    answered_by: str | None
    version: int

    @classmethod
    def of(cls, row: Swap) -> "SwapRead":
        columns = {name: getattr(row, name) for name in cls.model_fields if name != "position"}
        return cls(position=row.position_id, **columns)


class AskAbsence(_In):
    """Leave, or remote work."""

    kind: Literal[Availability.LEAVE, Availability.REMOTE]
    begins: Moment
    ends: Moment


class AnswerAbsence(_In):
    event: Literal["approve", "reject", "withdraw"]


class AbsenceRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str
    person_id: str
    kind: Shown
    """Of leave and illness `away`, unless it is your own or you manage."""
    begins: datetime | None
    ends: datetime
    state: AbsenceState
    asked_at: datetime
    asked_by: str
    answered_at: datetime | None
    answered_by: str | None
    note: str | None
    """That it counts from later than was asked for, where that is so, and why."""
    version: int

    @classmethod
    def of(cls, row: Absence, who: Principal, language: str) -> "AbsenceRead":
        columns = {name: getattr(row, name) for name in cls.model_fields if name not in {"kind", "note"}}
        note = render(say("people.absence.cut"), language) if absences.is_cut(row) else None
        return cls(kind=shown(row.kind, row.person_id, who), note=note, **columns)


class CheckInGiven(_In):
    health: Health
    """Whoever has symptoms or is ill is not called from now on; who is well again is."""


class CheckInRead(BaseModel):
    id: str
    person_id: str
    health: Health
    at: datetime
    availability: Availability
    """What follows from it."""


class HealthSummary(BaseModel):
    """What was said on a day."""

    since: datetime
    until: datetime
    well: int
    away: list[dict[str, str]]
    """Id and name of those with symptoms or ill."""
    missing: list[dict[str, str]]
    """Id and name of those who said nothing."""


class TakenIn(BaseModel):
    """What a calendar brought."""

    added: int
    changed: int


class MakeFeed(_In):
    """A calendar to subscribe to: of a roster, or of a person."""

    position: Slug | None = None
    person_id: PersonId | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.position is None) == (self.person_id is None):
            raise ValueError("give position or person_id, and only one of them")
        return self


class FeedRead(BaseModel):
    id: str
    position: str | None
    person_id: str | None
    made_at: datetime
    made_by: str
    revoked_at: datetime | None

    @classmethod
    def of(cls, row: Feed) -> "FeedRead":
        return cls(
            id=row.id, position=row.position_id, person_id=row.person_id, made_at=row.made_at, made_by=row.made_by,
            revoked_at=row.revoked_at,
        )  # fmt: skip


class FeedMade(FeedRead):
    url: str
    """The address itself: shown this once and never again."""
