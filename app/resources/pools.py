"""The pools themselves: taken over from the plan, and kept in step with who holds the positions.

What is in a pool changes by movements and reservations only, never by loading the plan again. Asks people who
holds what, and tells nobody.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.ids import new_id
from app.people import holders
from app.resources import checks, document, expiry
from app.resources.tables import Movement, MovementKind, Pool, Unit, UnitState
from app.wording import say

_PLAN: Final = "plan"  # the actor of opening movements
_DESCRIBED: Final = ("title", "measure", "minimum", "supplier", "order", "standby_of", "check_every")


@dataclass(frozen=True)
class Stock:
    """A pool and what is in it."""

    pool: Pool
    units: Sequence[Unit]

    @property
    def on_hand(self) -> int:
        """What there is, whether held or free; who has left the pool does not count."""
        return sum(unit.on_hand for unit in self.units if unit.state != UnitState.GONE)

    @property
    def held(self) -> int:
        return sum(unit.held for unit in self.units)


async def adopt(
    session: AsyncSession, pools: Mapping[str, document.Pool], *, at: datetime, time_zone: str = "UTC"
) -> None:
    """Make the plan's pools the centre's, when the plan is put in force.

    1. Each pool and unit is added or described anew; no quantity of a unit that is known changes.
    2. A unit seen for the first time opens its ledger with what the plan says there is.
    3. Pools of people take in who holds their positions.

    What the plan no longer names stays as it is: it may be held, and it is still in the store room.
    """
    known_pools = await _every_pool_locked(session)
    due = {pool.id: pool.stocktake_due_at for pool in known_pools}
    for slug, part in pools.items():
        positions = list(part.positions) if isinstance(part, document.PeoplePool) else []
        await session.merge(
            Pool(
                id=slug, kind=part.kind, tier=part.tier, title=part.title.model_dump(), owner=part.owner,
                next=part.next, positions=positions, time_zone=time_zone, **_stocktake(part, due.get(slug), at),
            )
        )  # fmt: skip
    await session.flush()
    known: dict[tuple[str, str], list[Unit]] = {}
    for unit in await session.scalars(select(Unit)):
        known.setdefault((unit.pool_id, unit.name), []).append(unit)
    new: list[Unit] = []
    for slug, part in pools.items():
        for wanted in _units_of(slug, part, at, time_zone):
            for unit in (there := known.get((slug, wanted.name), [])):
                for name in _DESCRIBED:
                    setattr(unit, name, getattr(wanted, name))
                if unit.measure is None:  # an asset is where the plan says; materials are where they were put
                    unit.place = wanted.place
                    unit.check_due_at = unit.check_due_at or wanted.check_due_at
            if not there:
                new.append(wanted)
    await _open(session, new, at=at)
    for unit in new:
        await expiry.arm(session, await session.get_one(Pool, unit.pool_id), unit, at=at)
    await sync_members(session, at)
    await checks.arm_all(session, at=at)


async def sync_members(session: AsyncSession, at: datetime) -> None:
    """Make each pool of people consist of who holds its positions; who is held stays held until released."""
    pools = [pool for pool in await _every_pool_locked(session) if pool.positions]
    ids = [pool.id for pool in pools]
    query = select(Unit).where(Unit.pool_id.in_(ids)).order_by(Unit.id)
    known = {(unit.pool_id, unit.name): unit for unit in await session.scalars(query.with_for_update())}
    for pool in pools:
        members = await holders.members(session, pool.positions, at=at)
        for person_id, name in members.items():
            title = {"zh": name, "en": name}
            if (unit := known.pop((pool.id, person_id), None)) is None:
                unit = Unit(id=new_id(at), pool_id=pool.id, name=person_id, person_id=person_id, on_hand=1)
            unit.title, unit.state = title, UnitState.READY
            session.add(unit)
    for unit in known.values():
        unit.state = UnitState.GONE
    await session.flush()


async def stock(session: AsyncSession) -> list[Stock]:
    """Every pool with its units, in one order always."""
    units: dict[str, list[Unit]] = {}
    for unit in await session.scalars(_in_order(select(Unit))):
        units.setdefault(unit.pool_id, []).append(unit)
    return [
        Stock(pool, units.get(pool.id, [])) for pool in await session.scalars(select(Pool).order_by(Pool.id))
    ]


async def stock_of(session: AsyncSession, pool_id: str) -> Stock:
    """One pool with its units, or `NotFound`."""
    pool = await session.get(Pool, pool_id)
    if pool is None:
        raise NotFound(say("resources.no_such_pool", id=pool_id))
    return Stock(pool, list(await session.scalars(_in_order(select(Unit).where(Unit.pool_id == pool_id)))))


def _in_order(units: Select[Any]) -> Select[Any]:
    return units.order_by(Unit.name, Unit.expires_on, Unit.place, Unit.batch, Unit.id)


async def _every_pool_locked(session: AsyncSession) -> list[Pool]:
    """One at a time changes what pools consist of: two would add the same member twice."""
    return list(await session.scalars(select(Pool).order_by(Pool.id).with_for_update()))


def _stocktake(part: document.Pool, due_at: datetime | None, at: datetime) -> dict[str, Any]:
    every = part.stocktake_every if isinstance(part, document.MaterialsPool) else None
    if every is None:
        return {"stocktake_every": None, "stocktake_due_at": None}
    return {"stocktake_every": int(every.total_seconds()), "stocktake_due_at": due_at or at + every}


def _units_of(slug: str, part: document.Pool, at: datetime, time_zone: str) -> Iterator[Unit]:
    match part:
        case document.MaterialsPool():
            for name, item in part.items.items():
                about = {
                    "pool_id": slug, "name": name, "title": item.title.model_dump(), "measure": item.unit.model_dump(),
                    "minimum": item.minimum, "supplier": item.supplier, "order": item.order,
                }  # fmt: skip
                yield Unit(**about, place=item.place, batch="", on_hand=item.quantity)
                for batch, one in item.batches.items():
                    place = one.place or item.place
                    yield Unit(
                        **about, place=place, batch=batch, expires_on=one.expires, on_hand=one.quantity,
                        expires_at=expiry.end_of(one.expires, time_zone),
                    )  # fmt: skip
        case document.TechnologyPool():
            for name, asset in part.assets.items():
                every = asset.check_every
                yield Unit(
                    pool_id=slug, name=name, title=asset.title.model_dump(), place=asset.place, on_hand=1, minimum=0,
                    standby_of=asset.standby_of, check_every=int(every.total_seconds()) if every else None,
                    check_due_at=at + every if every else None,
                )  # fmt: skip


async def _open(session: AsyncSession, units: Sequence[Unit], *, at: datetime) -> None:
    for unit in units:
        unit.id = new_id(at)
    session.add_all(units)
    await session.flush()  # units before the movements that refer to them
    session.add_all(
        Movement(
            id=new_id(at),
            unit_id=unit.id,
            kind=MovementKind.OPENING,
            change=unit.on_hand,
            at=at,
            actor=_PLAN,
            note=None,
        )
        for unit in units
    )
    await session.flush()
