"""A standby takes over the work of what has failed (EP-6.3): it is reserved, and the failed one is marked faulty.

Rows only: the switch itself is a call to another system, made by whoever calls this.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Refused
from app.resources import checks, holding, reservation
from app.resources.allocation import Shelf
from app.resources.document import Ask, Demand
from app.resources.reservation import Shortage
from app.resources.tables import Unit, UnitState
from app.wording import say

_MOST_SUBSTITUTES = 10  # as many as a request may name


async def fail_over(
    session: AsyncSession, *, ref: str, key: str, pool: str, failed: str, until: datetime, by: str, exercise: bool, at: datetime
) -> str | Shortage:  # fmt: skip
    """The name of the standby that is now held for the ref, or why there is none.

    1. Take turns before any row is locked, as everybody does who reserves more than once.
    2. A standby the ref holds already will do; otherwise the first that is ready, tier by tier, is reserved.
    3. What failed is marked faulty where it is an asset of these pools, standby or none; in an exercise it only seems to have.

    Raises `Refused` when no asset of the pool or its next tiers stands in for it.
    """
    await holding.take_turns(session, alone=False)
    assets = await _assets(session, pool)
    standbys = [one for one in assets if one.standby_of == failed]
    if not standbys:
        raise Refused(say("resources.no_standby", name=failed, pool=pool))
    found = await _held(session, ref, standbys) or await _reserved(
        session, standbys, ref=ref, key=key, until=until, by=by, exercise=exercise, at=at
    )
    if not exercise:
        for asset in assets:
            if asset.name == failed and asset.state == UnitState.READY:
                await checks.set_state(session, asset.pool_id, asset.name, UnitState.FAULTY, by="plan", at=at)
    return found


async def _assets(session: AsyncSession, pool: str) -> list[Unit]:
    """Those of the pool and its next tiers, in the order of asking."""
    pools = await holding.pools_reached(session, [pool], alone=None)
    tiers = list(Shelf({}, pools).chain(pool))
    query = select(Unit).where(Unit.pool_id.in_(tiers), Unit.measure.is_(None), Unit.person_id.is_(None))
    return sorted(await session.scalars(query), key=lambda one: (tiers.index(one.pool_id), one.name))


async def _held(session: AsyncSession, ref: str, standbys: Sequence[Unit]) -> str | None:
    wanted = {(one.pool_id, one.name) for one in standbys}
    held = await reservation.held_by(session, ref)
    return next((line.unit for line in held if (line.pool, line.unit) in wanted), None)


async def _reserved(
    session: AsyncSession, standbys: Sequence[Unit], *, ref: str, key: str, until: datetime, by: str, exercise: bool, at: datetime
) -> str | Shortage:  # fmt: skip
    first, *others = standbys
    instead = [Demand(pool=one.pool_id, item=one.name) for one in others[:_MOST_SUBSTITUTES]]
    made = await reservation.reserve(
        session, ref=ref, key=key, ask=[Ask(pool=first.pool_id, item=first.name, substitutes=instead)], until=until, by=by,
        exercise=exercise, at=at,
    )  # fmt: skip
    if isinstance(made, Shortage):
        return made
    return (await reservation.lines_of(session, [made]))[made.id][0].unit
