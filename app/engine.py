"""The loop: what is due is fired, what happened is followed up, what is to be sent is sent.

Workers, each doing one short thing at a time and then looking again: timers and reactions, deliveries, external steps, and the
leases of what is in hand. Wake-ups are hints (a commit in this process, a tick of the scheduler, the moment the next row falls
due); the rows are the truth, so any number of engines may run on one database and any of them may die. One bad row never stops a
worker: attempts are counted, then it is set aside and shown.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app import due, outbox
from app.access.parts import Parts
from app.away import Away
from app.db import Database, Work
from app.due import Taken
from app.flow import REACTIONS, TOGETHER
from app.in_hand import Fence, InHand
from app.installation import Watch
from app.notify import delivery, digest
from app.notify.channel import Channel
from app.notify.delivery import GRAVE, Outcome, Result
from app.outgoing import Outgoing
from app.playbooks import external
from app.reactions.context import Happened
from app.together import Together
from app.watch.receiver import SelfChannel
from app.wording import say

ATTEMPTS: Final = due.ATTEMPTS
AT_ONCE: Final = 160  # sends and calls under way in one engine
PATIENT_AT_ONCE: Final = (
    128  # of these, what is not grave: external steps, and sends below the two grave levels
)
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
_RECORDED_AT_ONCE: Final = 128
# When all places are taken, so many become free before more is claimed, or so many seconds pass: a claim of one costs as much as
# a claim of many.
_PLACES_TOGETHER: Final = 24
_FOR_PLACES: Final = 0.01
_WHILE_STOPPING: Final = timedelta(seconds=1)  # between two looks at what is still under way
_LOCK_TROUBLE: Final = frozenset({"40P01", "40001", "55P03"})  # deadlock, serialisation, lock not available

log = structlog.get_logger("engine")


@dataclass(frozen=True)
class Reach:
    """How the engine touches the world."""

    outgoing: Outgoing
    channels: Mapping[str, Channel]


class Engine:
    """One engine of this process; `run` serves until cancelled, then `finish` waits for what is under way. `settle` does
    what is due now and returns."""

    def __init__(self, parts: Parts, reach: Reach, *, steady: Callable[[], float] = time.monotonic) -> None:
        """`steady` counts the seconds a group of messages takes; standing still, no group is cut short by a slow machine."""
        self.parts, self._steady = parts, steady
        ours = SelfChannel(parts.db, parts.clock)
        self.reach = Reach(reach.outgoing, {**reach.channels, ours.name: ours})
        self.hold = Watch(parts.db, parts.clock, parts.settings.poll_every)
        self.last_tick: datetime | None = None  # when a look for what is due last came to its end
        self.in_hand = InHand(parts.settings.lease)
        self._next_due: dict[Work, datetime | None] = {}  # as the last look saw it; a hint
        self._sent = Together(self._record_sent, most=_RECORDED_AT_ONCE)
        self._doubted = Together(self._look_again, most=_RECORDED_AT_ONCE)
        self._places_free = asyncio.Event()  # several of them
        self._claiming = asyncio.Lock()  # from counting the places to filling them
        self._one_by_one = 0  # so many messages are handled alone, after a group that came to nothing
        self._under_way: set[asyncio.Task[None]] = set()
        self._patient: set[asyncio.Task[None]] = set()  # those under way that are not grave
        self._beside: set[asyncio.Task[None]] = set()  # those under way that wait for the lock of an incident
        # What came of sends and calls and could not be written down, because the database was away.
        self._unwritten: dict[tuple[Work, Fence], Callable[[], Awaitable[None]]] = {}

    @property
    def db(self) -> Database:
        return self.parts.db

    async def run(self) -> None:
        """Serve until cancelled; nothing new is begun then, and `finish` waits for what was."""
        reactors = 1 if self.db.is_sqlite else 2  # the second works while the first waits for the database
        async with asyncio.TaskGroup() as workers:
            for number in range(reactors):
                workers.create_task(self._serve(f"reactor-{number}", self.follow, Work.MESSAGES))
            workers.create_task(self._serve("deliveries", self._keep_delivering, Work.DELIVERIES))
            workers.create_task(self._serve("steps", self._start_calls, Work.CALLS))
            # Woken by each tick.
            workers.create_task(self._serve("leases", self.keep_leases, Work.DELIVERIES))

    async def finish(self, within: timedelta) -> None:
        """Wait for what is under way, so that no message is sent and then not written down. What takes longer is broken
        off, and taken up after its lease by whoever runs."""
        for _ in range(max(1, int(within / _WHILE_STOPPING))):
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=_WHILE_STOPPING.total_seconds())
            if self._under_way or self._unwritten:
                await self._keep_what_is_left()
            if not self._under_way:
                break
        if left := set(self._under_way):
            log.warning("broken off while stopping", number=len(left))
            for task in left:
                task.cancel()
            await asyncio.wait(left)
        if self._unwritten:
            log.warning("results not written down while stopping", number=len(self._unwritten))

    async def _keep_what_is_left(self) -> None:
        """A slow send outlasts a lease, and no tick extends it any more."""
        try:
            await self.keep_leases()
        except Away as error:
            log.warning("leases not extended while stopping", error=type(error).__name__)

    async def settle(self) -> None:
        """Do everything that is due at this moment, and what follows from it, until nothing is left."""
        while await self._may_act():
            busy = bool(self._under_way)  # what ends during the look may leave a place the look did not see
            did = await self.follow() or await self._start_deliveries() or await self._start_calls()
            if self._under_way:
                await asyncio.gather(*self._under_way)
            elif not (did or busy):
                return

    async def _may_act(self) -> bool:
        """The one gate: in hold no timer fires, nothing is followed up, nothing is sent or called."""
        if not await self.hold.look():
            return True
        self.last_tick = self.parts.clock.now()  # held is no standstill
        return False

    async def follow(self) -> bool:
        """Fire the timers that are due, then run the reactions to a group of messages. Says whether there was anything."""
        now = self.parts.clock.now()
        async with self.db.reading() as session:
            seen = await due.look(session, at=now)
        later = seen.next_timer is not None and seen.next_timer > now
        self._next_due[Work.MESSAGES] = seen.next_timer if later else None
        fired = seen.timers and await self._fire_timers(now, grave=seen.grave_timers)
        grave = seen.grave_messages or (seen.grave_timers and fired)
        if seen.messages and not grave:
            await self.parts.rush.passing(most=_LETS_PASS)
        urgent = grave or seen.urgent_messages
        reacted = (fired or seen.messages or urgent) and await self._react(now, urgent=urgent)
        self.last_tick = self.parts.clock.now()  # also with more to do: a storm is no standstill
        return fired or reacted

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
        moment = self._next_due.pop(work, None)
        if moment is None:
            return None
        return max((moment - self.parts.clock.now()).total_seconds(), 0) + 0.001

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
                locked = await self._handle(session, taken, now)
                sends = _sends(session)
        except Exception as error:
            log.warning("group undone, its messages follow one by one", error=type(error).__name__)
            self._one_by_one = _MESSAGES_AT_ONCE
            return True
        if locked:
            await self._go_round(locked)
        if sends:
            # A person waits for it; the next reaction, mostly a line on a timeline, does not mind.
            await self._claim_deliveries()
        return bool(taken)

    async def _handle(self, session: AsyncSession, taken: Sequence[Taken], now: datetime) -> list[Taken]:
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
            self._told_of(message, failure, state)
        return locked

    async def _go_round(self, locked: Sequence[Taken]) -> None:
        """Let messages whose incident somebody holds wait for it beside the others; those that find no place there are put off."""
        places = max(_BESIDE_AT_ONCE - len(self._beside), 0)
        for message in locked[:places]:
            self._wait_beside(message)
        if later := [message.id for message in locked[places:]]:
            async with self.db.transaction() as session:
                await due.postpone(session, later, at=self.parts.clock.now())

    def _wait_beside(self, message: Taken) -> None:
        task = asyncio.ensure_future(self._react_beside(message))
        for tasks in (self._under_way, self._beside):
            tasks.add(task)
            task.add_done_callback(tasks.discard)
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
            self._told_of(message, error, state)
        else:
            if sends:
                await self._claim_deliveries()
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

    def _told_of(self, message: Taken, error: Exception, state: str | None) -> None:
        if state is not None:
            log.error(
                "reaction failed", message=message.id, error=type(error).__name__, exc_info=error, topic=message.topic,
                incident=message.ref, attempt=message.attempts + 1, state=state,
            )  # fmt: skip

    async def _start_deliveries(self) -> bool:
        """Claim what is due and begin to send it; the sending goes on beside the next look."""
        return await self._claim_deliveries()

    async def _keep_delivering(self) -> bool:
        began = await self._claim_deliveries()
        if began and self._room() <= 0:
            self._places_free.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_FOR_PLACES):
                    await self._places_free.wait()
        return began

    async def _claim_deliveries(self) -> bool:
        async with self._claiming:
            return await self._claim_what_fits()

    async def _claim_what_fits(self) -> bool:
        room, least_level = self._places()
        if room <= 0:
            return False
        await self.keep_leases()  # what we have in hand is not taken a second time, however late we are
        now = self.parts.clock.now()
        async with self.db.reading() as session:
            seen = await delivery.look(session, at=now)
        self._next_due[Work.DELIVERIES] = seen.next
        levels = [level for level in seen.levels if least_level is None or level <= least_level]
        if not levels:
            return False
        async with self.db.transaction() as session:
            claimed = await delivery.claim(
                session, vault=self.parts.vault, at=now, lease=self.in_hand.lease, limit=room, levels=levels
            )
        for one in claimed:
            self._begin(Work.DELIVERIES, _fence(one), self._deliver(one), at=now, grave=one.level in GRAVE)
        if len(claimed) == room:
            self.db.wake.set({Work.DELIVERIES})  # there may be more, and places for it
        return bool(claimed)

    def _places(self) -> tuple[int, int | None]:
        """How many deliveries may be claimed now, and the least grave level that may be among them; none: any."""
        room, patient = AT_ONCE - len(self._under_way), PATIENT_AT_ONCE - len(self._patient)
        return (min(room, patient), None) if patient > 0 else (room, max(GRAVE))

    def _room(self) -> int:
        """How many places there are for what is not grave."""
        return min(AT_ONCE - len(self._under_way), PATIENT_AT_ONCE - len(self._patient))

    async def _start_calls(self) -> bool:
        async with self._claiming:
            return await self._claim_calls()

    async def _claim_calls(self) -> bool:
        room = self._room()
        if room <= 0:
            return False
        await self.keep_leases()
        now = self.parts.clock.now()
        async with self.db.reading() as session:
            first = await external.next_due(session)
        self._next_due[Work.CALLS] = first if first is not None and first > now else None
        if first is None or first > now:
            return False
        async with self.db.transaction() as session:
            claimed = await external.claim(session, at=now, lease=self.in_hand.lease, limit=room)
        for one in claimed:
            self._begin(Work.CALLS, _fence(one), self._call(one), at=now, grave=False)
        return bool(claimed)

    async def keep_leases(self) -> bool:
        """Extend the leases of what is in hand, where a good part of them has passed. What another engine has by now is not
        begun any more. What came of sends while the database was away is then written down, under a lease that was kept.
        Never more to do at once."""
        now = self.parts.clock.now()
        asked = self.in_hand.to_extend(at=now)
        for work, fences in asked.items():
            extend = delivery.extend if work is Work.DELIVERIES else external.extend
            async with self.db.transaction() as session:
                kept = await extend(session, fences, until=now + self.in_hand.lease)
            if lost := self.in_hand.extended(work, fences, kept, at=now):
                log.warning("leases lost", work=work, number=len(lost))
        await self._write_what_is_left()
        return False

    async def _write_what_is_left(self) -> None:
        """Fenced as ever: where another engine took one over meanwhile, its own result stands."""
        while self._unwritten:
            (work, fence), write = self._unwritten.popitem()
            try:
                await write()
            except Away:
                self._unwritten[work, fence] = write
                raise
            except Exception as error:
                log.exception("result not recorded", work=work, row=fence[0], error=type(error).__name__)
            self.in_hand.put_down(work, fence)

    def _begin(self, work: Work, fence: Fence, doing: Awaitable[None], *, at: datetime, grave: bool) -> None:
        self.in_hand.took(work, fence, at=at)
        task = asyncio.ensure_future(doing)
        self._under_way.add(task)
        if not grave:
            self._patient.add(task)
        task.add_done_callback(lambda ended: self._ended(ended, work, fence))

    def _ended(self, task: "asyncio.Task[None]", work: Work, fence: Fence) -> None:
        if (work, fence) not in self._unwritten:
            self.in_hand.put_down(work, fence)
        was_full = len(self._under_way) >= AT_ONCE or len(self._patient) >= PATIENT_AT_ONCE
        self._under_way.discard(task)
        self._patient.discard(task)
        if self._room() >= _PLACES_TOGETHER:
            self._places_free.set()
        if was_full:
            self.db.wake.set({Work.DELIVERIES, Work.CALLS})

    async def _deliver(self, claimed: delivery.Claimed) -> None:
        try:
            if not await self._may_begin(claimed):
                return
            outcome = await self._send(claimed)
            try:
                if outcome.result is Result.SENT:
                    await self._sent.add((claimed, outcome))
                else:
                    await self._record(claimed, outcome)
            except Away as error:
                # The receiver has it: while this process lives, no second copy for want of a record.
                log.warning(
                    "delivery recorded later", delivery=claimed.delivery_id, error=type(error).__name__
                )
                self._unwritten[Work.DELIVERIES, _fence(claimed)] = partial(self._record, claimed, outcome)
        except Exception as error:
            # Not written down: its lease ends and it is sent again, under the same key.
            log.exception("delivery not recorded", delivery=claimed.delivery_id, error=type(error).__name__)

    async def _may_begin(self, claimed: delivery.Claimed) -> bool:
        """Whether a message may still be sent, if it was taken a while ago: this process may have stood still."""
        now = self.parts.clock.now()
        if now - claimed.at < delivery.FRESH and self.in_hand.holds(Work.DELIVERIES, _fence(claimed), at=now):
            return True
        await self._doubted.add(claimed)
        return self.in_hand.holds(Work.DELIVERIES, _fence(claimed), at=self.parts.clock.now())

    async def _look_again(self, doubted: Sequence[delivery.Claimed]) -> None:
        """What must not be sent any more is put down."""
        await self.keep_leases()
        async with self.db.transaction() as session:
            wanted = await delivery.still_wanted(session, doubted, at=self.parts.clock.now())
        for one in {_fence(one) for one in doubted} - {_fence(one) for one in wanted}:
            self.in_hand.put_down(Work.DELIVERIES, one)

    async def _send(self, claimed: delivery.Claimed) -> Outcome:
        settings = self.parts.settings
        try:
            return await delivery.send(
                claimed, self.reach.channels, vault=self.parts.vault, base_url=settings.base_url,
                default_language=settings.language,
            )  # fmt: skip
        except Exception as error:
            log.error(
                "channel broke",
                delivery=claimed.delivery_id,
                channel=claimed.channel,
                error=type(error).__name__,
            )
            return delivery.unexpected(error)

    async def _record_sent(self, results: Sequence[tuple[delivery.Claimed, Outcome]]) -> None:
        try:
            async with self.db.transaction() as session:
                await delivery.record_sent(session, results, at=self.parts.clock.now())
        except Exception as error:
            # One that cannot be written keeps no other from it; with the database away, each would wait in vain.
            if len(results) == 1 or isinstance(error, Away):
                raise
            for claimed, outcome in results:
                try:
                    await self._record(claimed, outcome)
                except Exception as alone:
                    log.exception(
                        "delivery not recorded", delivery=claimed.delivery_id, error=type(alone).__name__
                    )

    async def _record(self, claimed: delivery.Claimed, outcome: Outcome) -> None:
        async with self.db.transaction() as session:
            await delivery.record(session, claimed, outcome, at=self.parts.clock.now())

    async def _call(self, claimed: external.Claimed) -> None:
        settings = self.parts.settings
        if not self.in_hand.holds(Work.CALLS, _fence(claimed), at=self.parts.clock.now()):
            return  # this process stood still past its lease; whoever takes it next calls it
        try:
            answer = await external.call(
                claimed, self.reach.outgoing, settings.connections, deadline=settings.request_deadline
            )
            await self._note(claimed, answer)
        except Away as error:
            log.warning("step recorded later", step=claimed.step_id, error=type(error).__name__)
            self._unwritten[Work.CALLS, _fence(claimed)] = partial(self._note, claimed, answer)
        except Exception as error:
            log.exception("step not recorded", step=claimed.step_id, error=type(error).__name__)
            await self._give_up(claimed, error)

    async def _note(self, claimed: external.Claimed, answer: external.Answer) -> None:
        async with self.db.transaction() as session:
            await external.note(session, claimed, answer, at=self.parts.clock.now())

    async def _give_up(self, claimed: external.Claimed, error: Exception) -> None:
        """What came of the call cannot be written down as it is: the step fails and a person is asked, else it would
        be called again with each lease, without end."""
        refusal = say("playbooks.unexpected", kind=type(error).__name__)
        try:
            await self._note(claimed, external.Answer(refusal=refusal))
        except Exception as again:
            # The database itself is away; the lease ends and the step is called again, under the same key.
            log.exception("step not given up", step=claimed.step_id, error=type(again).__name__)


def _fence(claimed: delivery.Claimed | external.Claimed) -> Fence:
    named = claimed.delivery_id if isinstance(claimed, delivery.Claimed) else claimed.step_id
    return named, claimed.attempt


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
