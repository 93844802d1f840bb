"""Departments, positions, people and how they are reached."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.vocabulary import Layer


class Availability(StrEnum):
    """Whether somebody can be called on (EP-6.1, EO-1, EO-2)."""

    ON_DUTY = "on_duty"  # can be called
    REMOTE = "remote"  # can be called, is not in the centre
    LEAVE = "leave"  # is passed over
    ILL = "ill"  # is passed over


REACHABLE = frozenset({Availability.ON_DUTY, Availability.REMOTE})


class Department(Base):
    __tablename__ = "departments"

    id: Mapped[str] = mapped_column(String(63), primary_key=True)  # the slug the plan uses
    title: Mapped[dict[str, Any]]  # Localised
    layer: Mapped[Layer] = mapped_column(String(16))


class Position(Base):
    __tablename__ = "positions"

    id: Mapped[str] = mapped_column(String(63), primary_key=True)  # the slug the plan uses
    title: Mapped[dict[str, Any]]  # Localised
    layer: Mapped[Layer] = mapped_column(String(16))
    department_id: Mapped[str] = mapped_column(ForeignKey("departments.id"))
    duties: Mapped[list[Any]]  # of Localised


class Person(Base):
    __tablename__ = "people"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    staff_number: Mapped[str | None] = mapped_column(String(64), unique=True)  # the organisation's own id
    department_id: Mapped[str | None] = mapped_column(ForeignKey("departments.id"))
    language: Mapped[str | None] = mapped_column(String(8))
    availability: Mapped[Availability] = mapped_column(String(16), default=Availability.ON_DUTY)
    available_since: Mapped[datetime | None]  # since when they are available so; none: as long as is known
    skills: Mapped[list[str]]
    certificates: Mapped[list[Any]] = mapped_column(default=list)  # of {skill, number, expires_on}
    quiet_hours: Mapped[dict[str, Any] | None] = mapped_column(default=None)  # {begins, ends, time_zone}
    contact_rules: Mapped[list[Any]] = mapped_column(
        default=list
    )  # of {order, levels, hours, wait, steps_down_after}
    left_at: Mapped[datetime | None]  # no longer with the centre; kept for the record
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)


class ContactPoint(Base):
    """One way to reach somebody; tried in the order of `rank`."""

    __tablename__ = "contact_points"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    person_id: Mapped[str | None] = mapped_column(ForeignKey("people.id"), index=True)  # none: outside
    rank: Mapped[int]  # 1 is tried first
    channel: Mapped[str] = mapped_column(String(32))
    address_sealed: Mapped[str] = mapped_column(Text)  # readable with the secret key only
    address_masked: Mapped[str] = mapped_column(String(200))  # what is shown

    __table_args__ = (UniqueConstraint("person_id", "rank"),)


class Assignment(Base):
    """A person holds a position."""

    __tablename__ = "assignments"

    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    position_id: Mapped[str] = mapped_column(ForeignKey("positions.id"), primary_key=True, index=True)
    since: Mapped[datetime | None] = mapped_column(default=None)  # none: as long as is known


class FormerAssignment(Base):
    """A person held a position: who asks about the past is told of the past."""

    __tablename__ = "former_assignments"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    position_id: Mapped[str] = mapped_column(ForeignKey("positions.id"), index=True)
    since: Mapped[datetime | None]  # none: as long as is known
    until: Mapped[datetime]


class Roster(Base):
    """Whose turn it is at a position. A change is a new row: who asks about the past is told of the past."""

    __tablename__ = "rosters"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    position_id: Mapped[str] = mapped_column(ForeignKey("positions.id"))
    version: Mapped[int]
    rotations: Mapped[list[Any]]  # layers, the upper before the lower; shape in `rosters`
    written_at: Mapped[datetime]
    replaced_at: Mapped[datetime | None]  # in force up to here

    __table_args__ = (
        UniqueConstraint("position_id", "version"),
        # One roster of a position is in force.
        Index(
            "ix_rosters_in_force", "position_id", unique=True,
            postgresql_where=text("replaced_at is null"), sqlite_where=text("replaced_at is null"),
        ),
    )  # fmt: skip


class Override(Base):
    """Somebody is put in for a time; two of them make a swap."""

    __tablename__ = "roster_overrides"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)  # the later made sorts after the earlier
    position_id: Mapped[str] = mapped_column(ForeignKey("positions.id"))
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    begins: Mapped[datetime]
    ends: Mapped[datetime]
    instead_of: Mapped[str | None] = mapped_column(String(26))  # a swap: only while the turn is theirs
    swap_id: Mapped[str | None] = mapped_column(String(26))
    uid: Mapped[str | None] = mapped_column(String(200))  # of the calendar it was imported from
    made_at: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(String(200))
    withdrawn_at: Mapped[datetime | None]  # from then on it never was; kept for the record

    __table_args__ = (
        Index("ix_roster_overrides_position", "position_id", "ends"),
        UniqueConstraint("position_id", "uid", "begins"),
    )


class SwapState(StrEnum):
    PROPOSED = "proposed"  # waits for the other to answer
    ACCEPTED = "accepted"  # the turns have changed hands
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"  # by the one who proposed it


class Swap(Base):
    """Somebody gives a turn away, perhaps for one of the other's; it counts once the other has accepted."""

    __tablename__ = "roster_swaps"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    position_id: Mapped[str] = mapped_column(ForeignKey("positions.id"), index=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))  # gives
    begins: Mapped[datetime]
    ends: Mapped[datetime]
    with_id: Mapped[str] = mapped_column(ForeignKey("people.id"))  # takes
    back_begins: Mapped[datetime | None]  # what they give for it, if anything
    back_ends: Mapped[datetime | None]
    state: Mapped[SwapState] = mapped_column(String(16), default=SwapState.PROPOSED)
    proposed_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str | None] = mapped_column(String(200))
    version: Mapped[int] = mapped_column(default=1)


class AbsenceState(StrEnum):
    REQUESTED = "requested"  # waits for approval; counts for nothing yet
    APPROVED = "approved"  # counts
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Absence(Base):
    """A time in which somebody is on leave, ill or works remotely: planned, or kept of the past (EO-1, EO-2)."""

    __tablename__ = "absences"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    kind: Mapped[Availability] = mapped_column(String(16))
    begins: Mapped[datetime | None]  # none: as long as is known
    ends: Mapped[datetime]
    state: Mapped[AbsenceState] = mapped_column(String(16), default=AbsenceState.APPROVED)
    uid: Mapped[str | None] = mapped_column(String(200))  # of the calendar it was imported from
    asked_at: Mapped[datetime]
    asked_by: Mapped[str] = mapped_column(String(200))
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str | None] = mapped_column(String(200))
    version: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        Index("ix_absences_person", "person_id", "ends"),
        UniqueConstraint("person_id", "uid", "begins"),
    )


class Health(StrEnum):
    """What somebody says of their health; nothing more is asked."""

    WELL = "well"
    SYMPTOMS = "symptoms"  # reports and stays away
    ILL = "ill"


class CheckIn(Base):
    """A daily health check-in (EO-1)."""

    __tablename__ = "check_ins"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    health: Mapped[Health] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(index=True)
    by: Mapped[str] = mapped_column(String(200))


class Feed(Base):
    """A calendar feed: whoever has its address reads the turns of a roster or of a person, and nothing else."""

    __tablename__ = "calendar_feeds"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of the mark in the address
    id: Mapped[str] = mapped_column(String(26), unique=True)
    position_id: Mapped[str | None] = mapped_column(ForeignKey("positions.id"))
    person_id: Mapped[str | None] = mapped_column(ForeignKey("people.id"))
    language: Mapped[str] = mapped_column(String(8))
    made_at: Mapped[datetime]
    made_by: Mapped[str] = mapped_column(String(200))
    maker: Mapped[str] = mapped_column(String(32))  # the person, or the key that names none: may revoke it
    revoked_at: Mapped[datetime | None]
