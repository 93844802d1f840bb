"""The store room on both databases: places, batches and their expiry, stocktakes, what is asked of suppliers, what is checked."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import select

from app.db import Database
from app.errors import Refused, WrongShape
from app.outbox import OutboxMessage, Timer
from app.resources import checks, document, ledger, pools, replenishment, reservation
from app.resources.document import Ask
from app.resources.ledger import Count, Lot
from app.resources.reservation import Shortage
from app.resources.schemas import ReceiveReplenishment, WriteMovement
from app.resources.tables import MovementKind, Pool, Replenishment, ReplenishmentState, Unit, UnitState

AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
NAMED = {"zh": "名称", "en": "Name"}
POOLS = TypeAdapter(dict[str, document.Pool]).validate_python(
    {
        "store": {
            "kind": "materials", "title": NAMED, "owner": "head", "stocktake_every": "30d",
            "items": {
                "water": {
                    "title": NAMED, "unit": NAMED, "place": "3F", "quantity": 0, "minimum": 8, "supplier": "shop", "order": 20,
                    "batches": {
                        "old": {"quantity": 5, "expires": "2026-11-22"},
                        "next": {"quantity": 4, "expires": "2026-12-01"},
                        "new": {"quantity": 6, "expires": "2027-01-01", "place": "B1"},
                    },
                }
            },
        },
        "systems": {
            "kind": "technology", "title": NAMED, "owner": "head",
            "assets": {
                "main": {"title": NAMED, "place": "3F", "check_every": "7d"},
                "standby": {"title": NAMED, "place": "B1", "standby_of": "main"},
            },
        },
    }
)  # fmt: skip


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    db = Database(database_url)
    async with db.transaction() as session:
        await pools.adopt(session, POOLS, at=AT)
    yield db
    await db.dispose()


async def move(db: Database, kind: str, quantity: int, at: datetime = AT, **lot: Any) -> None:
    async with db.transaction() as session:
        await ledger.move(
            session, "store", Lot("water", **lot), MovementKind(kind), quantity, by="Ada", at=at
        )


async def reserve(
    db: Database, quantity: int, at: datetime = AT, pool: str = "store"
) -> list[tuple[str, int]]:
    async with db.transaction() as session:
        made = await reservation.reserve(
            session, ref="INC", key="INC:1", ask=[Ask(pool=pool, quantity=quantity)], until=at + timedelta(hours=8), by="Ada",
            exercise=False, at=at,
        )  # fmt: skip
        if isinstance(made, Shortage):
            return []
        batches = {unit.id: unit.batch or unit.name for unit in await session.scalars(select(Unit))}
        return sorted(
            (batches[line.unit_id], line.quantity) for line in await reservation.held_lines(session, made.id)
        )


async def rows(db: Database, what: Any) -> list[Any]:
    async with db.reading() as session:
        return list(await session.scalars(select(what).order_by(what.id)))


async def told(db: Database, topic: str) -> list[dict[str, Any]]:
    return [one.payload for one in await rows(db, OutboxMessage) if one.topic == topic]


async def test_what_expires_first_is_taken_first_and_what_has_expired_never(db: Database) -> None:
    assert await reserve(db, 7) == [("new", 3), ("next", 4)]


async def test_a_last_day_ends_where_the_centre_is(db: Database) -> None:
    """In Shanghai the first of December is over at 16:00 of the world's clock."""
    store = POOLS["store"]
    assert isinstance(store, document.MaterialsPool)
    async with db.transaction() as session:
        for slug in ("water", "juice"):
            there = store.model_copy(update={"items": {slug: store.items["water"]}})
            zone = "Asia/Shanghai" if slug == "juice" else "UTC"
            await pools.adopt(session, {slug: there}, at=AT, time_zone=zone)
    evening = datetime(2026, 12, 1, 16, 30, tzinfo=UTC)
    assert await reserve(db, 7, evening, "juice") == []
    assert await reserve(db, 7, evening, "water") == [("new", 3), ("next", 4)]


async def test_notices_of_a_batch_lie_a_month_before_its_end_and_at_it(db: Database) -> None:
    await move(db, "in", 9, batch="fresh", expires_on=date(2027, 6, 1))
    timers = [one for one in await rows(db, Timer) if one.topic.startswith("stock.")]
    of = {(one.topic, one.payload["last_day"]): one.due_at for one in timers}
    assert of == {
        ("stock.expired", "2026-12-01"): datetime(2026, 12, 2, tzinfo=UTC),
        ("stock.expiring", "2027-01-01"): datetime(2026, 12, 3, tzinfo=UTC),
        ("stock.expired", "2027-01-01"): datetime(2027, 1, 2, tzinfo=UTC),
        ("stock.expiring", "2027-06-01"): datetime(2027, 5, 3, tzinfo=UTC),
        ("stock.expired", "2027-06-01"): datetime(2027, 6, 2, tzinfo=UTC),
    }


async def test_stock_beyond_what_keeps_is_a_shortage(db: Database) -> None:
    assert await reserve(db, 11) == []
    assert await reserve(db, 7, datetime(2026, 12, 2, tzinfo=UTC)) == []


async def test_whoever_has_several_lots_says_which(db: Database) -> None:
    with pytest.raises(Refused) as refused:
        await move(db, "out", 1)
    assert len(refused.value.members["lots"]) == 4
    await move(db, "out", 1, batch="next")
    assert {unit.batch: unit.on_hand for unit in await rows(db, Unit)}["next"] == 3


async def test_a_batch_that_comes_in_is_a_lot_with_its_own_last_day(db: Database) -> None:
    await move(db, "in", 9, batch="fresh", expires_on=date(2027, 6, 1))
    [fresh] = [unit for unit in await rows(db, Unit) if unit.batch == "fresh"]
    assert (fresh.place, fresh.on_hand, fresh.expires_on) == ("3F", 9, date(2027, 6, 1))
    with pytest.raises(Refused):
        await move(db, "in", 1, batch="fresh", expires_on=date(2028, 1, 1))


async def test_what_is_carried_elsewhere_is_neither_lost_nor_doubled(db: Database) -> None:
    async with db.transaction() as session:
        await ledger.transfer(session, "store", Lot("water", batch="new"), "3F", 2, by="Ada", at=AT)
    new = [unit for unit in await rows(db, Unit) if unit.batch == "new"]
    assert {unit.place: (unit.on_hand, unit.expires_on) for unit in new} == {
        "B1": (4, date(2027, 1, 1)), "3F": (2, date(2027, 1, 1)),
    }  # fmt: skip
    async with db.reading() as session:
        assert [[m.change for m in await ledger.movements(session, unit.id)] for unit in new] == [
            [6, -2],
            [2],
        ]


async def test_below_the_minimum_the_supplier_is_asked_once_and_what_comes_stands_in_the_ledger(
    db: Database,
) -> None:
    await move(db, "out", 2, batch="next")
    assert await told(db, "stock.low") == []  # 8 are usable
    await move(db, "out", 1, batch="next")
    await move(db, "out", 1, batch="next")
    [low] = await told(db, "stock.low")
    assert (low["on_hand"], low["minimum"], low["supplier"], low["quantity"]) == (7, 8, "shop", 20)
    async with db.transaction() as session:
        asked = await replenishment.found(session, low["replenishment_id"])
        replenishment.order(asked, quantity=30, by="Ada", at=AT)
        replenishment.order(asked, quantity=None, by="Ben", at=AT)
    [asked] = await rows(db, Replenishment)
    assert (asked.state, asked.quantity, asked.by) == (ReplenishmentState.ORDERED, 30, "Ada")


async def test_what_comes_in_parts_stays_ordered_until_all_is_there_or_no_more_will_come(
    db: Database,
) -> None:
    await move(db, "out", 4, batch="next")
    [low] = await told(db, "stock.low")

    async def come(quantity: int | None, *, last: bool = False) -> tuple[int, str]:
        async with db.transaction() as session:
            asked = await replenishment.found(session, low["replenishment_id"])
            came = replenishment.receive(asked, quantity, last=last, by="Ada", at=AT)
            return came, asked.state

    assert await come(5) == (5, "ordered")
    async with db.transaction() as session:
        asked = await replenishment.found(session, low["replenishment_id"])
        with pytest.raises(Refused) as refused:
            replenishment.order(asked, quantity=5, by="Ada", at=AT)
        assert refused.value.members["received"] == 5
        replenishment.order(asked, quantity=30, by="Ada", at=AT)
    assert await come(5, last=False) == (5, "ordered")
    assert await come(None) == (20, "received")
    with pytest.raises(Refused):
        await come(1)


async def test_the_last_of_less_than_was_ordered_closes_it(db: Database) -> None:
    await move(db, "out", 4, batch="next")
    [low] = await told(db, "stock.low")
    async with db.transaction() as session:
        asked = await replenishment.found(session, low["replenishment_id"])
        assert replenishment.receive(asked, 1, last=True, by="Ada", at=AT) == 1
        assert asked.state == ReplenishmentState.RECEIVED


async def test_a_lot_is_counted_once_in_a_stocktake(db: Database) -> None:
    twice = [Count(Lot("water", batch="new"), 6), Count(Lot("water", batch="new"), 7)]
    with pytest.raises(WrongShape) as refused:
        async with db.transaction() as session:
            await ledger.take_stock(session, "store", twice, by="Ada", at=AT)
    assert refused.value.members["errors"] == [{"path": "counts.1"}]


async def test_a_stocktake_sets_the_ledger_right_and_the_next_is_due_after_it(db: Database) -> None:
    later = AT + timedelta(days=5)
    counts = [Count(Lot("water", batch=batch), n) for batch, n in [("old", 5), ("next", 3), ("new", 6)]]
    async with db.transaction() as session:
        written = await ledger.take_stock(session, "store", counts, by="Ada", at=later)
    assert [one.change for one in written] == [0, -1, 0]
    [store] = [pool for pool in await rows(db, Pool) if pool.id == "store"]
    assert store.stocktake_due_at == later + timedelta(days=30)
    dues = [timer.due_at for timer in await rows(db, Timer) if timer.topic == "stocktake.due"]
    assert dues == [AT + timedelta(days=30), later + timedelta(days=30)]
    async with db.reading() as session:
        due = [
            await checks.still_due(session, "stocktake.due", {"id": "store"}, at=moment) for moment in dues
        ]
    assert due == [False, True]


async def test_half_a_stocktake_does_not_move_the_due_date(db: Database) -> None:
    async with db.transaction() as session:
        await ledger.take_stock(
            session, "store", [Count(Lot("water", batch="new"), 6)], by="Ada", at=AT + timedelta(days=1)
        )
    [store] = [pool for pool in await rows(db, Pool) if pool.id == "store"]
    assert store.stocktake_due_at == AT + timedelta(days=30)


async def test_what_is_faulty_is_not_reserved_until_a_check_finds_it_ready(db: Database) -> None:
    async with db.transaction() as session:
        await checks.set_state(session, "systems", "main", UnitState.FAULTY, by="test", at=AT)
    assert await reserve(db, 2, pool="systems") == []
    later = AT + timedelta(days=2)
    async with db.transaction() as session:
        main = await checks.set_state(
            session, "systems", "main", UnitState.READY, by="test", at=later, checked=True
        )
    assert (main.checked_at, main.check_due_at) == (later, later + timedelta(days=7))
    assert await reserve(db, 2, pool="systems") == [("main", 1), ("standby", 1)]


@pytest.mark.parametrize("kind", ["adjust", "stocktake"])
async def test_counting_what_is_faulty_does_not_repair_it(db: Database, kind: str) -> None:
    async with db.transaction() as session:
        await checks.set_state(session, "systems", "main", UnitState.FAULTY, by="test", at=AT)
    async with db.transaction() as session:
        if kind == "stocktake":
            await ledger.take_stock(session, "systems", [Count(Lot("main"), 1)], by="Ada", at=AT)
        else:
            await ledger.move(session, "systems", Lot("main"), MovementKind.ADJUST, 1, by="Ada", at=AT)
    assert [unit.state for unit in await rows(db, Unit) if unit.name == "main"] == [UnitState.FAULTY]


@pytest.mark.parametrize("last_day", ["0001-01-01", "1999-12-31", "9999-12-31"])
def test_a_last_day_is_one_of_these_centuries(last_day: str) -> None:
    with pytest.raises(ValueError, match="expires_on"):
        WriteMovement.model_validate({"item": "water", "kind": "in", "quantity": 1, "expires_on": last_day})
    with pytest.raises(ValueError, match="expires_on"):
        ReceiveReplenishment.model_validate({"expires_on": last_day})


async def test_the_plan_loaded_again_puts_nothing_back_where_it_was(db: Database) -> None:
    await move(db, "out", 4, batch="next")
    async with db.transaction() as session:
        await ledger.transfer(session, "store", Lot("water", batch="new"), "3F", 6, by="Ada", at=AT)
        await pools.adopt(session, POOLS, at=AT + timedelta(days=1))
    units = [unit for unit in await rows(db, Unit) if unit.pool_id == "store" and unit.on_hand]
    assert {(unit.place, unit.batch, unit.on_hand) for unit in units} == {("3F", "old", 5), ("3F", "new", 6)}
