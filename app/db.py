"""One set of tables, two homes: SQLite and PostgreSQL.

Holds the engines, the kinds of transaction, the column types that make both databases answer alike, and nothing that
knows a room. `transaction()` is the only place of the product that commits.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    CTE,
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ExceptionContext,
    MetaData,
    String,
    TypeDecorator,
    bindparam,
    cast,
    event,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import AsyncAdaptedQueuePool

from app import postgres_driver, sqlite_driver
from app.away import Away, is_away
from app.turns import Turns

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


DEADLINE: Final = timedelta(seconds=5)  # of one call of the database
QUEUE: Final = 256  # requests that wait for it
REQUESTS_AT_ONCE: Final = 6  # writing ones, and as many reading, on PostgreSQL
READING_AT_ONCE: Final = 3  # on SQLite, of four connections: the engine reads too
OWN_CONNECTIONS: Final = 8  # of the engine, on PostgreSQL
_TRANSACTION: Final = (
    6  # deadlines; what a request's transaction may take in all, with the work done inside it
)


class Work(StrEnum):
    """What a commit may leave to do, and so whom it wakes."""

    MESSAGES = "messages"  # of the outbox, and timers
    DELIVERIES = "deliveries"  # to be sent
    CALLS = "calls"  # external steps


class Wake:
    """Tells sleepers in this process that a commit left them something to do. A hint: polling is the truth."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Event, Work] = {}
        self._untold: set[Work] = set()
        self.left = asyncio.Event()  # set when a commit left work that other processes may want to hear of

    def committed(self, work: Collection[Work]) -> None:
        """A commit of this process left such work."""
        self.set(work)
        self._untold.update(work)
        self.left.set()

    def taken(self) -> set[Work]:
        """What was left since this was last asked."""
        told, self._untold = self._untold, set()
        self.left.clear()
        return told

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


@dataclass(frozen=True)
class _Side:
    """The connections of one side of the process: its engine (with the commands), or its requests."""

    writer: AsyncEngine
    reader: AsyncEngine
    write: async_sessionmaker[AsyncSession]
    read: async_sessionmaker[AsyncSession]

    @classmethod
    def of(cls, writer: AsyncEngine, reader: AsyncEngine) -> "_Side":
        return cls(
            writer, reader, async_sessionmaker(writer, expire_on_commit=False),
            async_sessionmaker(reader, expire_on_commit=False),
        )  # fmt: skip

    async def dispose(self) -> None:
        await self.writer.dispose()
        await self.reader.dispose()


class Database:
    """The connections to one database, and the kinds of transaction. `sqlite://` is one in memory, gone with its `dispose`.

    `deadline` is what one call of the database may take; none: as long as it takes, for a command that moves all there is.
    `pooler` says that a transaction pooler stands before it; `queue` is how many requests of a kind wait for their turn.
    """

    def __init__(
        self, url: str, *, deadline: timedelta | None = DEADLINE, pooler: bool = False, queue: int = QUEUE
    ) -> None:
        self.url = _async_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.is_in_memory = self.is_sqlite and not self.url.database
        self.wake = Wake()
        self._pooler = pooler
        patience = deadline or DEADLINE
        self._whole = patience * _TRANSACTION
        if self.is_in_memory:
            # It lives in its one connection, for which reading and writing wait in turn.
            whole = _sqlite_engine(
                self.url, writing=True, deadline=patience, whole=self._whole, in_memory=True
            )
            self._own = self._requests = _Side.of(whole, whole)
            at_once = (1, 1)
        elif self.is_sqlite:
            # One writer: its pool of one is a fair queue inside the process, where SQLite's own busy handler
            # polls and starves. Readers have connections of their own, which WAL lets run beside it.
            self._own = self._requests = _Side.of(
                _sqlite_engine(self.url, writing=True, deadline=patience, whole=self._whole),
                _sqlite_engine(self.url, writing=False, deadline=patience, whole=self._whole),
            )
            at_once = (1, READING_AT_ONCE)
        else:
            own, requests = (
                postgres_driver.engine(self.url, connections=number, deadline=deadline, pooler=pooler)
                for number in (OWN_CONNECTIONS, 2 * REQUESTS_AT_ONCE)
            )
            self._own, self._requests = _Side.of(own, own), _Side.of(requests, requests)
            at_once = (REQUESTS_AT_ONCE, REQUESTS_AT_ONCE)
        self._to_write, self._to_read = (
            Turns(at_once=number, waiting=queue, patience=patience) for number in at_once
        )

    @property
    def engine(self) -> AsyncEngine:
        return self._own.writer

    @property
    def may_listen(self) -> bool:
        """Whether other processes can be heard through it: behind a transaction pooler no session is ours."""
        return not (self.is_sqlite or self._pooler)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A writing session of the engine or a command, committed at the end or rolled back whole; sleepers are woken after
        the commit."""
        async with self._committed(self._own) as session:
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session of the engine or a command for looking; what it changes by mistake is thrown away."""
        async with self._own.read() as session:
            yield session

    @asynccontextmanager
    async def request(self, *, writing: bool = True) -> AsyncIterator[AsyncSession]:
        """The transaction of a request, or its session for looking.

        Requests queue among themselves and have connections of their own, so that however many there are the engine has its
        turn: an incident raised in a flood is told of during the flood. Raises `TooBusy` when the queue is full, and `Away`
        when the database is: then nobody knows whether it was committed.
        """
        async with (self._to_write if writing else self._to_read).one(), self._in_time():
            if writing:
                async with self._committed(self._requests) as session:
                    yield session
            else:
                async with self._requests.read() as session:
                    yield session

    @asynccontextmanager
    async def _committed(self, side: _Side) -> AsyncIterator[AsyncSession]:
        async with side.write.begin() as session:
            yield session
        if left := session.info.get("wakes"):
            self.wake.committed(left)

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        """An end to a server that answers each statement just before its deadline. SQLite's statements cannot be broken off."""
        if self.is_sqlite:
            yield
            return
        try:
            async with asyncio.timeout(self._whole.total_seconds()) as limit:
                yield
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise Away("the transaction took too long") from error

    def at_leisure(self) -> "Database":
        """The same database for work on all there is; dispose of it."""
        return Database(self.url.render_as_string(hide_password=False), deadline=None, pooler=self._pooler)

    async def moment(self) -> datetime:
        """What time it is by the clock of a PostgreSQL server, to the microsecond."""
        async with self.reading() as session:
            return (await session.execute(select(func.clock_timestamp(type_=UtcDateTime())))).scalar_one()

    async def create_all(self) -> None:
        """All tables, straight from the models; for tests and simulations. The product migrates instead."""
        async with self.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)

    @asynccontextmanager
    async def schema_change(self) -> AsyncIterator[AsyncConnection]:
        """A connection for migrations, which take as long as they take. On SQLite foreign keys are off: rebuilding a parent
        table would delete its children."""
        engine = self.engine
        if not self.is_sqlite:
            engine = postgres_driver.engine(self.url, connections=1, deadline=None, pooler=self._pooler)
        try:
            async with engine.connect() as connection:
                await self._enforce_foreign_keys(connection, "OFF")
                try:
                    async with connection.begin():
                        yield connection
                finally:
                    await self._enforce_foreign_keys(connection, "ON")
        finally:
            if engine is not self.engine:
                await engine.dispose()

    async def _enforce_foreign_keys(self, connection: AsyncConnection, setting: str) -> None:
        if self.is_sqlite:
            # Past SQLAlchemy, which would begin first: inside a transaction SQLite ignores this without a word.
            driver: Any = (await connection.get_raw_connection()).driver_connection
            await driver.execute(f"PRAGMA foreign_keys={setting}")

    async def dispose(self) -> None:
        await self._own.dispose()
        await self._requests.dispose()


async def in_turn(session: AsyncSession, name: str, *, shared: bool = False) -> None:
    """Wait for our turn at what `name` stands for, and keep it until the transaction ends. SQLite has one writer anyway.
    `shared`: with all others who come for a shared turn."""
    if session.get_bind().dialect.name == "postgresql":
        take = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
        await session.execute(select(take(_lock_number(name))))


def turn(name: str, *, shared: bool) -> CTE:
    """The same for a statement that locks or changes rows, on PostgreSQL: joined to it, it waits before it touches any of them."""
    take = func.pg_advisory_xact_lock_shared if shared else func.pg_advisory_xact_lock
    waited = select(cast(take(literal(_lock_number(name), BigInteger)), String).label("taken"))
    return waited.cte("turn").prefix_with("MATERIALIZED")


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


def _sqlite_engine(
    url: URL, *, writing: bool, deadline: timedelta, whole: timedelta, in_memory: bool = False
) -> AsyncEngine:
    connect = sqlite_driver.connect_in_memory if in_memory else sqlite_driver.connect
    engine = create_async_engine(
        url, pool_size=1 if writing else 1 + READING_AT_ONCE, max_overflow=0, pool_timeout=whole.total_seconds(),
        connect_args={"async_creator_fn": connect}, hide_parameters=True, poolclass=AsyncAdaptedQueuePool,
    )  # fmt: skip
    patience = int(
        deadline.total_seconds() * 1000
    )  # for another process that writes: a command beside the service

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin by itself; `_begin` does
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"busy_timeout={patience}",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        if not writing:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        # A deferred transaction that reads and then writes fails at once when another process wrote in between.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    @event.listens_for(engine.sync_engine, "handle_error", retval=True)
    def _translate(context: ExceptionContext) -> Exception | None:
        error = context.original_exception
        return Away(f"{type(error).__name__}: {error}") if is_away(error) else None

    return engine
