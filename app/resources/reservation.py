"""Reserving and giving back: all that is asked for, or nothing, and never more than there is (EP-6).

In the caller's transaction. Knows a `ref`, never what it stands for. An exercise is served from a shadow of
the pools: it counts only what other reservations of its own ref hold, and takes nothing from anybody.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, bindparam, or_, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.db import in_turn
from app.errors import NotFound, Refused
from app.ids import new_id
from app.people import holders
from app.resources.allocation import Found, Free, Served, Shelf, allocate
from app.resources.document import Ask
from app.resources.tables import Pool, Reservation, ReservationLine, ReservationState, Unit, UnitState
from app.wording import Wording, say

MADE: Final = "reservation.made"
RELEASED: Final = "reservation.released"


@dataclass(frozen=True)
class Short:
    """One thing asked for and what there was of it."""

    pool: str
    item: str | None
    skill: str | None
    asked: int
    missing: int  # 0: this one alone could have been served
    found: tuple[Found, ...]  # pool by pool, in the order they were asked
    possible: tuple[Found, ...]  # what could be had if only so much were asked


@dataclass(frozen=True)
class Shortage:
    """Nothing was taken; this is why, and what would be possible."""

    asks: tuple[Short, ...]

    def as_data(self) -> list[dict[str, Any]]:
        """The same, fit to be stored and shown."""
        return [asdict(short) for short in self.asks]

    def wording(self) -> Wording:
        short = [one for one in self.asks if one.missing]
        return say(
            "resources.short", pools=[one.pool for one in short], missing=sum(one.missing for one in short)
        )


@dataclass(frozen=True)
class Held:
    """One line of a reservation, as people are told of it."""

    reservation_id: str
    pool: str
    unit: str
    title: dict[str, Any]
    measure: dict[str, Any] | None
    quantity: int
    person_id: str | None
    until: datetime
    exercise: bool


def _pools_reached() -> Select[Any]:
    reached = select(Pool.id, Pool.next).where(Pool.id.in_(bindparam("named", expanding=True)))
    following = reached.cte("reached", recursive=True)
    return select(following.union(select(Pool.id, Pool.next).where(Pool.id == following.c.next)))


def _candidates() -> Select[Any]:
    wanted = Unit.pool_id.in_(bindparam("pools", expanding=True))
    people = select(Unit.person_id).where(wanted, Unit.person_id.is_not(None))
    return (
        select(Unit)
        .where(or_(wanted, Unit.person_id.in_(people)))
        .order_by(Unit.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


# Built once: everybody who asks runs them, and building them costs more than their answer.
_POOLS_REACHED: Final = _pools_reached()
_CANDIDATES: Final = _candidates()
_OF_KEY: Final = select(Reservation).where(Reservation.key == bindparam("key"))


async def reserve(
    session: AsyncSession,
    *,
    ref: str,
    key: str,
    ask: Sequence[Ask],
    until: datetime,
    by: str,
    exercise: bool,
    at: datetime,
    alone: bool = False,
) -> Reservation | Shortage:
    """Take all that is asked for, or nothing. The same `key` again is the same reservation.

    `alone`: nothing else is reserved or given back in this transaction; then whoever wants other things need not wait for it.

    1. Take turns, then lock every unit that could come into it, in one order for everybody: no two requests
       can sell the same thing, and none waits for another in a circle, however many a transaction makes.
    2. Find units for all of it: the pool, its next tiers, then the substitutes in order.
    3. Write the reservation, unless the key has one: whoever sent the same request at the same time has waited for the first.
    4. Write the lines, the quantities and the message; or take nothing and say what is missing.
    """
    await _take_turns(session, alone=alone)
    pools = await _pools_asked(session, ask)
    units = await _locked_candidates(session, pools)
    free = await (_shadow(session, units, ref) if exercise else _free(session, units))
    shelf = await _shelf(session, pools, units, free, at=at)
    served = allocate(ask, shelf)
    made = None
    if not any(one.missing for one in served):
        made = await _written(
            session, id=new_id(at), ref=ref, key=key, state=ReservationState.HELD, exercise=exercise, reserved_at=at,
            until=until, released_at=None, by=by, asked=[one.model_dump(mode="json") for one in ask], version=1,
        )  # fmt: skip
    if made is None:
        return await _by_key(session, key) or Shortage(tuple(_short(one) for one in served))
    _write_lines(session, made, served, {unit.id: unit for unit in units})
    outbox.put(session, MADE, {"reservation_id": made.id, "exercise": exercise}, ref=ref, at=at)
    await session.flush()
    return made


async def reserve_or_refuse(
    session: AsyncSession,
    *,
    ref: str,
    key: str,
    ask: Sequence[Ask],
    until: datetime,
    by: str,
    exercise: bool,
    at: datetime,
) -> Reservation:
    """The same for somebody who asks by hand, in a request of its own: pools exist, the end lies ahead, a shortage is refused."""
    asked = {demand.pool for one in ask for demand in (one, *one.substitutes)}
    known = set(await session.scalars(select(Pool.id).where(Pool.id.in_(asked))))
    if unknown := sorted(asked - known):
        raise NotFound(say("resources.no_such_pool", id=unknown[0]))
    if until <= at:
        raise Refused(say("resources.until_is_past"))
    outcome = await reserve(
        session, ref=ref, key=key, ask=ask, until=until, by=by, exercise=exercise, at=at, alone=True
    )
    if isinstance(outcome, Shortage):
        raise Refused(outcome.wording(), shortage=outcome.as_data())
    return outcome


async def release(session: AsyncSession, reservation: Reservation, *, by: str, at: datetime) -> Reservation:
    """Give everything back, by hand and alone in its transaction; what is given back already stays so."""
    await _give_back(session, Reservation.id == reservation.id, by=by, at=at, alone=True)
    return await session.get_one(Reservation, reservation.id)


async def release_all(session: AsyncSession, ref: str, by: str, at: datetime) -> int:
    """Give back everything the ref holds, real or exercise; says how many reservations that were."""
    return await _give_back(session, Reservation.ref == ref, by=by, at=at)


async def release_key(session: AsyncSession, key: str, *, by: str, at: datetime) -> int:
    """Give back what one request took, if it took anything."""
    return await _give_back(session, Reservation.key == key, by=by, at=at)


async def reservation(session: AsyncSession, reservation_id: str) -> Reservation:
    """The reservation, or `NotFound`."""
    found = await session.get(Reservation, reservation_id)
    if found is None:
        raise NotFound(say("resources.no_such_reservation"))
    return found


async def held_by(session: AsyncSession, ref: str) -> list[Held]:
    """All that is held for a ref, in the order it was reserved."""
    query = select(Reservation).where(Reservation.ref == ref, Reservation.state == ReservationState.HELD)
    reservations = list(await session.scalars(query.order_by(Reservation.reserved_at, Reservation.id)))
    lines = await lines_of(session, reservations)
    return [line for one in reservations for line in lines[one.id]]


async def lines_of(session: AsyncSession, reservations: Iterable[Reservation]) -> dict[str, list[Held]]:
    """What each reservation took, by its id; also after it was given back."""
    by_id = {one.id: one for one in reservations}
    found: dict[str, list[Held]] = {one: [] for one in by_id}
    query = (
        select(ReservationLine, Unit)
        .join(Unit, Unit.id == ReservationLine.unit_id)
        .where(ReservationLine.reservation_id.in_(list(by_id)))
        .order_by(ReservationLine.pool_id, Unit.name)
    )
    for line, unit in await session.execute(query):
        whole = by_id[line.reservation_id]
        found[whole.id].append(
            Held(
                whole.id, line.pool_id, unit.name, unit.title, unit.measure, line.quantity, line.person_id,
                whole.until, whole.exercise,
            )
        )  # fmt: skip
    return found


def listing(*, ref: str | None = None, state: ReservationState | None = None) -> Select[Any]:
    query = select(Reservation)
    if ref is not None:
        query = query.where(Reservation.ref == ref)
    if state is not None:
        query = query.where(Reservation.state == state)
    return query


# ── what could be taken ───────────────────────────────────────────────────────────────────────────────────


async def _take_turns(session: AsyncSession, *, alone: bool) -> None:
    """Wait until no other transaction is reserving or releasing several times; SQLite has one writer anyway.

    The order of row locks holds within one call only, and a run that reserves for two steps makes two. Those who make one
    call pass together: the rows keep them apart.
    """
    await in_turn(session, "reservations", shared=alone)


async def _pools_asked(session: AsyncSession, ask: Sequence[Ask]) -> dict[str, str | None]:
    """The pools the request may come to, each with its next tier: those named, their substitutes, and all that follow."""
    named = {demand.pool for one in ask for demand in (one, *one.substitutes)}
    return {row.id: row.next for row in await session.execute(_POOLS_REACHED, {"named": list(named)})}


async def _locked_candidates(session: AsyncSession, pools: Iterable[str]) -> list[Unit]:
    """The units of these pools, locked; and with each person their units in other pools.

    The last is what lets two requests that reach the same person by different pools meet at one row.
    """
    return list(await session.scalars(_CANDIDATES, {"pools": list(pools)}))


async def _by_key(session: AsyncSession, key: str) -> Reservation | None:
    found: Reservation | None = await session.scalar(_OF_KEY, {"key": key})
    return found


async def _free(session: AsyncSession, units: Sequence[Unit]) -> dict[str, int]:
    """What could be taken of each unit; nothing of a person who is held through any pool."""
    people = [unit.person_id for unit in units if unit.person_id is not None]
    held = select(ReservationLine.person_id).where(
        ReservationLine.held, ReservationLine.person_id.in_(people)
    )
    busy = set(await session.scalars(held)) if people else set()
    return {unit.id: 0 if unit.person_id in busy else unit.on_hand - unit.held for unit in units}


async def _shadow(session: AsyncSession, units: Sequence[Unit], ref: str) -> dict[str, int]:
    """The same for an exercise: as if only its own ref existed."""
    query = (
        select(ReservationLine)
        .join(Reservation, Reservation.id == ReservationLine.reservation_id)
        .where(Reservation.ref == ref, Reservation.exercise, Reservation.state == ReservationState.HELD)
    )
    lines = list(await session.scalars(query))
    used: dict[str, int] = {}
    for line in lines:
        used[line.unit_id] = used.get(line.unit_id, 0) + line.quantity
    busy = {line.person_id for line in lines if line.person_id is not None}
    return {unit.id: 0 if unit.person_id in busy else unit.on_hand - used.get(unit.id, 0) for unit in units}


async def _shelf(
    session: AsyncSession,
    pools: dict[str, str | None],
    units: Sequence[Unit],
    free: dict[str, int],
    *,
    at: datetime,
) -> Shelf:
    """What is ready and can be called, people in staff order and things by name."""
    people = [unit.person_id for unit in units if unit.person_id is not None]
    skills = await holders.available(session, people, at=at) if people else {}
    place = {person_id: number for number, person_id in enumerate(skills)}
    shelf: dict[str, list[Free]] = {slug: [] for slug in pools}
    for unit in units:
        ready = unit.state == UnitState.READY and (unit.person_id is None or unit.person_id in skills)
        if ready and unit.pool_id in pools:
            has = skills[unit.person_id] if unit.person_id is not None else frozenset()
            shelf[unit.pool_id].append(
                Free(unit.id, unit.pool_id, unit.name, free[unit.id], unit.person_id, has)
            )
    for row in shelf.values():
        row.sort(key=lambda one: (place.get(one.person_id or "", 0), one.name))
    return Shelf(shelf, pools)


# ── what is written ───────────────────────────────────────────────────────────────────────────────────────


async def _written(session: AsyncSession, **values: Any) -> Reservation | None:
    """The reservation, stored; none: its key has one already."""
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    made: Reservation | None = await session.scalar(
        insert(Reservation)
        .values(values)
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(Reservation)
    )
    return made


def _write_lines(
    session: AsyncSession, reservation: Reservation, served: Sequence[Served], units: dict[str, Unit]
) -> None:
    quantities: dict[str, int] = {}
    for one in served:
        for taken in one.taken:
            quantities[taken.unit.unit_id] = quantities.get(taken.unit.unit_id, 0) + taken.quantity
    for unit_id, quantity in quantities.items():
        unit = units[unit_id]
        real = not reservation.exercise
        if real:
            unit.held += quantity
        session.add(
            ReservationLine(
                reservation_id=reservation.id, unit_id=unit_id, quantity=quantity, pool_id=unit.pool_id,
                person_id=unit.person_id, held=real,
            )
        )  # fmt: skip


async def _give_back(session: AsyncSession, which: Any, *, by: str, at: datetime, alone: bool = False) -> int:
    """Release what is still held. Reservations are locked before units, by everybody, in one order."""
    await _take_turns(session, alone=alone)
    query = (
        select(Reservation).where(which, Reservation.state == ReservationState.HELD).order_by(Reservation.id)
    )
    locking = query.with_for_update().execution_options(populate_existing=True)
    reservations = {one.id: one for one in await session.scalars(locking)}
    if not reservations:
        return 0
    held = await session.execute(
        select(ReservationLine, Unit)
        .join(Unit, Unit.id == ReservationLine.unit_id)
        .where(ReservationLine.reservation_id.in_(list(reservations)), ReservationLine.held)
        .order_by(Unit.id)
        .with_for_update(of=Unit)
        .execution_options(populate_existing=True)
    )
    for line, unit in held.all():  # several lines may be of one unit
        unit.held -= line.quantity
        line.held = False
    for one in reservations.values():
        one.state, one.released_at = ReservationState.RELEASED, at
        one.version += 1
        payload = {"reservation_id": one.id, "exercise": one.exercise, "by": by}
        outbox.put(session, RELEASED, payload, ref=one.ref, at=at)
    await session.flush()
    return len(reservations)


def _short(served: Served) -> Short:
    possible: dict[str, int] = {}
    for taken in served.taken:
        possible[taken.unit.pool_id] = possible.get(taken.unit.pool_id, 0) + taken.quantity
    ask = served.ask
    return Short(
        ask.pool, ask.item, ask.skill, ask.quantity, served.missing, served.found,
        tuple(Found(pool, quantity) for pool, quantity in possible.items()),
    )  # fmt: skip
