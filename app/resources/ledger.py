"""What comes into the store and leaves it: one entry per movement, and their sum is what is on hand (EP-6.2).

Never below what is held. Below the minimum, the rest of the service is told (`stock.low`). People do not
move by ledger: they are in a pool because of the positions they hold.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import NotFound, Refused
from app.ids import new_id
from app.resources.tables import Movement, MovementKind, Pool, Unit, UnitState
from app.wording import say

LOW: Final = "stock.low"
_MOST: Final = 1_000_000_000  # of one unit; the column holds little more


async def move(
    session: AsyncSession, pool_id: str, item: str, kind: MovementKind, quantity: int, *,
    by: str, at: datetime, note: str | None = None,
) -> Movement:  # fmt: skip
    """Write a movement of an item, or refuse; for `adjust`, `quantity` is what was counted.

    1. Take the unit, theirs alone until the commit.
    2. Refuse less than is held, more than one of an asset, and what is no movement of this pool.
    3. Write the entry and the new quantity; an asset that is scrapped is gone, one that comes in is ready.
    4. When this left less than the minimum, tell.
    """
    unit = await _locked(session, pool_id, item)
    change = _change(kind, quantity, unit)
    _refuse_impossible(unit, change)

    unit.on_hand += change
    if unit.measure is None:
        unit.state = UnitState.READY if unit.on_hand else UnitState.GONE
    movement = Movement(id=new_id(at), unit_id=unit.id, kind=kind, change=change, at=at, actor=by, note=note)
    session.add(movement)
    await session.flush()
    if change < 0 and unit.on_hand < unit.minimum:
        pool = await session.get_one(Pool, pool_id)
        low = {
            "unit_id": unit.id, "item": unit.name, "on_hand": unit.on_hand, "minimum": unit.minimum,
            "title": unit.title, "owner": pool.owner,
        }  # fmt: skip
        outbox.put(session, LOW, low, ref=pool_id, at=at)
    return movement


async def movements(session: AsyncSession, unit_id: str) -> list[Movement]:
    """The unit's entries, the oldest first."""
    query = select(Movement).where(Movement.unit_id == unit_id).order_by(Movement.at, Movement.id)
    return list(await session.scalars(query))


async def _locked(session: AsyncSession, pool_id: str, item: str) -> Unit:
    if await session.get(Pool, pool_id) is None:
        raise NotFound(say("resources.no_such_pool", id=pool_id))
    query = select(Unit).where(Unit.pool_id == pool_id, Unit.name == item).with_for_update()
    unit = await session.scalar(query.execution_options(populate_existing=True))
    if unit is None:
        raise NotFound(say("resources.no_such_item", id=item))
    if unit.person_id is not None:
        raise Refused(say("resources.people_do_not_move"))
    return unit


def _change(kind: MovementKind, quantity: int, unit: Unit) -> int:
    match kind:
        case MovementKind.IN:
            return quantity
        case MovementKind.OUT | MovementKind.SCRAP:
            return -quantity
        case MovementKind.ADJUST:
            return quantity - unit.on_hand
        case MovementKind.OPENING:
            raise Refused(say("resources.opened_by_the_plan"))


def _refuse_impossible(unit: Unit, change: int) -> None:
    after = unit.on_hand + change
    if after < unit.held:
        raise Refused(
            say("resources.below_held", on_hand=unit.on_hand, held=unit.held),
            on_hand=unit.on_hand,
            held=unit.held,
        )
    most = 1 if unit.measure is None else _MOST
    if after > most:
        raise Refused(say("resources.above_most", most=most), on_hand=unit.on_hand, most=most)
