"""Departments, positions, people and how they are reached."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
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
    skills: Mapped[list[str]]
    left_at: Mapped[datetime | None]  # no longer with the centre; kept for the record
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)


class ContactPoint(Base):
    """One way to reach somebody; tried in the order of `rank`."""

    __tablename__ = "contact_points"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), index=True)
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


class Roster(Base):
    """Whose turn it is at a position: people in turn, handing over at a wall-clock time in a zone."""

    __tablename__ = "rosters"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    position_id: Mapped[str] = mapped_column(ForeignKey("positions.id"), unique=True)
    time_zone: Mapped[str] = mapped_column(String(64))
    starts_on: Mapped[date]  # the first shift begins on this day
    handover: Mapped[str] = mapped_column(String(5))  # HH:MM, wall clock of the zone
    days_per_shift: Mapped[int]
    participants: Mapped[list[str]]  # person ids, in turn
    version: Mapped[int] = mapped_column(default=1)
