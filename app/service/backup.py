"""Backup, restore and move: a whole database into one file, out of it, or straight into another database.

The file is an SQLite database of the newest form whatever the source was, with a table `manifest` beside the others: when and from
which form it was made, how many rows, and a digest over every row. It is made under another name and gets its own once it is
whole, verified and on disk. The secret key is not in it; the manifest holds a mark by which a key is recognised.
"""

import asyncio
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from app import installation
from app.db import Database
from app.errors import Refused
from app.installation import Hold
from app.service import copying, starting
from app.service.copying import Copied, Progress
from app.vault import Vault
from app.wording import Wording, kept, say

FORMAT: Final = 1
_MANIFEST: Final = "manifest"


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself."""

    format: int
    revision: str
    created_at: str
    source: str  # the kind of database it was made from
    rows: Mapping[str, int]
    timelines: int
    heads: str  # digest over the last hash of every timeline
    key: str  # by which the secret key that sealed the contact addresses is recognised
    digest: str  # over every row of the file

    def is_of(self, vault: Vault) -> bool:
        """Whether the addresses in it can be read, and links that are out verified, with this key."""
        return self.key == fingerprint(vault)


def fingerprint(vault: Vault) -> str:
    return vault.sign("backup", "fingerprint")


# ── backup ────────────────────────────────────────────────────────────────────────────────────────────────


async def back_up(
    database: Database, file: Path, *, vault: Vault, at: datetime, told: Progress = copying.untold
) -> Manifest:
    """Write one moment of `database` into the new `file`, while others go on writing. Raises `Refused`."""
    if await asyncio.to_thread(file.exists):
        raise Refused(say("service.backup.exists", file=file.name))
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    await asyncio.to_thread(_create, part)
    try:
        await asyncio.to_thread(starting.migrate, f"sqlite:///{part}")
        container, original = Database(f"sqlite:///{part}"), database.at_leisure()
        try:
            async with copying.snapshot(original) as source, container.transaction() as target:
                await copying.refuse_another_form(source)
                copied = await copying.copy(source, target, told)
        finally:
            await container.dispose()
            await original.dispose()
        manifest = await asyncio.to_thread(_seal, part, _about(database, copied, vault, at))
        await asyncio.to_thread(read_manifest, part)
        await asyncio.to_thread(_put_in_place, part, file)
    finally:
        for left in (part, Path(f"{part}-wal"), Path(f"{part}-shm")):
            await asyncio.to_thread(left.unlink, missing_ok=True)
    return manifest


def read_manifest(file: Path) -> Manifest:
    """What the backup says of itself, once it is found whole, unaltered and of a form this program knows. Raises `Refused`."""
    with _opened(file) as connection:
        try:
            found = connection.execute("SELECT content FROM manifest").fetchone()
        except sqlite3.OperationalError as error:
            raise Refused(say("service.backup.no_backup", file=file.name)) from error
        said = json.loads(found[0]) if found else {}
        if said.get("format") != FORMAT:
            raise Refused(say("service.backup.no_backup", file=file.name))
        if not copying.can_bring_up(said["revision"]):
            raise Refused(
                say("service.backup.other_revision", theirs=said["revision"], ours=copying.newest_revision())
            )
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise Refused(say("service.backup.damaged", file=file.name, why=verdict))
        manifest = Manifest(**said)
        if _digest(connection, manifest) != manifest.digest:
            raise Refused(say("service.backup.altered", file=file.name))
        return manifest


def _about(database: Database, copied: Copied, vault: Vault, at: datetime) -> Manifest:
    return Manifest(
        format=FORMAT, revision=copying.newest_revision(), created_at=at.isoformat(),
        source="sqlite" if database.is_sqlite else "postgresql",
        rows={name: tally.rows for name, tally in copied.tables.items()}, timelines=copied.chains.incidents,
        heads=copied.chains.digest, key=fingerprint(vault), digest="",
    )  # fmt: skip


def _create(part: Path) -> None:
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _seal(part: Path, manifest: Manifest) -> Manifest:
    connection = sqlite3.connect(part, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=DELETE")  # one file, no log beside it
        sealed = Manifest(**{**asdict(manifest), "digest": _digest(connection, manifest)})
        connection.execute("CREATE TABLE manifest (content TEXT NOT NULL)")
        connection.execute("INSERT INTO manifest VALUES (?)", [json.dumps(asdict(sealed))])
    finally:
        connection.close()
    return sealed


def _put_in_place(part: Path, file: Path) -> None:
    for path in (part, part.parent):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    os.link(part, file)  # fails where somebody made the file meanwhile
    handle = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(connection: sqlite3.Connection, manifest: Manifest) -> str:
    """Over what the manifest says and every row as it stands in the file."""
    about = {name: value for name, value in asdict(manifest).items() if name != "digest"}
    whole = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for (table,) in connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name != ? ORDER BY name", [_MANIFEST]
    ).fetchall():
        whole.update(f"\n{table}\n".encode())
        for row in connection.execute(f'SELECT * FROM "{table}" ORDER BY rowid'):  # noqa: S608 - a name of the file itself
            whole.update(repr(row).encode())
    return whole.hexdigest()


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    try:
        connection = sqlite3.connect(_read_only(file), uri=True)
        try:
            yield connection
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise Refused(say("service.backup.damaged", file=file.name, why=str(error))) from error


def _read_only(file: Path) -> str:
    return f"file:{quote(str(file.resolve()))}?mode=ro&immutable=1"


# ── restore and move ──────────────────────────────────────────────────────────────────────────────────────


async def restore(
    file: Path, url: str, *, replace: bool, at: datetime, told: Progress = copying.untold
) -> Copied:
    """Fill the database at `url` from a backup; it is in hold then. All of it in one transaction, or nothing. Raises `Refused`.

    A backup of an older form is copied aside and migrated there first, as a database in service is.
    """
    manifest = await asyncio.to_thread(read_manifest, file)
    made = datetime.fromisoformat(manifest.created_at)
    with _alone(url):
        async with _container(file, manifest.revision) as source, _target(url) as target:
            reason = say("service.hold.restored", at=made)
            return await _fill(source, target, reason, replace=replace, at=at, told=told)


async def move(url: str, to: str, *, replace: bool, at: datetime, told: Progress = copying.untold) -> Copied:
    """Copy the database at `url` to `to` and hold both: the old one for good, the new one until it is released.

    The old one is held before the first row is read, so that at no moment both may send; it is let go when the copy fails.
    Raises `Refused`.
    """
    if make_url(url) == make_url(to):
        raise Refused(say("service.copy.same"))
    with _alone(url), _alone(to):
        old = Database(url, deadline=None)
        try:
            await _refuse_while_served(old)
            async with old.transaction() as session:
                await copying.refuse_another_form(session)
                await installation.settle_in(session, at=at)
                placed = installation.hold(session, say("service.hold.moved_to", place=shown(to)), at=at).id
            copied: Copied | None = None
            try:
                async with copying.snapshot(old) as source, _target(to) as target:
                    reason = say("service.hold.moved_from", place=shown(url))
                    copied = await _fill(
                        source, target, reason, replace=replace, at=at, told=told, instead_of=placed
                    )
            finally:
                if copied is None:
                    async with old.transaction() as session:
                        await session.delete(await session.get_one(Hold, placed))
            return copied
        finally:
            await old.dispose()


def shown(url: str) -> str:
    """An address of a database, without its password; what stands after a `?` may hold one too, and is left out."""
    return make_url(url).set(query={}).render_as_string(hide_password=True)


async def _fill(
    source: AsyncSession, target: Database, reason: Wording, *, replace: bool, at: datetime, told: Progress,
    instead_of: str | None = None,
) -> Copied:  # fmt: skip
    """Copy into a target that is empty or is emptied, and hold it, in one transaction."""
    async with target.transaction() as session:
        if not await copying.is_empty(session):
            if not replace:
                raise Refused(say("service.copy.not_empty"))
            await copying.clear(session)
        copied = await copying.copy(source, session, told)
        await installation.move_in(session, at=at)
        if instead_of is None:
            installation.hold(session, reason, at=at)
        else:
            (await session.get_one(Hold, instead_of)).reason = kept(reason)
    return copied


@asynccontextmanager
async def _target(url: str) -> AsyncIterator[Database]:
    """The database to fill, brought to the newest form; nobody else is connected to it."""
    target = Database(url, deadline=None)
    try:
        await _refuse_while_served(target)
        await asyncio.to_thread(starting.migrate, url)
        yield target
    finally:
        await target.dispose()


@asynccontextmanager
async def _container(file: Path, revision: str) -> AsyncIterator[AsyncSession]:
    with ExitStack() as aside:
        if revision != copying.newest_revision():
            place = Path(aside.enter_context(TemporaryDirectory(prefix="muster-restore-")))
            file = await asyncio.to_thread(_brought_up, file, place)
        engine = create_async_engine(f"sqlite+aiosqlite:///{_read_only(file)}&uri=true")
        try:
            async with AsyncSession(engine) as session:
                yield session
        finally:
            await engine.dispose()


def _brought_up(file: Path, place: Path) -> Path:
    copied = place / "older.db"
    shutil.copyfile(file, copied)
    starting.migrate(f"sqlite:///{copied}")
    connection = sqlite3.connect(copied)
    try:
        connection.execute(
            "PRAGMA journal_mode=DELETE"
        )  # one file again: it is opened as one that nobody changes
    finally:
        connection.close()
    return copied


@contextmanager
def _alone(url: str) -> Iterator[None]:
    """Hold an SQLite file as its service would; raises `Refused` while one does."""
    with ExitStack() as held:
        try:
            held.enter_context(starting.only_service(url))
        except starting.AlreadyServing as error:
            raise Refused(say("service.copy.served", place=shown(url))) from error
        yield


async def _refuse_while_served(database: Database) -> None:
    """On PostgreSQL nothing locks services out; their connections are seen by their name."""
    if database.is_sqlite:
        return
    async with database.reading() as session:
        others: Any = await session.scalar(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'muster' AND pid <> pg_backend_pid()"
            )
        )
    if others:
        raise Refused(say("service.copy.served", place=shown(str(database.url))))
