"""Recorded incidents of a period through a revision and the plan in force (EP-9.3), kept with the revision for its approver.

Reads what is on record: facts as they stood in the end, and who held and could be told for each position at the moment an
incident was detected. Only what really happened counts, no drill and nothing that was merged. `app.plan.impact` compares.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Refused, WrongShape
from app.incidents import record
from app.incidents.tables import Incident, Status
from app.people import holders, rota
from app.people.tables import Person
from app.plan import impact, revisions
from app.plan.document import PlanDocument
from app.plan.impact import Member, Recorded
from app.plan.tables import PlanRevision, RevisionState
from app.resources.document import PeoplePool
from app.wording import Wording, say

_MOMENT: Final = timedelta(microseconds=1)
MOST_INCIDENTS: Final = 100
USUAL_PERIOD: Final = timedelta(days=365)  # looked back over where nobody says
"""The newest so many of a period are replayed; what is left out is counted and said."""


@dataclass(frozen=True)
class Impact:
    """What a replay found."""

    begins: datetime
    ends: datetime
    against: str
    """The revision in force that it was compared with."""
    digest: str
    """Of the text that was replayed."""
    looked_at: int
    left_out: int
    """Incidents of the period beyond the newest so many."""
    otherwise: list[dict[str, Any]]
    """Those that would have gone otherwise, newest first (`app.plan.impact.written`)."""


async def replay(
    session: AsyncSession, revision_id: str, *, begins: datetime, ends: datetime, most: int = MOST_INCIDENTS
) -> Impact:
    """Put the incidents detected from `begins` to before `ends` through the plan in force and through the revision."""
    if begins >= ends:
        raise WrongShape(say("impact.period"), errors=[{"path": "from"}])
    revision = await revisions.found(session, revision_id)
    new = await revisions.document_of(session, revision.id)
    against, old = await revisions.in_force(session)
    which = _within(begins, ends)
    number = int(await session.scalar(select(func.count()).select_from(which.subquery())) or 0)
    rows = list(await session.scalars(which.order_by(Incident.id.desc()).limit(most)))
    incidents = [await _recorded(session, row, (old, new)) for row in rows]
    # Beside the event loop: it may be a hundred incidents, and the engine has others to tell.
    found = await asyncio.to_thread(impact.compare, old, new, incidents)
    return Impact(
        begins, ends, against, revision.digest, len(rows), number - len(rows), impact.written(found)
    )


async def keep(
    session: AsyncSession, revision: PlanRevision, found: Impact, *, by: str, at: datetime
) -> None:
    """Keep it with the revision, until leadership has decided; what was decided keeps what it was decided on."""
    if revision.state not in (RevisionState.DRAFT, RevisionState.SUBMITTED):
        raise Refused(
            say("impact.decided"),
            state=revision.state,
            allowed=revisions.allowed(RevisionState(revision.state)),
        )
    plain = asdict(found) | {"begins": found.begins.isoformat(), "ends": found.ends.isoformat()}
    revision.impact = plain | {"made_by": by, "made_at": at.isoformat()}
    revision.version += 1


def is_outdated(revision: PlanRevision, standing: PlanRevision | None) -> bool:
    """Whether another plan has come into force since the replay: it compared with what no longer holds."""
    undecided = revision.state in (RevisionState.DRAFT, RevisionState.SUBMITTED)
    return bool(revision.impact and undecided and standing and standing.id != revision.impact["against"])


def about(revision: PlanRevision, standing: PlanRevision | None) -> Wording:
    """What an approver has, or had, before them."""
    if revision.impact is None:
        decided = revision.decided_at is not None
        return say("impact.approved_without" if decided else "impact.none_yet")
    told = [_summary(revision.impact)]
    told += [say("impact.outdated")] if is_outdated(revision, standing) else []
    return say("impact.about", sentences=told)


def summary(found: Impact) -> Wording:
    """What a replay found, in a sentence or two."""
    return _summary(vars(found))


def _summary(found: Mapping[str, Any]) -> Wording:
    said = say(
        "impact.summary", begins=found["begins"], ends=found["ends"], looked_at=found["looked_at"],
        otherwise=len(found["otherwise"]), worse=sum(one["worse"] for one in found["otherwise"]),
    )  # fmt: skip
    more = [say("impact.left_out", number=found["left_out"])] if found["left_out"] else []
    return say("impact.about", sentences=[said, *more])


def _within(begins: datetime, ends: datetime) -> Select[Any]:
    return select(Incident).where(
        Incident.status == Status.ACTUAL, Incident.merged_into.is_(None),
        Incident.detected_at >= begins, Incident.detected_at < ends,
    )  # fmt: skip


async def _recorded(
    session: AsyncSession, row: Incident, plans: tuple[PlanDocument, PlanDocument]
) -> Recorded:
    at = row.detected_at
    told = {
        position
        for plan in plans
        for level in plan.chains
        for hop in plan.chain_of(level, row.department).hops
        for position in hop.tell
    }
    pooled = {
        position for plan in plans for pool in plan.pools.values() if isinstance(pool, PeoplePool)
        for position in pool.positions
    }  # fmt: skip
    on_call = await _on_call(session, told, at)
    return Recorded(
        row.id, row.number, row.title, row.type, row.level, at, record.scope(row), row.facts, on_call,
        await _members(session, pooled, at),
    )  # fmt: skip


async def _on_call(session: AsyncSession, positions: Iterable[str], at: datetime) -> dict[str, list[str]]:
    """Who was called for each position and could be told, a few queries for all."""
    posts = await holders.posts(session, since=at, until=at + _MOMENT)
    called = {
        name: rota.called(posts[name], at, at + _MOMENT)[0].people if name in posts else ()
        for name in sorted(positions)
    }
    told = await holders.reachable(session, {one for people in called.values() for one in people})
    return {name: [told[one] for one in people if one in told] for name, people in called.items()}


async def _members(session: AsyncSession, positions: Iterable[str], at: datetime) -> dict[str, list[Member]]:
    found = {
        position: list(await holders.members(session, [position], at=at)) for position in sorted(positions)
    }
    everybody = {one for people in found.values() for one in people}
    query = select(Person.id, Person.skills).where(Person.id.in_(everybody))
    skills = {row.id: row.skills for row in await session.execute(query)}
    return {
        position: [Member(one, frozenset(skills.get(one, ()))) for one in people]
        for position, people in found.items()
    }
