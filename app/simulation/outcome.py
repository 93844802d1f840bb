"""What came of a simulation: who was told when, what was short, which targets were met, and all that happened, in order."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.incidents import decisions, tasks, timeline
from app.incidents.tables import Incident, TaskState, TimelineEntry
from app.levels import matrix
from app.notify.tables import Delivery, DeliveryState, Notice
from app.outbox import OutboxMessage
from app.people.tables import Position
from app.reviews import figures
from app.simulation.acting import Acting, Deed
from app.simulation.document import Scenario
from app.simulation.judging import Verdict, standings
from app.simulation.organisation import Given
from app.simulation.stage import Knock, Stage
from app.watch import auditor
from app.wording import Wording


@dataclass(frozen=True)
class Told:
    """One message to one person, or why there was none."""

    at: datetime
    position: str
    person: str | None
    channel: str
    kind: str
    level: int
    lap: int | None
    hop: int | None
    state: str
    attempts: int
    reason: Mapping[str, Any] | None

    @property
    def reached(self) -> bool:
        return self.state in (DeliveryState.SENT, DeliveryState.ACKNOWLEDGED)


@dataclass(frozen=True)
class Target:
    """One time a level promises, counted from detection."""

    name: str
    limit: timedelta
    took: timedelta | None
    standing: str  # met, missed, open


@dataclass(frozen=True)
class Duty:
    """A task, and what became of it."""

    title: Mapping[str, Any]
    position: str
    given_at: datetime
    due_at: datetime
    state: str
    ended_at: datetime | None

    @property
    def late(self) -> bool:
        return self.state in (TaskState.OPEN, TaskState.STARTED) or (
            self.ended_at is not None and self.ended_at > self.due_at
        )


@dataclass(frozen=True)
class Short:
    """Every tier of a pool had too little."""

    at: datetime
    question: Mapping[str, Any]
    choice: str | None


@dataclass(frozen=True)
class Course:
    """One incident of the simulation."""

    number: str
    name: str | None  # in the scenario
    title: str
    type: str
    level: int
    state: str
    detected_at: datetime
    targets: Sequence[Target]
    updates: Mapping[str, int]
    told: Sequence[Told]
    tasks: Sequence[Duty]
    short: Sequence[Short]
    entries: Sequence[TimelineEntry]


@dataclass(frozen=True)
class Outcome:
    """All of it."""

    given: Given
    scenario: Scenario
    seed: str
    ended_at: datetime
    courses: Sequence[Course]
    elsewhere: int  # messages about no incident: duties of the calendar and the like
    deeds: Sequence[Deed]
    knocks: Sequence[Knock]
    verdicts: Sequence[Verdict]
    faults: Sequence[str]  # of the engine itself: there should be none
    titles: Mapping[str, Mapping[str, Any]]  # of positions

    @property
    def missed(self) -> bool:
        """Whether a target was missed."""
        return any(one.standing == "missed" for course in self.courses for one in course.targets)

    @property
    def as_expected(self) -> bool:
        """Whether all that the scenario expects was so, and the engine itself never failed."""
        return all(verdict.held for verdict in self.verdicts) and not self.faults

    @property
    def seal(self) -> str:
        """One mark over every timeline: two runs that have the same were the same."""
        found = hashlib.sha256(self.seed.encode())
        for course in self.courses:
            found.update(course.entries[-1].hash.encode())
        return found.hexdigest()


async def collect(
    stage: Stage, given: Given, scenario: Scenario, acting: Acting, verdicts: Sequence[Verdict], *, seed: str
) -> Outcome:
    """Read it all off the rows."""
    at = scenario.begins + scenario.lasts
    names = {incident: name for name, incident in acting.named.items()}
    async with stage.parts.db.reading() as session:
        incidents = list(await session.scalars(select(Incident).order_by(Incident.id)))
        courses = [await _course(session, one, names.get(one.id), at) for one in incidents]
        refs = [one.id for one in incidents]
        others = select(Delivery.id).where(Delivery.ref.not_in(refs), Delivery.sent_at.is_not(None))
        elsewhere = len((await session.scalars(others)).all())
        titles = {row.id: row.title for row in await session.scalars(select(Position).order_by(Position.id))}
        faults = await _faults(session, at=stage.clock.now())
    return Outcome(
        given,
        scenario,
        seed,
        at,
        courses,
        elsewhere,
        acting.deeds,
        stage.door.knocks,
        verdicts,
        faults,
        titles,
    )


async def _course(session: AsyncSession, incident: Incident, name: str | None, at: datetime) -> Course:
    entries = await timeline.entries(session, incident.id)
    levels = await matrix.of(session, incident.plan_revision)
    reached = figures.times(
        figures.moments(entries), levels.levels[incident.level].targets, detected_at=incident.detected_at
    )
    standing = dict(standings(reached, at - incident.detected_at))
    targets = [
        Target(promise, figures.from_iso(one["target"]), figures.from_iso(one["took"]) if one["took"] else None, standing[promise])
        for key, promise in figures.TIMES.items()
        if promise is not None and (one := reached[key])
    ]  # fmt: skip
    short = [
        Short(one.asked_at, one.question, one.choice)
        for one in await decisions.of_incident(session, incident.id)
        if one.kind == "shortage"
    ]
    given = [
        Duty(one.title, one.position, one.created_at, one.due_at, str(one.state), one.ended_at)
        for one in await tasks.of_incident(session, incident.id)
    ]
    all_figures = await figures.of_incident(session, incident)
    return Course(
        incident.number, name, incident.title, incident.type, incident.level, str(incident.state), incident.detected_at, targets,
        all_figures["updates"], await _told(session, incident.id), given, short, entries,
    )  # fmt: skip


async def _told(session: AsyncSession, incident_id: str) -> list[Told]:
    query = (
        select(Delivery, Notice.kind)
        .join(Notice, Notice.id == Delivery.notice_id)
        .where(Delivery.ref == incident_id)
    )
    found = [
        Told(
            one.sent_at or one.created_at, one.position, one.person_name, one.channel, kind, one.level, one.lap, one.hop,
            str(one.state), one.attempts, one.reason,
        )
        for one, kind in (await session.execute(query.order_by(Delivery.id))).all()
    ]  # fmt: skip
    return sorted(found, key=lambda told: told.at)


async def _faults(session: AsyncSession, *, at: datetime) -> list[str]:
    """What went wrong in the engine, whatever the plan says."""
    failed = await session.scalars(
        select(OutboxMessage).where(OutboxMessage.attempts > 0).order_by(OutboxMessage.id)
    )
    found = [f"{one.topic}: {one.last_error}" for one in failed]
    return found + [str(finding) for finding in await auditor.findings(session, at=at)]


def said(reason: Wording | Mapping[str, Any] | None) -> Wording | None:
    """A reason as a wording, whether it was kept in a row or not."""
    if reason is None or isinstance(reason, Wording):
        return reason
    return Wording(reason["key"], reason["params"])
