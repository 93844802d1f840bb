"""The loop: order, one bad row, two engines, waking up, and the stream of what changes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from sqlalchemy import func, select, update

from app import carrying, due, outbox, reacting
from app.engine import ATTEMPTS, Engine
from app.flow import REACTIONS
from app.main import running
from app.notify.channel import Message, Receipt
from app.outbox import OutboxMessage, Timer, TimerState
from app.reactions.context import Happened
from app.service import stream
from tests.databases import Kind
from tests.world import World, a_world

Heard = list[tuple[str, Any]]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    """What the reactions of these tests' own topics were given, in order. `bad` fails while its payload is in `BROKEN`."""
    found: Heard = []
    BROKEN.clear()

    async def note(happened: Happened) -> None:
        found.append((happened.ref, happened.payload["n"]))

    async def fail(happened: Happened) -> None:
        # The row written before the failure must be gone with it.
        outbox.put(happened.session, "test.note", {"n": "left behind"}, ref=happened.ref, at=happened.at)
        await happened.session.flush()
        if happened.ref in BROKEN:
            raise RuntimeError("the reaction of this test is broken")

    topics: Mapping[str, Sequence[Any]] = {**REACTIONS, "test.note": (note,), "test.bad": (note, fail)}
    monkeypatch.setattr(reacting, "REACTIONS", topics)
    return found


BROKEN: set[str] = set()


async def put(world: World, *messages: tuple[str, str, Any]) -> None:
    async with world.parts.db.transaction() as session:
        for topic, ref, n in messages:
            outbox.put(session, topic, {"n": n}, ref=ref, at=world.clock.now())
            await session.flush()


async def forgiven(world: World) -> None:
    """The failures were meant: the world does not hold them against the test."""
    async with world.parts.db.transaction() as session:
        await session.execute(update(OutboxMessage).values(attempts=0))


async def test_messages_of_one_ref_are_handled_in_order(world: World, heard: Heard) -> None:
    await put(world, *(("test.note", ref, n) for n in range(3) for ref in ("a", "b")))
    await world.settle()
    assert [n for ref, n in heard if ref == "a"] == [0, 1, 2]
    assert [n for ref, n in heard if ref == "b"] == [0, 1, 2]


async def test_a_failing_reaction_holds_back_its_own_incident_and_no_other(
    world: World, heard: Heard
) -> None:
    BROKEN.add("a")
    await put(world, ("test.bad", "a", 1), ("test.note", "a", 2), ("test.note", "b", 3))
    await world.settle()
    assert heard == [("a", 1), ("b", 3)]
    BROKEN.clear()
    world.clock.advance(timedelta(seconds=1))
    await world.settle()
    assert heard == [("a", 1), ("b", 3), ("a", 1), ("a", 2), ("a", "left behind")]
    await forgiven(world)


async def test_it_is_tried_with_growing_waits_and_then_set_aside_with_its_reason(
    world: World, heard: Heard
) -> None:
    BROKEN.add("a")
    await put(world, ("test.bad", "a", 1), ("test.note", "a", 2))
    waits = []
    await world.settle()
    for attempt in range(1, ATTEMPTS):
        assert len(heard) == attempt
        before = world.clock.now()
        async with world.parts.db.reading() as session:
            row = await session.scalar(select(OutboxMessage).where(OutboxMessage.topic == "test.bad"))
        assert row is not None
        waits.append((row.not_before - before).total_seconds())
        world.clock.move_to(row.not_before - timedelta(milliseconds=1))
        await world.settle()
        assert len(heard) == attempt, "not before its time"
        world.clock.move_to(row.not_before)
        await world.settle()
    assert waits == [1, 2, 4, 8, 16, 32, 64]
    assert heard[-1] == ("a", 2), "once it is set aside, its incident goes on"

    (parked,) = (await world.get("/parked"))["items"]
    assert (parked["what"], parked["ref"], parked["attempts"]) == ("test.bad", "a", ATTEMPTS)
    assert "the reaction of this test is broken" in parked["reason"]
    assert "muster_parked_messages 1.0" in await world.get("/metrics")
    await world.advance(hours=1)
    assert len(heard) == ATTEMPTS + 1, "nobody tries it again by himself"

    BROKEN.clear()
    await world.post(f"/parked/{parked['id']}/retry")
    await world.settle()
    assert heard[-2:] == [("a", 1), ("a", "left behind")]
    assert (await world.get("/parked"))["items"] == []
    assert (await world.post(f"/parked/{parked['id']}/retry", expect=409))["status"] == 409
    assert (await world.post("/parked/999999/retry", expect=404))["status"] == 404


async def test_timers_fire_once_and_in_the_order_they_fall_due(world: World, heard: Heard) -> None:
    async with world.parts.db.transaction() as session:
        for n, minutes in ((1, 20), (2, 10), (3, 10)):
            due = world.clock.now() + timedelta(minutes=minutes)
            for _ in range(2):  # armed twice under one key
                await outbox.arm(session, "test.note", {"n": n}, ref="a", key=f"test:{n}", due_at=due)
        await outbox.arm(session, "test.note", {"n": 4}, ref="a", key="other:4", due_at=world.clock.now())
        assert await outbox.withdraw(session, key_prefix="other:") == 1
    world.clock.advance(timedelta(minutes=30))
    await world.settle()
    await world.settle()
    assert [n for _, n in heard] == [2, 3, 1]


@pytest.fixture
async def shared(fresh_database: Callable[[Kind], str], tmp_path: Path) -> AsyncIterator[World]:
    """A world on PostgreSQL, where any number of engines may run."""
    async with a_world(fresh_database("postgresql"), tmp_path) as made:
        yield made


async def test_with_several_engines_each_timer_fires_once_and_order_holds(
    shared: World, heard: Heard
) -> None:
    async with shared.parts.db.transaction() as session:
        for n in range(60):
            await outbox.arm(
                session, "test.note", {"n": n}, ref=f"r{n % 3}", key=f"test:{n}", due_at=shared.clock.now()
            )
    engines = [shared.engine, *(Engine(shared.parts, shared.engine.reach) for _ in range(3))]
    for _ in range(3):
        await asyncio.gather(*(engine.settle() for engine in engines))
    assert sorted(n for _, n in heard) == list(range(60))
    for ref in ("r0", "r1", "r2"):
        numbers = [n for heard_ref, n in heard if heard_ref == ref]
        assert numbers == sorted(numbers)
    async with shared.parts.db.reading() as session:
        fired = await session.scalar(
            select(func.count()).select_from(OutboxMessage).where(OutboxMessage.topic == "test.note")
        )
        left = await session.scalar(
            select(func.count())
            .select_from(Timer)
            .where(Timer.state == TimerState.ARMED, Timer.topic == "test.note")
        )
    assert (fired, left) == (60, 0)


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[None]:
    """The engine at work by itself, as in the service."""
    work = asyncio.create_task(world.engine.run())
    try:
        yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    """Let everybody else go on until it holds."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.to_thread(lambda: None)


async def test_a_commit_wakes_the_engine_without_a_tick(world: World, heard: Heard) -> None:
    async with serving(world):
        for n in range(3):
            await put(world, ("test.note", "a", n))
            await until(lambda n=n: len(heard) == n + 1)  # type: ignore[misc]
    assert [n for _, n in heard] == [0, 1, 2]


async def test_the_engine_outlives_a_failing_look(
    world: World, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = 0
    follow = Engine.follow

    async def failing(self: Engine) -> bool:
        nonlocal failures
        if failures < 2:
            failures += 1
            raise ConnectionError("the database is away")
        return await follow(self)

    monkeypatch.setattr(Engine, "follow", failing)
    async with serving(world):
        await put(world, ("test.note", "a", 1))
        async with asyncio.timeout(20):
            while not heard:
                world.parts.db.wake.set()  # what the scheduler's tick does
                await asyncio.to_thread(lambda: None)
    assert failures == 2


# ── what is under way ─────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Held:
    """Channels that keep whoever sends waiting, until they are let go."""

    entered: list[Message] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, to: str, message: Message) -> Receipt:
        self.entered.append(message)
        await self.go_on.wait()
        return Receipt("kept")

    def told(self, title: str) -> bool:
        return any(title in message.text + message.subject for message in self.entered)


@pytest.fixture
def held(world: World, monkeypatch: pytest.MonkeyPatch) -> Held:
    made = Held()
    for channel in world.channels.values():
        monkeypatch.setattr(channel, "send", made.send)
    return made


async def test_an_orderly_stop_waits_for_what_is_being_sent_and_sends_it_once(
    world: World, held: Held
) -> None:
    await world.post("/incidents", {"title": "x", "type": "other", "level": 3})

    async def begin_and_stop() -> None:
        async with running(world.engine, world.parts):
            await until(lambda: bool(held.entered))

    stopping = asyncio.create_task(begin_and_stop())
    await until(lambda: bool(held.entered) and not world.parts.db.wake._waiting)  # the workers have ended
    for _ in range(50):
        await asyncio.to_thread(lambda: None)
    assert not stopping.done(), "the database would be closed under what is being sent"
    held.go_on.set()
    await stopping
    sent = len(held.entered)
    assert not world.engine.carrier.under_way
    world.clock.advance(world.parts.settings.lease + timedelta(seconds=1))
    await world.settle()
    assert len(held.entered) == sent == 1


async def test_while_it_stops_it_keeps_what_is_still_being_sent(
    world: World, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "_WHILE_STOPPING", timedelta(milliseconds=1))
    await world.post("/incidents", {"title": "x", "type": "other", "level": 3})
    while await world.engine.follow():
        pass
    await until(lambda: bool(held.entered))
    other = Engine(world.parts, world.engine.reach)
    stopping = asyncio.create_task(world.engine.finish(timedelta(minutes=1)))
    for _ in range(3):  # longer than a lease, and no tick
        world.clock.advance(world.parts.settings.lease / 2)
        await until(lambda: not world.engine.in_hand.to_extend(at=world.clock.now()))
        assert not await other.carrier.start_deliveries()
    held.go_on.set()
    await stopping
    assert len(held.entered) == 1


async def test_what_takes_too_long_is_broken_off_when_it_stops(world: World, held: Held) -> None:
    await world.post("/incidents", {"title": "x", "type": "other", "level": 3})
    while await world.engine.follow():
        pass
    await until(lambda: bool(held.entered))
    await world.engine.finish(timedelta())
    assert not world.engine.carrier.under_way
    held.go_on.set()
    world.clock.advance(world.parts.settings.lease)
    await world.settle()
    assert [message.key for message in held.entered] == [held.entered[0].key] * 2, "its lease had ended"


@pytest.fixture
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrying, "AT_ONCE", 8)
    monkeypatch.setattr(carrying, "PATIENT_AT_ONCE", 6)


@pytest.mark.usefixtures("few_places")
async def test_sends_that_hang_keep_no_place_from_the_gravest(world: World, held: Held) -> None:
    for n in range(8):
        await world.post("/incidents", {"title": f"slow {n}", "type": "other", "level": 3})
    while await world.engine.follow() or await world.engine.carrier.start_deliveries():
        pass
    assert len(world.engine.carrier.under_way) == 6
    await world.post("/incidents", {"title": "grave", "type": "other", "level": 1})
    while await world.engine.follow() or await world.engine.carrier.start_deliveries():
        pass
    await until(lambda: held.told("grave"))
    assert len(world.engine.carrier.under_way) <= 8
    assert not await world.engine.carrier.start_calls()
    held.go_on.set()
    await world.settle()
    assert {f"slow {n}" for n in range(8) if held.told(f"slow {n}")} == {f"slow {n}" for n in range(8)}


@pytest.mark.usefixtures("few_places")
async def test_the_gravest_may_use_every_place(world: World, held: Held) -> None:
    for n in range(10):
        await world.post("/incidents", {"title": f"grave {n}", "type": "other", "level": 1})
    while await world.engine.follow() or await world.engine.carrier.start_deliveries():
        pass
    assert len(world.engine.carrier.under_way) == 8
    held.go_on.set()
    await world.settle()


@pytest.mark.usefixtures("few_places")
async def test_those_who_claim_at_once_do_not_fill_a_place_twice(world: World, held: Held) -> None:
    for n in range(20):
        await world.post("/incidents", {"title": f"grave {n}", "type": "other", "level": 1})
    while True:  # each is paged, and nothing is claimed yet
        async with world.parts.db.transaction() as session:
            taken = await due.take(session, at=world.clock.now(), limit=40, urgent=True)
            await world.engine.reactor.handle(session, taken, world.clock.now())
        if not taken:
            break
    claims = [world.engine.carrier.start_deliveries() for _ in range(3)]
    await asyncio.gather(*claims)
    assert len(world.engine.carrier.under_way) == 8
    held.go_on.set()
    await world.settle()


# ── the stream of what changes ────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def over_http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """The same service behind a real server: a stream has no end, and the test's transport waits for one."""
    app = world.client._transport.app  # type: ignore[attr-defined]
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", timeout_graceful_shutdown=0)
    server = uvicorn.Server(config)
    config.load()
    work = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(20):
            while not server.started:
                await asyncio.to_thread(lambda: None)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield client
    finally:
        server.should_exit = True
        await work


@asynccontextmanager
async def listening(
    client: httpx.AsyncClient, world: World, **how: Any
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    headers = world.as_("leadership") | how.pop("headers", {})
    async with client.stream("GET", "/api/v1/stream", headers=headers, **how) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer)


async def _events(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    event: dict[str, Any] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if line == "" and "data" in event:
            yield event | json.loads(event.pop("data"))
        if line == "":
            event = {}
        elif name in ("id", "event", "data"):
            event[name] = value


async def take(events: AsyncIterator[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        return [await anext(events) for _ in range(number)]


async def test_the_stream_tells_what_changes_and_goes_on_after_the_last_event(
    world: World, heard: Heard
) -> None:
    async with world.parts.db.reading() as session:
        start = str(await session.scalar(select(func.max(OutboxMessage.id))))
    async with over_http(world) as client:
        async with listening(client, world, headers={"Last-Event-ID": start}) as events:
            await put(world, ("test.note", "a", 1), ("test.note", "b", 2))
            first, second = await take(events, 2)
            assert (first["event"], first["topic"], first["ref"]) == ("change", "test.note", "a")
            assert second["ref"] == "b"
            assert "n" not in first, "topic and reference only; whoever may see more fetches it"
        # The connection broke after the first; meanwhile more has happened.
        await put(world, ("test.note", "c", 3))
        world.clock.advance(timedelta(minutes=1))
        async with listening(client, world, headers={"Last-Event-ID": first["id"]}) as events:
            again = await take(events, 2)
            assert [one["ref"] for one in again] == ["b", "c"]
            await put(world, ("test.note", "d", 4))
            assert [one["ref"] for one in await take(events, 1)] == ["d"]
        async with listening(
            client, world, headers={"Last-Event-ID": start}, params={"incident": "c"}
        ) as events:
            assert [one["ref"] for one in await take(events, 1)] == ["c"]
        assert (await client.get("/api/v1/stream")).status_code == 401
    await world.settle()


async def all_changes(world: World, position: int, number: int) -> list[int]:
    """The next changes after a position, as many as named; nothing may come after them."""
    found: list[int] = []
    changes = stream._changes(world.parts, position, None)
    async with asyncio.timeout(60):
        async for message in changes:
            found.append(message.id)
            if len(found) == number:
                break
    following = asyncio.ensure_future(anext(changes))
    # Two looks more find nothing, and it waits to be woken.
    for _ in range(2):
        world.parts.db.wake.set()
        for _ in range(200):
            await asyncio.to_thread(lambda: None)
    assert not following.done(), "sent again"
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    return found


async def test_a_burst_is_streamed_once_each_and_whole(world: World, heard: Heard) -> None:
    async with world.parts.db.reading() as session:
        start = int(await session.scalar(select(func.max(OutboxMessage.id))) or 0)
    async with world.parts.db.transaction() as session:
        for n in range(1250):
            outbox.put(session, "test.note", {"n": n}, ref="a", at=world.clock.now())
        await session.flush()
        await session.execute(update(OutboxMessage).values(state="done"))
    found = await all_changes(world, start, 1250)
    assert sorted(found) == found == sorted(set(found))


async def test_what_was_committed_late_is_streamed_however_slow_the_reader(
    world: World, heard: Heard
) -> None:
    await put(world, ("test.note", "a", 1))
    await world.settle()
    async with world.parts.db.reading() as session:
        start = int(await session.scalar(select(func.max(OutboxMessage.id))) or 0)
    before = world.clock.now()
    await put(world, ("test.note", "a", 2))
    async with world.parts.db.transaction() as session:  # its number stands before one that is seen first
        await session.execute(update(OutboxMessage).where(OutboxMessage.id == start + 1).values(id=start + 5))
    async with asyncio.timeout(20):
        changes = stream._changes(world.parts, start, None)
        assert (await anext(changes)).id == start + 5
        async with world.parts.db.transaction() as session:
            late = OutboxMessage(
                id=start + 3,
                topic="test.note",
                ref="b",
                payload={"n": 3},
                created_at=before,
                not_before=before,
            )
            session.add(late)
        world.clock.advance(timedelta(minutes=5))  # the reader took its time
        assert (await anext(changes)).id == start + 3
    await changes.aclose()  # type: ignore[attr-defined]
    await world.settle()


@pytest.mark.parametrize("said", ["²", "9" * 19, "-1", "x"])
async def test_an_event_id_that_is_none_begins_with_what_is_new(
    world: World, heard: Heard, said: str
) -> None:
    async with over_http(world) as client:
        headers = [
            (b"Authorization", world.as_("leadership")["Authorization"].encode()),
            (b"Last-Event-ID", said.encode("latin-1", "replace")),
        ]
        async with client.stream("GET", "/api/v1/stream", headers=headers) as answer:
            assert answer.status_code == 200
