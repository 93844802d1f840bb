"""What crosses the wire about meetings."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from app.meetings.calling import Changed, Minutes, Wanted
from app.meetings.tables import Guest, GuestKind, Meeting, MeetingState
from app.people.schemas import Line
from app.vocabulary import Moment, Slug
from app.wording import spoken

_Title = Annotated[Line, Field(min_length=1, max_length=200)]
_Lasts = Annotated[timedelta, Field(ge=timedelta(minutes=1), le=timedelta(days=2))]
_Room = Annotated[Line, Field(min_length=1, max_length=200)]
_Link = Annotated[Line, Field(max_length=1000, pattern=r"^https?://[^\s<>\"]+$")]
_Prose = Annotated[str, Field(min_length=1, max_length=20_000)]
_Guests = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=500)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, use_attribute_docstrings=True)


class Invited(_In):
    """Who is to come."""

    people: _Guests = Field(default_factory=list)
    """By id."""
    groups: Annotated[list[Slug], Field(max_length=100)] = Field(default_factory=list)
    """Positions (whoever stands for them now), departments, or `command_post`."""
    parties: Annotated[list[Slug], Field(max_length=100)] = Field(default_factory=list)
    """Outside: told the title, when and where, and nothing else."""


class CallMeeting(_In):
    title: _Title
    starts_at: Moment
    lasts: _Lasts = timedelta(minutes=30)
    room: _Room | None = None
    link: _Link | None = None
    """Of a video conference. A room, a link, or both."""
    who: Invited

    def wanted(self) -> Wanted:
        return Wanted(
            title=self.title, starts_at=self.starts_at, lasts=self.lasts, room=self.room, link=self.link,
            people=self.who.people, groups=self.who.groups, parties=self.who.parties,
        )  # fmt: skip


class MoveMeeting(_In):
    """What is to be different; the rest stays."""

    title: _Title | None = None
    starts_at: Moment | None = None
    lasts: _Lasts | None = None
    room: _Room | None = None
    link: _Link | None = None

    def changed(self) -> Changed:
        return Changed(
            title=self.title, starts_at=self.starts_at, lasts=self.lasts, room=self.room, link=self.link
        )


class CancelMeeting(_In):
    reason: Annotated[str, Field(max_length=4000)] | None = None


class WriteMinutes(_In):
    text: _Prose
    decided: Annotated[list[Annotated[str, Field(min_length=1, max_length=4000)]], Field(max_length=50)] = (
        Field(default_factory=list)
    )
    """Each stands on the timeline as a decision of its own."""
    attended: _Guests = Field(default_factory=list)
    """Ids of guests who came; of the others it is noted that they did not."""
    others: Annotated[list[_Title], Field(max_length=100)] = Field(default_factory=list)
    """Names of who came besides."""

    def taken(self) -> Minutes:
        return Minutes(self.text, self.decided, self.attended, self.others)


class GuestRead(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    kind: GuestKind
    of: str
    """Id of the person or party."""
    position: str | None
    name: str
    attended: bool | None
    """None: nobody has noted it yet."""
    why_not: str | None
    """Why they could not be told."""


class MeetingRead(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    incident_id: str
    title: str
    starts_at: datetime
    lasts: timedelta
    room: str | None
    link: str | None
    state: MeetingState
    sequence: int
    """Of the calendar file: grows with each change."""
    organiser: str
    guests: list[GuestRead]
    minutes: list[dict[str, Any]]
    version: int

    @classmethod
    def of(cls, one: Meeting, guests: Sequence[Guest], language: str) -> Self:
        return cls(
            id=one.id, incident_id=one.incident_id, title=one.title, starts_at=one.starts_at,
            lasts=timedelta(seconds=one.lasts), room=one.room, link=one.link, state=one.state, sequence=one.sequence,
            organiser=one.organiser, minutes=one.minutes, version=one.version,
            guests=[
                GuestRead(
                    id=guest.id, kind=guest.kind, of=guest.of, position=guest.position, name=guest.name,
                    attended=guest.attended, why_not=spoken(guest.why_not, language),
                )
                for guest in guests
            ],
        )  # fmt: skip


class Meetings(BaseModel):
    items: list[MeetingRead]
