"""Turns at the database: a flood of requests waits in a queue with an end, and never takes the engine's place."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.away import TooBusy
from app.db import OWN_CONNECTIONS, READING_AT_ONCE, REQUESTS_AT_ONCE, Database
from app.turns import Turns
from tests.databases import Kind
from tests.world import a_world

INCIDENT = {"title": "Lines are dead", "type": "network_outage"}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url)
    yield made
    await made.dispose()


async def test_beyond_the_bound_the_answer_is_503_at_once(database_url: str, tmp_path: Path) -> None:
    async with (
        a_world(database_url, tmp_path, people=False, request_queue=2) as world,
        AsyncExitStack() as held,
    ):
        db = world.parts.db
        for _ in range(1 if db.is_sqlite else REQUESTS_AT_ONCE):
            await held.enter_async_context(db.request())
        waiting = [asyncio.create_task(world.post("/incidents", INCIDENT)) for _ in range(2)]
        await everybody_waits()

        refused = await world.client.post("/api/v1/incidents", json=INCIDENT, headers=world.as_("leadership"))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["type"] == "/problems/unavailable"

        await world.get("/incidents")  # who only looks waits in another queue
        await held.aclose()
        assert len({incident["id"] for incident in await asyncio.gather(*waiting)}) == 2
        await world.settle()


async def test_reading_requests_are_bounded_too(database_url: str, tmp_path: Path) -> None:
    async with (
        a_world(database_url, tmp_path, people=False, request_queue=1) as world,
        AsyncExitStack() as held,
    ):
        db = world.parts.db
        for _ in range(READING_AT_ONCE if db.is_sqlite else REQUESTS_AT_ONCE):
            await held.enter_async_context(db.request(writing=False))
        waiting = asyncio.create_task(world.get("/incidents"))
        await everybody_waits()

        refused = await world.client.get("/api/v1/incidents", headers=world.as_("leadership"))
        page = await world.client.get("/sign-in", headers={"Accept": "text/html"})
        alive = await world.client.get("/healthz")

        assert [one.status_code for one in (refused, page)] == [503, 503]
        assert all("retry-after" in one.headers for one in (refused, page))
        assert alive.status_code == 200
        await held.aclose()
        assert (await waiting)["items"] == []


async def test_requests_do_not_take_the_engines_connections(database: Database) -> None:
    async with AsyncExitStack() as held:
        for _ in range(READING_AT_ONCE if database.is_sqlite else REQUESTS_AT_ONCE):
            await use(await held.enter_async_context(database.request(writing=False)))
        if not database.is_sqlite:
            for _ in range(REQUESTS_AT_ONCE):
                await use(await held.enter_async_context(database.request()))

        for own in (database.reading(), database.transaction()):
            async with own as session:
                await use(session)


async def test_the_engine_does_not_take_the_requests_connections(
    fresh_database: Callable[[Kind], str],
) -> None:
    database = Database(fresh_database("postgresql"))
    async with AsyncExitStack() as held:
        for _ in range(OWN_CONNECTIONS):
            await use(await held.enter_async_context(database.transaction()))

        requests: tuple[AbstractAsyncContextManager[AsyncSession], ...] = (
            database.request(), database.request(writing=False),
        )  # fmt: skip
        for request in requests:
            async with request as session:
                await use(session)
    await database.dispose()


async def test_turns_are_given_in_order_and_patience_ends() -> None:
    turns = Turns(at_once=1, waiting=9, patience=timedelta(seconds=30))
    hasty = Turns(at_once=1, waiting=9, patience=timedelta())
    order: list[int] = []

    async def take(number: int) -> None:
        async with turns.one():
            order.append(number)

    async with asyncio.TaskGroup() as tasks, turns.one():
        for number in range(5):
            tasks.create_task(take(number))
        await everybody_waits()
    assert order == [0, 1, 2, 3, 4]

    async with hasty.one():
        with pytest.raises(TooBusy):
            async with hasty.one():
                pass
    async with hasty.one():
        pass  # whoever gave up left nothing behind


async def use(session: AsyncSession) -> None:
    await session.execute(text("SELECT 1"))


async def everybody_waits() -> None:
    for _ in range(50):
        await asyncio.sleep(0)  # noqa: TID251 - lets the tasks reach their queues; no time passes
