"""Taking from others what a graver matter needs: proposed, decided by a person, then carried out whole or not at all (EP-6).

Knows refs and in which order they give way, never what they stand for. Nothing is taken by proposing; between the question and the
answer things change, so what was proposed is looked at again under lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.ids import new_id
from app.resources import holding, reservation
from app.resources.document import Ask
from app.resources.reservation import Shortage
from app.resources.tables import (
    Preemption,
    PreemptionState,
    Reservation,
    ReservationLine,
    ReservationState,
    Unit,
)

TAKEN: Final = "reservation.preempted"


@dataclass(frozen=True)
class Taking:
    """So many of one unit, out of one reservation."""

    reservation_id: str
    ref: str
    unit_id: str
    pool: str
    unit: str
    title: dict[str, Any]
    quantity: int


class _Changed(Exception):
    """What was to be taken is no longer there, or no longer enough."""


async def propose(
    session: AsyncSession, *, ref: str, key: str, ask: Sequence[Ask], until: datetime, gives_way: Sequence[str], at: datetime,
    step: str | None = None,
) -> Preemption | None:  # fmt: skip
    """What would have to be taken from whom, so that all that is asked could be had; none: even that would not do.

    `gives_way`: the refs that may be taken from, the first gives way first. As few reservations as will do.
    """
    takings = await _takings(session, ref=ref, ask=ask, gives_way=gives_way, at=at)
    if not takings:
        return None
    proposed = Preemption(
        id=new_id(at), ref=ref, key=key, step=step, asked=[one.model_dump(mode="json") for one in ask], until=until,
        takings=[asdict(one) for one in takings], state=PreemptionState.PROPOSED, proposed_at=at,
    )  # fmt: skip
    session.add(proposed)
    await session.flush()
    return proposed


async def carry_out(session: AsyncSession, proposed: Preemption, *, by: str, at: datetime) -> bool:
    """Take what was proposed and reserve it, together; false: things changed, and nothing was taken.

    1. Wait until nobody else reserves or gives back, then lock what is to be taken from.
    2. Nothing, unless all of it is still held there.
    3. Take it off those reservations, and tell each ref; one that has nothing left is released.
    4. Reserve what was asked, and undo everything if that does not succeed.
    """
    proposed.decided_by, proposed.decided_at = by, at
    try:
        async with session.begin_nested():
            await holding.take_turns(session, alone=False)
            await _take(session, proposed, by=by, at=at)
            ask = [Ask.model_validate(one) for one in proposed.asked]
            made = await reservation.reserve(
                session, ref=proposed.ref, key=proposed.key, ask=ask, until=proposed.until, by=by, exercise=False, at=at
            )  # fmt: skip
            if isinstance(made, Shortage):
                raise _Changed
    except _Changed:
        proposed.state = PreemptionState.VOID
        return False
    proposed.state = PreemptionState.CARRIED_OUT
    return True


def refuse(proposed: Preemption, *, by: str, at: datetime) -> None:
    """Nothing is taken."""
    proposed.state, proposed.decided_by, proposed.decided_at = PreemptionState.REFUSED, by, at


def drop(proposed: Preemption, *, by: str, at: datetime) -> None:
    """It no longer holds: nothing is taken, whatever was answered."""
    proposed.state, proposed.decided_by, proposed.decided_at = PreemptionState.VOID, by, at


async def of_decision(session: AsyncSession, decision_id: str) -> Preemption | None:
    """The proposal a question was put about, while it is one."""
    query = select(Preemption).where(
        Preemption.decision_id == decision_id, Preemption.state == PreemptionState.PROPOSED
    )
    found: Preemption | None = await session.scalar(query.with_for_update())
    return found


async def open_for(session: AsyncSession, ref: str, ask: Sequence[Ask]) -> Preemption | None:
    """The proposal for the same things that waits for its answer."""
    query = select(Preemption).where(Preemption.ref == ref, Preemption.state == PreemptionState.PROPOSED)
    asked = [one.model_dump(mode="json") for one in ask]
    return next((one for one in await session.scalars(query) if one.asked == asked), None)


def listing(*, state: PreemptionState | None = None) -> Select[Any]:
    query = select(Preemption)
    return query if state is None else query.where(Preemption.state == state)


def takings_of(proposed: Preemption) -> list[Taking]:
    return [Taking(**one) for one in proposed.takings]


# ── what would be taken ───────────────────────────────────────────────────────────────────────────────────


async def _takings(
    session: AsyncSession, *, ref: str, ask: Sequence[Ask], gives_way: Sequence[str], at: datetime
) -> list[Taking]:
    query = (
        select(Reservation)
        .where(
            Reservation.ref.in_(gives_way), Reservation.ref != ref, Reservation.state == ReservationState.HELD
        )
        .where(Reservation.exercise.is_(False))
    )
    order = {one: place for place, one in enumerate(gives_way)}
    held = sorted(
        await session.scalars(query), key=lambda one: one.id, reverse=True
    )  # the latest gives way first
    held.sort(key=lambda one: order[one.ref])
    lines: dict[str, list[ReservationLine]] = {one.id: [] for one in held}
    for line in await session.scalars(
        select(ReservationLine).where(ReservationLine.reservation_id.in_(list(lines)), ReservationLine.held)
    ):
        lines[line.reservation_id].append(line)

    chosen: list[Reservation] = []
    for one in held:
        chosen.append(one)
        if await _would_do(session, ask, chosen, lines, at=at):
            break
    else:
        return []
    for one in list(chosen[:-1]):  # those that turned out not to be needed keep what they have
        without = [other for other in chosen if other is not one]
        if await _would_do(session, ask, without, lines, at=at):
            chosen = without
    return await _needed(session, ask, chosen, lines, at=at)


async def _would_do(
    session: AsyncSession, ask: Sequence[Ask], chosen: Sequence[Reservation],
    lines: Mapping[str, Sequence[ReservationLine]], *, at: datetime,
) -> bool:  # fmt: skip
    given_back = [line for one in chosen for line in lines[one.id]]
    return not any(one.missing for one in await reservation.trial(session, ask, given_back, at=at))


async def _needed(
    session: AsyncSession, ask: Sequence[Ask], chosen: Sequence[Reservation],
    lines: Mapping[str, Sequence[ReservationLine]], *, at: datetime,
) -> list[Taking]:  # fmt: skip
    """Of what the chosen hold, what the request would use: free things first, then from the first that gives way."""
    given_back = [line for one in chosen for line in lines[one.id]]
    served = await reservation.trial(session, ask, given_back, at=at)
    units = {
        unit.id: unit
        for unit in await session.scalars(
            select(Unit).where(Unit.id.in_([line.unit_id for line in given_back]))
        )
    }
    wanted: dict[str, int] = {}
    for taken in (taken for one in served for taken in one.taken):
        once = taken.unit.person_id or taken.unit.unit_id
        wanted[once] = wanted.get(once, 0) + taken.quantity
    refs = {one.id: one.ref for one in chosen}
    short = {
        once: number - max(0, units[once].on_hand - units[once].held) if once in units else number
        for once, number in wanted.items()
    }
    takings = []
    for line in given_back:
        once = line.person_id or line.unit_id
        if (number := min(line.quantity, short.get(once, 0))) > 0:
            short[once] -= number
            unit = units[line.unit_id]
            takings.append(
                Taking(
                    line.reservation_id,
                    refs[line.reservation_id],
                    unit.id,
                    line.pool_id,
                    unit.name,
                    unit.title,
                    number,
                )
            )
    return takings


# ── taken ─────────────────────────────────────────────────────────────────────────────────────────────────


async def _take(session: AsyncSession, proposed: Preemption, *, by: str, at: datetime) -> None:
    takings = takings_of(proposed)
    ids = sorted({one.reservation_id for one in takings})
    query = select(Reservation).where(Reservation.id.in_(ids)).order_by(Reservation.id).with_for_update()
    rows = {one.id: one for one in await session.scalars(query.execution_options(populate_existing=True))}
    lines = {
        (line.reservation_id, line.unit_id): line.quantity
        for line in await session.scalars(
            select(ReservationLine)
            .where(ReservationLine.reservation_id.in_(ids), ReservationLine.held)
            .execution_options(populate_existing=True)
        )
    }
    changes: dict[str, int] = {}
    for one in takings:
        line = (one.reservation_id, one.unit_id)
        if lines.get(line, 0) < one.quantity:
            raise _Changed
        lines[line] -= one.quantity
        which = (ReservationLine.reservation_id == line[0], ReservationLine.unit_id == line[1])
        if lines[line]:
            await session.execute(update(ReservationLine).where(*which).values(quantity=lines[line]))
        else:
            await session.execute(delete(ReservationLine).where(*which))
        changes[one.unit_id] = changes.get(one.unit_id, 0) - one.quantity
    await holding.count(session, changes)
    for name in ids:
        row = rows[name]
        row.version += 1
        if not any(left for (of, _), left in lines.items() if of == name):
            row.state, row.released_at = ReservationState.RELEASED, at
        told = {
            "reservation_id": name, "preemption_id": proposed.id, "by": by, "for": proposed.ref,
            "takings": [asdict(one) for one in takings if one.reservation_id == name],
        }  # fmt: skip
        outbox.put(session, TAKEN, told, ref=row.ref, at=at)
    await session.flush()
