"""A small organisation and a notify room on the manual clock, for the tests of who is reached.

Ada is on duty, Ben heads the department, Cao is the general manager. The world sends what is due and lets
timers fall due, as the engine does, and holds no rule of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, text, update

from app.clock import ManualClock
from app.db import Database
from app.ids import new_id
from app.notify import chain, delivery
from app.notify.channel import Channel
from app.notify.claimed import Claimed
from app.notify.delivery import Outcome
from app.notify.document import Chain, Hop
from app.notify.tables import Delivery, DeliveryState, Round
from app.outbox import OutboxMessage, Timer, TimerState
from app.people.tables import Assignment, Availability, ContactPoint, Department, Person, Position
from app.vault import Vault
from app.vocabulary import Layer
from app.wording import spoken
from tests.fakes import FakeChannel

START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
LEASE = timedelta(seconds=60)
SUBJECT = {"zh": "系统故障", "en": "System outage"}
TEXT = {"zh": "工单系统无法登录", "en": "Nobody can sign in to the ticket system"}


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def three_rungs(**first: Any) -> Chain:
    return Chain(
        hops=[
            Hop(tell=["duty_lead"], within=minutes(15), **first),
            Hop(tell=["department_head"], within=minutes(15)),
            Hop(tell=["general_manager"], within=minutes(15)),
        ],
        repeat_after=minutes(30),
    )


@dataclass
class World:
    db: Database
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    vault: Vault = field(default_factory=lambda: Vault(b"a key of the tests"))
    fake: FakeChannel = field(default_factory=FakeChannel)
    seen: int = 0

    @property
    def channels(self) -> Mapping[str, Channel]:
        return {"fake": self.fake}

    async def person(
        self,
        name: str,
        *positions: str,
        addresses: Sequence[str] | None = None,
        channel: str = "fake",
        **more: Any,
    ) -> str:
        """Somebody who holds `positions`.

        Each address is a contact point, `channel:address` names another channel.
        """
        at = self.clock.now()
        async with self.db.transaction() as session:
            person_id = new_id(at)
            session.add(
                Person(id=person_id, name=name, skills=[], created_at=at, **{"language": "en", **more})
            )
            await session.flush()
            for position in positions:
                if await session.get(Position, position) is None:
                    await self._position(session, position)
                session.add(Assignment(person_id=person_id, position_id=position))
            for rank, given in enumerate([name.lower()] if addresses is None else addresses, start=1):
                named, _, address = given.rpartition(":")
                session.add(
                    ContactPoint(
                        id=new_id(at),
                        person_id=person_id,
                        rank=rank,
                        channel=named or channel,
                        address_sealed=self.vault.seal(address),
                        address_masked=f"{address[:1]}…",
                    )
                )
        return person_id

    async def _position(self, session: Any, position: str) -> None:
        if await session.get(Department, "centre") is None:
            session.add(Department(id="centre", title=SUBJECT, layer=Layer.EXECUTION))
            await session.flush()
        named = {"zh": position, "en": position.replace("_", " ")}
        session.add(
            Position(id=position, title=named, layer=Layer.EXECUTION, department_id="centre", duties=[])
        )
        await session.flush()

    async def ada_ben_and_cao(self) -> None:
        await self.person("Ada", "duty_lead")
        await self.person("Ben", "department_head")
        await self.person("Cao", "general_manager")

    async def leave(self, person_id: str) -> None:
        async with self.db.transaction() as session:
            await session.execute(
                update(Person).where(Person.id == person_id).values(availability=Availability.LEAVE)
            )

    async def call(self, plan: Chain, *, key: str = "INC:1:1", ref: str = "INC", **more: Any) -> str:
        said = {"number": "INC-2026-0001", "level": 1, "exercise": False, "subject": SUBJECT, "text": TEXT}
        async with self.db.transaction() as session:
            begun = await chain.call(
                session, ref=ref, key=key, chain=plan, at=self.clock.now(), **{**said, **more}
            )
            return begun.id

    async def advance(self, by: timedelta) -> None:
        """Let time pass: at each moment something falls due, timers first, then messages, as the engine does."""
        end = self.clock.now() + by
        await self.settle()
        while (moment := await self._next_moment()) is not None and moment <= end:
            self.clock.move_to(max(moment, self.clock.now()))
            await self.settle()
        self.clock.move_to(end)

    async def settle(self) -> None:
        """Everything that is due now."""
        while await self._fire() or await self.deliver():
            pass

    async def deliver(self) -> int:
        """Send what is due, once each."""
        claimed = await self.claim()
        for one in claimed:
            await self.record(one, await self.send(one))
        return len(claimed)

    async def claim(self, *, limit: int = 50) -> list[Claimed]:
        async with self.db.transaction() as session:
            return await delivery.claim(
                session, vault=self.vault, at=self.clock.now(), lease=LEASE, limit=limit
            )

    async def send(self, one: Claimed) -> Outcome:
        return await delivery.send(
            one,
            self.channels,
            vault=self.vault,
            base_url="https://muster.example",
            default_language="zh-Hans",
        )

    async def record(self, one: Claimed, outcome: Outcome) -> bool:
        async with self.db.transaction() as session:
            return await delivery.record(session, one, outcome, at=self.clock.now())

    def told(self) -> list[str]:
        """The addresses told since last asked."""
        fresh = [sent.to for sent in self.fake.sent[self.seen :]]
        self.seen = len(self.fake.sent)
        return fresh

    async def rows(self, *which: Any) -> Sequence[Delivery]:
        async with self.db.reading() as session:
            query = (
                select(Delivery).where(*which).order_by(Delivery.created_at, Delivery.not_before, Delivery.id)
            )
            return (await session.scalars(query)).all()

    async def row(self, *which: Any) -> Delivery:
        (only,) = await self.rows(*which)
        return only

    async def reasons(self) -> list[str | None]:
        """Why each dropped delivery was dropped, in English."""
        return [spoken(row.reason, "en") for row in await self.rows(Delivery.state == DeliveryState.DROPPED)]

    async def waits_for_a_lock(self) -> bool:
        """Whether some statement is held up by another transaction; PostgreSQL only."""
        async with self.db.reading() as session:
            waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
            return bool(await session.scalar(text(waiting)))

    async def round(self, round_id: str) -> Round:
        async with self.db.reading() as session:
            return await session.get_one(Round, round_id)

    async def topics(self) -> list[tuple[str, dict[str, Any]]]:
        async with self.db.reading() as session:
            rows = await session.scalars(select(OutboxMessage).order_by(OutboxMessage.id))
            return [(row.topic, row.payload) for row in rows]

    async def armed(self) -> Sequence[Timer]:
        async with self.db.reading() as session:
            return (await session.scalars(select(Timer).where(Timer.state == TimerState.ARMED))).all()

    async def _fire(self) -> bool:
        due = [timer for timer in await self.armed() if timer.due_at <= self.clock.now()]
        # Two transactions, as in the engine: a timer becomes a message in one, the reaction to it runs in the
        # next.
        for timer in due:
            async with self.db.transaction() as session:
                await session.execute(
                    update(Timer)
                    .where(Timer.id == timer.id, Timer.state == TimerState.ARMED)
                    .values(state=TimerState.FIRED)
                )
            async with self.db.transaction() as session:
                await chain.rung_due(session, **timer.payload, at=self.clock.now())
        return bool(due)

    async def _next_moment(self) -> datetime | None:
        waiting = await self.rows(Delivery.state.in_((DeliveryState.PENDING, DeliveryState.SENDING)))
        moments = [row.not_before for row in waiting] + [timer.due_at for timer in await self.armed()]
        return min(moments, default=None)
