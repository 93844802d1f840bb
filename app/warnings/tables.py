"""Indicators as they stand, what was told of them, the warnings they raised, and what became of each."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class IndicatorRow(Base):
    """An indicator that was heard of, as it stands; what it is called and when it warns is the plan's."""

    __tablename__ = "indicators"

    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    value: Mapped[float]  # the newest
    at: Mapped[datetime]  # of the newest value
    heard_at: Mapped[datetime]  # when anything of it last came, by our clock
    level: Mapped[int | None]  # its colour, as the level that warns of; none: no colour
    runs: Mapped[dict[str, Any]]  # app.levels.colouring.kept
    silent_since: Mapped[datetime | None]


class Sample(Base):
    """One value of an indicator; one for each moment, the first that was told."""

    __tablename__ = "indicator_samples"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)  # sorts by the moment of the value
    name: Mapped[str] = mapped_column(String(63))
    at: Mapped[datetime]
    value: Mapped[float]
    is_late: Mapped[bool]  # a newer one was known already: kept, and judged by no more

    __table_args__ = (
        # A moment told twice is one value; and the curve of an indicator.
        Index("uq_indicator_samples_moment", "name", "at", unique=True),
        # What has been kept for long enough.
        Index("ix_indicator_samples_at", "at"),
    )


class WarningState(StrEnum):
    """What became of a warning."""

    OPEN = "open"  # somebody must look
    LIFTED = "lifted"  # it is over, with a reason
    INCIDENT = "incident"  # it became one


class EarlyWarning(Base):
    """One warning: from the first colour to its end."""

    __tablename__ = "warnings"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    indicator: Mapped[str] = mapped_column(String(63))
    title: Mapped[dict[str, Any]]  # Localised; of the indicator when it began
    type: Mapped[str] = mapped_column(String(63))  # of the incident it warns of
    state: Mapped[WarningState] = mapped_column(String(16))
    level: Mapped[int | None]  # its colour now; none: none holds any more, and it waits to be lifted
    gravest: Mapped[int]
    value: Mapped[float]  # of the indicator when the colour last changed
    began_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None] = mapped_column(String(200))
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None] = mapped_column(String(200))
    reason: Mapped[dict[str, Any] | None]  # a wording; why it was lifted
    incident_id: Mapped[str | None] = mapped_column(String(26))  # the one it became
    version: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        # An indicator has one open warning at most.
        Index(
            "uq_warnings_open", "indicator", unique=True,
            postgresql_where=text("state = 'open'"), sqlite_where=text("state = 'open'"),
        ),
        Index("ix_warnings_indicator", "indicator", "id"),
        Index("ix_warnings_incident", "incident_id"),
    )  # fmt: skip


class WarningEntry(Base):
    """What happened to a warning, in order."""

    __tablename__ = "warning_entries"

    warning_id: Mapped[str] = mapped_column(ForeignKey("warnings.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(32))
    said: Mapped[dict[str, Any]]  # a wording: `warnings.entry.<kind>`
