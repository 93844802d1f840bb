"""Whatever several do at once with the same few things - reserve, give back, take from one another, book in and out - nothing is
promised twice and nothing is lost (EP-6)."""

import asyncio
from contextlib import suppress
from itertools import count
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from app.db import Database
from app.errors import Refused
from app.resources import preemption, reservation
from app.resources.tables import Movement, Preemption, ReservationLine, Unit
from tests.rooms.test_resources import AT, UNTIL, asks, db, move, release, reserve

__all__ = ["db"]

WISHES: list[list[dict[str, Any]]] = [
    [{"pool": "team"}],
    [{"pool": "reserve"}, {"pool": "store", "item": "phone", "quantity": 2}],
    [{"pool": "store", "item": "phone", "quantity": 9}, {"pool": "systems"}],
    [{"pool": "systems", "substitutes": [{"pool": "team"}]}],
    [{"pool": "team", "quantity": 3}],
]
deeds = st.one_of(
    st.tuples(st.sampled_from(["reserve", "reserve_alone", "take"]), st.integers(0, len(WISHES) - 1)),
    st.tuples(st.sampled_from(["release", "in", "out"]), st.integers(1, 4)),
)
scripts = st.lists(st.lists(deeds, min_size=1, max_size=4), min_size=2, max_size=4)
_number = count()


async def do(db: Database, ref: str, others: list[str], deed: str, what: int) -> None:
    key = f"{ref}:{next(_number)}"
    match deed:
        case "reserve" | "reserve_alone":
            await reserve(db, *WISHES[what], ref=ref, key=key, alone=deed == "reserve_alone")
        case "release":
            await release(db, ref)
        case "take":
            async with db.transaction() as session:
                proposed = await preemption.propose(
                    session, ref=ref, key=key, ask=asks(*WISHES[what]), until=UNTIL, gives_way=others, at=AT
                )
                proposal = proposed.id if proposed is not None else None
            if proposal is not None:  # the commander thinks it over, and the others go on
                async with db.transaction() as session:
                    asked = await session.get_one(Preemption, proposal)
                    await preemption.carry_out(session, asked, by="Ada", at=AT)
        case _:
            with suppress(Refused):  # less than is held
                await move(db, deed, what)


def _sum(of: Any, which: Any) -> Any:
    return select(func.coalesce(func.sum(of), 0)).where(which == Unit.id).correlate(Unit)


# One statement is one moment, also while the others go on.
LOOK = select(
    Unit.on_hand, Unit.held, Unit.person_id,
    _sum(ReservationLine.quantity, ReservationLine.unit_id).where(ReservationLine.held).scalar_subquery().label("promised"),
    _sum(Movement.change, Movement.unit_id).scalar_subquery().label("entered"),
)  # fmt: skip
IN_TWO_PLACES = (
    select(ReservationLine.person_id).where(ReservationLine.held, ReservationLine.person_id.is_not(None))
    .group_by(ReservationLine.person_id).having(func.count() > 1)
)  # fmt: skip


async def nothing_is_promised_twice_or_lost(db: Database) -> None:
    async with db.reading() as session:
        for unit in await session.execute(LOOK):
            assert unit.held == unit.promised <= unit.on_hand
            assert unit.person_id is not None or unit.entered == unit.on_hand
        assert list(await session.scalars(IN_TWO_PLACES)) == []


@settings(
    max_examples=12, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(scripts)
async def test_whatever_is_done_at_once_nothing_is_promised_twice_or_lost(
    db: Database, several: list[list[tuple[str, int]]]
) -> None:
    refs = [f"INC-{next(_number)}" for _ in several]

    async def one(ref: str, script: list[tuple[str, int]]) -> None:
        others = [other for other in refs if other != ref]
        for deed, what in script:
            await do(db, ref, others, deed, what)
            await nothing_is_promised_twice_or_lost(db)

    await asyncio.gather(*(one(ref, script) for ref, script in zip(refs, several, strict=True)))
    for ref in refs:
        await release(db, ref)
    await nothing_is_promised_twice_or_lost(db)
    async with db.reading() as session:
        assert await session.scalar(select(func.sum(Unit.held))) == 0


async def test_taking_takes(db: Database) -> None:
    """Or the property above would hold of nothing."""
    await do(db, "A", ["B"], "reserve", 2)
    await do(db, "B", ["A"], "take", 2)
    async with db.reading() as session:
        assert {line.unit for line in await reservation.held_by(session, "B")} == {"phone", "standby"}
        assert "standby" not in {line.unit for line in await reservation.held_by(session, "A")}
