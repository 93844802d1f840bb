"""What crosses the wire about the organisation. Addresses come in; only masks go out."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.access.keys import Principal
from app.people.discretion import Shown, shown, told
from app.people.holders import Answer
from app.people.organisation import PersonView
from app.people.rota import Why
from app.people.tables import Availability, Department, Position
from app.vocabulary import ChannelName, Layer, LevelNumber, Localised, Slug, Span
from app.wording import render


def _on_one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters and line breaks have no place here")
    return text


def _each_once(said: list[Any]) -> list[Any]:
    if len(set(said)) < len(said):
        raise ValueError("each is named once")
    return said


Line = Annotated[str, AfterValidator(_on_one_line)]
_Name = Annotated[Line, Field(min_length=1, max_length=200)]
_StaffNumber = Annotated[Line, Field(min_length=1, max_length=64)]
_Skill = Annotated[Line, Field(min_length=1, max_length=64)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, use_attribute_docstrings=True)


class ContactGiven(_In):
    """One way to reach somebody."""

    channel: Annotated[str, Field(max_length=32)]
    address: Annotated[str, Field(max_length=2000)] = ""


WallClock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["09:00"])]
"""A time by the clock on the wall."""


class Certificate(_In):
    """What stands for a skill until its last day is over."""

    skill: _Skill
    number: Annotated[Line, Field(max_length=64)] | None = None
    expires_on: Annotated[date, Field(ge=date(2000, 1, 1), le=date(2200, 1, 1))]
    """The last day it counts, in UTC."""


class QuietHours(_In):
    """Hours in which somebody is not told what can wait; levels 1 and 2 do not wait."""

    begins: WallClock
    ends: WallClock
    """At or before `begins`: of the next day."""
    time_zone: Annotated[str, Field(max_length=64, examples=["Asia/Shanghai"])]


class ContactRule(_In):
    """Which channels somebody is tried by first; the first rule that fits counts, and without one the plan's order."""

    order: Annotated[list[ChannelName], Field(min_length=1, max_length=20), AfterValidator(_each_once)]
    """Contact points of other channels come after."""
    levels: Annotated[list[LevelNumber], Field(max_length=4), AfterValidator(_each_once)] = Field(
        default_factory=list
    )
    """None: all."""
    hours: QuietHours | None = None
    """None: always."""
    wait: Annotated[Span, Field(ge=timedelta(seconds=1), le=timedelta(days=1))] | None = None
    """Between two contact points, within what their rung has; none: as the plan says."""
    steps_down_after: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Messages by one channel within an hour after which that channel is tried last; levels 1 and 2 never; none: never."""


class AddPerson(_In):
    """Somebody new."""

    name: _Name
    staff_number: _StaffNumber | None = None
    """The organisation's own number; imports know people by it."""
    department: Slug | None = None
    positions: Annotated[list[Slug], Field(max_length=50)] = Field(default_factory=list)
    language: str | None = None
    skills: Annotated[list[_Skill], Field(max_length=100)] = Field(default_factory=list)
    certificates: Annotated[list[Certificate], Field(max_length=100)] = Field(default_factory=list)
    quiet_hours: QuietHours | None = None
    contact_rules: Annotated[list[ContactRule], Field(max_length=20)] = Field(default_factory=list)
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
    certificates: Annotated[list[Certificate], Field(max_length=100)] = Field(default_factory=list)
    quiet_hours: QuietHours | None = None
    contact_rules: Annotated[list[ContactRule], Field(max_length=20)] = Field(default_factory=list)
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
    availability: Shown
    """Of somebody on leave or ill `away`, unless it is yourself or you manage."""
    skills: list[str]
    certificates: list[Certificate]
    quiet_hours: QuietHours | None
    contact_rules: list[ContactRule]
    contacts: list[ContactRead]
    left_at: datetime | None
    version: int

    @classmethod
    def of(cls, view: PersonView, who: Principal) -> "PersonRead":
        person = view.person
        contacts = [
            ContactRead(id=point.id, rank=point.rank, channel=point.channel, address=point.address_masked)
            for point in view.contacts
        ]
        return cls(
            id=person.id, name=person.name, staff_number=person.staff_number, department=person.department_id,
            positions=list(view.positions), language=person.language,
            availability=shown(person.availability, person.id, who),
            skills=person.skills,
            certificates=[Certificate.model_validate(one) for one in person.certificates],
            quiet_hours=QuietHours.model_validate(person.quiet_hours) if person.quiet_hours else None,
            contact_rules=[ContactRule.model_validate(one) for one in person.contact_rules or ()],
            contacts=contacts, left_at=person.left_at, version=person.version,
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


class HolderRead(BaseModel):
    person_id: str
    name: str
    language: str | None
    why: Why
    """`turn`, `stand_in`, `override`, `swap`: by the roster; `assigned`: there is none, or nobody of it can be called."""
    rotation: str | None
    """The layer of the roster it is their turn in."""
    instead_of: str | None
    """The name of whose turn it would be."""
    availability: Availability
    contacts: list[ContactRead]
    """How they can be reached, the addresses masked, in the order they are tried."""


class PassedOverRead(BaseModel):
    person_id: str
    name: str
    why: str
    """`away`, in words, unless it is yourself or you manage."""


class OnCallRead(BaseModel):
    """Who is called for one position, in order, and who is not."""

    position: str
    title: dict[str, Any]
    layer: Layer
    holders: list[HolderRead]
    passed_over: list[PassedOverRead]
    until: datetime | None
    """The next handover or other change; none within two months where it is null."""

    @classmethod
    def of(cls, position: Position, answer: Answer, language: str, who: Principal | None) -> "OnCallRead":
        holders = [
            HolderRead(
                person_id=holder.person_id, name=holder.name, language=holder.language, why=holder.why,
                rotation=holder.rotation, instead_of=holder.instead_of, availability=holder.availability,
                contacts=[
                    ContactRead(id=one.contact_id, rank=rank, channel=one.channel, address=one.masked)
                    for rank, one in enumerate(holder.contacts, start=1)
                ],
            )
            for holder in answer.holders
        ]  # fmt: skip
        passed = [
            PassedOverRead(
                person_id=one.person_id,
                name=one.name,
                why=render(told(one.absent, one.person_id, who), language),
            )
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
