"""Runs and their steps: copies of what the plan said, and what became of it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class RunState(StrEnum):
    RUNNING = "running"  # steps are pending or under way
    DONE = "done"  # every step has ended
    STOPPED = "stopped"  # a failure, or a person, ended it
    WITHDRAWN = "withdrawn"  # the incident ended first


class Run(Base):
    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    ref: Mapped[str] = mapped_column(String(64), index=True)  # the incident
    occurrence: Mapped[int]
    playbook: Mapped[str] = mapped_column(String(63))
    title: Mapped[dict[str, Any]]
    plan_revision: Mapped[str] = mapped_column(String(26))
    level: Mapped[int]
    command_posts: Mapped[dict[str, Any]]  # copies of the templates its steps may form
    fallback: Mapped[str] = mapped_column(String(63))  # the position asked when no commander is known
    state: Mapped[RunState] = mapped_column(String(16), default=RunState.RUNNING)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        # One run at a time for an incident.
        Index(
            "uq_runs_running", "ref", unique=True,
            postgresql_where=text("state = 'running'"), sqlite_where=text("state = 'running'"),
        ),
    )  # fmt: skip


class StepState(StrEnum):
    PENDING = "pending"  # waits for what it needs
    QUEUED = "queued"  # external: to be done by an engine when its time comes
    DOING = "doing"  # external: an engine is at it, until its lease ends
    WAITING = "waiting"  # waits for a person, a fact or a time
    ASKING = "asking"  # failed; the commander is asked what to do
    DONE = "done"  # its result is kept
    FAILED = "failed"  # for good
    SKIPPED = "skipped"  # its condition did not hold, or the commander said so
    WITHDRAWN = "withdrawn"  # the level no longer asks for it, or the run ended


ENDED = frozenset({StepState.DONE, StepState.FAILED, StepState.SKIPPED, StepState.WITHDRAWN})


class StepRow(Base):
    __tablename__ = "steps"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), index=True)
    ref: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(63))  # the step's id in the playbook
    place: Mapped[int]  # order in the document
    kind: Mapped[str] = mapped_column(String(16))
    document: Mapped[dict[str, Any]]  # a copy of the step as the plan had it
    state: Mapped[StepState] = mapped_column(String(16), default=StepState.PENDING)
    call: Mapped[dict[str, Any] | None]  # external: the request as it was put together when the step began
    result: Mapped[dict[str, Any]]
    reason: Mapped[dict[str, Any] | None]  # a wording: why it failed, was skipped or withdrawn
    attempts: Mapped[int] = mapped_column(default=0)  # also the fence
    untried: Mapped[int] = mapped_column(
        default=0
    )  # of them, those that came to nothing: the destination was left alone
    not_before: Mapped[datetime | None]  # queued: when; doing: when the lease ends
    due_at: Mapped[datetime | None]  # when its timeout passes
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    @property
    def attempt_key(self) -> str:
        """Names what this attempt reserves or calls: begun anew, the step asks anew."""
        return f"step:{self.id}:{self.attempts}"

    @property
    def next_attempt_key(self) -> str:
        """The same of the next attempt: what is reserved under it beforehand, that attempt finds."""
        return f"step:{self.id}:{self.attempts + 1}"

    __table_args__ = (
        UniqueConstraint("run_id", "name"),
        # The engine's claim of external steps.
        Index(
            "ix_steps_due", "not_before",
            postgresql_where=text("state in ('queued', 'doing')"), sqlite_where=text("state in ('queued', 'doing')"),
        ),
        # What was given up.
        Index(
            "ix_steps_given_up", "id",
            postgresql_where=text("state in ('asking', 'failed')"), sqlite_where=text("state in ('asking', 'failed')"),
        ),
    )  # fmt: skip
