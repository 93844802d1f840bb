"""The self-test: a synthetic incident goes the whole way and leaves no trace; lost on the way, people hear of it."""

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from app.incidents.tables import Incident, State, Status
from app.notify.tables import Delivery, Notice, Round
from app.outbox import OutboxMessage, Timer
from app.tables import Base
from app.watch import self_test
from app.watch.guard import Guard
from app.watch.self_test import Standing
from app.watch.tables import SelfTest
from tests.world import World

EVERY, LIMIT = timedelta(minutes=5), timedelta(minutes=1)


async def begin(world: World) -> bool:
    async with world.parts.db.transaction() as session:
        return await self_test.begin_due(session, every=EVERY, limit=LIMIT, at=world.clock.now())


async def standing(world: World) -> Standing:
    async with world.parts.db.reading() as session:
        return await self_test.standing(session, every=EVERY, limit=LIMIT, at=world.clock.now())


async def rows(world: World) -> dict[str, int]:
    """How many rows each table has."""
    async with world.parts.db.reading() as session:
        return {
            table.name: int(await session.scalar(select(func.count()).select_from(table)) or 0)
            for table in Base.metadata.sorted_tables
        }


async def test_it_goes_the_whole_way_and_ends(world: World) -> None:
    assert await standing(world) is Standing.UNKNOWN
    assert await begin(world)
    await world.advance(seconds=5)

    assert await standing(world) is Standing.PASSED
    async with world.parts.db.reading() as session:
        incident = (await session.scalars(select(Incident))).one()
        test = (await session.scalars(select(SelfTest))).one()
        assert await session.scalar(select(func.count()).select_from(Round)) == 0, "nobody is called"
        took = await self_test.seconds_by_stage(session)
    assert (incident.status, incident.state, incident.level) == (Status.TEST, State.CANCELLED, 4)
    assert test.received_at is not None
    assert set(took) == set(self_test.STAGES)
    assert world.told() == [], "nobody is told"


async def test_one_slot_of_time_has_one_test_however_many_replicas_begin_it(world: World) -> None:
    assert await begin(world)
    assert not await begin(world)
    world.clock.advance(EVERY - timedelta(seconds=1))
    await world.settle()
    assert not await begin(world)
    world.clock.advance(timedelta(seconds=1))
    assert await begin(world)
    await world.advance(seconds=5)
    async with world.parts.db.reading() as session:
        assert await session.scalar(select(func.count()).select_from(SelfTest)) == 2


async def test_it_is_seen_and_counted_nowhere(world: World) -> None:
    before = [await seen(world, path) for path in LISTS]
    await begin(world)
    await world.settle()
    during = [await seen(world, path) for path in LISTS]
    await world.advance(seconds=5)

    assert [await seen(world, path) for path in LISTS] == during == before
    real = await world.post("/incidents", {"title": "Nobody can sign in"})
    assert real["number"].endswith("-0001"), "the series of real incidents has no gap"


LISTS = (
    "/incidents", "/incidents?open=true", "/receipts", "/sources", "/deliveries", "/parked", "/metrics?", "/board",
)  # fmt: skip


async def seen(world: World, path: str) -> Any:
    if path == "/board":
        headers = {**world.as_("leadership"), "Accept": "text/html"}
        page = (await world.client.get("/board", headers=headers)).text
        return "Self-test" in page, "TEST-" in page
    if path == "/metrics?":
        text = await world.get("/metrics")
        return [
            line for line in text.splitlines() if line.startswith(("muster_incidents", "muster_deliveries"))
        ]
    return await world.get(path)


async def test_a_day_later_nothing_of_it_is_left(world: World) -> None:
    await world.post("/incidents", {"title": "Nobody can sign in"})
    await world.settle()
    before = await rows(world)
    for _ in range(3):
        await begin(world)
        await world.advance(minutes=5)
    kept = await rows(world)
    assert kept["self_tests"] == 3
    grown = {name for name, number in kept.items() if number > before[name]} - {"sources"}
    assert {
        "incidents",
        "timeline",
        "outbox",
        "timers",
        "deliveries",
        "attempts",
        "receipts",
        "verdicts",
    } <= grown

    world.clock.advance(self_test.KEPT_FOR)
    await world.advance(seconds=1)
    async with world.parts.db.transaction() as session:
        assert await self_test.forget(session, at=world.clock.now()) == 3
    async with world.parts.db.reading() as session:
        assert (
            await session.scalar(
                select(func.count()).select_from(Incident).where(Incident.status == Status.TEST)
            )
            == 0
        )
        assert (
            await session.scalar(select(func.count()).select_from(Notice).where(Notice.kind == "self_test"))
            == 0
        )
        for table in (OutboxMessage, Timer):
            left = select(func.count()).select_from(table).where(table.topic.startswith("self_test"))
            assert await session.scalar(left) == 0
    after = await rows(world)
    assert {name: after[name] for name in ("verdicts", "receipts", "problems", "self_tests")} == {
        name: before[name] for name in ("verdicts", "receipts", "problems", "self_tests")
    }


async def test_one_that_is_lost_is_told_to_the_default_position_and_to_the_metrics(world: World) -> None:
    await begin(world)
    async with world.parts.db.transaction() as session:  # as if the inbox had lost it
        message = (
            await session.scalars(select(OutboxMessage).where(OutboxMessage.topic == "signal.received"))
        ).one()
        await session.delete(message)
    assert await standing(world) is Standing.UNKNOWN
    await world.advance(seconds=61)

    assert await standing(world) is Standing.LATE
    (told,) = world.messages()
    assert (told.who, told.subject) == ("Lin", "Muster's self-test has not come through")
    assert "muster_self_test_late 1.0" in await world.get("/metrics")
    assert 'muster_auditor_findings{rule="signal_unjudged"} 0.0' in await world.get("/metrics")
    guard: Guard = world.client._transport.app.state.guard  # type: ignore[attr-defined]
    await guard.watch()
    assert (await world.get("/healthz"))["self_test"] == "late"

    world.clock.advance(EVERY)
    await begin(world)
    await world.advance(seconds=5)
    assert await standing(world) is Standing.PASSED
    await guard.watch()
    assert (await world.get("/healthz"))["self_test"] == "passed"
    assert 'muster_self_test_seconds{stage="timer"}' in await world.get("/metrics")
    async with world.parts.db.transaction() as session:
        await self_test.forget(session, at=world.clock.now() + timedelta(days=2))


async def test_that_none_is_begun_is_as_bad_as_one_that_is_lost(world: World) -> None:
    await begin(world)
    await world.advance(seconds=5)
    world.clock.advance(2 * EVERY + LIMIT)
    assert await standing(world) is Standing.LATE


async def test_a_person_who_acts_on_one_wakes_nobody(world: World) -> None:
    await begin(world)
    await world.settle()
    async with world.parts.db.reading() as session:
        incident = (await session.scalars(select(Incident))).one()
    await world.apply(incident.id, "assess", level=1, reason="by mistake")
    await world.apply(incident.id, "cancel", reason="it was a test")
    await world.advance(seconds=5)
    assert world.told() == []
    async with world.parts.db.reading() as session:
        real = select(func.count()).select_from(Delivery).where(Delivery.channel != "self")
        assert await session.scalar(real) == 0
