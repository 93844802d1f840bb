"""What is due is fired, and what happened is followed up: a group of messages in one transaction, each in a savepoint of its own.

Whoever waits for the lock of an incident that somebody holds waits beside the others. One bad message never stops the rest:
attempts are counted, then it is set aside and shown.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import due, outbox
from app.access.parts import Parts
from app.away import Away
from app.db import Work
from app.due import Taken
from app.flow import REACTIONS, TOGETHER
from app.notify import digest
from app.reactions.context import Happened

_MESSAGES_AT_ONCE: Final = 32  # in one transaction
_LONGEST_GROUP: Final = (
    0.05  # seconds; then requests have their turn, and the rows of several incidents are let go
)
_LETS_PASS: Final = 0.1  # seconds before each group that is not grave, while many signals wait to be stored …
_IN_A_RUSH: Final = 8  # … and a group is no larger then: who waits behind it waits for all of it
# For the lock of an incident. A group holds locks itself: a longer wait could be two waiting for each other. Whoever waits longer
# does so beside the others, with one message and a connection of its own.
_PATIENCE: Final = {"group": "50ms", "beside": "2s"}
_BESIDE_AT_ONCE: Final = 2
_LOCK_TROUBLE: Final = frozenset({"40P01", "40001", "55P03"})  # deadlock, serialisation, lock not available

log = structlog.get_logger("engine")


class Reactor:
    """Follows up what happened. `deliver` begins to send what a reaction left to be sent."""

    def __init__(
        self, parts: Parts, deliver: Callable[[], Awaitable[bool]], *, steady: Callable[[], float]
    ) -> None:
        """`steady` counts the seconds a group of messages takes; standing still, no group is cut short by a slow machine."""
        self.parts, self.db, self._deliver, self._steady = parts, parts.db, deliver, steady
        self.next_due: datetime | None = None  # of the timers, as the last look saw it; a hint
        self.beside: set[asyncio.Task[None]] = set()  # those that wait for the lock of an incident
        self._one_by_one = 0  # so many messages are handled alone, after a group that came to nothing

    async def follow(self) -> bool:
        """Fire the timers that are due, then run the reactions to a group of messages. Says whether there was anything."""
        now = self.parts.clock.now()
        async with self.db.reading() as session:
            seen = await due.look(session, at=now)
        later = seen.next_timer is not None and seen.next_timer > now
        self.next_due = seen.next_timer if later else None
        fired = seen.timers and await self._fire_timers(now, grave=seen.grave_timers)
        grave = seen.grave_messages or (seen.grave_timers and fired)
        if seen.messages and not grave:
            await self.parts.rush.passing(most=_LETS_PASS)
        urgent = grave or seen.urgent_messages
        reacted = (fired or seen.messages or urgent) and await self._react(now, urgent=urgent)
        return fired or reacted

    async def _fire_timers(self, now: datetime, *, grave: bool) -> bool:
        async with self.db.transaction() as session:
            return await due.fire(session, at=now, grave=grave) > 0

    async def _react(self, now: datetime, *, urgent: bool) -> bool:
        """Handle a group of messages in one transaction, each in a savepoint: one that fails is counted alone.

        What breaks the transaction itself is nobody's failure: the group is undone and its messages are handled one by one,
        where a failure is the message's own.
        """
        if self._one_by_one > 0:
            self._one_by_one -= 1
            return await self._react_to_one(now, urgent=urgent)
        try:
            async with self.db.transaction() as session:
                limit = _IN_A_RUSH if self.parts.rush.is_on and not urgent else _MESSAGES_AT_ONCE
                taken = await due.take(session, at=now, limit=limit, urgent=urgent)
                await self._be_patient(session, "group")
                locked = await self.handle(session, taken, now)
                sends = _sends(session)
        except Exception as error:
            log.warning("group undone, its messages follow one by one", error=type(error).__name__)
            self._one_by_one = _MESSAGES_AT_ONCE
            return True
        if locked:
            await self._go_round(locked)
        if sends:
            # A person waits for it; the next reaction, mostly a line on a timeline, does not mind.
            await self._deliver()
        return bool(taken)

    async def handle(self, session: AsyncSession, taken: Sequence[Taken], now: datetime) -> list[Taken]:
        """Says which messages met an incident that somebody holds."""
        done: list[int] = []
        locked: list[Taken] = []
        failed: list[tuple[Taken, Exception]] = []
        broken: set[str] = set()  # refs whose message failed: what follows it waits for it
        ends = self._steady() + _LONGEST_GROUP
        waiting = deque(_portions(taken))
        while waiting:
            portion = [message for message in waiting.popleft() if message.ref not in broken]
            if not portion:
                continue
            began = self._steady()
            try:
                async with session.begin_nested():
                    await self._run_reactions(session, portion, now)
            except Exception as error:
                in_the_way = _is_lock_trouble(error)
                if isinstance(error, Away) and not in_the_way:
                    raise
                if in_the_way and len(locked) < _BESIDE_AT_ONCE:
                    ends += self._steady() - began  # the others have their time
                if len(portion) > 1:
                    waiting.extendleft([message] for message in reversed(portion))
                    continue
                broken.add(portion[0].ref)
                if in_the_way:
                    locked.append(portion[0])
                else:
                    failed.append((portion[0], error))
            else:
                done.extend(message.id for message in portion)
            if self._steady() > ends:
                break
        await due.mark_done(session, done, at=now)
        for message, failure in failed:
            state = await due.note_failure(session, message.id, failure, at=now)
            _told_of(message, failure, state)
        return locked

    async def _go_round(self, locked: Sequence[Taken]) -> None:
        """Let messages whose incident somebody holds wait for it beside the others; those that find no place there are put off."""
        places = max(_BESIDE_AT_ONCE - len(self.beside), 0)
        for message in locked[:places]:
            self._wait_beside(message)
        if later := [message.id for message in locked[places:]]:
            async with self.db.transaction() as session:
                await due.postpone(session, later, at=self.parts.clock.now())

    def _wait_beside(self, message: Taken) -> None:
        task = asyncio.ensure_future(self._react_beside(message))
        self.beside.add(task)
        task.add_done_callback(self.beside.discard)
        task.add_done_callback(lambda _: self.db.wake.set({Work.MESSAGES}))  # for what follows it

    async def _react_beside(self, message: Taken) -> None:
        try:
            await self._react_to_one(self.parts.clock.now(), urgent=False, only=message.id)
        except Exception as error:
            log.warning("not followed up beside the others", message=message.id, error=type(error).__name__)

    async def _react_to_one(self, now: datetime, *, urgent: bool, only: int | None = None) -> bool:
        message: Taken | None = None
        try:
            async with self.db.transaction() as session:
                taken = await due.take(session, at=now, limit=1, urgent=urgent, only=only)
                if not taken:
                    self._one_by_one = self._one_by_one if only else 0
                    return False
                message = taken[0]
                await self._be_patient(session, "group" if only is None else "beside")
                await self._run_reactions(session, [message], now)
                await due.mark_done(session, [message.id], at=now)
                sends = _sends(session)
        except Exception as error:
            if message is None:
                raise
            if _is_lock_trouble(error) or isinstance(error, due.Overtaken):
                if only is None:
                    await self._go_round([message])
                return True  # done again, as a whole, or done by another
            async with self.db.transaction() as session:
                state = await due.note_failure(session, message.id, error, at=now)
            _told_of(message, error, state)
        else:
            if sends:
                await self._deliver()
        return True

    async def _be_patient(self, session: AsyncSession, how: str) -> None:
        if not self.db.is_sqlite:
            await session.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE[how]}'"))

    async def _run_reactions(self, session: AsyncSession, portion: Sequence[Taken], now: datetime) -> None:
        """Of one message, or of several of a topic whose reaction takes them together."""
        digest.cap(session, self.parts.settings.messages_per_person)
        first, happened = portion[0], list[Happened]()
        for message in portion:
            outbox.speaks_of(session, message.ref, message.urgency)
            happened.append(Happened(session, message.topic, message.ref, message.payload, now))
        with structlog.contextvars.bound_contextvars(topic=first.topic, incident=first.ref):
            if len(portion) > 1:
                await TOGETHER[first.topic](happened)
            else:
                for reaction in REACTIONS.get(first.topic, ()):
                    await reaction(happened[0])
            await session.flush()


def _told_of(message: Taken, error: Exception, state: str | None) -> None:
    if state is not None:
        log.error(
            "reaction failed", message=message.id, error=type(error).__name__, exc_info=error, topic=message.topic,
            incident=message.ref, attempt=message.attempts + 1, state=state,
        )  # fmt: skip


def _portions(taken: Sequence[Taken]) -> Iterator[list[Taken]]:
    """What runs in a savepoint of its own: a message, or neighbours of a topic that is handled together."""
    for topic, neighbours in groupby(taken, lambda message: message.topic):
        if topic in TOGETHER:
            yield list(neighbours)
        else:
            yield from ([message] for message in neighbours)


def _sends(session: AsyncSession) -> bool:
    """Whether the transaction left something to send; the worker need not be woken for it, the caller does it at once."""
    left: set[Work] = session.info.get("wakes", set())
    if Work.DELIVERIES not in left:
        return False
    left.remove(Work.DELIVERIES)
    return True


def _is_lock_trouble(error: BaseException) -> bool:
    """Two transactions in each other's way: no fault of what was done, which is simply done again."""
    # The driver's own error stands behind the one that says the database is away.
    behind = getattr(error, "orig", None) or error.__cause__
    return getattr(behind, "sqlstate", None) in _LOCK_TROUBLE
