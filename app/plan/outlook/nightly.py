"""The check of the plan in force once a night: what is newly grave is told before it is needed (EP-10.3).

Any number of replicas may look: a day has one row. The reckoning is done between two transactions, so that it
holds up nobody.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.db import Database
from app.people import holders
from app.plan import revisions
from app.plan.finding import Finding, Severity
from app.plan.outlook import standing
from app.plan.outlook.report import DAYS
from app.plan.tables import PlanOutlook
from app.wording import kept

WORSENED: Final = "plan.outlook_worsened"
LOOK_EVERY: Final = timedelta(minutes=10)
_AFTER: Final = timedelta(hours=2)  # of the night, on the clocks of the centre
_MOST_TOLD: Final = 5
_AWAY: Final = "plan.outlook.away.away"
_WHY: Final = frozenset({"plan.outlook.away.leave", "plan.outlook.away.ill"})


async def look(db: Database, *, at: datetime, channels: frozenset[str]) -> bool:
    """Look once a night, from two o'clock on; says whether this call was the one that did.

    1. Nothing is done before there is a plan in force and anybody who could be told.
    2. The plan is checked with everybody and everything there is.
    3. What is grave and was not the night before is told, in the transaction that keeps tonight's.
    """
    async with db.reading() as session:
        day = await _due(session, at)
        if day is None:
            return False
        looked = await standing.look_ahead(session, at=at, days=DAYS, channels=channels)
    grave = [one for one in looked.report.findings if one.severity is Severity.ERROR]
    async with db.transaction() as session:
        before = await session.scalar(select(PlanOutlook).order_by(PlanOutlook.day.desc()).limit(1))
        known = set(before.grave) if before is not None else set()
        row = {
            "day": day,
            "looked_at": at,
            "revision_id": looked.revision_id,
            "grave": [one.mark for one in grave],
        }
        insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
        statement = insert(PlanOutlook).values(row).on_conflict_do_nothing(index_elements=["day"])
        if await session.scalar(statement.returning(PlanOutlook.day)) is None:
            return False
        if fresh := [one for one in grave if one.mark not in known]:
            outbox.put(session, WORSENED, _told(fresh), ref=revisions.REF, at=at)
    return True


async def _due(session: AsyncSession, at: datetime) -> str | None:
    """The night to be looked at, unless it has been."""
    if await revisions.current(session) is None or not await holders.anyone(session):
        return None
    _, document = await revisions.in_force(session)
    day = (at.astimezone(document.grading().zone) - _AFTER).date().isoformat()
    return day if await session.get(PlanOutlook, day) is None else None


def _told(fresh: Sequence[Finding]) -> dict[str, object]:
    return {"number": len(fresh), "found": [_discreet(kept(one.message)) for one in fresh[:_MOST_TOLD]]}


def _discreet(told: Any) -> Any:
    """The same sentence for anybody's eyes: that somebody is away, not why."""
    if isinstance(told, Mapping):
        said = {name: _discreet(value) for name, value in told.items()}
        return said | {"key": _AWAY} if said.get("key") in _WHY else said
    return [_discreet(one) for one in told] if isinstance(told, list) else told
