"""Time, passed in.

Every room is told what time it is; only the edges (requests, the engine, the command line) ask a `Clock`.
Tests, simulations and drills pass a `ManualClock` and jump.
"""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

_STANDS_STILL: Final = timedelta(seconds=1)  # the clock waits for less, and is set back by more
_LOOKS: Final = 3  # per measurement; the quickest answer is the truest


class Clock(Protocol):
    def now(self) -> datetime:
        """The present moment, aware, in UTC."""


class SystemClock:
    """The machine's clock; the only place of the product that reads it."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class DatabaseClock:
    """The database's clock, kept by a steady counter between looks: what is due is due for every replica at the same moment,
    whatever the clocks of their machines say.

    Before the first look it is the machine's own. A look is wrong by half a round trip at most. A small correction backwards
    is waited out, so that time stands still rather than repeats; a large one (another server took over) is made at once.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[datetime]],
        *,
        own: Clock | None = None,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._own, self._steady = ask, own or SystemClock(), steady
        self._told: tuple[datetime, float] | None = None  # a moment, and the counter then, in seconds
        self._last: datetime | None = None

    def now(self) -> datetime:
        if self._told is None:
            return self._own.now()
        moment, counter = self._told
        shown = moment + timedelta(seconds=self._steady() - counter)
        if self._last is not None and timedelta() < self._last - shown < _STANDS_STILL:
            return self._last
        self._last = shown
        return shown

    async def look(self) -> None:
        """Ask the database what time it is. It had read its clock somewhere between question and answer: in the middle."""
        took, best = float("inf"), self._told
        for _ in range(_LOOKS):
            asked = self._steady()
            moment = await self._ask()
            answered = self._steady()
            if answered - asked < took:
                took, best = answered - asked, (moment, (asked + answered) / 2)
        self._told = best


async def keep_in_step(clock: Clock) -> None:
    """Look at the database's clock, where it is the one that counts."""
    if isinstance(clock, DatabaseClock):
        await clock.look()


class ManualClock:
    """A clock that moves when told, and never backwards."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware datetime")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> None:
        self.move_to(self._now + by)

    def move_to(self, moment: datetime) -> None:
        if moment < self._now:
            raise ValueError("time does not run backwards")
        self._now = moment.astimezone(UTC)
