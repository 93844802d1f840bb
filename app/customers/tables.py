"""Outlets of announcements, and feedback of customers."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base

_OWED = text("state in ('received', 'sorted')")


class Outlet(Base):
    """A way announcements go out by, beside the status page: a group, a mailing list, another system's webhook."""

    __tablename__ = "outlets"

    id: Mapped[str] = mapped_column(String(63), primary_key=True)  # the slug announcements name it by
    title: Mapped[str] = mapped_column(String(200))
    contact_id: Mapped[str] = mapped_column(ForeignKey("contact_points.id"))
    channel: Mapped[str] = mapped_column(String(32))
    address_masked: Mapped[str] = mapped_column(String(200))
    language: Mapped[str | None] = mapped_column(String(8))  # none: the installation's
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]  # nothing goes there any more; kept for the record


class FeedbackState(StrEnum):
    """Where an answer to a customer is."""

    RECEIVED = "received"  # nobody has said of what kind it is, so nobody owes the answer yet but who sorts
    SORTED = "sorted"  # a position owes the answer
    ANSWERED = "answered"  # the customer has the answer
    DROPPED = "dropped"  # none is owed: said twice, or not ours


class Came(StrEnum):
    """How a customer said it."""

    PHONE = "phone"
    CHAT = "chat"
    MAIL = "mail"
    SOCIAL = "social"  # in public
    VISIT = "visit"
    OTHER = "other"


class Feedback(Base):
    """Something a customer said, and what became of it; no name and no address of theirs is kept here."""

    __tablename__ = "feedback"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    incident_id: Mapped[str | None] = mapped_column(
        ForeignKey("incidents.id"), index=True
    )  # none: about none
    came: Mapped[Came] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    reference: Mapped[str | None] = mapped_column(
        String(100)
    )  # by which the customer is found: an order, a ticket
    said_at: Mapped[datetime]
    entered_at: Mapped[datetime]
    entered_by: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str | None] = mapped_column(String(63))  # of the plan; none: not sorted
    position: Mapped[str] = mapped_column(String(63))  # owes the next step: sorting, then the answer
    due_at: Mapped[datetime]
    state: Mapped[FeedbackState] = mapped_column(String(16), default=FeedbackState.RECEIVED)
    missed_at: Mapped[datetime | None]  # the due time passed without it
    answer: Mapped[str | None] = mapped_column(Text)
    ended_by: Mapped[str | None] = mapped_column(String(200))  # answered or dropped it
    ended_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        # What is owed, the longest first.
        Index("ix_feedback_owed", "due_at", postgresql_where=_OWED, sqlite_where=_OWED),
        # The figures of a time.
        Index("ix_feedback_said", "said_at"),
    )
