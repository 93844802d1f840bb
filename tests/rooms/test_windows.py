"""Maintenance windows, on both databases: what they hold, what they let pass, and what becomes of it when they are over."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from app import due
from app.db import Database
from app.errors import WrongShape
from app.incidents.tables import State
from app.intake import correlation, inbox, windows
from app.intake.tables import MaintenanceWindow, Outcome, Repeats
from app.intake.windows import Asked, WindowEvent, WindowIsOver
from app.outbox import MessageState, OutboxMessage
from tests.rooms.monitoring import T1, T2, World, acked, problem, recovered, remark

HOUR = timedelta(hours=1)


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    db = Database(database_url)
    made = World(db)
    await made.prepare()
    yield made
    await db.dispose()


async def put_up(world: World, **more: Any) -> MaintenanceWindow:
    now = world.clock.now()
    said = {
        "title": "New switches",
        "reason": "Planned",
        "begins_at": now,
        "ends_at": now + HOUR,
        "sources": ["prom"],
    }
    async with world.db.transaction() as session:
        return await windows.put_up(session, Asked(**{**said, **more}), by="Ada", at=now)


async def move(world: World, window: MaintenanceWindow, event: WindowEvent, **more: Any) -> MaintenanceWindow:
    async with world.db.transaction() as session:
        said = {"by": "Ben", "reason": "Done", **more}
        return await windows.move(session, window.id, event, at=world.clock.now(), **said)


async def pass_time(world: World, **by: float) -> None:
    """Let time pass, and the engine look at the windows whose time is over and judge what they let go."""
    world.later(**by)
    at = world.clock.now()
    async with world.db.transaction() as session:
        await due.fire(session, at=at, grave=False)
    async with world.db.transaction() as session:
        query = select(OutboxMessage).where(
            OutboxMessage.topic == windows.TOPIC, OutboxMessage.state == MessageState.PENDING
        )
        for message in await session.scalars(query.order_by(OutboxMessage.id)):
            await windows.look(session, message.payload["window_id"], again=message.payload["again"], at=at)
            message.state = MessageState.DONE
    await world.judge_all()


async def test_what_it_covers_is_kept_and_nobody_is_called_and_what_still_burns_at_its_end_raises(
    world: World,
) -> None:
    window = await put_up(world)
    receipt = await world.receive(problem("a"), problem("b", title="Lines down", level_hint=2))
    await world.judge_all()
    assert await world.outcomes(receipt) == [Outcome.HELD, Outcome.HELD]
    assert await world.tell(problem("a"), recovered("a")) == [Outcome.HELD, Outcome.RECOVERED]
    assert await world.tell(acked("b"), remark("b")) == [Outcome.HELD, Outcome.HELD]
    assert (await world.incidents(), await world.topics()) == ([], [])
    async with world.db.reading() as session:
        assert [one.dedup_key for one in await windows.held(session, window, most=9)] == ["b"]

    await pass_time(world, minutes=59)
    assert await world.incidents() == []
    await pass_time(world, minutes=1)
    incident = await world.incident()
    assert (incident.title, incident.level, incident.occurred_at) == ("Lines down", 2, window.begins_at)
    assert await world.outcomes(receipt) == [Outcome.HELD, Outcome.RAISED], "what became of it in the end"
    assert "signal.was_held" in await world.kinds(incident)
    assert await world.tell(recovered("b")) == [Outcome.CANCELLED]


async def test_what_returns_meanwhile_calls_nobody_until_it_is_over(world: World) -> None:
    await world.tell(problem("q", T1))
    await put_up(world)
    assert await world.tell(problem("q", T1)) == [Outcome.REPEATED], "what people deal with already goes on"
    assert await world.tell(problem("q", T2)) == [Outcome.HELD]
    assert (await world.incident()).occurrence == 1
    await pass_time(world, hours=1)
    assert ((await world.incident()).occurrence, await world.topics()) == (
        2, ["incident.detected", windows.TOPIC, "incident.recurred"],
    )  # fmt: skip


async def test_it_is_ended_early_extended_and_withdrawn_and_who_did_so_why_is_kept(world: World) -> None:
    window = await put_up(world)
    await world.tell(problem("q"))
    later = world.clock.now() + 2 * HOUR
    extended = await move(world, window, WindowEvent.EXTEND, reason="Not done", ends_at=later, version=1)
    assert extended.version == 2
    await pass_time(world, minutes=90)
    assert await world.incidents() == []
    await move(world, window, WindowEvent.END)
    await pass_time(world)
    assert (await world.incident()).state == State.DETECTED
    with pytest.raises(WindowIsOver):
        await move(world, window, WindowEvent.WITHDRAW)
    async with world.db.reading() as session:
        changes = (await windows.found(session, window.id)).changes
    assert [(one["event"], one["by"], one["reason"]) for one in changes] == [
        ("set", "Ada", "Planned"), ("extend", "Ben", "Not done"), ("end", "Ben", "Done"),
    ]  # fmt: skip


async def test_one_that_repeats_holds_each_time_and_not_between(world: World) -> None:
    await put_up(world, repeats=Repeats.DAILY)
    assert await world.tell(problem("a")) == [Outcome.HELD]
    await pass_time(world, hours=1)
    assert await world.tell(problem("b")) == [Outcome.RAISED]
    await pass_time(world, hours=23)
    assert await world.tell(problem("c")) == [Outcome.HELD]
    await pass_time(world, hours=1)
    assert [one.dedup_key for one in await world.incidents()] == ["prom:a", "prom:b", "prom:c"]


async def test_what_two_windows_cover_waits_for_both(world: World) -> None:
    await put_up(world)
    await put_up(world, sources=[], labels={"site": "hz"}, ends_at=world.clock.now() + 2 * HOUR)
    await world.tell(problem("q", labels={"site": "hz"}))
    await pass_time(world, hours=1)
    assert await world.incidents() == []
    await pass_time(world, hours=1)
    assert len(await world.incidents()) == 1


async def test_one_that_makes_no_sense_is_refused(world: World) -> None:
    now = world.clock.now()
    senseless: list[dict[str, Any]] = [
        {"sources": []}, {"sources": ["prim"]}, {"types": ["volcano"]}, {"departments": ["kitchen"]},
        {"ends_at": now}, {"ends_at": now + timedelta(days=32)},
        {"ends_at": now + timedelta(days=2), "repeats": Repeats.DAILY},
        {"repeats": Repeats.DAILY, "until": now - HOUR},
    ]  # fmt: skip
    for wrong in senseless:
        with pytest.raises(WrongShape):
            await put_up(world, **wrong)


async def test_windows_cost_one_look_for_all_that_is_judged_together(world: World) -> None:
    """And no more of anything than without one."""
    looked = []
    for batch in ("before", "with"):
        await world.receive(*(problem(f"{batch}-{number}") for number in range(20)))
        async with world.db.reading() as session:
            query = select(OutboxMessage.payload).where(OutboxMessage.topic == inbox.TOPIC)
            payloads = list(await session.scalars(query.order_by(OutboxMessage.id)))[-20:]
        with statements(world.db) as said:
            async with world.db.transaction() as session:
                await correlation.judge(session, payloads, world.clock.now())
        looked.append((len(said), sum("FROM maintenance_windows" in one for one in said)))
        world.later(hours=2)
        await put_up(world, sources=[], labels={"rack": "7"})
    assert looked[0] == looked[1]
    assert looked[0][1] == 1


@contextmanager
def statements(db: Database) -> Iterator[list[str]]:
    said: list[str] = []

    def note(*args: Any) -> None:
        said.append(str(args[2]))

    event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    yield said
    event.remove(db.engine.sync_engine, "before_cursor_execute", note)
