"""Figures over a period (EP-9.1): how fast, how often within target, how many updates on time.

Only what really happened counts: exercises, tests and cancelled incidents are left out. `measured` is pure.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import fmean, median
from typing import Final, TypeVar

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.incidents.tables import Incident, Obligation, State, Status, TimelineEntry
from app.levels import matrix
from app.levels.document import Targets
from app.notify.tables import Delivery, Round
from app.reviews import communication, figures
from app.reviews.communication import Called, Communication, Reports, Sent
from app.reviews.figures import Moments
from app.reviews.tables import Review

T = TypeVar("T")

MEASURED: Final[Mapping[str, str]] = {
    "acknowledge": "acknowledge", "activate": "activate", "first_task": "respond", "restore": "restore",
}  # fmt: skip


class By(StrEnum):
    """What figures can be set apart by."""

    LEVEL = "level"
    TYPE = "type"
    DEPARTMENT = "department"


@dataclass(frozen=True)
class Past:
    """What is known of one incident, as far as figures need it."""

    group: str
    detected_at: datetime
    reached: Moments
    targets: Targets
    updates: Mapping[str, int]
    sent: Sequence[Sent] = ()
    called: Sequence[Called] = ()
    reports: Reports = field(default_factory=Reports)


@dataclass(frozen=True)
class Measure:
    """One time over many incidents; `None`: no incident reached it."""

    mean: timedelta | None
    median: timedelta | None
    reached: int
    within_target: float | None  # share of all incidents, those that never reached it included


@dataclass(frozen=True)
class Measured:
    incidents: int
    times: Mapping[str, Measure]
    updates_owed: int
    updates_on_time: float | None
    communication: Communication


@dataclass(frozen=True)
class Answer:
    total: Measured
    groups: Mapping[str, Measured]


async def over(
    session: AsyncSession, *, start: datetime, end: datetime, at: datetime, by: By | None = None
) -> Answer:
    """The figures of incidents detected from `start` until `end`, as they stand `at`."""
    query = select(Incident).where(
        Incident.detected_at >= start, Incident.detected_at < end, Incident.status == Status.ACTUAL,
        Incident.state != State.CANCELLED,
    )  # fmt: skip
    incidents = list(await session.scalars(query.order_by(Incident.detected_at, Incident.id)))
    which = query.with_only_columns(Incident.id)
    entries = await _grouped(session, _entries(which), lambda entry: entry.incident_id)
    owed = await _grouped(session, _updates(which), lambda one: one.incident_id)
    sent, called, papers = await _told(session, which)
    past = []
    for incident in incidents:
        levels = await matrix.of(session, incident.plan_revision)
        reached = figures.moments(entries.get(incident.id, ()))
        updates = figures.updates(owed.get(incident.id, ()), closed_at=reached.close)
        group = "" if by is None else str(getattr(incident, by.value))
        targets = levels.levels[incident.level].targets
        past.append(
            Past(
                group, incident.detected_at, reached, targets, updates, sent.get(incident.id, ()),
                called.get(incident.id, ()), papers.get(incident.id, Reports()),
            )
        )  # fmt: skip
    names = sorted({one.group for one in past}) if by is not None else []
    groups = {name: measured([one for one in past if one.group == name], at=at) for name in names}
    return Answer(measured(past, at=at), groups)


def measured(past: Sequence[Past], *, at: datetime) -> Measured:
    """The figures of these incidents. What still has time to be reached counts neither way."""
    owed = sum(one.updates["owed"] for one in past)
    on_time = sum(one.updates["on_time"] for one in past)
    return Measured(
        incidents=len(past),
        times={name: _measure(past, name, promise, at) for name, promise in MEASURED.items()},
        updates_owed=owed,
        updates_on_time=_share(on_time, owed),
        communication=communication.evaluated(
            [message for one in past for message in one.sent], [call for one in past for call in one.called],
            updates=[one.updates for one in past], reports=communication.together(one.reports for one in past),
        ),
    )  # fmt: skip


def _measure(past: Sequence[Past], name: str, promise: str, at: datetime) -> Measure:
    spans: list[timedelta] = []
    within = judged = 0
    for one in past:
        target: timedelta = getattr(one.targets, promise)
        moment = one.reached.of(name)
        if moment is not None:
            span = max(moment - one.detected_at, timedelta())
            spans.append(span)
            judged += 1
            within += span <= target
        elif at - one.detected_at > target:
            judged += 1
    seconds = [span.total_seconds() for span in spans]
    return Measure(
        mean=timedelta(seconds=fmean(seconds)) if seconds else None,
        median=timedelta(seconds=median(seconds)) if seconds else None,
        reached=len(spans),
        within_target=_share(within, judged),
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


async def _told(
    session: AsyncSession, which: Select[str]
) -> tuple[Mapping[str, list[Sent]], Mapping[str, list[Called]], Mapping[str, Reports]]:
    """What was sent and called about these incidents, and how complete their reports were found at the close."""
    ids = which.order_by(None)
    sent: dict[str, list[Sent]] = {}
    columns = (
        Delivery.ref,
        Delivery.channel,
        Delivery.state,
        Delivery.attempts,
        Delivery.sent_at,
        Delivery.round_id,
    )
    for ref, channel, state, attempts, sent_at, round_id in await session.execute(
        select(*columns).where(Delivery.ref.in_(ids))
    ):
        sent.setdefault(ref, []).append(Sent(channel, state, attempts, sent_at, round_id))
    called: dict[str, list[Called]] = {}
    for one in await session.scalars(select(Round).where(Round.ref.in_(ids))):
        called.setdefault(one.ref, []).append(figures.called_as_told(one))
    reviews = await session.execute(
        select(Review.incident_id, Review.figures).where(Review.incident_id.in_(ids))
    )
    return sent, called, {incident_id: communication.kept_reports(kept) for incident_id, kept in reviews}


def _entries(which: Select[str]) -> Select[TimelineEntry]:
    query = select(TimelineEntry).where(
        TimelineEntry.kind.in_(figures.KINDS), TimelineEntry.incident_id.in_(which.order_by(None))
    )
    return query.order_by(TimelineEntry.incident_id, TimelineEntry.seq)


def _updates(which: Select[str]) -> Select[Obligation]:
    return select(Obligation).where(
        Obligation.kind == "update", Obligation.incident_id.in_(which.order_by(None))
    )


async def _grouped(
    session: AsyncSession, query: Select[T], of: Callable[[T], str]
) -> Mapping[str, Iterable[T]]:
    found: dict[str, list[T]] = {}
    for row in await session.scalars(query):
        found.setdefault(of(row), []).append(row)
    return found
