"""What crosses the wire about announcements, outlets and feedback. Addresses come in; only masks go out."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.customers import feedback
from app.customers.feedback import Decided, FeedbackEvent, Figures, Said
from app.customers.tables import Came, Feedback, FeedbackState
from app.incidents.announcements import AnnouncementEvent, Words
from app.incidents.document import FeedbackKind
from app.incidents.tables import Stage
from app.vocabulary import ChannelName, Localised, Moment, Slug

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000)]
_Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
_Reference = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")
]
_Outlets = Annotated[list[Slug], Field(max_length=50)]
Language = Literal["zh-Hans", "zh-Hant", "en"]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class _Told(BaseModel):
    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class DraftAnnouncement(_Asked):
    stage: Stage = Stage.BEGUN
    title: Localised | None = None
    """None: the plan's words for the type of incident and the stage; the same for the text."""
    text: Localised | None = None
    audience: Literal["customers", "affected_customers", "partners", "regulator"] = "customers"
    outlets: _Outlets = Field(default_factory=list)
    """Where it goes besides the public status page, which shows what is for `customers`."""

    def words(self, begun: Words) -> Words:
        """What was given, and the plan's words where nothing was."""
        return Words(self.stage, _said(self.title) or begun.title, _said(self.text) or begun.text)


class ReviseAnnouncement(_Asked):
    stage: Stage
    title: Localised
    text: Localised
    outlets: _Outlets | None = None
    """None: as chosen before."""

    def words(self) -> Words:
        return Words(self.stage, _said(self.title) or {}, _said(self.text) or {})


class MoveAnnouncement(_Asked):
    event: AnnouncementEvent
    reason: _Text | None = None


class WordsRead(_Told):
    """What an announcement can begin with."""

    stage: Stage
    title: dict[str, str | None]
    text: dict[str, str | None]


class AddOutlet(_Asked):
    id: Slug
    title: _Short
    channel: ChannelName
    address: Annotated[str, Field(max_length=2000)] = ""
    language: Language | None = None


class OutletRead(_Told):
    id: str
    title: str
    channel: str
    address_masked: str
    language: str | None
    created_at: datetime
    retired_at: datetime | None


class EnterFeedback(_Asked):
    text: _Text
    came: Came
    incident: str | None = None
    """Id or number; none: it is about no incident."""
    kind: Slug | None = None
    """Of the plan; unsaid, somebody sorts it."""
    reference: _Reference | None = None
    """By which the customer is found in your own systems; no name, no number to call."""
    said_at: Moment | None = None

    def said(self, incident_id: str | None) -> Said:
        return Said(
            text=self.text, came=self.came, incident_id=incident_id, kind=self.kind, reference=self.reference,
            said_at=self.said_at,
        )  # fmt: skip


class MoveFeedback(_Asked):
    event: FeedbackEvent
    kind: Slug | None = None
    """sort: of what kind it is."""
    position: Slug | None = None
    """sort: who is to answer; unsaid, whom the plan names for the kind."""
    due_at: Moment | None = None
    """sort: by when; unsaid, as the plan says for the kind."""
    answer: _Text | None = None
    """answer: what the customer was told."""
    reason: _Text | None = None
    """drop: why no answer is owed."""

    @model_validator(mode="after")
    def _only_what_belongs(self) -> Self:
        allowed = {"sort": {"kind", "position", "due_at"}, "answer": {"answer"}, "drop": {"reason"}}[
            self.event
        ]
        if stray := self.model_fields_set - allowed - {"event"}:
            raise ValueError(f"{', '.join(sorted(stray))}: not with {self.event}")
        return self

    def decided(self) -> Decided:
        return Decided(**self.model_dump())


class FeedbackRead(_Told):
    id: str
    incident_id: str | None
    came: Came
    text: str
    reference: str | None
    said_at: datetime
    entered_at: datetime
    entered_by: str
    kind: str | None
    position: str
    """Owes the next step: sorting it, then answering."""
    due_at: datetime
    state: FeedbackState
    missed_at: datetime | None
    answer: str | None
    ended_by: str | None
    ended_at: datetime | None
    reason: str | None
    version: int
    allowed: list[str] = Field(default_factory=list)

    @classmethod
    def of(cls, row: Feedback) -> "FeedbackRead":
        read = cls.model_validate(row)
        read.allowed = [str(event) for event in feedback.allowed(row)]
        return read


class CountRead(_Told):
    kind: str
    """`unsorted`: nobody has said yet."""
    title: Localised | None
    received: int
    answered: int
    in_time: int
    """Of the answered."""
    dropped: int
    owed: int
    overdue: int
    """Of the owed."""


class FiguresRead(_Told):
    items: list[CountRead]
    complaints: int

    @classmethod
    def of(cls, figures: Figures, kinds: Mapping[str, FeedbackKind]) -> "FiguresRead":
        items = [
            CountRead(kind=name, title=kinds[name].title if name in kinds else None, **asdict(count))
            for name, count in sorted(figures.by_kind.items())
        ]
        return cls(items=items, complaints=figures.complaints)


def _said(text: Localised | None) -> dict[str, str] | None:
    return text.model_dump(exclude_none=True) if text is not None else None
