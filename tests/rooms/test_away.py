"""What means that the database is away, and what does not; the answer to a request is 503 for the one, never 500."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.keys import Principal
from app.access.tables import Role
from app.away import Away, TooBusy, is_away
from app.db import Database
from app.incidents.tables import NumberSeries
from app.main import create_app
from app.service.stream import stream
from tests.databases import Kind
from tests.world import a_world

SHORT = timedelta(seconds=0.8)


DRIVERS = (
    ConnectionResetError(), ConnectionRefusedError(), TimeoutError(), asyncpg.CannotConnectNowError("starting up"),
    asyncpg.AdminShutdownError("terminating"), asyncpg.CrashShutdownError("crashed"), asyncpg.DiskFullError("disk"),
    asyncpg.TooManyConnectionsError("sorry"), asyncpg.ConnectionDoesNotExistError("closed"),
    asyncpg.DeadlockDetectedError("deadlock"), asyncpg.SerializationError("serialize"),
    asyncpg.QueryCanceledError("statement timeout"), asyncpg.ReadOnlySQLTransactionError("a standby"),
    asyncpg.ProtocolViolationError("query_wait_timeout"), asyncpg.InterfaceError("connection is closed"),
    TooBusy("full"), Away("frozen"), OperationalError("SELECT 1", {}, Exception("lost")),
)  # fmt: skip


async def test_whatever_the_driver_says_the_answer_is_503(
    fresh_database: Callable[[Kind], str], tmp_path: Path
) -> None:
    async with a_world(fresh_database("sqlite"), tmp_path, people=False) as world:
        broken = Broken(world.parts.db.url.render_as_string())
        app = create_app(
            world.parts.settings, parts=replace(world.parts, db=broken), reach=world.engine.reach
        )
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://muster.example") as client:
            for broken.error in DRIVERS:
                answers = [
                    await client.post("/api/v1/incidents", json={}),
                    await client.get("/readyz"),
                    await client.get("/sign-in", headers={"Accept": "text/html"}),
                ]
                assert [answer.status_code for answer in answers] == [503, 503, 503], broken.error
                assert all(int(answer.headers["retry-after"]) > 0 for answer in answers), broken.error
        await broken.dispose()


class Broken(Database):
    """A database of which a request hears nothing but this."""

    error: Exception = Away("frozen")

    @asynccontextmanager
    async def request(self, *, writing: bool = True) -> AsyncIterator[AsyncSession]:
        raise self.error
        yield  # what makes it a generator


async def test_a_stream_of_changes_ends_and_is_taken_up_again_by_its_reader(
    fresh_database: Callable[[Kind], str], tmp_path: Path
) -> None:
    async with a_world(fresh_database("sqlite"), tmp_path, people=False) as world:
        parts = replace(world.parts, db=Broken(world.parts.db.url.render_as_string()))
        who = Principal("Ada", Role.LEADERSHIP, "k")

        assert [change async for change in stream(parts, who, last_event_id="0")] == []
        await parts.db.dispose()


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UniqueViolationError("twice"),
        asyncpg.UndefinedTableError("no such table"),
        sqlite3.IntegrityError("twice"),
        ValueError(),
    ],
)
def test_a_no_is_not_away(error: Exception) -> None:
    assert not is_away(error)


async def test_a_slow_statement_is_ended_by_the_server_and_leaves_the_connection_whole(
    fresh_database: Callable[[Kind], str],
) -> None:
    database = Database(fresh_database("postgresql"), deadline=SHORT)
    backend = text("SELECT pg_backend_pid()")
    async with database.request() as session:
        first = await session.scalar(backend)
        with pytest.raises(Away, match="statement timeout"):
            await session.execute(text("SELECT pg_sleep(30)"))
    async with database.request() as session:
        assert await session.scalar(backend) == first
    await database.dispose()


async def test_a_client_that_froze_in_mid_transaction_holds_its_locks_no_longer_than_that(
    fresh_database: Callable[[Kind], str],
) -> None:
    url = fresh_database("postgresql")
    frozen, other = Database(url, deadline=SHORT), Database(url, deadline=timedelta(seconds=30))
    year = NumberSeries.year == 1
    async with other.transaction() as session:
        await session.execute(insert(NumberSeries).values(year=1, last=0))

    async def hold() -> None:
        async with frozen.transaction() as session:
            await session.execute(update(NumberSeries).where(year).values(last=1))
            async with other.transaction() as waiting:
                await waiting.execute(update(NumberSeries).where(year).values(last=2))
            await session.execute(text("SELECT 'awake again'"))

    with pytest.raises(Away):
        await hold()
    async with other.reading() as session:
        assert await session.scalar(select(NumberSeries.last).where(year)) == 2
    for database in (frozen, other):
        await database.dispose()


async def test_many_short_statements_end_too(fresh_database: Callable[[Kind], str]) -> None:
    database = Database(fresh_database("postgresql"), deadline=SHORT)

    async def go_on_and_on() -> None:
        async with database.request() as session:
            while True:
                await session.execute(text("SELECT pg_sleep(0.2)"))

    with pytest.raises(Away, match="too long"):
        await go_on_and_on()
    async with database.request() as session:
        assert await session.scalar(text("SELECT 1")) == 1
    await database.dispose()


async def test_the_loser_of_a_deadlock_is_told_to_come_again(fresh_database: Callable[[Kind], str]) -> None:
    database = Database(fresh_database("postgresql"))
    async with database.transaction() as session:
        await session.execute(insert(NumberSeries).values([{"year": 1, "last": 0}, {"year": 2, "last": 0}]))
    both = asyncio.Barrier(2)

    async def take(first: int, second: int) -> None:
        async with database.request() as session:
            await session.execute(update(NumberSeries).where(NumberSeries.year == first).values(last=1))
            await both.wait()
            await session.execute(update(NumberSeries).where(NumberSeries.year == second).values(last=1))

    ends = await asyncio.gather(take(1, 2), take(2, 1), return_exceptions=True)
    await database.dispose()

    assert sorted(type(end).__name__ for end in ends) == ["Away", "NoneType"]


async def test_a_file_that_somebody_else_holds_is_waited_for_no_longer_than_the_deadline(
    fresh_database: Callable[[Kind], str],
) -> None:
    url = fresh_database("sqlite")
    ours, theirs = Database(url, deadline=SHORT), Database(url)
    async with theirs.transaction() as holding:
        await holding.execute(text("SELECT 1"))
        with pytest.raises(Away, match="locked"):
            async with ours.request() as session:
                await session.execute(text("SELECT 1"))
    async with ours.request() as session:
        await session.execute(text("SELECT 1"))
    for database in (ours, theirs):
        await database.dispose()


async def test_a_mistake_of_ours_stays_one(database_url: str) -> None:
    database = Database(database_url)
    with pytest.raises((ProgrammingError, OperationalError)) as caught:
        async with database.request() as session:
            await session.execute(text("SELECT 1 FROM nowhere"))
    await database.dispose()

    assert not isinstance(caught.value, Away)
