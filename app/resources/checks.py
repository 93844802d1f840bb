"""What has to be looked at from time to time: stock to be counted, technology to be checked (EP-6.2, EP-6.3).

A moment at which the next look is due stands on the row, and a timer says so to the pool's owner. Also the state of an asset: what
is faulty or in repair is not reserved.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import NotFound, Refused
from app.resources import reservation
from app.resources.tables import Pool, Unit, UnitState
from app.wording import say

STOCKTAKE_DUE: Final = "stocktake.due"
CHECK_DUE: Final = "check.due"
FAILED: Final = "reservation.failed"
SETTABLE: Final = frozenset({UnitState.READY, UnitState.FAULTY, UnitState.IN_REPAIR})


async def arm_all(session: AsyncSession, *, at: datetime) -> None:
    """A timer for everything that will be due; what has one keeps it."""
    for pool in await session.scalars(select(Pool).where(Pool.stocktake_due_at.is_not(None))):
        await _arm_stocktake(session, pool)
    for unit in await session.scalars(select(Unit).where(Unit.check_due_at.is_not(None))):
        await _arm_check(session, unit)


async def stock_taken(session: AsyncSession, pool: Pool, *, at: datetime) -> None:
    """A stocktake holds good for a time from its oldest count; the next is due then."""
    if pool.stocktake_every is None:
        return
    units = list(await session.scalars(select(Unit).where(Unit.pool_id == pool.id, Unit.on_hand > 0)))
    counted = [unit.counted_at for unit in units if unit.counted_at is not None]
    if counted and len(counted) == len(units):
        pool.stocktake_due_at = min(counted) + timedelta(seconds=pool.stocktake_every)
        await _arm_stocktake(session, pool)


async def set_state(
    session: AsyncSession,
    pool_id: str,
    name: str,
    state: UnitState,
    *,
    by: str,
    at: datetime,
    checked: bool = False,
) -> Unit:
    """Say how an asset is: ready, faulty or in repair; who holds one that fails is told.

    `checked`: it was looked at on purpose, and the next look is due later.
    """
    query = select(Unit).where(Unit.pool_id == pool_id, Unit.name == name).with_for_update()
    unit = await session.scalar(query.execution_options(populate_existing=True))
    if unit is None:
        raise NotFound(say("resources.no_such_item", id=name))
    if unit.measure is not None or unit.person_id is not None:
        raise Refused(say("resources.no_asset"))
    if unit.state == UnitState.GONE or state not in SETTABLE:
        raise Refused(say("resources.asset_gone"), state=unit.state)
    if state != UnitState.READY and unit.state == UnitState.READY:
        for one in (await reservation.holdings(session)).get(unit.id, ()):
            payload = {"reservation_id": one.reservation_id, "title": unit.title, "by": by}
            outbox.put(session, FAILED, payload, ref=one.ref, at=at)
    unit.state = state
    if checked:
        await _checked(session, unit, at=at)
    return unit


async def found_good(session: AsyncSession, pool_id: str, name: str, *, at: datetime) -> None:
    """An asset was looked at by a step of the plan and found to do what it is for; what is gone by now is passed over."""
    query = select(Unit).where(Unit.pool_id == pool_id, Unit.name == name, Unit.state != UnitState.GONE)
    unit = await session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if unit is not None:
        await _checked(session, unit, at=at)


async def still_due(session: AsyncSession, topic: str, payload: Any, *, at: datetime) -> bool:
    """Whether nobody has looked meanwhile."""
    due_at: datetime | None
    if topic == STOCKTAKE_DUE:
        due_at = await session.scalar(select(Pool.stocktake_due_at).where(Pool.id == payload["id"]))
    else:
        due_at = await session.scalar(select(Unit.check_due_at).where(Unit.id == payload["id"]))
    return due_at is not None and due_at <= at


async def _checked(session: AsyncSession, unit: Unit, *, at: datetime) -> None:
    unit.checked_at = at
    if unit.check_every is not None:
        unit.check_due_at = at + timedelta(seconds=unit.check_every)
        await _arm_check(session, unit)


async def _arm_stocktake(session: AsyncSession, pool: Pool) -> None:
    if pool.stocktake_due_at is not None:
        payload = {"id": pool.id, "title": pool.title, "owner": pool.owner}
        key = f"stocktake:{pool.id}:{pool.stocktake_due_at:%Y%m%dT%H%M%S}"
        await outbox.arm(session, STOCKTAKE_DUE, payload, ref=pool.id, key=key, due_at=pool.stocktake_due_at)


async def _arm_check(session: AsyncSession, unit: Unit) -> None:
    if unit.check_due_at is not None:
        owner = (await session.get_one(Pool, unit.pool_id)).owner
        payload = {"id": unit.id, "title": unit.title, "owner": owner, "place": unit.place}
        key = f"check:{unit.id}:{unit.check_due_at:%Y%m%dT%H%M%S}"
        await outbox.arm(session, CHECK_DUE, payload, ref=unit.pool_id, key=key, due_at=unit.check_due_at)
