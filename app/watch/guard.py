"""The guard of one process: looks at its engine and at the self-test, calls the last resort, and sends the heartbeat.

It holds what it knows in memory, and what it does first needs no database. Each process has its own guard, which agrees with
nobody: several may call the last resort for one reason.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from sqlalchemy import select

from app import installation
from app.access.parts import Parts
from app.db import inline
from app.notify.tables import Notice, Round, RoundState
from app.outgoing import CallFailed, Outgoing
from app.watch import self_test
from app.watch.last_resort import LastResort, Reason
from app.watch.self_test import Standing

LOOK_EVERY: Final = timedelta(seconds=10)
BEAT_EVERY: Final = timedelta(seconds=60)
_PATIENCE: Final = 3.0  # seconds for one look at the database
_REMEMBERED: Final = 1000


class Ticking(Protocol):
    """An engine, as far as the guard looks at it."""

    last_tick: datetime | None


class Guard:
    def __init__(self, parts: Parts, engine: Ticking, outgoing: Outgoing) -> None:
        settings = parts.settings
        self.standing: Standing | None = None  # of the self-test, when last looked
        self._parts = parts
        self._engine = engine
        self._outgoing = outgoing.apart()  # a channel that hangs must stop neither cry nor heartbeat
        self._since = parts.clock.now()  # before the first tick, the engine is measured from here
        self._last_resort = LastResort(
            settings.last_resort_url, self._outgoing, service=settings.base_url, language=settings.language
        )
        self._looking: asyncio.Task[None] | None = None
        self._uncalled: Sequence[str] = ()  # rounds that reached nobody, as of the last look
        self._told: set[str] = set()  # those of them the last resort was told of
        self._held_at: datetime | None = None  # when a look last found the database in hold

    async def watch(self) -> None:
        """One look, every few seconds."""
        at = self._parts.clock.now()
        last = self._engine.last_tick or self._since
        if at - last > self._parts.settings.last_resort_after:
            await self._last_resort.tell(Reason.ENGINE, about=f"({last:%Y-%m-%d %H:%M:%S} UTC)", at=at)
            return
        self._last_resort.over(Reason.ENGINE)
        if not await self._look(at) or self._is_held(at):
            return
        if self.standing is Standing.LATE:
            await self._last_resort.tell(Reason.SELF_TEST, at=at)
        else:
            self._last_resort.over(Reason.SELF_TEST)
        await self._tell_of_nobody(at)

    async def beat(self) -> None:
        """Tell the far side that all is well; silence tells it that it is not (a dead man's switch)."""
        url = self._parts.settings.heartbeat_url.get_secret_value()
        if url and self._is_well(self._parts.clock.now()):
            try:
                await self._outgoing.request("GET", url)
            except CallFailed:
                return  # the far side misses it, and that is the alarm

    def _is_well(self, at: datetime) -> bool:
        last = self._engine.last_tick
        ticks = last is not None and at - last <= self._parts.settings.tick_limit
        return ticks and not self._is_held(at) and self.standing in (Standing.PASSED, Standing.OFF)

    def _is_held(self, at: datetime) -> bool:
        """In hold nothing is sent, this neither; after it the self-test has the time of a whole round to come through."""
        settings = self._parts.settings
        round_of_tests = settings.self_test_every + settings.self_test_limit
        return self._held_at is not None and at - self._held_at <= max(LOOK_EVERY, round_of_tests)

    async def _look(self, at: datetime) -> bool:
        """Ask the database; says whether it answered. One that is frozen is asked once, and not waited for."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._ask(at))
        await asyncio.wait({self._looking}, timeout=_PATIENCE)
        return self._looking.done() and not self._looking.cancelled() and self._looking.exception() is None

    async def _ask(self, at: datetime) -> None:
        settings = self._parts.settings
        nobody = (
            select(Round.id)
            .join(Notice, Notice.id == Round.notice_id)
            .where(Round.state == inline(RoundState.CALLING), Round.reached.is_(False))
            .where(Notice.exercise.is_(False))  # nobody outside is called about a drill
        )
        async with self._parts.db.reading() as session:
            self.standing = await self_test.standing(
                session, every=settings.self_test_every, limit=settings.self_test_limit, at=at
            )
            if await installation.held(session) is not None:
                self._held_at = at
            self._uncalled = list(await session.scalars(nobody.order_by(Round.id.desc()).limit(_REMEMBERED)))

    async def _tell_of_nobody(self, at: datetime) -> None:
        """Once for each round; one that could not be told for its rate is told at a later look."""
        self._told &= set(self._uncalled)
        fresh = [one for one in self._uncalled if one not in self._told]
        if fresh and await self._last_resort.tell(Reason.NOBODY, about=f"({len(fresh)})", at=at):
            self._told.update(fresh)
