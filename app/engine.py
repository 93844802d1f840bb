"""The loop: what is due is fired, what happened is followed up, what is to be sent is sent.

Three workers, each doing one short thing at a time and then looking again: timers and reactions, deliveries, external steps.
Wake-ups are hints (a commit in this process, a tick of the scheduler); the rows are the truth, so any number of engines may run on
one database and any of them may die. One bad row never stops a worker: attempts are counted, then it is set aside and shown.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Select, exists, insert, select, update
from sqlalchemy.orm import aliased

from app.access.parts import Parts
from app.db import Database, Work, inline
from app.flow import REACTIONS
from app.installation import Watch
from app.notify import delivery
from app.notify.channel import Channel
from app.notify.delivery import GRAVE
from app.outbox import MessageState, OutboxMessage, Timer, TimerState
from app.outgoing import Outgoing
from app.playbooks import external
from app.reactions.context import Happened
from app.wording import say

ATTEMPTS: Final = 8  # reactions of one message; then it is parked
_FIRST_WAIT: Final = timedelta(seconds=1)
_AT_ONCE: Final = 64  # sends and calls under way in one engine
_PATIENT_AT_ONCE: Final = (
    48  # of these, what is not grave: external steps, and sends below the two grave levels
)
_TIMERS_AT_ONCE: Final = 200

log = structlog.get_logger("engine")


@dataclass(frozen=True)
class Reach:
    """How the engine touches the world."""

    outgoing: Outgoing
    channels: Mapping[str, Channel]


class Engine:
    """One engine of this process; `run` serves until cancelled, then `finish` waits for what is under way. `settle` does
    what is due now and returns."""

    def __init__(self, parts: Parts, reach: Reach) -> None:
        self.parts = parts
        self.reach = reach
        self.hold = Watch(parts.db, parts.clock, parts.settings.poll_every)
        self.last_tick: datetime | None = None  # when a look for what is due last came to its end
        self._under_way: set[asyncio.Task[None]] = set()
        self._patient: set[asyncio.Task[None]] = set()  # those under way that are not grave

    @property
    def db(self) -> Database:
        return self.parts.db

    async def run(self) -> None:
        """Serve until cancelled; nothing new is begun then, and `finish` waits for what was."""
        reactors = 1 if self.db.is_sqlite else 2  # the second works while the first waits for the database
        async with asyncio.TaskGroup() as workers:
            for number in range(reactors):
                workers.create_task(self._serve(f"reactor-{number}", self.follow, Work.MESSAGES))
            workers.create_task(self._serve("deliveries", self._start_deliveries, Work.DELIVERIES))
            workers.create_task(self._serve("steps", self._start_calls, Work.CALLS))

    async def finish(self, within: timedelta) -> None:
        """Wait for what is under way, so that no message is sent and then not written down. What takes longer is broken
        off, and taken up after its lease by whoever runs."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within.total_seconds())
        if left := set(self._under_way):
            log.warning("broken off while stopping", number=len(left))
            for task in left:
                task.cancel()
            await asyncio.wait(left)

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
        """Fire the timers that are due, then run the reactions to one message. Says whether there was anything."""
        now = self.parts.clock.now()
        async with self.db.reading() as session:
            timers, message = (
                await session.execute(select(exists(_due_timers(now)), exists(_next_message(now))))
            ).one()
        fired = bool(timers) and await self._fire_timers(now)
        reacted = bool(fired or message) and await self._react(now)
        self.last_tick = self.parts.clock.now()  # also with more to do: a storm is no standstill
        return fired or reacted

    async def _serve(self, name: str, once: Callable[[], Awaitable[bool]], work: Work) -> None:
        """Look until there is nothing, then wait to be woken. A failing database is waited out."""
        async with self.db.wake.listening(work) as woken:
            while True:
                woken.clear()
                try:
                    while await self._may_act() and await once():
                        pass
                except Exception as error:  # the loop must outlive anything
                    log.exception("worker failed", worker=name, error=type(error).__name__)
                # The scheduler's tick ends this wait at the latest.
                await woken.wait()

    async def _fire_timers(self, now: datetime) -> bool:
        due = _due_timers(now).order_by(Timer.due_at, Timer.id).limit(_TIMERS_AT_ONCE)
        async with self.db.transaction() as session:
            fired = await session.execute(
                update(Timer)
                .where(Timer.id.in_(due.with_for_update(skip_locked=True)))
                .values(state=TimerState.FIRED)
                .returning(Timer.id, Timer.topic, Timer.ref, Timer.payload, Timer.due_at)
            )
            rows = sorted(fired.all(), key=lambda row: (row.due_at, row.id))
            if rows:
                messages = [
                    {
                        "topic": row.topic,
                        "ref": row.ref,
                        "payload": row.payload,
                        "created_at": now,
                        "not_before": now,
                    }
                    for row in rows
                ]
                await session.execute(insert(OutboxMessage), messages)
        return bool(rows)

    async def _react(self, now: datetime) -> bool:
        message_id: int | None = None
        sends = False
        try:
            async with self.db.transaction() as session:
                message = await session.scalar(_next_message(now).with_for_update(skip_locked=True))
                if message is None:
                    return False
                message_id = message.id
                happened = Happened(session, message.topic, message.ref, message.payload, now)
                with structlog.contextvars.bound_contextvars(topic=message.topic, incident=message.ref):
                    for reaction in REACTIONS.get(message.topic, ()):
                        await reaction(happened)
                message.state, message.done_at = MessageState.DONE, now
                left: set[Work] = session.info.get("wakes", set())
                if sends := Work.DELIVERIES in left:
                    left.remove(Work.DELIVERIES)  # done below, without waking anybody
        except Exception as error:
            if message_id is None:
                raise
            await self._note_failure(message_id, error, now)
        else:
            if sends:
                # A person waits for it; the next reaction, mostly a line on a timeline, does not mind.
                await self._claim_deliveries()
        return True

    async def _note_failure(self, message_id: int, error: Exception, now: datetime) -> None:
        """Count it, try again later, and in the end set it aside: it holds back its own incident only, and not for ever."""
        async with self.db.transaction() as session:
            message = await session.get_one(OutboxMessage, message_id, with_for_update=True)
            if message.state != MessageState.PENDING:
                return
            message.attempts += 1
            message.last_error = f"{type(error).__name__}: {error}"[:2000]
            message.not_before = now + _FIRST_WAIT * 2 ** (message.attempts - 1)
            if message.attempts >= ATTEMPTS:
                message.state = MessageState.PARKED
            told = {
                "topic": message.topic,
                "incident": message.ref,
                "attempt": message.attempts,
                "state": message.state,
            }
        log.error("reaction failed", message=message_id, error=type(error).__name__, exc_info=error, **told)

    async def _start_deliveries(self) -> bool:
        """Claim what is due and begin to send it; the sending goes on beside the next look."""
        async with self.db.reading() as session:
            if not await delivery.is_due(session, at=self.parts.clock.now(), least_level=self._places()[1]):
                return False
        return await self._claim_deliveries()

    async def _claim_deliveries(self) -> bool:
        room, least_level = self._places()
        if room <= 0:
            return False
        now, lease = self.parts.clock.now(), self.parts.settings.lease
        async with self.db.transaction() as session:
            claimed = await delivery.claim(
                session, vault=self.parts.vault, at=now, lease=lease, limit=room, least_level=least_level
            )
        for one in claimed:
            self._begin(self._deliver(one), grave=one.level in GRAVE)
        if len(claimed) == room:
            self.db.wake.set({Work.DELIVERIES})  # there may be more, and places for it
        return bool(claimed)

    def _places(self) -> tuple[int, int | None]:
        """How many deliveries may be claimed now, and the least grave level that may be among them; none: any."""
        room, patient = _AT_ONCE - len(self._under_way), _PATIENT_AT_ONCE - len(self._patient)
        return (min(room, patient), None) if patient > 0 else (room, max(GRAVE))

    async def _start_calls(self) -> bool:
        room = min(_AT_ONCE - len(self._under_way), _PATIENT_AT_ONCE - len(self._patient))
        if room <= 0:
            return False
        now = self.parts.clock.now()
        async with self.db.reading() as session:
            if not await external.is_due(session, at=now):
                return False
        async with self.db.transaction() as session:
            claimed = await external.claim(session, at=now, lease=self.parts.settings.lease, limit=room)
        for one in claimed:
            self._begin(self._call(one), grave=False)
        return bool(claimed)

    def _begin(self, work: Awaitable[None], *, grave: bool) -> None:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        if not grave:
            self._patient.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        was_full = len(self._under_way) >= _AT_ONCE or len(self._patient) >= _PATIENT_AT_ONCE
        self._under_way.discard(task)
        self._patient.discard(task)
        if was_full:
            self.db.wake.set({Work.DELIVERIES, Work.CALLS})

    async def _deliver(self, claimed: delivery.Claimed) -> None:
        settings = self.parts.settings
        try:
            outcome = await delivery.send(
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
            outcome = delivery.unexpected(error)
        try:
            async with self.db.transaction() as session:
                await delivery.record(session, claimed, outcome, at=self.parts.clock.now())
        except Exception as error:
            # Not written down: its lease ends and it is sent again, under the same key.
            log.exception("delivery not recorded", delivery=claimed.delivery_id, error=type(error).__name__)

    async def _call(self, claimed: external.Claimed) -> None:
        settings = self.parts.settings
        try:
            answer = await external.call(
                claimed, self.reach.outgoing, settings.connections, deadline=settings.request_deadline
            )
            async with self.db.transaction() as session:
                await external.note(session, claimed, answer, at=self.parts.clock.now())
        except Exception as error:
            log.exception("step not recorded", step=claimed.step_id, error=type(error).__name__)
            await self._give_up(claimed, error)

    async def _give_up(self, claimed: external.Claimed, error: Exception) -> None:
        """What came of the call cannot be written down as it is: the step fails and a person is asked, else it would
        be called again with each lease, without end."""
        refusal = say("playbooks.unexpected", kind=type(error).__name__)
        try:
            async with self.db.transaction() as session:
                await external.note(
                    session, claimed, external.Answer(refusal=refusal), at=self.parts.clock.now()
                )
        except Exception as again:
            # The database itself is away; the lease ends and the step is called again, under the same key.
            log.exception("step not given up", step=claimed.step_id, error=type(again).__name__)


def _due_timers(now: datetime) -> Select[int]:
    return select(Timer.id).where(Timer.state == inline(TimerState.ARMED), Timer.due_at <= now)


def _next_message(now: datetime) -> Select[OutboxMessage]:
    """The oldest message that may be handled: none before it, of the same ref, is still pending."""
    earlier = aliased(OutboxMessage)
    held_back = exists().where(
        earlier.state == inline(MessageState.PENDING),
        earlier.ref == OutboxMessage.ref,
        earlier.id < OutboxMessage.id,
    )
    return (
        select(OutboxMessage)
        .where(
            OutboxMessage.state == inline(MessageState.PENDING), OutboxMessage.not_before <= now, ~held_back
        )
        .order_by(OutboxMessage.id)
        .limit(1)
    )
