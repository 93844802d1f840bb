"""Turns at something scarce: so many at once, so many waiting in order, and the next is told to come again at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from app.away import TooBusy


class Turns:
    """A queue with an end. Whoever waits is served in order, or refused after `patience`."""

    def __init__(self, *, at_once: int, waiting: int, patience: timedelta) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._most_waiting = waiting
        self._waiting = 0
        self._patience = patience.total_seconds()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Our turn, until the context ends. Raises `TooBusy`: at once where the queue is full, else when patience ends."""
        await self._wait()
        try:
            yield
        finally:
            self._places.release()

    async def _wait(self) -> None:
        if self._places.locked() and self._waiting >= self._most_waiting:
            raise TooBusy("too many are waiting")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError as error:
            raise TooBusy("waited too long for a turn") from error
        finally:
            self._waiting -= 1
