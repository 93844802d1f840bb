"""What crosses the wire about the organisation. Addresses come in; only masks go out."""

from datetime import date, datetime, time
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.people.holders import Answer
from app.people.organisation import PersonView
from app.people.rosters import Rota
from app.people.tables import Availability, Department, Position, Roster
from app.vocabulary import Layer, Localised, Slug
from app.wording import render


def _on_one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters and line breaks have no place here")
    return text


_Line = Annotated[str, AfterValidator(_on_one_line)]
_Name = Annotated[_Line, Field(min_length=1, max_length=200)]
_StaffNumber = Annotated[_Line, Field(min_length=1, max_length=64)]
_Skill = Annotated[_Line, Field(min_length=1, max_length=64)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, use_attribute_docstrings=True)


class ContactGiven(_In):
    """One way to reach somebody."""

    channel: Annotated[str, Field(max_length=32)]
    address: Annotated[str, Field(max_length=2000)] = ""


class AddPerson(_In):
    """Somebody new."""

    name: _Name
    staff_number: _StaffNumber | None = None
    """The organisation's own number; imports know people by it."""
    department: Slug | None = None
    positions: Annotated[list[Slug], Field(max_length=50)] = Field(default_factory=list)
    language: str | None = None
    skills: Annotated[list[_Skill], Field(max_length=100)] = Field(default_factory=list)
    availability: Availability = Availability.ON_DUTY
    contacts: Annotated[list[ContactGiven], Field(max_length=20)] = Field(default_factory=list)
    """Tried in this order."""


class ChangePerson(_In):
    """What is to be different; the rest stays."""

    name: _Name = ""
    staff_number: _StaffNumber | None = None
    department: Slug | None = None
    positions: Annotated[list[Slug], Field(max_length=50)] = Field(default_factory=list)
    language: str | None = None
    skills: Annotated[list[_Skill], Field(max_length=100)] = Field(default_factory=list)
    availability: Availability = Availability.ON_DUTY
    contacts: Annotated[list[ContactGiven], Field(max_length=20)] = Field(default_factory=list)
    """All of them, in order, in place of those there were."""


class ContactRead(BaseModel):
    id: str
    rank: int
    channel: str
    address: str
    """Masked."""


class PersonRead(BaseModel):
    id: str
    name: str
    staff_number: str | None
    department: str | None
    positions: list[str]
    language: str | None
    availability: Availability
    skills: list[str]
    contacts: list[ContactRead]
    left_at: datetime | None
    version: int

    @classmethod
    def of(cls, view: PersonView) -> "PersonRead":
        person = view.person
        contacts = [
            ContactRead(id=point.id, rank=point.rank, channel=point.channel, address=point.address_masked)
            for point in view.contacts
        ]
        return cls(
            id=person.id, name=person.name, staff_number=person.staff_number, department=person.department_id,
            positions=list(view.positions), language=person.language, availability=person.availability,
            skills=person.skills, contacts=contacts, left_at=person.left_at, version=person.version,
        )  # fmt: skip


class ImportedRead(BaseModel):
    created: int
    updated: int


class AddDepartment(_In):
    """A department the plan does not name."""

    id: Slug
    title: Localised
    layer: Layer


class DepartmentRead(BaseModel):
    id: str
    title: dict[str, Any]
    layer: Layer

    @classmethod
    def of(cls, row: Department) -> "DepartmentRead":
        return cls(id=row.id, title=row.title, layer=row.layer)


class PositionRead(BaseModel):
    id: str
    title: dict[str, Any]
    layer: Layer
    department: str
    duties: list[dict[str, Any]]

    @classmethod
    def of(cls, row: Position) -> "PositionRead":
        return cls(
            id=row.id, title=row.title, layer=row.layer, department=row.department_id, duties=row.duties
        )


class WriteRoster(_In):
    """Whose turn it is at a position; replaces the roster it had."""

    position: Slug
    time_zone: Annotated[str, Field(max_length=64, examples=["Asia/Shanghai"])]
    starts_on: Annotated[date, Field(ge=date(2000, 1, 1), le=date(2200, 1, 1))]
    """The first shift begins on this day."""
    handover: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["09:00"])]
    """By the clock on the wall."""
    days_per_shift: Annotated[int, Field(ge=1, le=366)]
    participants: Annotated[list[str], Field(min_length=1, max_length=200)]
    """Ids of people who hold the position, in turn."""

    def rota(self) -> Rota:
        handover = time.fromisoformat(self.handover)
        return Rota(self.time_zone, self.starts_on, handover, self.days_per_shift, tuple(self.participants))


class RosterRead(BaseModel):
    id: str
    position: str
    time_zone: str
    starts_on: date
    handover: str
    days_per_shift: int
    participants: list[str]
    version: int

    @classmethod
    def of(cls, row: Roster) -> "RosterRead":
        return cls(
            id=row.id, position=row.position_id, time_zone=row.time_zone, starts_on=row.starts_on,
            handover=row.handover, days_per_shift=row.days_per_shift,
            participants=row.participants, version=row.version,
        )  # fmt: skip


class HolderRead(BaseModel):
    person_id: str
    name: str
    language: str | None
    why: str
    contacts: list[ContactRead]


class PassedOverRead(BaseModel):
    person_id: str
    name: str
    why: str


class OnCallRead(BaseModel):
    """Who is called for one position, in order, and who is not."""

    position: str
    title: dict[str, Any]
    layer: Layer
    holders: list[HolderRead]
    passed_over: list[PassedOverRead]
    until: datetime | None
    """The next handover of the roster."""

    @classmethod
    def of(cls, position: Position, answer: Answer, language: str) -> "OnCallRead":
        holders = [
            HolderRead(
                person_id=holder.person_id, name=holder.name, language=holder.language, why=holder.why.value,
                contacts=[
                    ContactRead(id=one.contact_id, rank=rank, channel=one.channel, address=one.masked)
                    for rank, one in enumerate(holder.contacts, start=1)
                ],
            )
            for holder in answer.holders
        ]  # fmt: skip
        passed = [
            PassedOverRead(person_id=one.person_id, name=one.name, why=render(one.why, language))
            for one in answer.passed_over
        ]
        return cls(
            position=position.id, title=position.title, layer=position.layer, holders=holders,
            passed_over=passed, until=answer.until,
        )  # fmt: skip


class OnCallAt(BaseModel):
    """The on-call picture of one moment."""

    at: datetime
    items: list[OnCallRead]
    next: str | None = None
