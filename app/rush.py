"""Store first, work after: while many requests come to be stored, what is not grave lets them go before it."""

import asyncio
from contextlib import suppress
from typing import Final

MANY: Final = 8  # requests that wait at once; fewer are stored in passing
_SETTLES: Final = 0.02  # seconds without many; clients that were just answered are about to come again


class Rush:
    """How many signals of monitoring wait to be stored in this process, and a way to let them pass."""

    def __init__(self) -> None:
        self._calm = asyncio.Event()
        self._calm.set()
        self._settling: asyncio.TimerHandle | None = None

    @property
    def is_on(self) -> bool:
        return not self._calm.is_set()

    def now_waiting(self, number: int) -> None:
        if number >= MANY:
            self._calm.clear()
            if self._settling is not None:
                self._settling.cancel()
                self._settling = None
        elif not self._calm.is_set() and self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(_SETTLES, self._settled)

    async def passing(self, *, most: float) -> None:
        """Returns when few are left, at the latest after `most` seconds: who keeps on coming holds up nobody for ever."""
        if not self._calm.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(most):
                    await self._calm.wait()

    def _settled(self) -> None:
        self._settling = None
        self._calm.set()
