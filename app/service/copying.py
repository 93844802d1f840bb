"""All rows of one database into another, of either kind, block by block; and the comparison of the two afterwards.

Holds what backup, restore and move share. A digest of a table does not depend on the order of its rows or on how a database
writes a number or a moment, so that SQLite and PostgreSQL give the same for the same rows.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import (
    LargeBinary,
    RowMapping,
    Table,
    bindparam,
    delete,
    func,
    insert,
    inspect,
    select,
    text,
    tuple_,
    update,
)  # fmt: skip
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Database
from app.errors import Refused
from app.incidents import timeline
from app.incidents.tables import Incident, TimelineEntry
from app.service import starting
from app.tables import Base
from app.wording import say

_BLOCK: Final = 500  # rows in memory at a time
_BLOCK_OF_BODIES: Final = 20  # of tables that hold whole request bodies


Progress = Callable[[str, int], None]
"""Told the name of a table and how many of its rows are copied, as it goes on."""


def untold(_table: str, _rows: int) -> None:
    """For whoever does not look on."""


@dataclass(frozen=True)
class Tally:
    """What a table holds."""

    rows: int
    digest: str


@dataclass(frozen=True)
class Chains:
    """The timelines of all incidents."""

    incidents: int
    entries: int
    digest: str  # folded over the last hash of each
    broken: Sequence[str]  # numbers of incidents whose timeline does not verify


@dataclass(frozen=True)
class Copied:
    """What was copied and found equal on both sides."""

    tables: dict[str, Tally]
    chains: Chains


def all_tables() -> Sequence[Table]:
    """Parents before children."""
    return Base.metadata.sorted_tables


def newest_revision() -> str:
    """The form of the tables this program works with."""
    return _revisions().get_current_head() or ""


def can_bring_up(revision: str) -> bool:
    """Whether this program knows the way from that form of the tables to its own."""
    return revision in {known.revision for known in _revisions().walk_revisions()}


def _revisions() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(starting.MIGRATIONS))
    return ScriptDirectory.from_config(config)


async def revision_of(session: AsyncSession) -> str | None:
    """The form of the tables there; none where they were made straight from the models."""
    connection = await session.connection()
    if not await connection.run_sync(lambda one: inspect(one).has_table("alembic_version")):
        return None
    found: str | None = await session.scalar(text("SELECT version_num FROM alembic_version"))
    return found


async def refuse_another_form(session: AsyncSession) -> None:
    theirs, ours = await revision_of(session), newest_revision()
    if theirs not in (None, ours):
        raise Refused(say("service.copy.behind", theirs=theirs, ours=ours))


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[AsyncSession]:
    """One moment of a database, to be read for as long as it takes while others write."""
    async with database.reading() as session:
        if not database.is_sqlite:
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            await session.connection(execution_options=options)
        yield session


async def blocks(session: AsyncSession, table: Table) -> AsyncIterator[Sequence[RowMapping]]:
    """Every row, by primary key, a block at a time."""
    keys = list(table.primary_key.columns)
    has_bodies = any(isinstance(column.type, LargeBinary) for column in table.columns)
    query = select(table).order_by(*keys).limit(_BLOCK_OF_BODIES if has_bodies else _BLOCK)
    after: tuple[Any, ...] | None = None
    while True:
        page = query
        if after is not None:
            values = [bindparam(None, value, key.type) for key, value in zip(keys, after, strict=True)]
            page = query.where(tuple_(*keys) > tuple_(*values))
        rows = (await session.execute(page)).mappings().all()
        if not rows:
            return
        yield rows
        after = tuple(rows[-1][key.name] for key in keys)


async def copy(source: AsyncSession, target: AsyncSession, told: Progress) -> Copied:
    """Every row with its ids into empty tables, in the caller's transaction; compared before it is committed.

    1. Copy table by table, parents first; a row that points into its own table gets that reference at the end.
    2. Let the numbers a database gives out go on after the highest copied.
    3. Read the target again: number and digest of rows, and every timeline, must be those of the source. Raises `Refused`.
    """
    read = {}
    for table in all_tables():
        read[table.name] = await _copy_table(source, target, table, told)
        await _continue_numbers(target, table)
    found = await tallies(target)
    if different := [name for name, tally in read.items() if found[name] != tally]:
        raise Refused(say("service.copy.differs", tables=", ".join(different)))
    theirs, ours = await chains(source), await chains(target)
    if theirs.broken or ours.broken:
        raise Refused(
            say("service.copy.broken_chain", incidents=", ".join([*theirs.broken, *ours.broken][:20]))
        )
    if theirs != ours:
        raise Refused(say("service.copy.differs", tables="timeline"))
    return Copied(read, ours)


async def tallies(session: AsyncSession) -> dict[str, Tally]:
    """Number and digest of the rows of each table."""
    found = {}
    for table in all_tables():
        counting = _Counting()
        async for rows in blocks(session, table):
            counting.add(rows)
        found[table.name] = counting.tally()
    return found


async def chains(session: AsyncSession) -> Chains:
    """Walk every timeline, seal by seal, and compare each end with its incident."""
    ends: dict[str, tuple[int, str]] = {}
    incident_id, seq, previous, sound, entries = "", 0, "", True, 0
    broken: set[str] = set()
    async for rows in blocks(session, Base.metadata.tables[TimelineEntry.__tablename__]):
        for row in rows:
            if row["incident_id"] != incident_id:
                incident_id, seq, previous, sound = row["incident_id"], 0, "", True
            seal = timeline.seal(
                incident_id, row["seq"], row["at"], row["actor"], row["kind"], row["data"], previous
            )
            sound = sound and (row["seq"], row["previous"], row["hash"]) == (seq + 1, previous, seal)
            if not sound:
                broken.add(incident_id)
            seq, previous, entries = row["seq"], row["hash"], entries + 1
            ends[incident_id] = (seq, previous)
    folded, numbers, count = 0, [], 0
    async for rows in blocks(session, Base.metadata.tables[Incident.__tablename__]):
        for row in rows:
            count += 1
            if row["id"] in broken or ends.get(row["id"]) != (row["last_seq"], row["last_hash"]):
                numbers.append(row["number"])
            folded += int.from_bytes(
                hashlib.sha256(f"{row['id']} {row['last_hash']}".encode()).digest(), "big"
            )
    return Chains(count, entries, _hex(folded), tuple(sorted(numbers)))


async def is_empty(session: AsyncSession) -> bool:
    for table in all_tables():
        if await session.scalar(select(func.count()).select_from(select(table).limit(1).subquery())):
            return False
    return True


async def clear(session: AsyncSession) -> None:
    """Delete every row, children first; PostgreSQL empties all tables at once, whatever they hold."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text(f"TRUNCATE {', '.join(table.name for table in all_tables())}"))
        return
    for table in reversed(all_tables()):
        await session.execute(delete(table))


async def _copy_table(source: AsyncSession, target: AsyncSession, table: Table, told: Progress) -> Tally:
    counting, key = _Counting(), next(iter(table.primary_key.columns))
    own = [column for column in table.columns if any(f.column.table is table for f in column.foreign_keys)]
    later: list[dict[str, Any]] = []
    async for rows in blocks(source, table):
        counting.add(rows)
        plain = [dict(row) for row in rows]
        for row in plain:
            pointing = {column.name: row[column.name] for column in own if row[column.name] is not None}
            if pointing:
                later.append({key.name: row[key.name], **pointing})
                row.update(dict.fromkeys(pointing))
        await target.execute(insert(table), plain)
        told(table.name, counting.rows)
    for row in later:
        await target.execute(update(table).where(key == row.pop(key.name)).values(row))
    return counting.tally()


async def _continue_numbers(target: AsyncSession, table: Table) -> None:
    if target.get_bind().dialect.name != "postgresql":
        return
    for column in (one for one in table.columns if one.identity is not None):
        highest = await target.scalar(select(func.max(column)))
        sequence = func.pg_get_serial_sequence(table.name, column.name)
        await target.execute(select(func.setval(sequence, highest or 1, highest is not None)))


class _Counting:
    """A tally while it is made: the sum of the rows' hashes, which no order changes."""

    def __init__(self) -> None:
        self.rows, self._sum = 0, 0

    def add(self, rows: Sequence[RowMapping]) -> None:
        for row in rows:
            said = json.dumps({name: _same(value) for name, value in row.items()}, sort_keys=True)
            self._sum += int.from_bytes(hashlib.sha256(said.encode()).digest(), "big")
        self.rows += len(rows)

    def tally(self) -> Tally:
        return Tally(self.rows, _hex(self._sum))


def _hex(number: int) -> str:
    return f"{number % 2**256:064x}"


def _same(value: Any) -> Any:
    """A value as both databases give it back."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case bytes():
            return hashlib.sha256(value).hexdigest()
        case float():
            return int(value) if value.is_integer() else value
        case dict():
            return {name: _same(inner) for name, inner in value.items()}
        case list():
            return [_same(inner) for inner in value]
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)
