"""Incidents and what belongs to them."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class State(StrEnum):
    """Where an incident is in its life (EP-4.2)."""

    DETECTED = "detected"  # reported; the chain is being called at a provisional level
    ASSESSED = "assessed"  # a level is set, by whom and why is kept
    ACTIVATED = "activated"  # the plan of that level is started, people are being called up
    RESPONDING = "responding"  # the work is under way
    RECOVERING = "recovering"  # under control; back to normal, loss assessed, customers cared for
    CLOSED = "closed"  # ended; everything released, the review is owed
    REVIEWED = "reviewed"  # the review is published; the end
    CANCELLED = "cancelled"  # a false alarm, or merged into another; the end


OPEN_STATES = (State.DETECTED, State.ASSESSED, State.ACTIVATED, State.RESPONDING, State.RECOVERING)


class Status(StrEnum):
    """What kind of truth a record is (CAP 1.2)."""

    ACTUAL = "Actual"  # it happened
    EXERCISE = "Exercise"  # a drill: nothing leaves the house unmarked
    TEST = "Test"  # the product trying itself


FLAPPING_FROM: Final = 2  # returns without having been quiet for the dwell time


class Incident(Base):
    __tablename__ = "incidents"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    number: Mapped[str] = mapped_column(String(20), unique=True)  # said on the phone: INC-2026-0042
    title: Mapped[str] = mapped_column(String(500))
    description: Mapped[str | None] = mapped_column(Text)
    type: Mapped[str] = mapped_column(String(63))
    type_said: Mapped[str | None] = mapped_column(
        String(200)
    )  # what the reporter called it, where we have no such type
    category: Mapped[str] = mapped_column(String(16))
    department: Mapped[str] = mapped_column(String(63))
    state: Mapped[State] = mapped_column(String(16), default=State.DETECTED)
    level: Mapped[int]  # 1 is the gravest
    provisional: Mapped[bool]  # nobody has assessed it yet
    level_reason: Mapped[dict[str, Any]]  # a wording: which rule, cell or person gave the level
    level_suggested: Mapped[int | None]  # what the rules say now, where that differs
    warned_of: Mapped[int | None]  # in the warning state: the level whose conditions are not quite met
    warned_because: Mapped[dict[str, Any] | None]  # a wording: the rule that came near
    gravity: Mapped[str | None] = mapped_column(
        String(32)
    )  # risk level of the event, apart from the response's
    status: Mapped[Status] = mapped_column(String(16), default=Status.ACTUAL)
    version: Mapped[int] = mapped_column(default=1)  # grows with each change a person or rule makes
    occurrence: Mapped[int] = mapped_column(default=1)  # grows when it is reopened or the problem comes back
    signals: Mapped[int] = mapped_column(default=0)  # problems of monitoring it stands for; many in a storm
    grew_at: Mapped[datetime | None]  # when a new problem of monitoring last became a part of it
    calls: Mapped[int] = mapped_column(
        default=1
    )  # grows when an earlier answer no longer holds: people are called anew
    facts: Mapped[dict[str, Any]]
    reporter: Mapped[str | None] = mapped_column(String(200))
    raised_by: Mapped[str] = mapped_column(String(200))
    source: Mapped[str | None] = mapped_column(String(63))  # slug of the monitoring source
    dedup_key: Mapped[str | None] = mapped_column(String(300))
    group_key: Mapped[str | None] = mapped_column(
        String(300)
    )  # of the routing rule by which further problems belong to it
    flaps: Mapped[int] = mapped_column(default=0)  # returns of its problems since they were last quiet
    plan_revision: Mapped[str] = mapped_column(String(26))  # pinned at activation
    playbook: Mapped[str] = mapped_column(String(63))
    merged_into: Mapped[str | None] = mapped_column(ForeignKey("incidents.id"))
    occurred_at: Mapped[datetime]
    detected_at: Mapped[datetime] = mapped_column(index=True)
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None] = mapped_column(String(200))
    assessed_at: Mapped[datetime | None]
    activated_at: Mapped[datetime | None]
    responding_at: Mapped[datetime | None]
    first_task_at: Mapped[datetime | None]  # the respond target is measured to here
    recovering_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    reviewed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    last_seq: Mapped[int] = mapped_column(default=0)  # of its timeline
    last_hash: Mapped[str] = mapped_column(String(64), default="")

    __table_args__ = (
        # The same problem again is the same incident, while it is open; a drill never takes a real alarm in.
        Index(
            "uq_incidents_open_dedup", "dedup_key", "status", unique=True,
            postgresql_where=text("dedup_key is not null and state not in ('closed', 'reviewed', 'cancelled')"),
            sqlite_where=text("dedup_key is not null and state not in ('closed', 'reviewed', 'cancelled')"),
        ),
        Index("ix_incidents_state", "state"),
        Index("ix_incidents_storm", "source", "type", "grew_at"),
        Index(
            "ix_incidents_group", "group_key", "grew_at",
            postgresql_where=text("group_key is not null"), sqlite_where=text("group_key is not null"),
        ),
    )  # fmt: skip

    @property
    def flapping(self) -> bool:
        """Whether what it stands for comes and goes."""
        return self.flaps >= FLAPPING_FROM


class NumberSeries(Base):
    """The last number given out in a year; its row lock makes numbers gapless."""

    __tablename__ = "number_series"

    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[int]


class TimelineEntry(Base):
    """What happened, in order, each entry sealed with the one before it."""

    __tablename__ = "timeline"

    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 1, 2, 3 … without a gap
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(64))  # the catalogue has `timeline.<kind>`
    data: Mapped[dict[str, Any]]
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


_UNENDED = text("state in ('open', 'started')")


class TaskState(StrEnum):
    OPEN = "open"  # given, not begun
    STARTED = "started"  # somebody is at it
    DONE = "done"  # completed
    WAIVED = "waived"  # not needed, with a reason
    DECLINED = "declined"  # its owner cannot; the commander must see to it
    WITHDRAWN = "withdrawn"  # the plan no longer asks for it


class Task(Base):
    __tablename__ = "tasks"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    step: Mapped[str | None] = mapped_column(String(26))  # the run's step that gave it
    title: Mapped[dict[str, Any]]  # Localised
    text: Mapped[dict[str, Any]]  # Localised
    position: Mapped[str] = mapped_column(String(63))
    state: Mapped[TaskState] = mapped_column(String(16), default=TaskState.OPEN)
    assignee: Mapped[str | None] = mapped_column(String(200))  # who started it
    due_at: Mapped[datetime]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    note: Mapped[str | None] = mapped_column(Text)
    evidence: Mapped[list[Any]]  # of links or words
    version: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        # What is still to be done, whatever became of its incident.
        Index("ix_tasks_unended", "incident_id", postgresql_where=_UNENDED, sqlite_where=_UNENDED),
    )


class CommandPost(Base):
    __tablename__ = "command_posts"

    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), primary_key=True)
    template: Mapped[str] = mapped_column(String(63))
    title: Mapped[dict[str, Any]]
    formed_at: Mapped[datetime]
    members: Mapped[
        list[Any]
    ]  # role, title, function, duties, position, person_id, name, layer; name null: vacant


class ObligationState(StrEnum):
    OWED = "owed"  # due in the future
    MISSED = "missed"  # due time passed and not paid: escalated, blocks closing
    PAID = "paid"  # given in time, or late
    WAIVED = "waived"  # excused, with a reason
    WITHDRAWN = "withdrawn"  # no longer asked for


class Obligation(Base):
    """A duty with a due time: a status update, a report, a review."""

    __tablename__ = "obligations"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    kind: Mapped[str] = mapped_column(
        String(16)
    )  # update, review, first_report, written_report, follow_up_report, final_report
    round: Mapped[int]  # the first, second, … of its kind
    owner: Mapped[str] = mapped_column(String(63))  # a position
    owed_to: Mapped[list[str]] = mapped_column(default=list)  # positions; empty: the commander
    due_at: Mapped[datetime]
    state: Mapped[ObligationState] = mapped_column(String(16), default=ObligationState.OWED)
    settled_at: Mapped[datetime | None]
    missed_at: Mapped[datetime | None]  # stays set when it is paid late
    settled_by: Mapped[str | None] = mapped_column(String(200))  # who paid or waived it
    note: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (UniqueConstraint("incident_id", "kind", "round"),)


class StatusUpdate(Base):
    __tablename__ = "status_updates"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    at: Mapped[datetime]
    author: Mapped[str] = mapped_column(String(200))
    text: Mapped[dict[str, Any]]  # Localised; typed by a person: the same in both
    audience: Mapped[str] = mapped_column(String(32))


class DecisionState(StrEnum):
    ASKED = "asked"  # somebody must choose
    DECIDED = "decided"  # chosen, by whom is kept
    WITHDRAWN = "withdrawn"  # no longer a question


class Decision(Base):
    """A question put to people: an approval, a shortage, a step that failed."""

    __tablename__ = "decisions"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    step: Mapped[str | None] = mapped_column(String(26))
    kind: Mapped[str] = mapped_column(String(16))  # approval, shortage, failure, lease, preemption
    question: Mapped[dict[str, Any]]  # Localised
    options: Mapped[list[str]]  # such as approve, reject; retry, skip, stop
    positions: Mapped[list[str]]  # any holder may choose
    state: Mapped[DecisionState] = mapped_column(String(16), default=DecisionState.ASKED)
    choice: Mapped[str | None] = mapped_column(String(16))
    decided_by: Mapped[str | None] = mapped_column(String(200))
    decided_at: Mapped[datetime | None]
    note: Mapped[str | None] = mapped_column(Text)
    asked_at: Mapped[datetime]
    due_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)


class AnnouncementState(StrEnum):
    DRAFTED = "drafted"  # nobody outside has seen it
    PUBLISHED = "published"  # told; what it was about goes on
    ENDED = "ended"  # what it was about is over; it stays among what was told
    REJECTED = "rejected"  # not to be told as it stands
    WITHDRAWN = "withdrawn"  # no longer wanted, or told in error: it is shown to nobody any more


class WordingState(StrEnum):
    """Where one version of the words of an announcement is."""

    DRAFTED = "drafted"  # waits for approval by another hand
    APPROVED = "approved"  # may be published
    PUBLISHED = "published"  # told, and kept as it was told
    REJECTED = "rejected"  # not to be told
    REPLACED = "replaced"  # edited before it was told


class Stage(StrEnum):
    """What an announcement says of the disturbance."""

    BEGUN = "begun"  # something is wrong
    PROGRESS = "progress"  # what is being done
    RESOLVED = "resolved"  # it works again


class Announcement(Base):
    """A notice to customers, partners or a regulator: drafted, approved, published, followed by further versions."""

    __tablename__ = "announcements"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    step: Mapped[str | None] = mapped_column(String(26))
    audience: Mapped[str] = mapped_column(String(32))
    text: Mapped[dict[str, Any]]  # Localised; what was published last, before that what is drafted
    outlets: Mapped[list[Any]] = mapped_column(
        default=list
    )  # ids of the ways it goes out by, beside the page
    parties: Mapped[list[str]] = mapped_column(
        default=list
    )  # outside, each told by a link once it is published
    ask: Mapped[dict[str, Any]] = mapped_column(default=dict)  # what they are asked for, and how many
    state: Mapped[AnnouncementState] = mapped_column(String(16), default=AnnouncementState.DRAFTED)
    drafted_at: Mapped[datetime]
    approved_by: Mapped[str | None] = mapped_column(String(200))  # of what was published last
    published_at: Mapped[datetime | None]  # first
    updated_at: Mapped[datetime | None]  # published last, or ended
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        # What the public sees: asked by the status page.
        Index("ix_announcements_public", "audience", "state", "published_at"),
    )


class AnnouncementWording(Base):
    """One version of what an announcement says; each is kept as it was."""

    __tablename__ = "announcement_wordings"

    announcement_id: Mapped[str] = mapped_column(ForeignKey("announcements.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # from 1
    stage: Mapped[Stage] = mapped_column(String(16))
    title: Mapped[dict[str, Any]]  # Localised
    text: Mapped[dict[str, Any]]  # Localised
    state: Mapped[WordingState] = mapped_column(String(16), default=WordingState.DRAFTED)
    by: Mapped[str] = mapped_column(String(200))
    key_id: Mapped[str | None] = mapped_column(String(26))  # none: the plan wrote it
    at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(String(200))  # approved or rejected it
    decided_at: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
