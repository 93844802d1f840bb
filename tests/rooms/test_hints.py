"""Hints between processes on one PostgreSQL: what one commits, the other hears of at once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import event, text

from app.db import Database, Work, wake
from app.hints import Hints
from tests.databases import Kind


@asynccontextmanager
async def process(url: str, *, pooler: bool = False) -> AsyncIterator[tuple[Database, Hints]]:
    database = Database(url, pooler=pooler)
    hints = Hints(database)
    await hints.keep()
    try:
        yield database, hints
    finally:
        await hints.end()
        await database.dispose()


async def commit(database: Database, *work: Work) -> None:
    async with database.transaction() as session:
        await session.execute(text("select 1"))
        for one in work:
            wake(session, one)


@pytest.fixture
async def two(fresh_database: Callable[[Kind], str]) -> AsyncIterator[list[tuple[Database, Hints]]]:
    url = fresh_database("postgresql")
    async with AsyncExitStack() as running, asyncio.timeout(20):
        made = [await running.enter_async_context(process(url)) for _ in range(2)]
        for _, hints in made:
            await hints.listening.wait()
        yield made


async def test_another_process_hears_what_was_left_and_no_transaction_notifies(
    two: list[tuple[Database, Hints]],
) -> None:
    (ours, _), (theirs, _) = two
    statements: list[str] = []
    event.listen(
        ours.engine.sync_engine, "before_cursor_execute", lambda *said: statements.append(str(said[2]))
    )
    async with theirs.wake.listening(Work.DELIVERIES) as sends, theirs.wake.listening() as follows:
        await commit(ours, Work.DELIVERIES)
        await sends.wait()
        assert not follows.is_set(), "only whoever does that work"
        await commit(ours, Work.MESSAGES)
        await follows.wait()
    assert statements == ["select 1", "select 1"]


async def test_many_commits_are_one_hint_and_none_comes_back(
    two: list[tuple[Database, Hints]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (ours, _), (theirs, _) = two
    heard: list[Any] = []
    monkeypatch.setattr(ours.wake, "set", heard.append)
    for _ in range(100):
        theirs.wake.committed({Work.MESSAGES})
    async with theirs.wake.listening(Work.CALLS) as answered:
        while not heard:
            await asyncio.to_thread(lambda: None)
        ours.wake._untold.add(Work.CALLS)
        ours.wake.left.set()
        await answered.wait()  # whatever else was said on the line was said before
    assert heard == [{Work.MESSAGES}]


async def test_a_line_that_breaks_fails_no_commit_and_is_opened_again(
    two: list[tuple[Database, Hints]],
) -> None:
    (ours, hints), (theirs, _) = two
    async with theirs.transaction() as session:
        await session.execute(
            text("select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%'")
        )
    while hints.listening.is_set():
        await asyncio.to_thread(lambda: None)
    await commit(ours, Work.MESSAGES)
    for _, each in two:
        while not each.listening.is_set():
            await each.keep()
            await asyncio.to_thread(lambda: None)
    async with ours.wake.listening() as woken:
        await commit(theirs, Work.MESSAGES)
        await woken.wait()
        woken.clear()


async def test_behind_a_pooler_and_on_sqlite_nothing_is_tried(
    fresh_database: Callable[[Kind], str],
) -> None:
    for kind in ("sqlite", "postgresql"):
        async with process(fresh_database(kind), pooler=kind == "postgresql") as (database, hints):
            await commit(database, Work.MESSAGES)
            assert hints._exchanging is None
