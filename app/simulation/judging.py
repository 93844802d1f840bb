"""Whether what a scenario expects is so."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.incidents import timeline
from app.incidents.tables import Decision, Incident
from app.levels import matrix
from app.notify.tables import Delivery
from app.people import holders
from app.playbooks.tables import Run, StepRow
from app.reviews import figures
from app.simulation.acting import Acting
from app.simulation.document import Expectation


@dataclass(frozen=True)
class Verdict:
    """One thing that was expected, and what was found in its place."""

    at: datetime
    incident: str | None  # its name in the scenario
    what: str
    wanted: str
    found: str

    @property
    def held(self) -> bool:
        return self.wanted == self.found


async def judge(
    session: AsyncSession, expected: Expectation, acting: Acting, *, at: datetime
) -> list[Verdict]:
    """Compare what is with what should be, at this moment."""
    try:
        incident = await session.get_one(Incident, acting.incident_id(expected.incident))
    except NotFound:
        return [Verdict(at, expected.incident, "incident", "raised", "none")]
    pairs = [pair async for pair in _pairs(session, expected, incident, at)]
    return [Verdict(at, expected.incident, what, wanted, found) for what, wanted, found in pairs]


async def _pairs(session: AsyncSession, expected: Expectation, incident: Incident, at: datetime) -> Any:
    if expected.level is not None:
        yield "level", str(expected.level), str(incident.level)
    if expected.state is not None:
        yield "state", str(expected.state), str(incident.state)
    if (position := expected.acknowledged_by) is not None:
        names = [one.name for one in await holders.holders(session, position, at=at)]
        by = incident.acknowledged_by
        yield "acknowledged_by", position, position if by in names else by or "nobody"
    told = await _told(session, incident)
    for position in expected.told:
        yield f"told {position}", "yes", "yes" if position in told else "no"
    for position in expected.not_told:
        yield f"told {position}", "no", "yes" if position in told else "no"
    if expected.steps:
        states = await _steps(session, incident)
        for name, state in expected.steps.items():
            yield f"step {name}", str(state), states.get(name, "absent")
    if expected.short is not None:
        asked = (
            select(Decision.id)
            .where(Decision.incident_id == incident.id, Decision.kind == "shortage")
            .limit(1)
        )
        is_short = await session.scalar(asked) is not None
        yield "short", "yes" if expected.short else "no", "yes" if is_short else "no"
    if expected.met or expected.missed:
        standing = await _targets(session, incident, at)
        for name in expected.met:
            yield f"target {name}", "met", standing[name]
        for name in expected.missed:
            yield f"target {name}", "missed", standing[name]


async def _told(session: AsyncSession, incident: Incident) -> set[str]:
    query = (
        select(Delivery.position).where(Delivery.ref == incident.id, Delivery.sent_at.is_not(None)).distinct()
    )
    return set(await session.scalars(query))


async def _steps(session: AsyncSession, incident: Incident) -> dict[str, str]:
    run = select(Run.id).where(Run.ref == incident.id).order_by(Run.id.desc()).limit(1).scalar_subquery()
    rows = await session.execute(select(StepRow.name, StepRow.state).where(StepRow.run_id == run))
    return {row.name: str(row.state) for row in rows}


async def _targets(session: AsyncSession, incident: Incident, at: datetime) -> dict[str, str]:
    entries = await timeline.entries(session, incident.id)
    targets = (await matrix.of(session, incident.plan_revision)).levels[incident.level].targets
    reached = figures.times(figures.moments(entries), targets, detected_at=incident.detected_at)
    return dict(standings(reached, at - incident.detected_at))


def standings(reached: dict[str, Any], elapsed: Any) -> Iterator[tuple[str, str]]:
    """Each target of a level: met, missed, or not due yet."""
    for name, promise in figures.TIMES.items():
        if promise is not None:
            one = reached[name]
            open_ = one["took"] is None and elapsed <= figures.from_iso(one["target"])
            yield promise, "open" if open_ else "met" if one["met"] else "missed"
