"""Meetings, who is invited to them, and who came."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class MeetingState(StrEnum):
    CALLED = "called"  # those invited know when and where
    HELD = "held"  # minutes were written
    CANCELLED = "cancelled"  # those invited know that it does not take place


class Meeting(Base):
    __tablename__ = "meetings"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    title: Mapped[str] = mapped_column(String(200))  # told to everybody invited, parties outside too
    starts_at: Mapped[datetime]
    lasts: Mapped[int]  # seconds
    room: Mapped[str | None] = mapped_column(String(200))
    link: Mapped[str | None] = mapped_column(String(1000))  # of a video conference
    state: Mapped[MeetingState] = mapped_column(String(16), default=MeetingState.CALLED)
    sequence: Mapped[int] = mapped_column(default=0)  # of the calendar file: grows with each change
    organiser: Mapped[str] = mapped_column(String(200))
    called_at: Mapped[datetime]
    minutes: Mapped[list[Any]]  # of {at, by, text}: what is added later stands beside what was there
    version: Mapped[int] = mapped_column(default=1)


class GuestKind(StrEnum):
    PERSON = "person"  # one of our people
    PARTY = "party"  # a party outside, by its first contact


class Guest(Base):
    """Somebody invited, or who came without being."""

    __tablename__ = "meeting_guests"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    meeting_id: Mapped[str] = mapped_column(ForeignKey("meetings.id"))
    kind: Mapped[GuestKind] = mapped_column(String(16))
    of: Mapped[str] = mapped_column(String(63))  # id of the person or party
    position: Mapped[str | None] = mapped_column(String(63))  # as whose holder they are invited
    name: Mapped[str] = mapped_column(String(200))
    attended: Mapped[bool | None]  # none: nobody has noted it yet
    why_not: Mapped[dict[str, Any] | None]  # a wording: why they could not be told

    __table_args__ = (UniqueConstraint("meeting_id", "kind", "of"),)
