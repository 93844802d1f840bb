"""Writing in groups: what comes in while a transaction commits is written by the next one, together.

No timer: one that comes alone is written at once, and groups form by themselves under load.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Together(Generic[Item]):
    """Hands items to `write` in groups of up to `most`, one group at a time, in the order they came."""

    def __init__(self, write: Callable[[list[Item]], Awaitable[None]], *, most: int) -> None:
        self._write = write
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> None:
        """Returns when the item's group was written; raises what its writing raised."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, written))
        if self._writer is None:
            self._writer = asyncio.ensure_future(self._write_all())
        await written

    async def _write_all(self) -> None:
        try:
            while group := self._waiting[: self._most]:
                del self._waiting[: self._most]
                error: BaseException | None = None
                try:
                    await self._write([item for item, _ in group])
                except Exception as failed:  # noqa: BLE001 - whoever waits for it is told
                    error = failed
                for _, written in group:
                    if written.cancelled():
                        continue
                    if error is None:
                        written.set_result(None)
                    else:
                        written.set_exception(error)
        finally:
            self._writer = None
