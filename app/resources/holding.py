"""What reserving and giving back read under a lock and write: a handful of statements, each built once.

Everybody who asks runs them, so a trip to the server saved here is saved a hundred thousand times. Decides nothing; the two rules
it keeps are whose turn it is and in which order rows are locked, so that nobody waits in a circle.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, cast

from sqlalchemy import Select, Table, bindparam, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import make_transient_to_detached

from app.db import in_turn, turn
from app.resources.tables import Pool, Reservation, ReservationLine, ReservationState, Unit, UnitState
from app.rows import insert_all

_TURN: Final = "reservations"
_RESERVATIONS: Final = cast(Table, Reservation.__table__)
_LINES: Final = cast(Table, ReservationLine.__table__)
_UNITS: Final = cast(Table, Unit.__table__)


@dataclass(frozen=True)
class Candidate:
    """A unit as it is locked: the columns a request looks at."""

    id: str
    pool_id: str
    name: str
    person_id: str | None
    on_hand: int
    held: int
    state: UnitState
    expires_at: datetime | None


@dataclass(frozen=True)
class Line:
    """So many of one unit."""

    unit_id: str
    pool_id: str
    person_id: str | None
    quantity: int


# ── in turn, and locked ───────────────────────────────────────────────────────────────────────────────────


async def take_turns(session: AsyncSession, *, alone: bool) -> None:
    """Wait until no other transaction is reserving or releasing several times; SQLite has one writer anyway.

    The order of row locks holds within one call only, and a run that reserves for two steps makes two. Those who make one
    call (`alone`) pass together: the rows keep them apart.
    """
    await in_turn(session, _TURN, shared=alone)


def _pools_reached(*, turns: bool, alone: bool) -> Select[Any]:
    named = select(Pool.id, Pool.next).where(Pool.id.in_(bindparam("named", expanding=True)))
    following = named.cte("reached", recursive=True)
    reached = following.union(select(Pool.id, Pool.next).where(Pool.id == following.c.next))
    found = select(reached.c.id, reached.c.next)
    return found.join(turn(_TURN, shared=alone), true()) if turns else found


_POOLS_REACHED: Final = {
    (turns, alone): _pools_reached(turns=turns, alone=alone) for turns in (True, False) for alone in (True, False)
}  # fmt: skip


async def pools_reached(
    session: AsyncSession, named: Collection[str], *, alone: bool | None
) -> dict[str, str | None]:
    """Take turns; then the pools named and all that follow, each with its next tier. Who only looks says nothing for `alone`."""
    turns = alone is not None and session.get_bind().dialect.name == "postgresql"
    query = _POOLS_REACHED[turns, bool(alone)]
    return {row.id: row.next for row in await session.execute(query, {"named": list(named)})}


def _candidates() -> Select[Any]:
    wanted = _UNITS.c.pool_id.in_(bindparam("pools", expanding=True))
    people = select(_UNITS.c.person_id).where(wanted, _UNITS.c.person_id.is_not(None))
    looked_at = (_UNITS.c[name] for name in Candidate.__dataclass_fields__)
    chosen = or_(wanted, _UNITS.c.person_id.in_(people))
    return select(*looked_at).where(chosen).order_by(_UNITS.c.id)


_CANDIDATES: Final = _candidates()
_LOCKED_CANDIDATES: Final = _CANDIDATES.with_for_update()


async def locked_candidates(session: AsyncSession, pools: Iterable[str]) -> list[Candidate]:
    """The units of these pools, locked; and with each person their units in other pools.

    The last is what lets two requests that reach the same person by different pools meet at one row.
    """
    return [Candidate(*row) for row in await session.execute(_LOCKED_CANDIDATES, {"pools": list(pools)})]


async def candidates(session: AsyncSession, pools: Iterable[str]) -> list[Candidate]:
    """The same for who only looks."""
    return [Candidate(*row) for row in await session.execute(_CANDIDATES, {"pools": list(pools)})]


# ── written ───────────────────────────────────────────────────────────────────────────────────────────────

_WRITE: Final = {
    insert: insert(_RESERVATIONS).on_conflict_do_nothing(index_elements=["key"]).returning(_RESERVATIONS.c.id)
    for insert in (sqlite_insert, postgresql_insert)
}
_COUNT: Final = (
    update(_UNITS)
    .where(_UNITS.c.id == bindparam("unit"))
    .values(held=_UNITS.c.held + bindparam("change"))
)  # fmt: skip
_LET_GO: Final = (
    update(_LINES)
    .where(_LINES.c.reservation_id.in_(bindparam("reservations", expanding=True)), _LINES.c.held)
    .values(held=False)
    .returning(_LINES.c.unit_id, _LINES.c.quantity)
)


async def write(session: AsyncSession, **values: Any) -> Reservation | None:
    """The reservation, stored; none: its key has one already."""
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    if await session.scalar(_WRITE[insert], values) is None:
        return None
    made = Reservation(**values)
    make_transient_to_detached(made)  # it is stored as it stands: no trip to read it
    session.add(made)
    return made


async def hold(session: AsyncSession, reservation_id: str, lines: Sequence[Line], *, real: bool) -> None:
    """Write the lines of a reservation; what is real is counted on its units."""
    rows = [
        {
            "reservation_id": reservation_id, "unit_id": line.unit_id, "quantity": line.quantity, "pool_id": line.pool_id,
            "person_id": line.person_id, "held": real,
        }
        for line in lines
    ]  # fmt: skip
    await insert_all(session, _LINES, rows)
    if real:
        await count(session, {line.unit_id: line.quantity for line in lines})


def _released(column: str, *, turns: bool, alone: bool) -> Any:
    held = (
        update(_RESERVATIONS)
        .where(_RESERVATIONS.c[column] == bindparam("wanted"), _RESERVATIONS.c.state == ReservationState.HELD)
        .values(
            state=ReservationState.RELEASED, released_at=bindparam("at"), version=_RESERVATIONS.c.version + 1
        )
        .returning(_RESERVATIONS.c.id, _RESERVATIONS.c.ref, _RESERVATIONS.c.exercise)
    )  # fmt: skip
    # What is waited for is empty, and no id is.
    return held.where(_RESERVATIONS.c.id != turn(_TURN, shared=alone).c.taken) if turns else held


_RELEASED: Final = {
    (column, turns, alone): _released(column, turns=turns, alone=alone)
    for column in ("id", "ref", "key") for turns in (True, False) for alone in (True, False)
}  # fmt: skip


async def let_go(
    session: AsyncSession, column: Literal["id", "ref", "key"], wanted: str, *, at: datetime, alone: bool
) -> Sequence[Any]:
    """Take turns; then give back what these reservations still hold. Says which did (`id`, `ref`, `exercise`).

    Reservations are locked before units, by everybody.
    """
    statement = _RELEASED[column, session.get_bind().dialect.name == "postgresql", alone]
    released = sorted((await session.execute(statement, {"wanted": wanted, "at": at})).all())
    if released:
        changes: dict[str, int] = {}
        for unit_id, quantity in await session.execute(
            _LET_GO, {"reservations": [one.id for one in released]}
        ):
            changes[unit_id] = changes.get(unit_id, 0) - quantity
        await count(session, changes)
    return released


async def count(session: AsyncSession, changes: Mapping[str, int]) -> None:
    """So many more of each unit are held, or fewer; in the order in which everybody locks them."""
    if changes:
        await session.execute(_COUNT, [{"unit": unit, "change": changes[unit]} for unit in sorted(changes)])
