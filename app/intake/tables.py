"""Sources, what they sent as it came, what became of it, and the problems it tells of."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.intake.signals import SignalState


class Source(Base):
    __tablename__ = "sources"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    slug: Mapped[str] = mapped_column(String(63), unique=True)
    kind: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(200))
    mapping: Mapped[dict[str, Any] | None]  # generic: where in the body things stand
    signing_sealed: Mapped[str | None] = mapped_column(Text)  # the secret it signs with, where it signs
    addresses: Mapped[list[Any] | None]  # networks it comes from, and from nowhere else
    topics: Mapped[list[Any] | None]  # of SNS, and no others
    default_type: Mapped[str] = mapped_column(String(63), default="other")
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    last_seen_at: Mapped[datetime | None]
    expect_every: Mapped[int | None]  # seconds; quiet for longer, it has fallen silent
    silent_since: Mapped[datetime | None]  # it has, and people were told: when it was last heard


class ReceiptState(StrEnum):
    UNDERSTOOD = "understood"  # its signals are in the outbox, or judged already: see the verdicts
    NOT_UNDERSTOOD = "not_understood"  # kept and shown; the sender was told 400


class Receipt(Base):
    """One request of a source, kept as it came."""

    __tablename__ = "receipts"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    source_id: Mapped[str] = mapped_column(ForeignKey("sources.id"), index=True)
    received_at: Mapped[datetime]
    content_type: Mapped[str | None] = mapped_column(String(200))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    signals: Mapped[list[Any]]  # app.intake.signals.Signal, as JSON
    state: Mapped[ReceiptState] = mapped_column(String(16))
    unjudged: Mapped[bool] = mapped_column(
        default=False
    )  # it has signals, and nothing came of any of them yet
    delivery: Mapped[str | None] = mapped_column(
        String(255)
    )  # the number its sender gave it, where it numbers them
    error: Mapped[dict[str, Any] | None]  # a wording, and under `errors` a wording for each mistake

    __table_args__ = (
        Index(
            "ix_receipts_not_understood", "received_at",
            postgresql_where=text("state = 'not_understood'"), sqlite_where=text("state = 'not_understood'"),
        ),
        # Has this been delivered before?
        Index(
            "ix_receipts_delivery", "delivery",
            postgresql_where=text("delivery IS NOT NULL"), sqlite_where=text("delivery IS NOT NULL"),
        ),
        # The auditor's question: what waits to be judged, and not a week of what was.
        Index("ix_receipts_unjudged", "id", postgresql_where=text("unjudged"), sqlite_where=text("unjudged = 1")),
    )  # fmt: skip


class Outcome(StrEnum):
    """What became of a signal."""

    RAISED = "raised"  # a new incident
    JOINED = "joined"  # an incident that somebody had opened for it already
    REPEATED = "repeated"  # nothing new: counted
    RECURRED = "recurred"  # it happened again while its incident was open
    FLAPPED = (
        "flapped"  # it came back before it had been quiet for its dwell time: counted, nobody is called anew
    )
    HELD = "held"  # a maintenance window holds it: kept, nobody is called until the window is over
    RECOVERED = "recovered"  # it ended; a person decides what follows
    CANCELLED = "cancelled"  # it ended, and so did the incident that nobody held
    ACKED = "acked"  # somebody took it in the sender's own tool
    NOTED = "noted"  # a remark
    LATE = "late"  # about an occurrence that has ended or that a later one has replaced
    SETTLED = "settled"  # its incident is closed
    UNKNOWN = "unknown"  # an end, an answer or a remark about a problem we know nothing of


class Verdict(Base):
    """What became of one signal of a receipt. A row of its own: signals are judged side by side."""

    __tablename__ = "verdicts"

    receipt_id: Mapped[str] = mapped_column(ForeignKey("receipts.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # among its signals, from 0
    outcome: Mapped[Outcome] = mapped_column(String(16))
    incident_id: Mapped[str | None] = mapped_column(String(26))
    at: Mapped[datetime]


class Problem(Base):
    """One problem as a source tells it apart, and the incident it belongs to."""

    __tablename__ = "problems"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    source_id: Mapped[str] = mapped_column(ForeignKey("sources.id"))
    dedup_key: Mapped[str] = mapped_column(String(300))
    occurrence: Mapped[str] = mapped_column(
        String(255)
    )  # the latest: start time or other mark of the source; "" for none
    state: Mapped[SignalState] = mapped_column(String(16))  # problem, recovered, acked
    incident_id: Mapped[str | None] = mapped_column(String(26), index=True)
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]  # when we were told that the latest occurrence ended
    level_hint: Mapped[int | None]  # the gravest the source hinted at since its incident was raised
    facts_at: Mapped[datetime | None]  # when its facts last went to the incident
    count: Mapped[int] = mapped_column(default=1)  # how often it was told, repeats included
    dwell: Mapped[int] = mapped_column(default=0)  # seconds it must be quiet before it is over
    quiet_at: Mapped[datetime | None]  # it ended, and is over then unless it comes back before
    window_id: Mapped[str | None] = mapped_column(ForeignKey("maintenance_windows.id"))  # holds it
    held: Mapped[dict[str, Any] | None]  # what was last said of it meanwhile, as the engine was told

    __table_args__ = (
        UniqueConstraint("source_id", "dedup_key"),
        Index(
            "ix_problems_held", "window_id",
            postgresql_where=text("window_id is not null"), sqlite_where=text("window_id is not null"),
        ),
    )  # fmt: skip


class Repeats(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"


class MaintenanceWindow(Base):
    """Work on something that monitoring watches: what matches is kept meanwhile, and nobody is called."""

    __tablename__ = "maintenance_windows"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(Text)
    begins_at: Mapped[datetime]  # of the first time
    ends_at: Mapped[datetime]
    repeats: Mapped[Repeats | None] = mapped_column(String(8))
    until: Mapped[datetime | None]  # no time begins later
    zone: Mapped[str] = mapped_column(String(64))  # by whose clocks it repeats
    over_at: Mapped[datetime | None]  # it holds nothing from then on; none: it repeats for ever
    changed_from: Mapped[datetime | None]  # the time that begins then …
    changed_to: Mapped[datetime | None]  # … ends then instead
    # All that is given must match; of several of one kind, one is enough.
    sources: Mapped[list[Any]]  # slugs
    labels: Mapped[dict[str, Any]]
    types: Mapped[list[Any]]
    departments: Mapped[list[Any]]
    holds_gravest: Mapped[bool]  # also what is of level 1
    set_by: Mapped[str] = mapped_column(String(200))
    set_at: Mapped[datetime]
    changes: Mapped[list[Any]]  # event, by, at, reason, ends_at
    version: Mapped[int] = mapped_column(default=1)

    __table_args__ = (Index("ix_maintenance_over", "over_at"),)
