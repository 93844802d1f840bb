"""The test databases themselves: what every other test stands on."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from app.db import Base, Database
from app.simulation.organisation import Rows
from tests.databases import Databases, Kind, missing, newest_binaries, postgres_cluster
from tests.world import a_world


async def _tables(url: str) -> set[str]:
    database = Database(url)
    try:
        async with database.engine.connect() as connection:
            return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))
    finally:
        await database.dispose()


async def test_a_fresh_database_has_every_table(database_url: str) -> None:
    assert await _tables(database_url) == set(Base.metadata.tables)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_an_empty_database_has_none(kind: Kind, empty_database: Callable[[Kind], str]) -> None:
    assert await _tables(empty_database(kind)) == set()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_what_one_test_writes_the_next_does_not_see(
    kind: Kind, fresh_database: Callable[[Kind], str]
) -> None:
    first, second = Database(fresh_database(kind)), Database(fresh_database(kind))
    try:
        async with first.engine.begin() as connection:
            await connection.execute(text("CREATE TABLE scratch (id integer)"))
    finally:
        await first.dispose()
        await second.dispose()

    assert "scratch" not in await _tables(fresh_database(kind))
    assert "scratch" not in await _tables(second.url.render_as_string(hide_password=False))


@pytest.fixture
def used(databases: Databases) -> Callable[..., Awaitable[str]]:
    """Write into a fresh PostgreSQL database, leave it, and give its URL."""

    async def use(*statements: str) -> str:
        url = databases.fresh("postgresql")
        database = Database(url)
        async with database.engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))
        await database.dispose()
        databases.drop(url)
        return url

    return use


A_ROW = """
INSERT INTO outbox (topic, ref, payload, created_at, not_before, state, urgency, attempts)
VALUES ('t', 'r', '{}', now(), now(), 'pending', 1, 0)
"""


async def test_a_database_is_used_again_without_the_rows_of_the_last_test(
    databases: Databases, used: Callable[..., Awaitable[str]]
) -> None:
    url = await used(A_ROW)

    again = databases.fresh("postgresql")
    database = Database(again)
    async with database.engine.begin() as connection:
        left = (await connection.execute(text("SELECT count(*) FROM outbox"))).scalar_one()
        next_number = (await connection.execute(text(A_ROW + "RETURNING id"))).scalar_one()
    await database.dispose()
    databases.drop(again)

    assert (again, left, next_number) == (url, 0, 1)


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE scratch (id integer)",
        "ALTER TABLE holds ADD COLUMN scratch integer",
        "DROP INDEX ix_outbox_pending",
        "ALTER TABLE holds ALTER COLUMN reason DROP NOT NULL",
        "CREATE FUNCTION scratch() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 64', current_database()); END $$",
    ],
)
async def test_a_database_that_was_changed_otherwise_is_not_used_again(
    change: str, databases: Databases, used: Callable[..., Awaitable[str]]
) -> None:
    url = await used(change)

    again = databases.fresh("postgresql")
    databases.drop(again)

    assert again != url


async def test_a_copied_world_begins_where_the_first_one_began(
    database_url: str, tmp_path: Path, fresh_database: Callable[[Kind], str]
) -> None:
    async def begun(url: str) -> tuple[object, ...]:
        async with a_world(url, tmp_path) as world:
            rows = await Rows.of(world.parts.db)
            return (
                {table.name: len(of_table) for table, of_table in rows.of_tables},
                (await world.get("/people"))["items"],
                await world.get("/plan"),
                await world.engine.hold.look(),
            )

    other = fresh_database("sqlite" if database_url.startswith("sqlite") else "postgresql")

    assert await begun(database_url) == await begun(other)


async def test_a_second_world_on_one_database_is_refused_and_says_what_to_do(
    database_url: str, tmp_path: Path
) -> None:
    async with a_world(database_url, tmp_path):
        pass

    with pytest.raises(AssertionError, match=r"fresh_database\(kind\).*create_app"):
        async with a_world(database_url, tmp_path):
            pass


def test_without_postgresql_a_test_is_skipped_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUSTER_TEST_REQUIRE_REAL", raising=False)

    with pytest.raises(pytest.skip.Exception, match="PostgreSQL is missing"):
        missing("PostgreSQL")


def test_where_real_parts_are_required_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_TEST_REQUIRE_REAL", "1")

    with pytest.raises(pytest.fail.Exception, match="required"):
        missing("PostgreSQL")


@pytest.mark.parametrize(
    ("given", "server"),
    [
        ("postgresql://ada@db.test:5432", "postgresql://ada@db.test:5432/"),
        ("postgresql://ada@db.test:5432/", "postgresql://ada@db.test:5432/"),
        ("postgresql://ada@db.test:5432/postgres", "postgresql://ada@db.test:5432/"),
    ],
)
def test_a_given_server_is_used_as_it_is(given: str, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_TEST_PG_URL", given)

    with postgres_cluster() as url:
        assert url == server


def test_the_newest_postgresql_is_taken(tmp_path: Path) -> None:
    for version in ("9", "15", "17"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "initdb").touch()

    assert newest_binaries(tmp_path) == tmp_path / "17" / "bin"
    assert newest_binaries(tmp_path / "17") is None
