"""What is to be sent is sent, and what is to be called is called: claimed under a lease, carried out beside the loop, written down.

A lease is extended while what it stands for is in hand; what another engine has by now is not begun any more. What came of a
send while the database was away is kept and written down later, so that this process sends no second copy for want of a record.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from app.access.parts import Parts
from app.away import Away
from app.db import Work
from app.in_hand import Fence, InHand
from app.notify import delivery
from app.notify.channel import Channel
from app.notify.claimed import Claimed
from app.notify.delivery import GRAVE, Outcome, Result
from app.outgoing import Outgoing
from app.playbooks import external
from app.together import Together
from app.wording import say

AT_ONCE: Final = 160  # sends and calls under way in one engine
PATIENT_AT_ONCE: Final = (
    128  # of these, what is not grave: external steps, and sends below the two grave levels
)
_RECORDED_AT_ONCE: Final = 128
# When all places are taken, so many become free before more is claimed, or so many seconds pass: a claim of one costs as much as
# a claim of many.
_PLACES_TOGETHER: Final = 24
_FOR_PLACES: Final = 0.01
_WHILE_STOPPING: Final = timedelta(seconds=1)  # between two looks at what is still under way

log = structlog.get_logger("engine")


@dataclass(frozen=True)
class Reach:
    """How the engine touches the world."""

    outgoing: Outgoing
    channels: Mapping[str, Channel]


class Carrier:
    """Everything one engine sends and calls."""

    def __init__(self, parts: Parts, reach: Reach) -> None:
        self.parts, self.db, self.reach = parts, parts.db, reach
        self.in_hand = InHand(parts.settings.lease)
        self.next_due: dict[Work, datetime | None] = {}  # as the last look saw it; a hint
        self.under_way: set[asyncio.Task[None]] = set()
        self._patient: set[asyncio.Task[None]] = set()  # those under way that are not grave
        self._sent = Together(self._record_sent, most=_RECORDED_AT_ONCE)
        self._doubted = Together(self._look_again, most=_RECORDED_AT_ONCE)
        self._places_free = asyncio.Event()  # several of them
        self._claiming = asyncio.Lock()  # from counting the places to filling them
        # What came of sends and calls and could not be written down, because the database was away.
        self._unwritten: dict[tuple[Work, Fence], Callable[[], Awaitable[None]]] = {}

    async def keep_delivering(self) -> bool:
        """Begin to send what is due; where all places are taken, wait for several of them."""
        began = await self.start_deliveries()
        if began and self._room() <= 0:
            self._places_free.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_FOR_PLACES):
                    await self._places_free.wait()
        return began

    async def start_deliveries(self) -> bool:
        """Claim what is due and begin to send it; the sending goes on beside the next look."""
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
        self.next_due[Work.DELIVERIES] = seen.next
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
        room, patient = AT_ONCE - len(self.under_way), PATIENT_AT_ONCE - len(self._patient)
        return (min(room, patient), None) if patient > 0 else (room, max(GRAVE))

    def _room(self) -> int:
        """How many places there are for what is not grave."""
        return min(AT_ONCE - len(self.under_way), PATIENT_AT_ONCE - len(self._patient))

    async def start_calls(self) -> bool:
        """Claim the external steps that are due and begin to call."""
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
        self.next_due[Work.CALLS] = first if first is not None and first > now else None
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

    async def finish(self, within: timedelta, *, besides: Set[asyncio.Task[None]]) -> None:
        """Wait for what is under way, here and `besides`, so that no message is sent and then not written down. What takes
        longer is broken off, and taken up after its lease by whoever runs."""
        for _ in range(max(1, int(within / _WHILE_STOPPING))):
            if left := self.under_way | besides:
                _, left = await asyncio.wait(left, timeout=_WHILE_STOPPING.total_seconds())
            if left or self._unwritten:
                await self._keep_what_is_left()
            if not left:
                break
        if left := self.under_way | besides:
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
        self.under_way.add(task)
        if not grave:
            self._patient.add(task)
        task.add_done_callback(lambda ended: self._ended(ended, work, fence))

    def _ended(self, task: "asyncio.Task[None]", work: Work, fence: Fence) -> None:
        if (work, fence) not in self._unwritten:
            self.in_hand.put_down(work, fence)
        was_full = len(self.under_way) >= AT_ONCE or len(self._patient) >= PATIENT_AT_ONCE
        self.under_way.discard(task)
        self._patient.discard(task)
        if self._room() >= _PLACES_TOGETHER:
            self._places_free.set()
        if was_full:
            self.db.wake.set({Work.DELIVERIES, Work.CALLS})

    async def _deliver(self, claimed: Claimed) -> None:
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

    async def _may_begin(self, claimed: Claimed) -> bool:
        """Whether a message may still be sent, if it was taken a while ago: this process may have stood still."""
        now = self.parts.clock.now()
        if now - claimed.at < delivery.FRESH and self.in_hand.holds(Work.DELIVERIES, _fence(claimed), at=now):
            return True
        await self._doubted.add(claimed)
        return self.in_hand.holds(Work.DELIVERIES, _fence(claimed), at=self.parts.clock.now())

    async def _look_again(self, doubted: Sequence[Claimed]) -> None:
        """What must not be sent any more is put down."""
        await self.keep_leases()
        async with self.db.transaction() as session:
            wanted = await delivery.still_wanted(session, doubted, at=self.parts.clock.now())
        for one in {_fence(one) for one in doubted} - {_fence(one) for one in wanted}:
            self.in_hand.put_down(Work.DELIVERIES, one)

    async def _send(self, claimed: Claimed) -> Outcome:
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

    async def _record_sent(self, results: Sequence[tuple[Claimed, Outcome]]) -> None:
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

    async def _record(self, claimed: Claimed, outcome: Outcome) -> None:
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


def _fence(claimed: Claimed | external.Claimed) -> Fence:
    named = claimed.delivery_id if isinstance(claimed, Claimed) else claimed.step_id
    return named, claimed.attempt
