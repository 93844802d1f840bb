"""Many rows with one statement, on both databases: the same rows, in their order, as one by one."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, Identity, Integer, LargeBinary, MetaData, String, Table, select
from sqlalchemy.exc import DBAPIError

from app.db import Database, Json, UtcDateTime
from app.rows import insert_all

NOW = datetime(2026, 11, 22, 3, 4, 5, 678901, UTC)
THINGS = Table(
    "things",
    MetaData(),
    Column("id", BigInteger().with_variant(Integer, "sqlite"), Identity(always=False), primary_key=True),
    Column("order", String(8)),  # a word of SQL's own
    Column("at", UtcDateTime),
    Column("body", LargeBinary),
    Column("facts", Json),
)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url)
    async with made.engine.begin() as connection:
        await connection.run_sync(THINGS.metadata.create_all)
    yield made
    await made.dispose()


def thing(order: str | None, **more: Any) -> dict[str, Any]:
    return {"order": order, "at": NOW, "body": b"\x00\xff", "facts": {"a": [1, "\u9ad8", None]}, **more}


async def test_rows_come_back_as_they_went_in_and_in_their_order(db: Database) -> None:
    rows = [thing(str(number)) for number in range(50)] + [thing(None, at=None, facts=None), thing('{},"')]
    async with db.transaction() as session:
        await insert_all(session, THINGS, rows)
        await insert_all(session, THINGS, [])
    async with db.reading() as session:
        found = (await session.execute(select(THINGS).order_by(THINGS.c.id))).mappings().all()

    assert [{name: row[name] for name in rows[0]} for row in found] == rows


async def test_what_is_too_long_is_refused_and_not_cut(db: Database) -> None:
    if db.is_sqlite:
        pytest.skip("SQLite knows no lengths")
    with pytest.raises(DBAPIError):
        async with db.transaction() as session:
            await insert_all(session, THINGS, [thing("nine char")])
