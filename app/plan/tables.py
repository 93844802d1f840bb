"""Revisions of the plan."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class RevisionState(StrEnum):
    DRAFT = "draft"  # checked and stored
    SUBMITTED = "submitted"  # waits for leadership
    APPROVED = "approved"  # may be put in force
    REJECTED = "rejected"  # will not be
    IN_FORCE = "in_force"  # new incidents follow it
    SUPERSEDED = "superseded"  # was in force; running incidents keep it


class PlanRevision(Base):
    __tablename__ = "plan_revisions"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), index=True)  # SHA-256 of the document's meaning
    document: Mapped[dict[str, Any]]  # app.plan.document.PlanDocument
    source: Mapped[str] = mapped_column(Text)  # the YAML, as it was given
    state: Mapped[RevisionState] = mapped_column(String(16), default=RevisionState.DRAFT)
    author: Mapped[str] = mapped_column(String(200))
    author_key: Mapped[str | None] = mapped_column(String(8))
    created_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(String(200))
    decided_at: Mapped[datetime | None]
    in_force_from: Mapped[datetime | None]
    note: Mapped[str | None] = mapped_column(Text)
    findings: Mapped[list[Any]]  # warnings of the check
    version: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        Index(
            "uq_plan_revisions_in_force", "state", unique=True,
            postgresql_where=text("state = 'in_force'"), sqlite_where=text("state = 'in_force'"),
        ),
    )  # fmt: skip


class PlanOutlook(Base):
    """What the nightly check found grave; the next night tells what is new."""

    __tablename__ = "plan_outlooks"

    day: Mapped[str] = mapped_column(String(10), primary_key=True)  # of the night, in the plan's time zone
    looked_at: Mapped[datetime]
    revision_id: Mapped[str] = mapped_column(String(26))
    grave: Mapped[list[str]]  # code and path of each
