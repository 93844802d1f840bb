"""A connection to SQLite that crosses to its thread once per statement.

The driver crosses four times: for a cursor, the statement, the rows and the goodbye, each a wake-up of two threads, which costs
more than the statement. Results are read whole, as the rest of the service reads them anyway.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Self

import aiosqlite


class OneTripCursor:
    """What SQLAlchemy's adapter asks of a cursor."""

    def __init__(self, connection: "OneTripConnection") -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Sequence[Any] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Iterable[Any] = ()) -> Self:
        await self._connection.run(self._execute, statement, parameters)
        return self

    async def executemany(self, statement: str, parameters: Iterable[Iterable[Any]]) -> Self:
        await self._connection.run(self._executemany, statement, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        self._rows = []

    def _execute(self, connection: sqlite3.Connection, statement: str, parameters: Any) -> None:
        cursor = connection.cursor()
        try:
            cursor.execute(statement, parameters)
            self._keep(cursor)
        finally:
            cursor.close()

    def _executemany(self, connection: sqlite3.Connection, statement: str, parameters: Any) -> None:
        cursor = connection.cursor()
        try:
            cursor.executemany(statement, parameters)
            self._keep(cursor)
        finally:
            cursor.close()

    def _keep(self, cursor: sqlite3.Cursor) -> None:
        self.description = cursor.description
        self._rows = cursor.fetchall() if cursor.description else []
        # After the rows: a statement that returns what it changed counts while it is read.
        self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid


class OneTripConnection(aiosqlite.Connection):
    """The driver's connection, with cursors of ours."""

    def cursor(self) -> OneTripCursor:  # type: ignore[override]
        return OneTripCursor(self)

    async def run(self, work: Any, *arguments: Any) -> None:
        """Do `work` with the real connection, in its thread."""
        await self._execute(work, self._conn, *arguments)  # type: ignore[no-untyped-call]


def connect(database: str, **options: Any) -> OneTripConnection:
    """A connection that is open once it is awaited."""
    connection = OneTripConnection(lambda: sqlite3.connect(database, **options), iter_chunk_size=64)
    connection._thread.daemon = True  # a process that ends does not wait for it
    return connection


class _NoQueue:
    """In the place of the queue to the thread, into which SQLAlchemy puts what is set on a connection."""

    def put_nowait(self, item: tuple[asyncio.Future[Any], Callable[[], Any]]) -> None:
        future, work = item
        future.set_result(work())


class AtOnceConnection(OneTripConnection):
    """Does everything in the loop's own thread: of a database in memory, a statement takes less than the way to another one."""

    def __await__(self) -> Generator[Any, None, Self]:
        self._connection = self._connector()
        self._tx = _NoQueue()  # type: ignore[assignment]
        return self
        yield  # an awaitable of no steps

    async def _execute(self, fn: Any, *args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    def stop(self) -> None:
        """There is no thread to be stopped."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def connect_in_memory(database: str, **options: Any) -> AtOnceConnection:
    """A connection to a database that is made with it and goes with it."""
    return AtOnceConnection(lambda: sqlite3.connect(database, **options), iter_chunk_size=64)
