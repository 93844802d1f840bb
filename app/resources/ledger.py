"""What comes into the store and leaves it: one entry per movement, and their sum is what is on hand (EP-6.2).

Never below what is held. Below the minimum, more is asked for (`replenishment`). A stocktake counts what lies there and sets the
ledger right. People do not move by ledger: they are in a pool because of the positions they hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound, Refused, WrongShape
from app.ids import new_id
from app.resources import checks, expiry, replenishment
from app.resources.tables import Movement, MovementKind, Pool, Unit, UnitState
from app.wording import say

_MOST: Final = 1_000_000_000  # of one unit; the column holds little more


@dataclass(frozen=True)
class Lot:
    """Which of an item: where it lies and of which batch. What is left out is whatever there is one of."""

    item: str
    place: str | None = None
    batch: str | None = None
    expires_on: date | None = None  # said when a batch comes in


@dataclass(frozen=True)
class Count:
    """So many were counted of one lot."""

    lot: Lot
    quantity: int


async def move(
    session: AsyncSession, pool_id: str, lot: Lot, kind: MovementKind, quantity: int, *,
    by: str, at: datetime, note: str | None = None,
) -> Movement:  # fmt: skip
    """Write a movement of a lot, or refuse; for `adjust`, `quantity` is what was counted.

    1. Take the pool, theirs alone until the commit, and the lot; one that comes in for the first time is opened.
    2. Refuse less than is held, more than one of an asset, and what is no movement of this pool.
    3. Write the entry and the new quantity; an asset that is scrapped is gone, one that comes in is ready.
    4. When this left less of the item than the minimum, ask for more.
    """
    pool, units = await _locked(session, pool_id, lot.item)
    unit = await _opened(session, pool, units, lot, at=at) if kind == MovementKind.IN else _only(units, lot)
    movement = _written(session, unit, kind, _change(kind, quantity, unit), by=by, at=at, note=note)
    await session.flush()
    await replenishment.ask_if_low(session, pool, {*units, unit}, at=at)
    return movement


async def transfer(
    session: AsyncSession, pool_id: str, lot: Lot, to: str, quantity: int, *, by: str, at: datetime, note: str | None = None
) -> Movement:  # fmt: skip
    """Move so many of a lot to another place of the same pool; what expires there expires on the same day."""
    pool, units = await _locked(session, pool_id, lot.item)
    unit = _only(units, lot)
    if unit.measure is None or unit.place == to:
        raise Refused(say("resources.not_transferred", to=to))
    there = await _opened(session, pool, units, Lot(lot.item, to, unit.batch, unit.expires_on), at=at)
    _written(session, there, MovementKind.TRANSFER, quantity, by=by, at=at, note=note)
    movement = _written(session, unit, MovementKind.TRANSFER, -quantity, by=by, at=at, note=note)
    await session.flush()
    return movement


async def take_stock(
    session: AsyncSession, pool_id: str, counts: Sequence[Count], *, by: str, at: datetime
) -> list[Movement]:
    """Set the ledger right by what was counted, each lot once; what was as expected is an entry as well: it was looked at."""
    movements: dict[str, Movement] = {}
    for number, one in enumerate(counts):
        movement = await move(session, pool_id, one.lot, MovementKind.ADJUST, one.quantity, by=by, at=at)
        if movement.unit_id in movements:
            raise WrongShape(
                say("resources.counted_twice", item=one.lot.item), errors=[{"path": f"counts.{number}"}]
            )
        movements[movement.unit_id] = movement
        (await session.get_one(Unit, movement.unit_id)).counted_at = at
    await session.flush()
    await checks.stock_taken(session, await session.get_one(Pool, pool_id), at=at)
    return list(movements.values())


async def look_again(session: AsyncSession, pool_id: str, item: str, *, at: datetime) -> None:
    """Some of an item may no longer be used: ask for more if what is left is less than the minimum."""
    pool, units = await _locked(session, pool_id, item)
    await replenishment.ask_if_low(session, pool, units, at=at)


def of_pool(pool_id: str, *, item: str | None = None) -> Select[Any]:
    """The entries of all units of a pool, or of all lots of one item."""
    units = select(Unit.id).where(Unit.pool_id == pool_id)
    return select(Movement).where(
        Movement.unit_id.in_(units if item is None else units.where(Unit.name == item))
    )


async def movements(session: AsyncSession, unit_id: str) -> list[Movement]:
    """The unit's entries, the oldest first."""
    query = select(Movement).where(Movement.unit_id == unit_id).order_by(Movement.at, Movement.id)
    return list(await session.scalars(query))


async def _locked(session: AsyncSession, pool_id: str, item: str) -> tuple[Pool, list[Unit]]:
    """The pool first, then its units in the order in which everybody locks them."""
    anew = {"populate_existing": True}
    pool = await session.scalar(
        select(Pool).where(Pool.id == pool_id).with_for_update(), execution_options=anew
    )
    if pool is None:
        raise NotFound(say("resources.no_such_pool", id=pool_id))
    query = select(Unit).where(Unit.pool_id == pool_id, Unit.name == item).order_by(Unit.id).with_for_update()
    units = list(await session.scalars(query, execution_options=anew))
    if not units:
        raise NotFound(say("resources.no_such_item", id=item))
    if units[0].person_id is not None:
        raise Refused(say("resources.people_do_not_move"))
    return pool, units


def _fitting(units: Sequence[Unit], lot: Lot) -> list[Unit]:
    return [
        unit
        for unit in units
        if (lot.place is None or unit.place == lot.place) and (lot.batch is None or unit.batch == lot.batch)
    ]


def _only(units: Sequence[Unit], lot: Lot) -> Unit:
    """The one that is meant; whoever has several must say which."""
    fitting = _fitting(units, lot)
    if len(fitting) > 1:
        fitting = [unit for unit in fitting if unit.on_hand] or fitting
    if len(fitting) != 1:
        lots = [{"place": unit.place, "batch": unit.batch, "on_hand": unit.on_hand} for unit in units]
        raise Refused(say("resources.which_lot", item=lot.item), lots=lots)
    return fitting[0]


async def _opened(
    session: AsyncSession, pool: Pool, units: Sequence[Unit], lot: Lot, *, at: datetime
) -> Unit:
    """The lot something comes into: known, or new beside the others of its item."""
    first = units[0]
    place, batch = first.place if lot.place is None else lot.place, lot.batch or ""
    known = [unit for unit in units if (unit.place, unit.batch) == (place, batch)]
    if first.measure is None and not known:
        raise Refused(say("resources.one_of_its_kind", item=lot.item))
    if not known:
        opened = Unit(
            id=new_id(at), pool_id=first.pool_id, name=first.name, title=first.title, measure=first.measure, place=place,
            batch=batch, expires_on=lot.expires_on, expires_at=expiry.end_of(lot.expires_on, pool.time_zone), on_hand=0,
            held=0, minimum=first.minimum, supplier=first.supplier, order=first.order, state=UnitState.READY,
        )  # fmt: skip
        session.add(opened)
        await session.flush()  # before the movement that refers to it
        await expiry.arm(session, pool, opened, at=at)
        return opened
    if lot.expires_on not in (None, known[0].expires_on):
        raise Refused(say("resources.other_expiry", batch=batch), expires_on=known[0].expires_on)
    return known[0]


def _written(
    session: AsyncSession,
    unit: Unit,
    kind: MovementKind,
    change: int,
    *,
    by: str,
    at: datetime,
    note: str | None,
) -> Movement:
    _refuse_impossible(unit, change)
    unit.on_hand += change
    if unit.measure is None and not unit.on_hand:
        unit.state = UnitState.GONE
    elif unit.state == UnitState.GONE:  # one that was there already is as it was: counting repairs nothing
        unit.state = UnitState.READY
    movement = Movement(id=new_id(at), unit_id=unit.id, kind=kind, change=change, at=at, actor=by, note=note)
    session.add(movement)
    return movement


def _change(kind: MovementKind, quantity: int, unit: Unit) -> int:
    match kind:
        case MovementKind.IN:
            return quantity
        case MovementKind.OUT | MovementKind.SCRAP:
            return -quantity
        case MovementKind.ADJUST:
            return quantity - unit.on_hand
        case MovementKind.OPENING | MovementKind.TRANSFER:
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
