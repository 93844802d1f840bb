"""Backup, restore and move: every row arrives, both sides are compared, and nothing is sent until released."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text
from typer.testing import CliRunner

from app import installation, outbox
from app.cli import app
from app.clock import SystemClock
from app.db import Database
from app.errors import Refused
from app.incidents import timeline
from app.incidents.tables import Incident
from app.outbox import OutboxMessage
from app.service import backup, copying, starting
from app.vault import Vault
from tests.databases import Databases, Kind
from tests.world import NIGHT, World

BOTH: tuple[Kind, ...] = ("sqlite", "postgresql")


async def some_incidents(world: World) -> None:
    """One acknowledged and at work, one that somebody else's was merged into, one just raised."""
    first = await world.post("/incidents", {"title": "Lines are dead", "type": "other", "level": 2})
    second = await world.post("/incidents", {"title": "Lines are still dead", "type": "other", "level": 3})
    await world.settle()
    await world.post(f"/incidents/{first['id']}/acknowledgements", {})
    async with world.parts.db.transaction() as session:
        # A row that points at a later one of its own table.
        (await session.get_one(Incident, first["id"])).merged_into = second["id"]
    await world.advance(minutes=7)


async def dump(session: Any) -> dict[str, copying.Tally]:
    """What is there but for where it lives and whether it is held."""
    found = await copying.tallies(session)
    return {name: tally for name, tally in found.items() if name not in ("installation", "holds")}


async def back_up(world: World, tmp_path: Path) -> Path:
    file = tmp_path / "night.backup"
    await backup.back_up(world.parts.db, file, vault=world.parts.vault, at=world.clock.now())
    return file


@pytest.mark.parametrize("kind", BOTH)
async def test_what_was_backed_up_is_restored_row_for_row_and_starts_in_hold(
    world: World, tmp_path: Path, empty_database: Callable[[Kind], str], kind: Kind
) -> None:
    await some_incidents(world)
    file = await back_up(world, tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert not list(
        await asyncio.to_thread(lambda: [one for one in tmp_path.iterdir() if one.name.startswith(".night")])
    )
    manifest = backup.read_manifest(file)
    assert manifest.is_of(world.parts.vault)
    assert not manifest.is_of(Vault(b"another key"))

    url = empty_database(kind)
    copied = await backup.restore(file, url, replace=False, at=NIGHT)
    assert copied.chains.incidents == 2
    restored = Database(url)
    try:
        async with restored.reading() as session, world.parts.db.reading() as original:
            assert await dump(session) == await dump(original)
            assert copied.tables["outbox"].rows > 0
            hold = await installation.held(session)
            assert hold is not None
            assert hold.reason["key"] == "service.hold.restored"
        async with restored.transaction() as session:
            assert (await installation.settle_in(session, at=NIGHT)) is not None
            outbox.put(session, "test.next", {}, ref="x", at=NIGHT)  # numbers go on after the highest
            await session.flush()
            highest = await session.scalar(select(func.max(OutboxMessage.id)))
            newest = await session.scalar(select(OutboxMessage.id).where(OutboxMessage.topic == "test.next"))
            assert newest == highest
    finally:
        await restored.dispose()


@pytest.mark.parametrize("kind", BOTH)
async def test_a_target_that_is_not_empty_is_replaced_only_when_asked(
    world: World, tmp_path: Path, empty_database: Callable[[Kind], str], kind: Kind
) -> None:
    await some_incidents(world)
    file, url = await back_up(world, tmp_path), empty_database(kind)
    await backup.restore(file, url, replace=False, at=NIGHT)
    with pytest.raises(Refused) as refused:
        await backup.restore(file, url, replace=False, at=NIGHT)
    assert refused.value.detail.key == "service.copy.not_empty"
    await backup.restore(file, url, replace=True, at=NIGHT)


async def test_what_takes_longer_than_a_call_of_the_service_may_is_restored_all_the_same(
    world: World, tmp_path: Path, empty_database: Callable[[Kind], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await some_incidents(world)
    file, url = await back_up(world, tmp_path), empty_database("postgresql")
    await backup.restore(file, url, replace=False, at=NIGHT)
    slow = (
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END'",
        "CREATE TRIGGER slow BEFORE DELETE OR TRUNCATE ON incidents EXECUTE FUNCTION slow()",
    )
    target = Database(url)
    async with target.transaction() as session:
        for statement in slow:
            await session.execute(text(statement))
    await target.dispose()
    usual = {**(Database.__init__.__kwdefaults__ or {}), "deadline": timedelta(seconds=0.25)}
    monkeypatch.setattr(Database.__init__, "__kwdefaults__", usual)
    seen: list[tuple[str, int]] = []
    copied = await backup.restore(
        file, url, replace=True, at=NIGHT, told=lambda table, rows: seen.append((table, rows))
    )
    assert dict(seen) == {name: tally.rows for name, tally in copied.tables.items() if tally.rows}


LATER = """revision, down_revision, branch_labels, depends_on = "9999", "0001", None, None
from alembic import op
def upgrade() -> None:
    op.execute("UPDATE incidents SET title = 'Brought up'")
"""


async def test_a_backup_of_an_older_version_is_brought_up_and_of_a_newer_refused(
    world: World, tmp_path: Path, empty_database: Callable[[Kind], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await some_incidents(world)
    older, url = await back_up(world, tmp_path), empty_database("sqlite")
    content = await asyncio.to_thread(older.read_bytes)
    with monkeypatch.context() as newer:
        migrations = tmp_path / "migrations"
        await asyncio.to_thread(shutil.copytree, starting.MIGRATIONS, migrations)
        await asyncio.to_thread((migrations / "versions" / "9999_later.py").write_text, LATER, "utf-8")
        newer.setattr(starting, "MIGRATIONS", migrations)
        await backup.restore(older, url, replace=False, at=NIGHT)
        assert await asyncio.to_thread(older.read_bytes) == content, "the backup itself stays as it is"
        restored = Database(url)
        async with restored.reading() as session:
            assert set(await session.scalars(select(Incident.title))) == {"Brought up"}
            assert await copying.revision_of(session) == "9999"
        made_later = tmp_path / "later.backup"
        await backup.back_up(restored, made_later, vault=world.parts.vault, at=NIGHT)
        await restored.dispose()
    with pytest.raises(Refused) as refused:
        await backup.restore(made_later, empty_database("sqlite"), replace=False, at=NIGHT)
    assert refused.value.detail.key == "service.backup.other_revision"


async def test_a_backup_overwrites_nothing(world: World, tmp_path: Path) -> None:
    file = await back_up(world, tmp_path)
    with pytest.raises(Refused) as refused:
        await back_up(world, tmp_path)
    assert refused.value.detail.key == "service.backup.exists"
    assert file.exists()


async def test_a_backup_made_while_others_write_shows_one_moment(world: World, tmp_path: Path) -> None:
    for number in range(3):
        await world.post("/incidents", {"title": f"before {number}", "type": "other", "level": 4})

    async def go_on() -> None:
        for number in range(12):
            await world.post("/incidents", {"title": f"meanwhile {number}", "type": "other", "level": 4})

    writing = asyncio.create_task(go_on())
    file = await back_up(world, tmp_path)  # compares chains with incidents: half an incident would be refused
    await writing
    assert 3 <= backup.read_manifest(file).rows["incidents"] <= 15


@pytest.fixture
async def a_backup(tmp_path: Path, databases: Databases) -> Path:
    database = Database(databases.fresh("sqlite"))
    async with database.transaction() as session:
        outbox.put(session, "test.one", {"n": 1}, ref="x", at=NIGHT)
    file = tmp_path / "one.backup"
    await backup.back_up(database, file, vault=Vault(b"key"), at=SystemClock().now())
    await database.dispose()
    return file


def altered(file: Path, statement: str) -> None:
    connection = sqlite3.connect(file)
    connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("UPDATE outbox SET topic = 'test.two'", "service.backup.altered"),
        ("DELETE FROM outbox", "service.backup.altered"),
        ("UPDATE manifest SET content = replace(content, '\"timelines\": 0', '\"timelines\": 1')", "service.backup.altered"),
        ("UPDATE manifest SET content = json_set(content, '$.revision', '9999')", "service.backup.other_revision"),
        ("DROP TABLE manifest", "service.backup.no_backup"),
    ],
)  # fmt: skip
async def test_an_altered_backup_is_refused_with_the_reason(
    a_backup: Path, statement: str, reason: str
) -> None:
    altered(a_backup, statement)
    with pytest.raises(Refused) as refused:
        backup.read_manifest(a_backup)
    assert refused.value.detail.key == reason


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_truncated_backup_is_refused(a_backup: Path, part: float) -> None:
    whole = a_backup.read_bytes()
    a_backup.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(Refused) as refused:
        backup.read_manifest(a_backup)
    assert refused.value.detail.key in ("service.backup.damaged", "service.backup.altered")


@pytest.mark.parametrize("kind", BOTH)
async def test_a_moved_database_is_held_on_both_sides(
    world: World, empty_database: Callable[[Kind], str], kind: Kind
) -> None:
    await some_incidents(world)
    async with world.parts.db.reading() as session:
        before = await dump(session)
    await world.parts.db.dispose()  # its connections would be taken for a service
    url = empty_database(kind)
    await backup.move(world.parts.settings.database, url, replace=False, at=world.clock.now())
    for place, reason in ((world.parts.settings.database, "moved_to"), (url, "moved_from")):
        database = Database(place)
        try:
            async with database.transaction() as session:
                hold = await installation.settle_in(session, at=NIGHT)
                assert hold is not None
                assert hold.reason["key"] == f"service.hold.{reason}"
                assert await dump(session) == before
        finally:
            await database.dispose()


async def test_a_move_that_fails_lets_the_old_database_go_on(
    world: World, empty_database: Callable[[Kind], str]
) -> None:
    await some_incidents(world)
    async with world.parts.db.transaction() as session:
        (await session.scalars(select(Incident).limit(1))).one().last_hash = "forged"
    await world.parts.db.dispose()
    with pytest.raises(Refused) as refused:
        await backup.move(world.parts.settings.database, empty_database("sqlite"), replace=False, at=NIGHT)
    assert refused.value.detail.key == "service.copy.broken_chain"
    async with world.parts.db.transaction() as session:
        assert await installation.held(session) is None
        for incident in await session.scalars(select(Incident)):
            incident.last_hash = (await timeline.entries(session, incident.id))[-1].hash


async def test_a_database_that_is_served_is_not_moved(
    world: World, empty_database: Callable[[Kind], str]
) -> None:
    async with world.parts.db.reading() as session:
        await session.execute(select(1))
        if world.parts.db.is_sqlite:
            with (
                starting.only_service(world.parts.settings.database),
                pytest.raises(Refused) as refused,
            ):
                await backup.move(
                    world.parts.settings.database, empty_database("sqlite"), replace=False, at=NIGHT
                )
        else:
            with pytest.raises(Refused) as refused:
                await backup.move(
                    world.parts.settings.database, empty_database("sqlite"), replace=False, at=NIGHT
                )
    assert refused.value.detail.key == "service.copy.served"


def test_the_command_line_backs_up_restores_warns_of_another_key_and_releases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, file = CliRunner(), str(tmp_path / "a.backup")
    monkeypatch.setenv("MUSTER_PLAN", str(Path(__file__).parents[2] / "playbooks.yaml"))
    monkeypatch.setenv("MUSTER_DATABASE_URL", f"sqlite:///{tmp_path / 'a.db'}")
    monkeypatch.setenv("MUSTER_SECRET_KEY", "the first key, long enough to be one")
    assert runner.invoke(app, ["migrate"]).exit_code == 0
    assert "verified" in runner.invoke(app, ["backup", file]).stdout
    again = runner.invoke(app, ["backup", file])
    assert (again.exit_code, "overwrites nothing" in again.stderr) == (1, True)
    monkeypatch.setenv("MUSTER_DATABASE_URL", f"sqlite:///{tmp_path / 'b.db'}")
    monkeypatch.setenv("MUSTER_SECRET_KEY", "the second key, long enough to be one")
    restored = runner.invoke(app, ["restore", file])
    assert restored.exit_code == 0, restored.output
    assert "WARNING: the backup was made under another secret key" in restored.stdout
    assert "In hold since" in runner.invoke(app, ["release"]).stdout
    done = runner.invoke(app, ["release", "--overdue", "send", "--because", "the old one is off"])
    assert done.stdout.startswith("Released.")
    assert runner.invoke(app, ["release"]).stdout == "Not in hold.\n"
    assert runner.invoke(app, ["migrate", "--from", "sqlite:///x"]).exit_code == 1
    moved = runner.invoke(
        app, ["migrate", "--from", f"sqlite:///{tmp_path / 'b.db'}", "--to", f"sqlite:///{tmp_path / 'c.db'}"]
    )
    assert moved.exit_code == 0, moved.output
    assert "heads equal" in moved.stdout


def test_an_address_is_shown_without_a_password_wherever_it_stands() -> None:
    told = backup.shown("postgresql://muster:s3cret@db.example/muster?password=s3cret&sslmode=require")
    assert "s3cret" not in told
    assert "db.example/muster" in told
