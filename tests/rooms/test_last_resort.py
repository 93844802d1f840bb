"""The last resort and the heartbeat: what is left when the database is not."""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app import installation
from app.access.parts import Parts
from app.breaker import FAILURES
from app.clock import ManualClock
from app.db import Database
from app.installation import Hold
from app.notify.channel import DeliveryError
from app.notify.tables import Round
from app.outgoing import LOCAL, CallFailed, Outgoing
from app.settings import Settings
from app.vault import Vault
from app.watch import self_test
from app.watch.guard import Guard
from app.watch.last_resort import MOST_AN_HOUR, PAUSE, LastResort, Reason
from app.watch.self_test import Standing
from app.watch.tables import SelfTest
from app.wording import say
from tests.receiver import Line, Receiver, hang, status
from tests.world import World

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
opened: list[str] = []
listening: list[bool] = []  # not empty: files that are opened are written down


def _note(event: str, args: tuple[Any, ...]) -> None:
    if listening and event == "open":
        opened.append(str(args[0]))


sys.addaudithook(_note)


class StoppedEngine:
    last_tick: datetime | None = None


@pytest.fixture
async def far() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def outgoing() -> AsyncIterator[Outgoing]:
    async with Outgoing(allow=LOCAL) as made:
        yield made


def resort(outgoing: Outgoing, *urls: str) -> LastResort:
    return LastResort(
        [SecretStr(url) for url in urls], outgoing, service="https://muster.example", language="en"
    )


def settings(url: str, far: Receiver, tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None, database_url=url, data_dir=tmp_path, secret_key=SecretStr("not a secret"), language="en",
        base_url="https://muster.example", last_resort_url=[SecretStr(far.url("/cry"))],
        heartbeat_url=SecretStr(far.url("/alive/token")),
    )  # fmt: skip


def guarded(made: Settings, outgoing: Outgoing) -> tuple[Guard, ManualClock, StoppedEngine]:
    clock, engine = ManualClock(NOON), StoppedEngine()
    parts = Parts(made, Database(made.database), clock, Vault(made.key()))
    return Guard(parts, engine, outgoing), clock, engine


async def test_a_database_that_does_not_answer_is_cried_about_after_a_minute(
    far: Receiver, outgoing: Outgoing, tmp_path: Path
) -> None:
    """The database accepts the connection and then says nothing, as a frozen one does."""
    async with Receiver() as frozen:
        frozen.always = hang
        guard, clock, engine = guarded(
            settings(f"postgresql://muster@127.0.0.1:{frozen.port}/muster", far, tmp_path), outgoing
        )
        engine.last_tick = NOON
        clock.advance(timedelta(seconds=61))

        await guard.watch()

    (cry,) = far.received
    assert (cry.method, cry.path) == ("POST", "/cry")
    assert "cannot get to its database" in cry.body.decode()
    assert "2026-11-23 04:00:00 UTC" in cry.body.decode(), "since when"


async def test_channels_that_hang_with_every_connection_and_every_lookup_do_not_stop_it(
    far: Receiver, outgoing: Outgoing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.outgoing._CONNECTIONS", 1)
    made = settings("postgresql://muster@127.0.0.1:1/muster", far, tmp_path)
    named = [SecretStr(far.url("/cry").replace("127.0.0.1", "localhost"))]
    guard, clock, _ = guarded(made.model_copy(update={"last_resort_url": named}), outgoing)
    clock.advance(timedelta(seconds=61))
    no_name_server, has_it = threading.Event(), asyncio.Event()

    async def take_and_hang(line: Line) -> None:
        has_it.set()
        await hang(line)

    async with Receiver() as channel:
        channel.always = take_and_hang
        stuck = asyncio.create_task(outgoing.request("POST", channel.url()))
        await has_it.wait()
        with ThreadPoolExecutor(1) as lookups:
            asyncio.get_running_loop().set_default_executor(lookups)
            looking = asyncio.get_running_loop().run_in_executor(None, no_name_server.wait)
            try:
                await asyncio.wait_for(guard.watch(), 5)
            finally:
                no_name_server.set()
                await looking
                stuck.cancel()
                await asyncio.wait({stuck})
    assert [one.path for one in far.received] == ["/cry"]


async def test_it_cries_where_the_engine_never_came_up(
    far: Receiver, outgoing: Outgoing, tmp_path: Path
) -> None:
    guard, clock, _ = guarded(settings("postgresql://muster@127.0.0.1:1/muster", far, tmp_path), outgoing)
    await guard.watch()
    assert far.received == [], "it is given its time"
    clock.advance(timedelta(seconds=61))
    await guard.watch()
    assert len(far.received) == 1
    await guard.beat()
    assert len(far.received) == 1, "no heartbeat of an engine that does not run"


async def test_crying_opens_no_file(far: Receiver, outgoing: Outgoing) -> None:
    """The disk may be full or gone: neither log nor catalogue nor template is asked for on the way."""
    last = resort(outgoing, far.url())
    opened.clear()
    listening.append(True)
    try:
        assert await last.tell(Reason.ENGINE, at=NOON)
        assert opened == []
    finally:
        listening.clear()
    assert "muster.example" in far.received[0].body.decode()


async def test_it_is_held_to_a_rate(far: Receiver, outgoing: Outgoing) -> None:
    last = resort(outgoing, far.url())
    assert await last.tell(Reason.ENGINE, at=NOON)
    assert not await last.tell(Reason.ENGINE, at=NOON + PAUSE - timedelta(seconds=1))
    assert await last.tell(Reason.NOBODY, at=NOON), "another reason does not wait for it"
    assert await last.tell(Reason.ENGINE, at=NOON + PAUSE)
    last.over(Reason.ENGINE)
    assert await last.tell(Reason.ENGINE, at=NOON + PAUSE), "what was well in between is new"
    for _ in range(2 * MOST_AN_HOUR):
        last.over(Reason.ENGINE)
        await last.tell(Reason.ENGINE, at=NOON + PAUSE)
    assert len(far.received) == MOST_AN_HOUR


async def test_a_cry_that_nobody_heard_takes_no_later_one_away(far: Receiver, outgoing: Outgoing) -> None:
    far.answers.extend([status(500)] * (MOST_AN_HOUR + 1))
    last = resort(outgoing, far.url())
    for _ in range(MOST_AN_HOUR + 1):
        assert not await last.tell(Reason.ENGINE, at=NOON)
    assert await last.tell(Reason.ENGINE, at=NOON)


async def test_it_cries_to_a_destination_that_everything_else_leaves_alone(
    far: Receiver, outgoing: Outgoing
) -> None:
    far.answers.extend([status(500)] * FAILURES)
    for _ in range(FAILURES):
        await outgoing.request("POST", far.url())
    with pytest.raises(CallFailed, match="left alone"):
        await outgoing.request("POST", far.url())
    assert await resort(outgoing, far.url()).tell(Reason.ENGINE, at=NOON)
    assert len(far.received) == FAILURES + 1


async def test_every_address_is_called_and_one_that_answers_is_enough(
    far: Receiver, outgoing: Outgoing
) -> None:
    far.answers.append(status(500))
    assert await resort(outgoing, far.url("/a"), far.url("/b")).tell(Reason.NOBODY, about="(2)", at=NOON)
    assert {one.path for one in far.received} == {"/a", "/b"}
    far.always = status(500)
    assert not await resort(outgoing, far.url("/a"), "http://127.0.0.1:1/").tell(Reason.NOBODY, at=NOON)
    assert not await resort(outgoing).tell(Reason.NOBODY, at=NOON), "with no address there is no last resort"


async def watched(
    world: World, far: Receiver, outgoing: Outgoing, tmp_path: Path
) -> tuple[Guard, StoppedEngine]:
    made = settings(world.parts.settings.database, far, tmp_path)
    engine = StoppedEngine()
    engine.last_tick = world.clock.now()
    return Guard(Parts(made, world.parts.db, world.clock, world.parts.vault), engine, outgoing), engine


async def test_a_chain_that_reaches_nobody_is_cried_about_once(
    world: World, far: Receiver, outgoing: Outgoing, tmp_path: Path
) -> None:
    guard, _ = await watched(world, far, outgoing, tmp_path)
    incident = await world.post("/incidents", {"title": "Nobody can sign in"})
    await world.settle()
    await guard.watch()
    assert far.received == [], "Lin was reached"
    async with world.parts.db.transaction() as session:
        called = await session.scalar(Round.__table__.select().limit(1))
        assert called
        await session.execute(Round.__table__.update().values(reached=False))  # type: ignore[attr-defined]

    await guard.watch()
    await guard.watch()

    (cry,) = far.received
    assert "reached nobody" in cry.body.decode()
    assert incident["number"] not in cry.body.decode(), "what it is about stays in the house"
    async with world.parts.db.transaction() as session:
        await session.execute(Round.__table__.update().values(reached=True))  # type: ignore[attr-defined]


async def test_a_chain_whose_every_message_failed_is_cried_about(
    world: World, far: Receiver, outgoing: Outgoing, tmp_path: Path
) -> None:
    guard, engine = await watched(world, far, outgoing, tmp_path)
    for channel in world.channels.values():
        channel.failure = DeliveryError(say("channel.mail.bad_address"), permanent=True)
    await world.post("/incidents", {"title": "Nobody can sign in", "level": 1})
    await world.advance(minutes=30)

    engine.last_tick = world.clock.now()
    await guard.watch()

    (cry,) = far.received
    assert "reached nobody" in cry.body.decode()


async def test_the_heart_beats_while_the_engine_ticks_and_the_self_test_comes_through(
    world: World, far: Receiver, outgoing: Outgoing, tmp_path: Path
) -> None:
    guard, engine = await watched(world, far, outgoing, tmp_path)
    await guard.watch()
    await guard.beat()
    assert far.received == [], "nothing has come through yet"

    async with world.parts.db.transaction() as session:
        session.add(
            SelfTest(key="20261122T190000Z", begun_at=world.clock.now(), received_at=world.clock.now())
        )
    await guard.watch()
    await guard.beat()
    assert [(one.method, one.path) for one in far.received] == [("GET", "/alive/token")]

    engine.last_tick = world.clock.now() - timedelta(seconds=31)
    await guard.beat()
    assert len(far.received) == 1, "an engine that stands still has no heartbeat"

    engine.last_tick = world.clock.now()
    async with world.parts.db.transaction() as session:
        session.add(SelfTest(key="20261122T190500Z", begun_at=world.clock.now() - timedelta(seconds=61)))
    await guard.watch()
    assert guard.standing is Standing.LATE
    await guard.beat()
    assert [one.path for one in far.received[1:]] == ["/cry"], "the last resort, and no heartbeat"
    async with world.parts.db.transaction() as session:
        await self_test.forget(session, at=world.clock.now() + timedelta(days=2))


async def test_in_hold_nothing_is_said_either(
    world: World, far: Receiver, outgoing: Outgoing, tmp_path: Path
) -> None:
    guard, _ = await watched(world, far, outgoing, tmp_path)
    async with world.parts.db.transaction() as session:
        placed = installation.hold(session, say("service.hold.elsewhere"), at=world.clock.now())
        session.add(SelfTest(key="20261122T190500Z", begun_at=world.clock.now() - timedelta(hours=1)))

    await guard.watch()
    await guard.beat()
    assert (guard.standing, far.received) == (Standing.LATE, []), "a copy somewhere calls nobody"

    async with world.parts.db.transaction() as session:
        (await session.get_one(Hold, placed.id)).released_at = world.clock.now()
    world.clock.advance(timedelta(minutes=7))
    await guard.watch()
    assert [one.path for one in far.received] == ["/cry"]


def test_the_addresses_are_secrets() -> None:
    far_url = "https://ntfy.example/a-secret-topic"
    said = {"last_resort_url": f"{far_url}, https://two.example/t", "heartbeat_url": far_url}
    made = Settings.model_validate({**said, "self_test_every": "0", "last_resort_after": "2m"})
    assert (made.self_test_every, made.last_resort_after) == (timedelta(), timedelta(minutes=2))
    assert [one.get_secret_value() for one in made.last_resort_url] == [far_url, "https://two.example/t"]
    assert "a-secret-topic" not in repr(made)


async def test_a_frozen_look_holds_up_nothing(far: Receiver, outgoing: Outgoing, tmp_path: Path) -> None:
    """The engine still ticks, and the guard's own question is not answered: it is asked once, and not waited for."""
    async with Receiver() as frozen:
        frozen.always = hang
        guard, _, engine = guarded(
            settings(f"postgresql://muster@127.0.0.1:{frozen.port}/muster", far, tmp_path), outgoing
        )
        engine.last_tick = NOON
        look = asyncio.create_task(guard.watch())
        done, _ = await asyncio.wait({look}, timeout=8)
        assert done
        assert guard.standing is None
        assert guard._looking is not None
        guard._looking.cancel()
        await asyncio.wait({guard._looking})
