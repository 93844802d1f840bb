"""Notices, the rounds of the reporting chain, deliveries and their attempts."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base

_CALLING = text("state = 'calling'")
_ENDED = text("ended_at is not null")
_FAILED = text("state = 'failed'")
_UNSENT = text("state in ('pending', 'sending')")


class RoundState(StrEnum):
    CALLING = "calling"  # nobody has answered yet
    ACKNOWLEDGED = "acknowledged"  # somebody has it
    SUPERSEDED = "superseded"  # a graver level or a new occurrence began a round of its own
    WITHDRAWN = "withdrawn"  # what it was about has ended


class Round(Base):
    """One calling of a chain: belongs to an occurrence and a level."""

    __tablename__ = "rounds"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    ref: Mapped[str] = mapped_column(String(64), index=True)  # what it is about; this room never knows what
    key: Mapped[str] = mapped_column(String(200), unique=True)  # ref, occurrence, level, purpose: called once
    notice_id: Mapped[str] = mapped_column(ForeignKey("notices.id"))
    level: Mapped[int]
    code: Mapped[str] = mapped_column(
        String(8), default="", index=True
    )  # typed by whoever answers from a telephone
    chain: Mapped[dict[str, Any]]  # a copy of `Chain`: a plan edit never changes a round under way
    state: Mapped[RoundState] = mapped_column(String(16), default=RoundState.CALLING)
    lap: Mapped[int] = mapped_column(default=1)  # how often it has begun from the top
    hop: Mapped[int] = mapped_column(default=0)  # the last rung told, from 1; 0: none yet
    reached: Mapped[bool] = mapped_column(default=False)  # at least one message was written to somebody
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None] = mapped_column(String(200))
    via: Mapped[str | None] = mapped_column(String(32))  # how the answer came: link, api, console, sms, …

    __table_args__ = (
        # Who is being called about something: asked by every answer and every new call.
        Index("ix_rounds_calling", "ref", postgresql_where=_CALLING, sqlite_where=_CALLING),
        # Rounds that ended lately: nothing of them may still be on its way.
        Index("ix_rounds_ended", "ended_at", postgresql_where=_ENDED, sqlite_where=_ENDED),
    )  # fmt: skip


class Notice(Base):
    """What is told, once, whoever it goes to."""

    __tablename__ = "notices"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    ref: Mapped[str] = mapped_column(String(64), index=True)
    kind: Mapped[str] = mapped_column(String(32))  # chain, step, reminder, update, recovered, closed
    level: Mapped[int]
    number: Mapped[str] = mapped_column(String(20))  # said on the phone
    exercise: Mapped[bool]  # a drill: every channel says so
    subject: Mapped[dict[str, Any]]  # Localised
    text: Mapped[dict[str, Any]]  # Localised
    page: Mapped[str | None] = mapped_column(String(200))  # a path of ours that shows what it is about
    attached: Mapped[list[Any]] = mapped_column(default=list)  # of name, media_type, digest
    created_at: Mapped[datetime]


class AttachedFile(Base):
    """The bytes of a file that goes with notices, once, whatever it is called there."""

    __tablename__ = "attached_files"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256
    body: Mapped[bytes] = mapped_column(LargeBinary)


class DeliveryState(StrEnum):
    PENDING = "pending"  # to be sent when its time comes
    SENDING = "sending"  # an engine has it, until its lease ends
    SENT = "sent"  # the channel took it
    ACKNOWLEDGED = "acknowledged"  # its receiver answered
    FAILED = "failed"  # will not be tried again; the next contact point or person was
    DROPPED = "dropped"  # decided against, with the reason


class Delivery(Base):
    """One message to one person by one contact point."""

    __tablename__ = "deliveries"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    notice_id: Mapped[str] = mapped_column(ForeignKey("notices.id"), index=True)
    round_id: Mapped[str | None] = mapped_column(ForeignKey("rounds.id"), index=True)
    ref: Mapped[str] = mapped_column(String(64), index=True)
    level: Mapped[int]  # 1 and 2 go first
    hop: Mapped[int | None]
    lap: Mapped[int | None]
    position: Mapped[str] = mapped_column(String(63))
    person_id: Mapped[str | None] = mapped_column(String(26))  # none: nobody holds the position
    person_name: Mapped[str | None] = mapped_column(String(200))
    language: Mapped[str | None] = mapped_column(String(8))
    contact_id: Mapped[str | None] = mapped_column(String(26))
    channel: Mapped[str] = mapped_column(String(32))
    address_masked: Mapped[str] = mapped_column(String(200), default="")
    asks: Mapped[bool] = mapped_column(default=False)  # carries an acknowledgement link
    opens: Mapped[str | None] = mapped_column(String(16))  # the page of another room its link opens instead
    state: Mapped[DeliveryState] = mapped_column(String(16), default=DeliveryState.PENDING)
    reason: Mapped[dict[str, Any] | None]  # a wording: why it was dropped or failed, or why it is tried again
    note: Mapped[dict[str, Any] | None]  # a wording: what is out of the ordinary about the way chosen
    further: Mapped[list[Any]]  # of [contact id, channel, masked address]: tried in turn should this one fail
    attempts: Mapped[int] = mapped_column(default=0)  # also the fence: who holds a lower number has lost it
    untried: Mapped[int] = mapped_column(
        default=0
    )  # attempts that came to nothing: the destination was left alone
    not_before: Mapped[datetime]  # pending: when to send; sending: when the lease ends
    digest_at: Mapped[datetime | None]  # held back: when its person's digest tells of it
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_deliveries_person", "person_id", "created_at"),  # how much somebody was told lately
        UniqueConstraint("round_id", "lap", "hop", "position", "contact_id", "person_id"),
        # The engine's claim: what is due, the gravest level first.
        Index(
            "ix_deliveries_due", "level", "not_before", postgresql_where=_UNSENT, sqlite_where=_UNSENT,
        ),
        # What was set aside.
        Index("ix_deliveries_failed", "id", postgresql_where=_FAILED, sqlite_where=_FAILED),
    )  # fmt: skip


class Enrolment(Base):
    """Somebody who is told of a drill. A ref that has any is told to these, and to nobody else."""

    __tablename__ = "enrolments"

    ref: Mapped[str] = mapped_column(String(64), primary_key=True)
    who: Mapped[str] = mapped_column(String(63), primary_key=True)  # a position, or a person's id


class Deed(StrEnum):
    """What somebody answers to a call."""

    TAKE = "take"  # I have it: the chain stops
    CANNOT = "cannot"  # I cannot: the next is told at once
    ADD = "add"  # call these as well
    UPDATE = "update"  # how things stand, for those an update is owed to


class AnswerState(StrEnum):
    DONE = "done"  # what it asks for was done
    LATE = "late"  # its call was over: answered, replaced, or what it was about has ended
    NO_CALL = "no_call"  # which call it means cannot be said
    NOT_UNDERSTOOD = "not_understood"  # it says none of the things that can be answered
    UNKNOWN_SENDER = "unknown_sender"  # nobody of ours has that number or account
    FORGED = "forged"  # its signature is wrong; one row for an hour of them


class Answer(Base):
    """What somebody answered, by whatever way it came, also where nothing was done about it."""

    __tablename__ = "answers"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    at: Mapped[datetime]
    via: Mapped[str] = mapped_column(String(32))
    token: Mapped[str | None] = mapped_column(String(200), unique=True)  # the same twice is one answer
    deed: Mapped[Deed | None] = mapped_column(String(16))
    state: Mapped[AnswerState] = mapped_column(String(16))
    words: Mapped[str] = mapped_column(Text)  # as they came, cut short
    by: Mapped[str] = mapped_column(String(200))  # a name; of a stranger the masked number or account
    reason: Mapped[dict[str, Any] | None]  # a wording: why nothing was done
    ref: Mapped[str | None] = mapped_column(String(64), index=True)
    round_id: Mapped[str | None] = mapped_column(ForeignKey("rounds.id"), index=True)
    lap: Mapped[int | None]
    delivery_id: Mapped[str | None] = mapped_column(ForeignKey("deliveries.id"))
    person_id: Mapped[str | None] = mapped_column(String(26), index=True)


class Attempt(Base):
    __tablename__ = "attempts"

    delivery_id: Mapped[str] = mapped_column(ForeignKey("deliveries.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]  # none: its sender died, or is still at it
    outcome: Mapped[str] = mapped_column(String(16))  # sending, sent, retry, failed, untried
    detail: Mapped[str | None] = mapped_column(Text)  # the channel's own words, without address or secret
