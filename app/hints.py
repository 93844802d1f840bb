"""Commits of this process told to the other processes on one PostgreSQL, and theirs to this one, by NOTIFY.

A hint and no more: what is lost costs a poll, and polling is the truth. PostgreSQL lets only one transaction at a time commit that
has notified, so no transaction of the product does: the hint is a call of its own, on a connection of its own, after the commit
and not more often than twenty times a second. Behind a transaction pooler nobody can listen, and none of this is tried.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app import postgres_driver
from app.db import Database, Work

KEEP_EVERY: Final = timedelta(seconds=5)
_CHANNEL: Final = "muster"
_PAUSE: Final = 0.05  # seconds between two hints of one process; what is left meanwhile goes with the next
_DEADLINE: Final = timedelta(seconds=2)

log = structlog.get_logger("engine")


class Hints:
    """The line of one process to the others."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._exchanging: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()  # set while the line is up

    async def keep(self) -> None:
        """Open the line where it is down, and do not wait for it. Raises nothing."""
        if self._db.may_listen and (self._exchanging is None or self._exchanging.done()):
            self._exchanging = asyncio.create_task(self._exchange())

    async def end(self) -> None:
        if self._exchanging is not None:
            self._exchanging.cancel()
            with suppress(asyncio.CancelledError):
                await self._exchanging

    async def _exchange(self) -> None:
        """Tell and listen until the line breaks."""
        engine = postgres_driver.engine(self._db.url, connections=1, deadline=_DEADLINE, pooler=False)
        try:
            async with engine.connect() as held:
                line: Any = (await held.get_raw_connection()).driver_connection
                try:
                    await self._talk(line)
                finally:
                    self.listening.clear()
                    line.terminate()  # without a goodbye, which a frozen server would not answer
        except (*postgres_driver.TROUBLE, SQLAlchemyError) as error:
            log.info("no hints from other processes for a while", error=type(error).__name__)
        finally:
            await engine.dispose()

    async def _talk(self, line: Any) -> None:
        wake, pause = self._db.wake, asyncio.Event()
        line.add_termination_listener(lambda _: pause.set())
        line.add_termination_listener(lambda _: wake.left.set())
        await line.add_listener(_CHANNEL, self._heard)
        self.listening.set()
        while not line.is_closed():
            await wake.left.wait()
            if told := wake.taken():
                await line.execute("SELECT pg_notify($1, $2)", _CHANNEL, " ".join(sorted(told)))
            with suppress(TimeoutError):
                async with asyncio.timeout(_PAUSE):
                    await pause.wait()

    def _heard(self, line: Any, sender: int, _channel: str, said: Any) -> None:
        if sender != line.get_server_pid():
            self._db.wake.set({work for work in Work if work in str(said).split()})
