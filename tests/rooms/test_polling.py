"""What the engine asks again and again costs what is due, not what there is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete, event, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import due
from app.db import Database, Wake, Work, wake
from app.incidents import record
from app.incidents.tables import NumberSeries, Status
from app.notify import delivery
from app.playbooks import external
from tests.databases import Kind

NOW = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)
Poll = Callable[[AsyncSession], Awaitable[Any]]

POLLS: dict[str, Poll] = {
    "ix_timers_due": lambda session: due.look(session, at=NOW),
    "ix_timers_grave": lambda session: due.look(session, at=NOW),
    "ix_outbox_oldest": lambda session: due.take(session, at=NOW, limit=20, urgent=False),
    "ix_outbox_urgent": lambda session: due.look(session, at=NOW),
    "ix_outbox_pending": lambda session: due.take(session, at=NOW, limit=20, urgent=True),
    "ix_deliveries_due": lambda session: delivery.look(session, at=NOW),
    "ix_steps_due": lambda session: external.is_due(session, at=NOW),
    "uq_incidents_open_dedup": lambda session: record.open_with_key(session, "site-1", Status.ACTUAL),
}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url)
    yield made
    await made.dispose()


@pytest.mark.parametrize("index", POLLS)
async def test_a_poll_reads_the_index_of_what_is_due(index: str, database: Database) -> None:
    assert index in await _plan(database, POLLS[index])


async def _plan(database: Database, poll: Poll) -> str:
    """How the database means to answer; PostgreSQL would read a table without rows through, were it not told otherwise."""
    asked: list[tuple[str, Any]] = []
    async with database.transaction() as session:
        connection = await session.connection()
        if not database.is_sqlite:
            await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            await connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")

        @event.listens_for(connection.sync_connection, "before_cursor_execute")
        def _listen(_c: Any, _cursor: Any, statement: str, parameters: Any, _ctx: Any, _many: bool) -> None:
            asked.append((statement, parameters))

        await poll(session)
        statement, parameters = asked[0]
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        rows = (await connection.exec_driver_sql(f"{explain} {statement}", tuple(parameters))).all()
    return "\n".join(str(row) for row in rows)


async def test_a_commit_wakes_only_whom_it_left_something(database: Database) -> None:
    async with (
        database.wake.listening(Work.MESSAGES) as messages,
        database.wake.listening(Work.DELIVERIES) as deliveries,
    ):
        async with database.transaction() as session:
            wake(session, Work.DELIVERIES)

        assert (messages.is_set(), deliveries.is_set()) == (False, True)


async def test_what_is_rolled_back_wakes_nobody(database: Database) -> None:
    async with database.wake.listening(Work.MESSAGES) as messages:
        with pytest.raises(LookupError):
            await _fail_after_waking(database)

        assert not messages.is_set()


async def _fail_after_waking(database: Database) -> None:
    async with database.transaction() as session:
        wake(session, Work.MESSAGES)
        raise LookupError


async def test_a_tick_wakes_everybody() -> None:
    woken = Wake()
    async with woken.listening(Work.CALLS) as calls, woken.listening(Work.DELIVERIES) as deliveries:
        woken.set()

        assert calls.is_set()
        assert deliveries.is_set()


async def test_a_statement_says_what_it_returned_and_how_many_rows_it_changed(database: Database) -> None:
    """Both drivers answer alike, SQLite's through `app.sqlite_driver`."""
    put = insert(NumberSeries)
    async with database.transaction() as session:
        made = await session.execute(put.values([{"year": 2026, "last": 1}, {"year": 2027, "last": 5}]))
        changed = await session.execute(update(NumberSeries).values(last=7).returning(NumberSeries.year))
        years = sorted(changed.scalars())
        gone = await session.execute(delete(NumberSeries).where(NumberSeries.year == 2026))

        assert (made.rowcount, years, gone.rowcount) == (2, [2026, 2027], 1)  # type: ignore[attr-defined]
        assert (await session.execute(select(NumberSeries.year, NumberSeries.last))).all() == [(2027, 7)]


async def test_a_statement_that_fails_leaves_the_connection_fit_for_the_next(database: Database) -> None:
    for _ in range(2):
        with pytest.raises(IntegrityError):
            async with database.transaction() as session:
                await session.execute(insert(NumberSeries).values(year=2026, last=None))

    async with database.reading() as session:
        assert (await session.execute(select(NumberSeries))).all() == []


async def test_the_engine_has_its_turn_before_the_requests_that_wait(
    fresh_database: Callable[[Kind], str],
) -> None:
    database = Database(fresh_database("sqlite"))
    order: list[str] = []

    async def write(who: str, transaction: AbstractAsyncContextManager[AsyncSession]) -> None:
        async with transaction as session:
            await session.execute(text("SELECT 1"))
            order.append(who)

    async with asyncio.TaskGroup() as tasks, database.request() as session:
        await session.execute(text("SELECT 1"))
        for number in range(3):
            tasks.create_task(write(f"request {number}", database.request()))
        tasks.create_task(write("engine", database.transaction()))
        await _everybody_waits()
    await database.dispose()

    assert order == ["engine", "request 0", "request 1", "request 2"]


async def _everybody_waits() -> None:
    for _ in range(20):
        await asyncio.sleep(0)  # noqa: TID251 - lets the tasks reach their queues; no time passes
