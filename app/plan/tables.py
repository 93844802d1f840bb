"""Revisions of the plan, and why the next one is due."""

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


class Reason(StrEnum):
    """Why a plan is revised (ST-4)."""

    LAW = "law"  # laws, standards or rules it rests on changed
    ORGANISATION = "organisation"  # departments, positions or duties changed
    RISK = "risk"  # what threatens the centre changed
    RESOURCES = "resources"  # important people, materials or technology changed
    KEY_FACTS = "key_facts"  # other important facts in it changed
    FOUND_WANTING = "found_wanting"  # use or a drill showed what is wrong with it
    REVIEW_DUE = "review_due"  # nothing of these: the plan's own interval of review has passed


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
    reasons: Mapped[list[str]]  # of Reason: why it was written
    hands: Mapped[list[str]]  # keys that wrote it before its author did; none of them approves it
    impact: Mapped[
        dict[str, Any] | None
    ]  # app.plan.impact.Impact: recorded incidents under it, as its approver sees it
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


class RevisionDue(Base):
    """A reason why the plan is to be revised: reminded of until a revision answers it, or somebody says why none is needed."""

    __tablename__ = "revisions_due"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    # One occasion is noted once, by whichever replica sees it first.
    key: Mapped[str] = mapped_column(String(200), unique=True)
    reason: Mapped[Reason] = mapped_column(String(16))
    said: Mapped[dict[str, Any]]  # a wording: what happened
    noted_at: Mapped[datetime]
    noted_by: Mapped[str] = mapped_column(String(200))
    reminders: Mapped[int] = mapped_column(default=0)  # sent so far
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[str | None] = mapped_column(String(200))  # a revision's id, or who dismissed it
    note: Mapped[str | None] = mapped_column(Text)  # why no revision was needed

    __table_args__ = (
        # What is still due.
        Index(
            "ix_revisions_due_open", "id",
            postgresql_where=text("settled_at is null"), sqlite_where=text("settled_at is null"),
        ),
    )  # fmt: skip
