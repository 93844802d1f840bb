"""The migrations: what they build is what the models say, there is a way back, and no row is lost on the way."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import func, inspect, select, text

from app.db import Database
from app.incidents.tables import Incident, TimelineEntry
from app.service import starting
from tests.databases import Kind

T = TypeVar("T")
NOW = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)

pytestmark = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])

# Everything a database knows of its tables, in words that can be compared.
CATALOGUE = {
    "sqlite": ("SELECT type, tbl_name, name, sql FROM sqlite_master WHERE tbl_name != 'alembic_version'",),
    "postgresql": (
        (
            "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, is_identity"
            " FROM information_schema.columns WHERE table_schema = 'public' AND table_name != 'alembic_version'"
        ),
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename != 'alembic_version'",
        (
            "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
            " AND conrelid != coalesce(to_regclass('alembic_version'), 0)"
        ),
    ),
}


def test_the_migrations_build_what_the_models_say(
    kind: Kind, empty_database: Callable[[Kind], str], fresh_database: Callable[[Kind], str]
) -> None:
    migrated, modelled = empty_database(kind), fresh_database(kind)

    starting.migrate(migrated)

    command.check(_config(migrated))
    assert _catalogue(migrated) == _catalogue(modelled)


def test_migrating_again_changes_nothing(kind: Kind, empty_database: Callable[[Kind], str]) -> None:
    url = empty_database(kind)
    starting.migrate(url)
    before = _catalogue(url)

    starting.migrate(url)

    assert _catalogue(url) == before


def test_every_migration_can_be_taken_back(kind: Kind, empty_database: Callable[[Kind], str]) -> None:
    url = empty_database(kind)
    starting.migrate(url)
    before = _catalogue(url)

    command.downgrade(_config(url), "base")
    assert _tables(url) == {"alembic_version"}

    starting.migrate(url)
    assert _catalogue(url) == before


def test_rebuilding_a_parent_table_keeps_its_children(
    kind: Kind, empty_database: Callable[[Kind], str], tmp_path: Path
) -> None:
    url = empty_database(kind)
    starting.migrate(url)
    _use(url, _write_one_incident)

    later = _revision_that(
        tmp_path,
        'op.batch_alter_table("incidents")',
        "batch.alter_column('title', type_=sa.Text())",
    )
    command.upgrade(_config(url, tmp_path), later)

    assert _use(url, _timeline_length) == 2
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        _use(url, _write_an_orphan)


def test_a_migration_that_leaves_orphans_is_rolled_back(
    kind: Kind, empty_database: Callable[[Kind], str], tmp_path: Path
) -> None:
    url = empty_database(kind)
    starting.migrate(url)
    _use(url, _write_one_incident)

    careless = _revision_that(tmp_path, "nullcontext()", "op.execute('DELETE FROM incidents')")
    with pytest.raises(Exception, match=r"without their parent|(?i:foreign key)"):
        command.upgrade(_config(url, tmp_path), careless)

    assert _use(url, _timeline_length) == 2
    command.check(_config(url))


def _config(url: str, *more_revisions: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(starting.MIGRATIONS))
    config.set_main_option("path_separator", "newline")
    locations = [starting.MIGRATIONS / "versions", *more_revisions]
    config.set_main_option("version_locations", "\n".join(map(str, locations)))
    config.attributes["url"] = url
    return config


def _revision_that(directory: Path, context: str, statement: str) -> str:
    """Write a revision on top of ours into `directory`."""
    (head,) = _heads()
    source = (
        "import sqlalchemy as sa\n"
        "from contextlib import nullcontext\n"
        "from alembic import op\n"
        f"revision, down_revision = 'trial', {head!r}\n"
        "def upgrade():\n"
        f"    with {context} as batch:\n"
        f"        {statement}\n"
    )
    (directory / "trial.py").write_text(source)
    return "trial"


def _heads() -> Sequence[str]:
    return ScriptDirectory(str(starting.MIGRATIONS)).get_heads()


def _use(url: str, work: Callable[[Database], Awaitable[T]]) -> T:
    async def run() -> T:
        database = Database(url)
        try:
            return await work(database)
        finally:
            await database.dispose()

    return asyncio.run(run())


def _catalogue(url: str) -> list[tuple[str, ...]]:
    async def read(database: Database) -> list[tuple[str, ...]]:
        queries = CATALOGUE["sqlite" if database.is_sqlite else "postgresql"]
        async with database.engine.connect() as connection:
            found = [row for query in queries for row in (await connection.execute(text(query))).all()]
        return sorted(tuple(_in_any_order(str(value)) for value in row) for row in found)

    return _use(url, read)


def _in_any_order(definition: str) -> str:
    """The lines of a CREATE TABLE, sorted: constraints may stand in any order."""
    return "\n".join(sorted(line.strip().rstrip(",") for line in definition.splitlines()))


def _tables(url: str) -> set[str]:
    async def read(database: Database) -> set[str]:
        async with database.engine.connect() as connection:
            return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))

    return _use(url, read)


async def _write_one_incident(database: Database) -> None:
    async with database.transaction() as session:
        session.add(
            Incident(
                id="01", number="INC-2026-0001", title="Lines are dead", type="other", category="technical",
                department="technical_support", level=1, provisional=True, level_reason={}, facts={}, raised_by="Lin",
                plan_revision="01", playbook="other", occurred_at=NOW, detected_at=NOW,
            )
        )  # fmt: skip
        await session.flush()
        session.add_all([_entry("01", 1), _entry("01", 2)])


async def _write_an_orphan(database: Database) -> None:
    async with database.transaction() as session:
        session.add(_entry("no such incident", 1))


def _entry(incident_id: str, seq: int) -> TimelineEntry:
    return TimelineEntry(
        incident_id=incident_id,
        seq=seq,
        at=NOW,
        actor="Lin",
        kind="incident.detected",
        data={},
        previous="",
        hash="",
    )


async def _timeline_length(database: Database) -> int:
    async with database.reading() as session:
        return (await session.execute(select(func.count()).select_from(TimelineEntry))).scalar_one()
