"""The loop: what is due is fired, what happened is followed up, what is to be sent is sent.

Workers, each doing one short thing at a time and then looking again: timers and reactions (`app.reacting`), deliveries, external
steps, and the leases of what is in hand (`app.carrying`). Wake-ups are hints (a commit in this process, a tick of the scheduler,
the moment the next row falls due); the rows are the truth, so any number of engines may run on one database and any may die.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import structlog

from app import due
from app.access.parts import Parts
from app.carrying import Carrier, Reach
from app.db import Database, Work
from app.in_hand import InHand
from app.installation import Watch
from app.reacting import Reactor
from app.watch.receiver import SelfChannel

ATTEMPTS: Final = due.ATTEMPTS

log = structlog.get_logger("engine")


class Engine:
    """One engine of this process; `run` serves until cancelled, then `finish` waits for what is under way. `settle` does
    what is due now and returns."""

    def __init__(self, parts: Parts, reach: Reach, *, steady: Callable[[], float] = time.monotonic) -> None:
        """`steady` counts the seconds a group of messages takes; standing still, no group is cut short by a slow machine."""
        self.parts = parts
        ours = SelfChannel(parts.db, parts.clock)
        self.carrier = Carrier(parts, Reach(reach.outgoing, {**reach.channels, ours.name: ours}))
        self.reactor = Reactor(parts, self.carrier.start_deliveries, steady=steady)
        self.hold = Watch(parts.db, parts.clock, parts.settings.poll_every)
        self.last_tick: datetime | None = None  # when a look for what is due last came to its end

    @property
    def db(self) -> Database:
        return self.parts.db

    @property
    def reach(self) -> Reach:
        return self.carrier.reach

    @property
    def in_hand(self) -> InHand:
        return self.carrier.in_hand

    async def run(self) -> None:
        """Serve until cancelled; nothing new is begun then, and `finish` waits for what was."""
        reactors = 1 if self.db.is_sqlite else 2  # the second works while the first waits for the database
        async with asyncio.TaskGroup() as workers:
            for number in range(reactors):
                workers.create_task(self._serve(f"reactor-{number}", self.follow, Work.MESSAGES))
            workers.create_task(self._serve("deliveries", self.carrier.keep_delivering, Work.DELIVERIES))
            workers.create_task(self._serve("steps", self.carrier.start_calls, Work.CALLS))
            # Woken by each tick.
            workers.create_task(self._serve("leases", self.keep_leases, Work.DELIVERIES))

    async def finish(self, within: timedelta) -> None:
        """Wait for what is under way, so that no message is sent and then not written down. What takes longer is broken
        off, and taken up after its lease by whoever runs."""
        await self.carrier.finish(within, besides=self.reactor.beside)

    async def settle(self) -> None:
        """Do everything that is due at this moment, and what follows from it, until nothing is left."""
        while await self._may_act():
            busy = bool(self._under_way())  # what ends during the look may leave a place the look did not see
            did = (
                await self.follow()
                or await self.carrier.start_deliveries()
                or await self.carrier.start_calls()
            )
            if under_way := self._under_way():
                await asyncio.gather(*under_way)
            elif not (did or busy):
                return

    def _under_way(self) -> set[asyncio.Task[None]]:
        return self.carrier.under_way | self.reactor.beside

    async def _may_act(self) -> bool:
        """The one gate: in hold no timer fires, nothing is followed up, nothing is sent or called."""
        if not await self.hold.look():
            return True
        self.last_tick = self.parts.clock.now()  # held is no standstill
        return False

    async def follow(self) -> bool:
        """Fire the timers that are due, then run the reactions to a group of messages. Says whether there was anything."""
        did = await self.reactor.follow()
        self.last_tick = self.parts.clock.now()  # also with more to do: a storm is no standstill
        return did

    async def keep_leases(self) -> bool:
        """Extend the leases of what is in hand; never more to do at once."""
        return await self.carrier.keep_leases()

    async def _serve(self, name: str, once: Callable[[], Awaitable[bool]], work: Work) -> None:
        """Look until there is nothing, then wait to be woken, or for the next row to fall due. A failing database is waited
        out."""
        async with self.db.wake.listening(work) as woken:
            while True:
                woken.clear()
                try:
                    while await self._may_act() and await once():
                        pass
                except Exception as error:  # the loop must outlive anything
                    log.exception("worker failed", worker=name, error=type(error).__name__)
                # The scheduler's tick ends this wait at the latest.
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._until_due(work)):
                        await woken.wait()

    def _until_due(self, work: Work) -> float | None:
        """Seconds until the next row is known to fall due, and a breath more, so that it is."""
        moment = self.carrier.next_due.pop(work, None)
        if work is Work.MESSAGES:
            moment, self.reactor.next_due = self.reactor.next_due, None
        if moment is None:
            return None
        return max((moment - self.parts.clock.now()).total_seconds(), 0) + 0.001
