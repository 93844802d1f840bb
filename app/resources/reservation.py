"""Reserving and giving back: all that is asked for, or nothing, and never more than there is (EP-6).

In the caller's transaction. Knows a `ref`, never what it stands for. An exercise is served from a shadow of
the pools: it counts only what other reservations of its own ref hold, and takes nothing from anybody.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import NotFound, Refused
from app.ids import new_id
from app.people import holders
from app.resources import holding
from app.resources.allocation import Found, Free, Served, Shelf, allocate
from app.resources.document import Ask
from app.resources.expiry import is_expired
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
    titles: Mapping[str, Mapping[str, str] | str]
    """Of the pools."""

    def as_data(self) -> list[dict[str, Any]]:
        """The same, fit to be stored and shown."""
        return [asdict(short) for short in self.asks]

    def wording(self) -> Wording:
        short = [one for one in self.asks if one.missing]
        return say(
            "resources.short",
            pools=[self.titles.get(one.pool, one.pool) for one in short],
            missing=sum(one.missing for one in short),
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


@dataclass(frozen=True)
class Holding:
    """So many of one unit, for whom and until when."""

    reservation_id: str
    ref: str
    quantity: int
    until: datetime


_NEVER: Final = datetime.max.replace(tzinfo=UTC)
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
    asked = {demand.pool for one in ask for demand in (one, *one.substitutes)}
    pools = await holding.pools_reached(session, asked, alone=alone)
    units = await holding.locked_candidates(session, pools)
    free = await (_shadow(session, units, ref) if exercise else _free(session, units))
    shelf = await _shelf(session, pools, units, free, at=at)
    served = allocate(ask, shelf)
    made = None
    if not any(one.missing for one in served):
        made = await holding.write(
            session, id=new_id(at), ref=ref, key=key, state=ReservationState.HELD, exercise=exercise, reserved_at=at,
            until=until, released_at=None, by=by, asked=[one.model_dump(mode="json") for one in ask], version=1,
        )  # fmt: skip
    if made is None:
        return await _by_key(session, key) or await _shortage(session, served)
    await holding.hold(session, made.id, _lines(served), real=not exercise)
    await outbox.put_all(session, MADE, [(ref, {"reservation_id": made.id, "exercise": exercise})], at=at)
    return made


async def trial(
    session: AsyncSession, ask: Sequence[Ask], given_back: Sequence[ReservationLine], *, at: datetime
) -> list[Served]:
    """How a request would be served if these lines were given back; locks and takes nothing."""
    asked = {demand.pool for one in ask for demand in (one, *one.substitutes)}
    pools = await holding.pools_reached(session, asked, alone=None)
    units = await holding.candidates(session, pools)
    back: dict[str, int] = {}
    for line in given_back:
        back[line.unit_id] = back.get(line.unit_id, 0) + line.quantity
    people = {line.person_id for line in given_back if line.person_id is not None}
    free = await _free(session, units)
    for unit in units:
        if unit.person_id in people:
            free[unit.id] = 1
        elif unit.person_id is None:
            free[unit.id] += back.get(unit.id, 0)
    return allocate(ask, await _shelf(session, pools, units, free, at=at))


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
    await refuse_unknown(session, ask)
    if until <= at:
        raise Refused(say("resources.until_is_past"))
    outcome = await reserve(
        session, ref=ref, key=key, ask=ask, until=until, by=by, exercise=exercise, at=at, alone=True
    )
    if isinstance(outcome, Shortage):
        raise Refused(outcome.wording(), shortage=outcome.as_data())
    return outcome


async def refuse_unknown(session: AsyncSession, ask: Sequence[Ask]) -> None:
    """Raise `NotFound` for a pool the plan does not have, or a thing that no pool ever had."""
    asked = {demand.pool for one in ask for demand in (one, *one.substitutes)}
    known = set(await session.scalars(select(Pool.id).where(Pool.id.in_(asked))))
    if unknown := sorted(asked - known):
        raise NotFound(say("resources.no_such_pool", id=unknown[0]))
    named = {one.item for whole in ask for one in (whole, *whole.substitutes) if one.item is not None}
    if named and (
        strange := sorted(named - set(await session.scalars(select(Unit.name).where(Unit.name.in_(named)))))
    ):
        raise NotFound(say("resources.nowhere", name=strange[0]))


async def release(session: AsyncSession, reservation_id: str, *, by: str, at: datetime) -> bool:
    """Give everything back, by hand and alone in its transaction; false: it was given back already, and stays so."""
    return await _give_back(session, "id", reservation_id, by=by, at=at, alone=True) > 0


async def release_all(session: AsyncSession, ref: str, by: str, at: datetime) -> int:
    """Give back everything the ref holds, real or exercise; says how many reservations that were."""
    return await _give_back(session, "ref", ref, by=by, at=at)


async def release_key(session: AsyncSession, key: str, *, by: str, at: datetime) -> int:
    """Give back what one request took, if it took anything."""
    return await _give_back(session, "key", key, by=by, at=at)


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


async def holdings(session: AsyncSession) -> dict[str, list[Holding]]:
    """Who holds what of each unit, exercises left out: they hold shadows."""
    query = (
        select(ReservationLine.unit_id, Reservation.id, Reservation.ref, ReservationLine.quantity, Reservation.until)
        .join(Reservation, Reservation.id == ReservationLine.reservation_id)
        .where(ReservationLine.held)
        .order_by(Reservation.until, Reservation.id)
    )  # fmt: skip
    found: dict[str, list[Holding]] = {}
    for row in await session.execute(query):
        one = Holding(row.id, row.ref, row.quantity, row.until)
        found.setdefault(row.unit_id, []).append(one)
    return found


async def held_lines(session: AsyncSession, reservation_id: str) -> list[ReservationLine]:
    """The lines of one reservation that are still held, as they are stored."""
    query = select(ReservationLine).where(
        ReservationLine.reservation_id == reservation_id, ReservationLine.held
    )
    return list(await session.scalars(query.execution_options(populate_existing=True)))


def listing(*, ref: str | None = None, state: ReservationState | None = None) -> Select[Any]:
    query = select(Reservation)
    if ref is not None:
        query = query.where(Reservation.ref == ref)
    if state is not None:
        query = query.where(Reservation.state == state)
    return query


# ── what could be taken ───────────────────────────────────────────────────────────────────────────────────


async def _by_key(session: AsyncSession, key: str) -> Reservation | None:
    found: Reservation | None = await session.scalar(_OF_KEY, {"key": key})
    return found


async def _free(session: AsyncSession, units: Sequence[holding.Candidate]) -> dict[str, int]:
    """What could be taken of each unit; nothing of a person who is held through any pool."""
    people = [unit.person_id for unit in units if unit.person_id is not None]
    held = select(ReservationLine.person_id).where(
        ReservationLine.held, ReservationLine.person_id.in_(people)
    )
    busy = set(await session.scalars(held)) if people else set()
    return {unit.id: 0 if unit.person_id in busy else unit.on_hand - unit.held for unit in units}


async def _shadow(session: AsyncSession, units: Sequence[holding.Candidate], ref: str) -> dict[str, int]:
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
    units: Sequence[holding.Candidate],
    free: dict[str, int],
    *,
    at: datetime,
) -> Shelf:
    """What is ready, not expired, and can be called; people in staff order, things by name and expiry."""
    people = [unit.person_id for unit in units if unit.person_id is not None]
    skills = await holders.available(session, people, at=at) if people else {}
    place = {person_id: number for number, person_id in enumerate(skills)}
    shelf: dict[str, list[Free]] = {slug: [] for slug in pools}
    for unit in units:
        ready = unit.state == UnitState.READY and (unit.person_id is None or unit.person_id in skills)
        if ready and unit.pool_id in pools and not is_expired(unit.expires_at, at):
            has = skills[unit.person_id] if unit.person_id is not None else frozenset()
            shelf[unit.pool_id].append(
                Free(unit.id, unit.pool_id, unit.name, free[unit.id], unit.person_id, has)
            )
    # What expires first is used first; what keeps, last.
    expiry = {unit.id: unit.expires_at or _NEVER for unit in units}
    for row in shelf.values():
        row.sort(
            key=lambda one: (place.get(one.person_id or "", 0), one.name, expiry[one.unit_id], one.unit_id)
        )
    return Shelf(shelf, pools)


# ── what is written ───────────────────────────────────────────────────────────────────────────────────────


def _lines(served: Sequence[Served]) -> list[holding.Line]:
    lines: dict[str, holding.Line] = {}
    for taken in (taken for one in served for taken in one.taken):
        unit = taken.unit
        before = lines[unit.unit_id].quantity if unit.unit_id in lines else 0
        lines[unit.unit_id] = holding.Line(
            unit.unit_id, unit.pool_id, unit.person_id, before + taken.quantity
        )
    return list(lines.values())


async def _give_back(
    session: AsyncSession, column: Literal["id", "ref", "key"], wanted: str, *, by: str, at: datetime, alone: bool = False
) -> int:  # fmt: skip
    released = await holding.let_go(session, column, wanted, at=at, alone=alone)
    told = [(one.ref, {"reservation_id": one.id, "exercise": one.exercise, "by": by}) for one in released]
    await outbox.put_all(session, RELEASED, told, at=at)
    return len(released)


async def _shortage(session: AsyncSession, served: Sequence[Served]) -> Shortage:
    pools = {one.ask.pool for one in served}
    titles = {pool.id: pool.title for pool in await session.scalars(select(Pool).where(Pool.id.in_(pools)))}
    return Shortage(tuple(_short(one) for one in served), titles)


def _short(served: Served) -> Short:
    possible: dict[str, int] = {}
    for taken in served.taken:
        possible[taken.unit.pool_id] = possible.get(taken.unit.pool_id, 0) + taken.quantity
    ask = served.ask
    return Short(
        ask.pool, ask.item, ask.skill, ask.quantity, served.missing, served.found,
        tuple(Found(pool, quantity) for pool, quantity in possible.items()),
    )  # fmt: skip
