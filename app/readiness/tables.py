"""Occurrences of the plan's recurring duties, of the handovers of rosters and of the summaries of check-ins; drills."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, String, Text
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


class DrillState(StrEnum):
    """Where a drill is in its life (EP-8.3)."""

    PLANNED = "planned"  # written; to be approved by another hand
    APPROVED = "approved"  # may be held
    BRIEFED = "briefed"  # those enrolled know the scheme and their parts
    RUNNING = "running"  # being held
    ENDED = "ended"  # over, or stopped; to be scored
    EVALUATED = "evaluated"  # scored on the six topics
    CLOSED = "closed"  # summed up, its findings are improvement items; the end
    CANCELLED = "cancelled"  # not held; the end


class DrillMode(StrEnum):
    LIVE = "live"  # real people in real time, in the real system
    SIMULATED = "simulated"  # played by `muster simulate`; nobody is paged


class Topic(StrEnum):
    """What a drill is scored on (ST-4)."""

    EXECUTION = "execution"  # how it was carried out
    FITNESS = "fitness"  # whether the plan fits
    COMMAND = "command"  # command and coordination
    PEOPLE = "people"  # what those taking part did
    EQUIPMENT = "equipment"  # whether equipment and material did
    ADVICE = "advice"  # what to do better, and how well it was seen


class Drill(Base):
    __tablename__ = "drills"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    title: Mapped[str] = mapped_column(String(500))
    type: Mapped[str] = mapped_column(String(63))  # of incident
    level: Mapped[int]  # its chain, targets and steps are what is drilled
    playbook: Mapped[str | None] = mapped_column(String(63))  # none: the type's own
    mode: Mapped[DrillMode] = mapped_column(String(16))
    state: Mapped[DrillState] = mapped_column(String(16), default=DrillState.PLANNED)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]  # stopped by itself then: no drill is forgotten
    place: Mapped[str] = mapped_column(String(500))
    scheme: Mapped[str] = mapped_column(Text)
    scenario: Mapped[list[Any]]  # of {after, text, facts}: what is let happen, and when
    props: Mapped[list[str]]
    duty: Mapped[str | None] = mapped_column(
        String(200)
    )  # the occurrence it answers; none: the oldest open one
    planned_by: Mapped[str] = mapped_column(String(200))
    planned_key: Mapped[str | None] = mapped_column(String(8))  # with which; its holder does not approve
    approved_by: Mapped[str | None] = mapped_column(String(200))
    incident_id: Mapped[str | None] = mapped_column(
        ForeignKey("incidents.id"), index=True
    )  # live, once started
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_because: Mapped[dict[str, Any] | None]  # a wording
    figures: Mapped[dict[str, Any] | None]  # times beside the level's targets, or what the simulation gave
    summary: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(default=1)


class DrillPart(Base):
    """Somebody's part in a drill: enrolled to do it, or there to look on and score."""

    __tablename__ = "drill_parts"

    drill_id: Mapped[str] = mapped_column(ForeignKey("drills.id"), primary_key=True)
    who: Mapped[str] = mapped_column(String(63), primary_key=True)  # a position, or a person's id
    is_person: Mapped[bool]
    observes: Mapped[bool]
    role: Mapped[str | None] = mapped_column(String(200))  # what they play


class DrillScore(Base):
    __tablename__ = "drill_scores"

    drill_id: Mapped[str] = mapped_column(ForeignKey("drills.id"), primary_key=True)
    topic: Mapped[Topic] = mapped_column(String(16), primary_key=True)
    evaluator_key: Mapped[str] = mapped_column(String(8), primary_key=True)
    evaluator: Mapped[str] = mapped_column(String(200))
    points: Mapped[int]  # 1 to 5
    remark: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime]


class DrillFinding(Base):
    """What a drill found wanting; an improvement item once the drill is closed."""

    __tablename__ = "drill_findings"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    drill_id: Mapped[str] = mapped_column(ForeignKey("drills.id"), index=True)
    topic: Mapped[Topic] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(String(500))
    owner: Mapped[str] = mapped_column(String(200))
    due_on: Mapped[date]
    found_by: Mapped[str] = mapped_column(String(200))
