"""What the watch remembers: its own tests, and the times a channel failed."""

from datetime import datetime

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.outbox import BigId

_FAILING = text("working_at is null")


class SelfTest(Base):
    """One synthetic incident on its way through the product, with the moment it reached each stage."""

    __tablename__ = "self_tests"

    key: Mapped[str] = mapped_column(
        String(20), primary_key=True
    )  # the slot of time: one test, however many replicas
    first_message: Mapped[int | None] = mapped_column(BigId)  # of the outbox: what it left behind begins here
    receipt_id: Mapped[str | None] = mapped_column(String(26))
    incident_id: Mapped[str | None] = mapped_column(String(26), index=True)
    begun_at: Mapped[datetime]  # put into the inbox
    graded_at: Mapped[datetime | None]  # an incident with a level
    timer_due_at: Mapped[datetime | None]
    fired_at: Mapped[datetime | None]  # its timer fell due and was followed up
    received_at: Mapped[datetime | None]  # the internal receiver has the message: it came through
    late_at: Mapped[datetime | None]  # it had not come through in time, and people were told


class ChannelEpisode(Base):
    """A time in which a channel took nothing."""

    __tablename__ = "channel_episodes"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    channel: Mapped[str] = mapped_column(String(32))
    failing_at: Mapped[datetime]  # when it was noticed
    working_at: Mapped[datetime | None]  # none: it still fails

    __table_args__ = (
        # One episode at a time, whichever replica notices it first.
        Index("uq_channel_episodes_failing", "channel", unique=True, postgresql_where=_FAILING, sqlite_where=_FAILING),
    )  # fmt: skip
