"""A storm: one source raises many new problems of one type in a short time, and people get one incident with a count.

The plan says how many incidents of a source and type, within which time, stand for themselves. The next problem joins the gravest
of those still open, and the others are merged into that one, unless somebody has had a hand in them. From then on it is one storm
for as long as new problems keep coming. A problem that is graver than the storm's incident gets one of its own, with its own page,
and takes the storm over. Each problem has its row, its verdict and its part in the end: the incident recovers when all have.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.db import in_turn, inline
from app.incidents import lifecycle, record, timeline
from app.incidents.lifecycle import Event, Move
from app.incidents.tables import Incident, State, Status
from app.intake import touched
from app.intake.tables import Problem
from app.levels import grading, matrix
from app.levels.document import Storm
from app.wording import say

OVER: Final = frozenset({State.CLOSED, State.REVIEWED, State.CANCELLED})


@dataclass(frozen=True)
class Place:
    """Where a storm is: problems of other sources and types have no part in it, nor have drills."""

    source: str | None  # slug
    type: str
    status: Status


async def incident_for(
    session: AsyncSession, place: Place, limits: Storm, *, at: datetime
) -> Incident | None:
    """The open incident, locked, that a new problem of that place joins, unless it is graver; `None`: no storm there.

    1. Look at what was raised or grew lately. It is a storm when one of them stands for several problems already, or when there
       are as many as the plan leaves standing.
    2. Lock the gravest that is open; where there are several, rather one that nobody has answered.
    3. Merge the others into it.
    """
    # By their index, and few: a storm is looked for with each new problem, so it must cost little.
    query = select(
        Incident.id,
        Incident.level,
        Incident.state,
        Incident.signals,
        Incident.acknowledged_at,
        Incident.group_key,
    ).where(
        Incident.source == place.source,
        Incident.type == place.type,
        Incident.status == inline(place.status),
        Incident.grew_at > at - limits.within,
    )
    lately = (await session.execute(query)).all()
    still_open = [one for one in lately if one.state not in OVER]
    # What a routing rule grouped stands for several too, and is no storm for that.
    known = any(one.signals > 1 and one.group_key is None for one in lately)
    if not still_open or not (known or len(lately) >= limits.after):
        return None
    chosen = min(
        still_open, key=lambda one: (one.level, -one.signals, one.acknowledged_at is not None, one.id)
    ).id
    found = await record.locked(session, chosen)
    if found.state in OVER:
        # Who held its lock has ended it, or merged it into the one that is seen now.
        return await incident_for(session, place, limits, at=at)
    found.group_key = None  # from now on it takes in by source and type
    # What a person has begun to deal with is left alone, and needs no lock to be seen.
    others = sorted(one.id for one in still_open if one.id != chosen and one.state == State.DETECTED)
    if others:
        await _take_in(session, found, others, actor=f"source:{place.source}", at=at)
    return found


async def group_for(session: AsyncSession, key: str, within: timedelta, *, at: datetime) -> Incident | None:
    """The open incident, locked, that a further problem of this group joins; `None`: the next one begins a new incident.

    One such look at a time: of two first problems of a group only one raises an incident.
    """
    await in_turn(session, f"group:{key}")
    query = select(Incident.id).where(
        Incident.group_key == key, Incident.state.not_in(inline(OVER)), Incident.grew_at > at - within
    )
    name = await session.scalar(query.order_by(Incident.level, Incident.id).limit(1))
    if name is None:
        return None
    found = await record.locked(session, name)
    # Who held its lock may have ended it.
    return found if found.state not in OVER else await group_for(session, key, within, at=at)


def grew_within(incident: Incident, within: timedelta, at: datetime) -> bool:
    """Whether a problem became a part of it lately."""
    return incident.grew_at is not None and incident.grew_at > at - within


def begins(session: AsyncSession, incident: Incident, *, at: datetime) -> None:
    """Before a second problem: whoever has answered has answered to the first alone, so people are called anew."""
    if incident.signals == 1 and incident.acknowledged_at is not None:
        incident.version += 1
        lifecycle.page_again(incident)
        payload = {"incident_id": incident.id, "occurrence": incident.occurrence}
        outbox.put(session, "incident.recurred", payload, ref=incident.id, at=at)


async def _take_in(
    session: AsyncSession, incident: Incident, others: Iterable[str], *, actor: str, at: datetime
) -> None:
    """Merge the others into the storm's incident. One whose lock somebody has is not waited for: the next look sees it."""
    taken = []
    for other in await record.free(session, others):
        # Read before it was locked, it was no graver than this one; its facts may have changed since.
        if other.state in OVER or grading.is_graver(other.level, incident.level):
            continue
        if await touched.by_people(session, other):
            continue
        begins(session, incident, at=at)
        levels = await matrix.of(session, other.plan_revision)
        reason = say("intake.taken_in", number=incident.number, source=incident.reporter)
        move = Move(spec=levels.levels[other.level], reason=reason, merge_into=incident.id)
        lifecycle.apply(session, other, Event.CANCEL, actor=actor, at=at, move=move)
        await session.execute(
            update(Problem).where(Problem.incident_id == other.id).values(incident_id=incident.id)
        )
        incident.signals += other.signals
        taken.append(other.number)
    if taken:
        incident.version += 1
        timeline.append(
            session,
            incident,
            "signal.taken_in",
            actor=actor,
            at=at,
            source=incident.source,
            numbers=taken,
            count=incident.signals,
        )
