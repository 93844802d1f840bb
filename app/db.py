"""One set of tables, two homes: SQLite and PostgreSQL.

Holds the engines, the two kinds of transaction, the column types that make both databases answer alike, and nothing that
knows a room. `transaction()` is the only place of the product that commits.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    MetaData,
    String,
    TypeDecorator,
    bindparam,
    event,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import TimeoutError as QueueTimeout
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase

from app import sqlite_driver

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """Aware in, aware out, UTC in between: SQLite forgets zones, and a naive time is a mistake."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime was about to be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Base(DeclarativeBase):
    """Root of every table; each room maps its own."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: Json, list[Any]: Json, list[str]: Json}  # noqa: RUF012


_REQUESTS_AT_ONCE = 6  # writing ones, on PostgreSQL; the pool has room for the engine beside them
_LONGEST_QUEUE = 30.0  # seconds; then the request is told to come again


class Work(StrEnum):
    """What a commit may leave to do, and so whom it wakes."""

    MESSAGES = "messages"  # of the outbox, and timers
    DELIVERIES = "deliveries"  # to be sent
    CALLS = "calls"  # external steps


class Wake:
    """Tells sleepers in this process that a commit left them something to do. A hint: polling is the truth."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Event, Work] = {}

    def set(self, work: Collection[Work] = frozenset(Work)) -> None:
        for waiter, wanted in self._waiting.items():
            if wanted in work:
                waiter.set()

    @asynccontextmanager
    async def listening(self, work: Work = Work.MESSAGES) -> AsyncIterator[asyncio.Event]:
        """An event of one's own, set when there may be such work, until the context ends."""
        waiter = asyncio.Event()
        self._waiting[waiter] = work
        try:
            yield waiter
        finally:
            del self._waiting[waiter]


def wake(session: AsyncSession, work: Work) -> None:
    """Once this transaction is committed, wake whoever does that work."""
    session.info.setdefault("wakes", set()).add(work)


def inline(value: StrEnum | Collection[StrEnum]) -> Any:
    """A value written into the statement itself. A database uses a partial index only where it can read the condition."""
    if isinstance(value, StrEnum):
        return bindparam(None, value.value, String, literal_execute=True)
    return bindparam(None, [one.value for one in value], String, expanding=True, literal_execute=True)


class Database:
    """The engines of one database, and its two kinds of transaction."""

    def __init__(self, url: str) -> None:
        self.url = _async_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.wake = Wake()
        self._requests = asyncio.Semaphore(1 if self.is_sqlite else _REQUESTS_AT_ONCE)
        if self.is_sqlite:
            # One writer: its pool of one is a fair queue inside the process, where SQLite's own busy handler
            # polls and starves. Readers have connections of their own, which WAL lets run beside it.
            self._writer = _sqlite_engine(self.url, writing=True)
            self._reader = _sqlite_engine(self.url, writing=False)
        else:
            self._writer = self._reader = create_async_engine(
                self.url, pool_size=10, max_overflow=10, pool_pre_ping=False, pool_timeout=10,
                connect_args={"timeout": 10, "command_timeout": 30, "server_settings": {"application_name": "muster"}},
            )  # fmt: skip
        self._write = async_sessionmaker(self._writer, expire_on_commit=False)
        self._read = async_sessionmaker(self._reader, expire_on_commit=False)

    @property
    def engine(self) -> AsyncEngine:
        return self._writer

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A writing session, committed at the end or rolled back whole; sleepers are woken after the commit."""
        async with self._write.begin() as session:
            yield session
        self._wake_for(session)

    @asynccontextmanager
    async def request(self) -> AsyncIterator[AsyncSession]:
        """The transaction of a request. Requests queue among themselves, so that however many there are the engine has its
        turn and its connection: an incident raised in a flood is told of during the flood. Raises `QueueTimeout` in the end.
        """
        try:
            await asyncio.wait_for(self._requests.acquire(), _LONGEST_QUEUE)
        except TimeoutError as error:
            raise QueueTimeout("too many requests are waiting to write") from error
        try:
            async with self.transaction() as session:
                yield session
        finally:
            self._requests.release()

    def _wake_for(self, session: AsyncSession) -> None:
        if left := session.info.get("wakes"):
            self.wake.set(left)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for looking; what it changes by mistake is thrown away."""
        async with self._read() as session:
            yield session

    async def create_all(self) -> None:
        """All tables, straight from the models; for tests and simulations. The product migrates instead."""
        async with self._writer.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)

    @asynccontextmanager
    async def schema_change(self) -> AsyncIterator[AsyncConnection]:
        """A connection for migrations. On SQLite foreign keys are off: rebuilding a parent table would delete its children."""
        async with self._writer.connect() as connection:
            await self._enforce_foreign_keys(connection, "OFF")
            try:
                async with connection.begin():
                    yield connection
            finally:
                await self._enforce_foreign_keys(connection, "ON")

    async def _enforce_foreign_keys(self, connection: AsyncConnection, setting: str) -> None:
        if self.is_sqlite:
            # Past SQLAlchemy, which would begin first: inside a transaction SQLite ignores this without a word.
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.execute(f"PRAGMA foreign_keys={setting}")

    async def dispose(self) -> None:
        await self._writer.dispose()
        await self._reader.dispose()


async def in_turn(session: AsyncSession, name: str) -> None:
    """Wait for our turn at what `name` stands for, and keep it until the transaction ends. SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(select(func.pg_advisory_xact_lock(_lock_number(name))))


async def is_free(session: AsyncSession, name: str) -> bool:
    """Take the turn if nobody has it, and say whether that was so."""
    if session.get_bind().dialect.name != "postgresql":
        return True
    return bool(await session.scalar(select(func.pg_try_advisory_xact_lock(_lock_number(name)))))


def _lock_number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def _async_url(url: str) -> URL:
    parsed = make_url(url)
    drivers = {
        "sqlite": "sqlite+aiosqlite",
        "postgresql": "postgresql+asyncpg",
        "postgres": "postgresql+asyncpg",
    }
    backend = parsed.drivername.partition("+")[0]
    if backend not in drivers:
        raise ValueError("the database is given as sqlite:///FILE or postgresql://HOST/NAME")
    if backend == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    return parsed.set(drivername=drivers[backend])


def _sqlite_engine(url: URL, *, writing: bool) -> AsyncEngine:
    engine = create_async_engine(
        url, pool_size=1 if writing else 4, max_overflow=0, pool_timeout=30,
        connect_args={"async_creator_fn": sqlite_driver.connect},
    )  # fmt: skip

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin by itself; `_begin` does
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        if not writing:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        # A deferred transaction that reads and then writes fails at once when another process wrote in between.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine
