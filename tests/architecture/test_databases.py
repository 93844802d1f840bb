"""The test databases themselves: what every other test stands on."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from app.db import Base, Database
from tests import databases


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
async def test_an_empty_database_has_none(
    kind: databases.Kind, empty_database: Callable[[databases.Kind], str]
) -> None:
    assert await _tables(empty_database(kind)) == set()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_what_one_test_writes_the_next_does_not_see(
    kind: databases.Kind, fresh_database: Callable[[databases.Kind], str]
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


def test_without_postgresql_a_test_is_skipped_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUSTER_TEST_REQUIRE_REAL", raising=False)

    with pytest.raises(pytest.skip.Exception, match="PostgreSQL is missing"):
        databases.missing("PostgreSQL")


def test_where_real_parts_are_required_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_TEST_REQUIRE_REAL", "1")

    with pytest.raises(pytest.fail.Exception, match="required"):
        databases.missing("PostgreSQL")


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

    with databases.postgres_cluster() as url:
        assert url == server


def test_the_newest_postgresql_is_taken(tmp_path: Path) -> None:
    for version in ("9", "15", "17"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "initdb").touch()

    assert databases.newest_binaries(tmp_path) == tmp_path / "17" / "bin"
    assert databases.newest_binaries(tmp_path / "17") is None
