"""Occurrences of the plan's recurring duties, of the handovers of rosters, and of the summaries of check-ins."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class DutyState(StrEnum):
    DUE = "due"  # to be done by its owner
    DONE = "done"  # done, with a note
    OVERDUE = "overdue"  # its time passed


class DutyOccurrence(Base):
    __tablename__ = "duty_occurrences"

    # The moment it fell due, and the duty: whichever replica fires it, one row; and they sort by time.
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    duty: Mapped[str] = mapped_column(String(63))
    title: Mapped[dict[str, Any]]
    clause: Mapped[str] = mapped_column(String(32))
    owner: Mapped[str] = mapped_column(String(63))
    fired_at: Mapped[datetime]
    due_at: Mapped[datetime]
    state: Mapped[DutyState] = mapped_column(String(16), default=DutyState.DUE)
    done_at: Mapped[datetime | None]
    done_by: Mapped[str | None] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(Text)


class HandoverOccurrence(Base):
    """A position went from one holder to another; both are told, once."""

    __tablename__ = "handover_occurrences"

    # The moment, the position and the new holder: whichever replica fires it, one row; and they sort by time.
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    position: Mapped[str] = mapped_column(String(63))
    handed_over_at: Mapped[datetime]
    from_id: Mapped[str | None] = mapped_column(String(26))  # none: nobody held it
    to_id: Mapped[str | None] = mapped_column(String(26))  # none: nobody holds it


class CheckInSummary(Base):
    """The check-ins of a day were summed up and told (EO-1)."""

    __tablename__ = "check_in_summaries"

    day: Mapped[str] = mapped_column(String(10), primary_key=True)  # by the clocks of the centre
    fired_at: Mapped[datetime]
