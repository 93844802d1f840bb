"""Pools on both databases: nothing is sold twice, nothing is lost, and all or nothing is taken."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.db import Database
from app.errors import NotFound, Refused
from app.outbox import OutboxMessage
from app.people.tables import Assignment, Availability, Department, Person, Position
from app.resources import document, ledger, pools, reservation
from app.resources.document import Ask
from app.resources.reservation import Shortage
from app.resources.tables import (
    Movement,
    MovementKind,
    Reservation,
    ReservationLine,
    ReservationState,
    Unit,
    UnitState,
)
from app.vocabulary import Layer

AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
UNTIL = AT + timedelta(hours=8)
NAMED = {"zh": "名称", "en": "Name"}
POOLS = TypeAdapter(dict[str, document.Pool]).validate_python(
    {
        "team": {
            "kind": "people", "title": NAMED, "owner": "head", "next": "reserve",
            "positions": ["engineer", "head"],
        },
        "reserve": {
            "kind": "people", "title": NAMED, "owner": "head", "tier": "reserve", "positions": ["helper"],
        },
        "store": {
            "kind": "materials", "title": NAMED, "owner": "head", "next": "cellar",
            "items": {
                "phone": {"title": NAMED, "unit": NAMED, "place": "3F", "quantity": 10, "minimum": 5},
                "radio": {"title": NAMED, "unit": NAMED, "place": "3F", "quantity": 2},
            },
        },
        "cellar": {
            "kind": "materials", "title": NAMED, "owner": "head", "tier": "reserve",
            "items": {"phone": {"title": NAMED, "unit": NAMED, "place": "B1", "quantity": 4}},
        },
        "systems": {
            "kind": "technology", "title": NAMED, "owner": "head",
            "assets": {"standby": {"title": NAMED, "place": "B1"}},
        },
    }
)  # fmt: skip


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    db = Database(database_url)
    async with db.transaction() as session:
        session.add(Department(id="centre", title=NAMED, layer=Layer.EXECUTION))
        await session.flush()
        for slug in ("engineer", "helper", "head"):
            session.add(
                Position(id=slug, title=NAMED, layer=Layer.EXECUTION, department_id="centre", duties=[])
            )
        await session.flush()
        for number, (name, positions, skills) in enumerate(
            [("Ada", ["engineer"], ["dba"]), ("Ben", ["engineer", "helper"], []), ("Cy", ["helper"], [])],
            start=1,
        ):
            session.add(Person(id=name, name=name, staff_number=str(number), skills=skills, created_at=AT))
            await session.flush()
            session.add_all(Assignment(person_id=name, position_id=position) for position in positions)
        await pools.adopt(session, POOLS, at=AT)
    yield db
    await db.dispose()


def asks(*wanted: dict[str, Any]) -> list[Ask]:
    return [Ask.model_validate(one) for one in wanted]


async def reserve(
    db: Database, *wanted: dict[str, Any], ref: str = "INC", key: str = "INC:1", exercise: bool = False, alone: bool = False
) -> Reservation | Shortage:  # fmt: skip
    async with db.transaction() as session:
        return await reservation.reserve(
            session, ref=ref, key=key, ask=asks(*wanted), until=UNTIL, by="Ada", exercise=exercise, at=AT, alone=alone
        )  # fmt: skip


async def must(db: Database, *wanted: dict[str, Any], **more: Any) -> Reservation:
    made = await reserve(db, *wanted, **more)
    assert isinstance(made, Reservation)
    return made


async def held(db: Database, ref: str = "INC") -> list[tuple[str, str, int]]:
    async with db.reading() as session:
        return [(line.pool, line.unit, line.quantity) for line in await reservation.held_by(session, ref)]


async def release(db: Database, ref: str = "INC") -> int:
    async with db.transaction() as session:
        return await reservation.release_all(session, ref, "Ada", AT)


async def units(db: Database) -> dict[tuple[str, str], Unit]:
    async with db.reading() as session:
        return {(unit.pool_id, unit.name): unit for unit in await session.scalars(select(Unit))}


async def topics(db: Database) -> list[tuple[str, str]]:
    async with db.reading() as session:
        rows = await session.execute(
            select(OutboxMessage.topic, OutboxMessage.ref).order_by(OutboxMessage.id)
        )
        return [(topic, ref) for topic, ref in rows]


async def move(db: Database, kind: str, quantity: int, item: str = "phone", pool: str = "store") -> Movement:
    async with db.transaction() as session:
        return await ledger.move(
            session, pool, ledger.Lot(item), MovementKind(kind), quantity, by="Ada", at=AT
        )


# ── pools ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_plan_loaded_again_opens_no_ledger_twice_and_changes_no_quantity(db: Database) -> None:
    await move(db, "out", 3)
    async with db.transaction() as session:
        await pools.adopt(session, POOLS, at=AT)
    assert (await units(db))["store", "phone"].on_hand == 7
    async with db.reading() as session:
        opened = await session.scalar(
            select(func.count()).select_from(Movement).where(Movement.kind == MovementKind.OPENING)
        )
    assert opened == 4


async def test_a_pool_of_people_is_who_holds_its_positions(db: Database) -> None:
    async with db.reading() as session:
        stock = await pools.stock_of(session, "team")
    assert [unit.name for unit in stock.units] == ["Ada", "Ben"]
    assert (stock.on_hand, stock.held) == (2, 0)


async def test_members_come_and_go_with_their_positions(db: Database) -> None:
    await must(db, {"pool": "team", "skill": "dba"})
    async with db.transaction() as session:
        await session.execute(delete(Assignment).where(Assignment.person_id == "Ada"))
        session.add(Assignment(person_id="Cy", position_id="engineer"))
        await session.flush()
        await pools.sync_members(session, AT)
    found = await units(db)
    assert (found["team", "Ada"].state, found["team", "Ada"].held) == (UnitState.GONE, 1)
    assert found["team", "Cy"].state == UnitState.READY
    assert await release(db) == 1
    async with db.transaction() as session:
        session.add(Assignment(person_id="Ada", position_id="head"))
        await session.flush()
        await pools.sync_members(session, AT)
    assert ((await units(db))["team", "Ada"].state, (await units(db))["team", "Ada"].held) == (
        UnitState.READY,
        0,
    )


# ── reserving ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_people_materials_and_technology_are_reserved_together(db: Database) -> None:
    phones = {"pool": "store", "item": "phone", "quantity": 3}
    made = await must(db, {"pool": "team", "quantity": 2}, phones, {"pool": "systems"})
    assert await held(db) == [
        ("store", "phone", 3),
        ("systems", "standby", 1),
        ("team", "Ada", 1),
        ("team", "Ben", 1),
    ]
    assert made.asked[1]["quantity"] == 3
    assert await topics(db) == [("reservation.made", "INC")]


async def test_the_next_tier_gives_what_the_first_lacks(db: Database) -> None:
    await must(db, {"pool": "team", "quantity": 3}, {"pool": "store", "item": "phone", "quantity": 12})
    assert await held(db) == [
        ("cellar", "phone", 2), ("reserve", "Cy", 1), ("store", "phone", 10),
        ("team", "Ada", 1), ("team", "Ben", 1),
    ]  # fmt: skip


async def test_short_of_one_thing_nothing_of_the_others_is_taken(db: Database) -> None:
    outcome = await reserve(
        db, {"pool": "store", "item": "phone", "quantity": 2}, {"pool": "systems", "quantity": 2}
    )
    assert isinstance(outcome, Shortage)
    assert await held(db) == []
    assert all(unit.held == 0 for unit in (await units(db)).values())
    assert await topics(db) == []
    phones, systems = outcome.as_data()
    assert (phones["missing"], systems["missing"]) == (0, 1)
    assert systems["possible"] == ({"pool": "systems", "quantity": 1},)
    assert [short.pool for short in outcome.asks if short.missing] == ["systems"]


async def test_a_pool_the_plan_does_not_have_is_a_shortage_not_a_crash(db: Database) -> None:
    outcome = await reserve(db, {"pool": "unheard_of"})
    assert isinstance(outcome, Shortage)


async def test_who_is_ill_or_on_leave_is_not_reserved(db: Database) -> None:
    async with db.transaction() as session:
        await session.execute(update(Person).where(Person.id == "Ada").values(availability=Availability.ILL))
        await session.execute(update(Person).where(Person.id == "Cy").values(availability=Availability.LEAVE))
    await must(db, {"pool": "team"})
    assert await held(db) == [("team", "Ben", 1)]
    assert isinstance(await reserve(db, {"pool": "team"}, key="INC:2"), Shortage)


async def test_somebody_in_two_pools_is_in_one_place(db: Database) -> None:
    await must(db, {"pool": "team", "quantity": 2})
    await must(db, {"pool": "reserve"}, key="INC:2")
    assert ("reserve", "Cy", 1) in await held(db)
    assert isinstance(await reserve(db, {"pool": "reserve"}, key="INC:3"), Shortage)


async def test_what_is_faulty_is_not_reserved_and_its_substitute_is(db: Database) -> None:
    async with db.transaction() as session:
        await session.execute(update(Unit).where(Unit.name == "standby").values(state=UnitState.FAULTY))
    await must(db, {"pool": "systems", "substitutes": [{"pool": "store", "item": "radio"}]})
    assert await held(db) == [("store", "radio", 1)]


async def test_the_same_key_again_is_the_same_reservation(db: Database) -> None:
    first = await must(db, {"pool": "store", "item": "phone", "quantity": 6})
    again = await must(db, {"pool": "store", "item": "phone", "quantity": 6})
    assert first.id == again.id
    assert (await units(db))["store", "phone"].held == 6


async def test_the_same_request_sent_at_the_same_time_is_one_reservation(db: Database) -> None:
    wanted = {"pool": "store", "item": "phone", "quantity": 1}
    made = await asyncio.gather(*(must(db, wanted) for _ in range(8)))
    assert len({one.id for one in made}) == 1
    assert (await units(db))["store", "phone"].held == 1


async def test_one_key_sent_at_the_same_time_for_different_things_is_one_reservation(db: Database) -> None:
    """By hand: they pass together, and meet at nothing but the key."""
    wanted: Sequence[dict[str, Any]] = [
        {"pool": "store", "item": "phone"},
        {"pool": "systems"},
        {"pool": "team"},
    ]
    made = await asyncio.gather(*(must(db, wanted[number % 3], alone=True) for number in range(9)))
    assert len({one.id for one in made}) == 1
    assert sum(unit.held for unit in (await units(db)).values()) == 1


async def test_who_reserves_by_hand_does_not_wait_for_who_wants_other_things(db: Database) -> None:
    if db.is_sqlite:
        pytest.skip("one writer")
    async with db.transaction() as session:
        await reservation.reserve_or_refuse(
            session, ref="INC", key="INC:1", ask=asks({"pool": "systems"}), until=UNTIL, by="Ada", exercise=False, at=AT
        )  # fmt: skip
        await must(db, {"pool": "store", "item": "phone"}, key="INC:2", alone=True)
    assert {pool for pool, _, _ in await held(db)} == {"store", "systems"}


async def test_the_database_itself_refuses_one_person_in_two_places(db: Database) -> None:
    await must(db, {"pool": "team", "skill": "dba"})
    made = await must(db, {"pool": "systems"}, key="INC:2")
    elsewhere = (await units(db))["reserve", "Cy"].id
    line = {
        "reservation_id": made.id,
        "unit_id": elsewhere,
        "quantity": 1,
        "pool_id": "reserve",
        "person_id": "Ada",
    }
    with pytest.raises(IntegrityError):
        async with db.transaction() as session:
            await session.execute(insert(ReservationLine).values(line))


async def test_two_runs_that_want_the_same_things_in_opposite_order_do_not_wait_for_each_other_forever(
    db: Database,
) -> None:
    wanted = [asks({"pool": "store", "item": "phone"}), asks({"pool": "systems"}), asks({"pool": "team"})]

    async def run(ref: str, steps: Sequence[list[Ask]]) -> None:
        async with db.transaction() as session:
            for number, step in enumerate(steps):
                await reservation.reserve(
                    session,
                    ref=ref,
                    key=f"{ref}:{number}",
                    ask=step,
                    until=UNTIL,
                    by="plan",
                    exercise=False,
                    at=AT,
                )

    for attempt in range(10):
        await asyncio.gather(run(f"A{attempt}", wanted), run(f"B{attempt}", wanted[::-1]))
        await asyncio.gather(release(db, f"A{attempt}"), release(db, f"B{attempt}"))
    assert all(unit.held == 0 for unit in (await units(db)).values())


# ── giving back ───────────────────────────────────────────────────────────────────────────────────────────


async def test_everything_is_given_back_once(db: Database) -> None:
    made = await must(db, {"pool": "team"}, {"pool": "store", "item": "phone", "quantity": 3})
    await must(db, {"pool": "systems"}, key="INC:2")
    for given_back in (True, False):
        async with db.transaction() as session:
            assert await reservation.release(session, made.id, by="Ada", at=AT) is given_back
    async with db.reading() as session:
        again = await reservation.reservation(session, made.id)
    assert (again.state, again.version) == (ReservationState.RELEASED, 2)
    assert await release(db) == 1
    assert await release(db) == 0
    assert await held(db) == []
    assert all(unit.held == 0 for unit in (await units(db)).values())
    assert [topic for topic, _ in await topics(db)].count("reservation.released") == 2


async def test_a_release_touches_no_other_ref(db: Database) -> None:
    await must(db, {"pool": "store", "item": "phone", "quantity": 3})
    await must(db, {"pool": "store", "item": "phone", "quantity": 3}, ref="OTHER", key="OTHER:1")
    await release(db)
    assert await held(db, "OTHER") == [("store", "phone", 3)]


async def test_two_who_release_at_once_give_back_once(db: Database) -> None:
    await must(db, {"pool": "store", "item": "phone", "quantity": 3})
    assert sum(await asyncio.gather(*(release(db) for _ in range(6)))) == 1
    assert (await units(db))["store", "phone"].held == 0


# ── exercises ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_exercise_takes_nothing_from_anybody(db: Database) -> None:
    await must(
        db, {"pool": "team", "quantity": 2}, {"pool": "systems"}, ref="DRILL", key="D:1", exercise=True
    )
    assert all(unit.held == 0 for unit in (await units(db)).values())
    await must(db, {"pool": "team", "quantity": 2}, {"pool": "systems"})
    assert len(await held(db, "DRILL")) == len(await held(db)) == 3
    assert await release(db, "DRILL") == 1
    assert (await units(db))["systems", "standby"].held == 1


async def test_an_exercise_finds_its_own_shelf_emptied(db: Database) -> None:
    await must(db, {"pool": "systems"})
    await must(db, {"pool": "systems"}, ref="DRILL", key="D:1", exercise=True)
    outcome = await reserve(db, {"pool": "systems"}, ref="DRILL", key="D:2", exercise=True)
    assert isinstance(outcome, Shortage)


# ── the ledger ────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_sum_of_the_ledger_is_what_is_on_hand(db: Database) -> None:
    for kind, quantity in [("in", 7), ("out", 4), ("scrap", 1), ("adjust", 9)]:
        await move(db, kind, quantity)
    phone = (await units(db))["store", "phone"]
    async with db.reading() as session:
        entries = await ledger.movements(session, phone.id)
    assert sorted(entry.change for entry in entries) == [-4, -3, -1, 7, 10]
    assert sum(entry.change for entry in entries) == phone.on_hand == 9


async def test_what_is_held_cannot_leave(db: Database) -> None:
    await must(db, {"pool": "store", "item": "phone", "quantity": 8})
    for kind, quantity in [("out", 3), ("scrap", 11), ("adjust", 7)]:
        with pytest.raises(Refused) as refused:
            await move(db, kind, quantity)
        assert refused.value.members == {"on_hand": 10, "held": 8}


async def test_below_the_minimum_is_told(db: Database) -> None:
    await move(db, "out", 5)
    assert await topics(db) == []
    await move(db, "out", 1)
    await move(db, "in", 9)
    assert await topics(db) == [("stock.low", "store")]


async def test_a_scrapped_asset_is_gone_until_another_comes_in(db: Database) -> None:
    await move(db, "scrap", 1, "standby", "systems")
    assert isinstance(await reserve(db, {"pool": "systems"}), Shortage)
    await move(db, "in", 1, "standby", "systems")
    with pytest.raises(Refused):
        await move(db, "in", 1, "standby", "systems")
    await must(db, {"pool": "systems"})


async def test_people_and_openings_are_no_movements_and_unknown_things_are_not_found(db: Database) -> None:
    with pytest.raises(Refused):
        await move(db, "out", 1, "Ada", "team")
    with pytest.raises(Refused):
        await move(db, "opening", 1)
    with pytest.raises(NotFound):
        await move(db, "out", 1, "yacht")
    with pytest.raises(NotFound):
        await move(db, "out", 1, pool="harbour")


# ── many at once ──────────────────────────────────────────────────────────────────────────────────────────


async def test_twenty_at_once_never_sell_anything_twice_and_lose_nothing(db: Database) -> None:
    """A thousand tries on few things, by different ways to the same people, some taken back, some counted."""
    wishes: Sequence[list[dict[str, Any]]] = [
        [{"pool": "team"}],
        [{"pool": "reserve"}, {"pool": "store", "item": "phone", "quantity": 2}],
        [{"pool": "store", "item": "phone", "quantity": 5}, {"pool": "systems"}],
        [{"pool": "systems", "substitutes": [{"pool": "team"}]}],
        [{"pool": "team", "quantity": 3}],
    ]
    outcomes = {"made": 0, "short": 0}

    async def worker(number: int) -> None:
        for attempt in range(50):
            wish = wishes[(number + attempt) % len(wishes)]
            by_hand = number % 4 > 0
            made = await reserve(db, *wish, ref=f"INC-{number}", key=f"{number}:{attempt}", alone=by_hand)
            outcomes["made" if isinstance(made, Reservation) else "short"] += 1
            if isinstance(made, Reservation) and (number + attempt) % 3:
                await release(db, f"INC-{number}")
            if attempt == 25:
                await release(db, f"INC-{number}")

    await asyncio.gather(*(worker(number) for number in range(20)))

    assert sum(outcomes.values()) == 1000
    assert min(outcomes.values()) > 0
    async with db.reading() as session:
        query = select(ReservationLine.unit_id, func.sum(ReservationLine.quantity)).where(
            ReservationLine.held
        )
        lines = [*await session.execute(query.group_by(ReservationLine.unit_id))]
    taken = {unit_id: int(quantity) for unit_id, quantity in lines}
    for unit in (await units(db)).values():
        assert unit.held == taken.get(unit.id, 0) <= unit.on_hand
    assert [topic for topic, _ in await topics(db)].count("reservation.made") == outcomes["made"]
    for number in range(20):
        await release(db, f"INC-{number}")
    assert all(unit.held == 0 for unit in (await units(db)).values())
    assert [topic for topic, _ in await topics(db)].count("reservation.released") == outcomes["made"]
