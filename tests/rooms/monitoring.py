"""A source on the manual clock, for the tests of intake: it says things, and the world judges them as the engine does.

Messages are handled in the order of the outbox, each in one transaction that also marks it done.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import func, select

from app.clock import ManualClock
from app.db import Database
from app.ids import new_id
from app.incidents import record, timeline
from app.incidents.tables import Incident, TimelineEntry
from app.intake import correlation, enrolment, inbox
from app.intake.enrolment import Enrolment
from app.intake.signals import Signal, SignalState, packed
from app.intake.tables import Outcome, Problem, Receipt, ReceiptState, Source, Verdict
from app.levels import matrix
from app.outbox import MessageState, OutboxMessage
from app.plan.document import PlanDocument
from app.vault import Vault

START = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
T1, T2, T3 = (f"2026-11-22T{hour}:10:00+00:00" for hour in ("17", "19", "21"))
PLAN = Path(__file__).parent.parent.parent / "playbooks.yaml"
LEVELS = PlanDocument.model_validate(yaml.safe_load(PLAN.read_text("utf-8"))).grading()

MOST = LEVELS.storm.after  # incidents; the next problem makes it a storm


@dataclass
class World:
    db: Database
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    vault: Vault = field(default_factory=lambda: Vault(b"a key of the tests"))
    keys: dict[str, str] = field(default_factory=dict)

    async def prepare(self) -> None:
        async with self.db.transaction() as session:
            await matrix.adopt(session, "rev", LEVELS, at=self.clock.now())
        await self.enrol("prom", "alertmanager")

    async def enrol(self, slug: str, kind: str, **more: Any) -> str:
        """A source, and its key."""
        said = Enrolment(slug=slug, kind=kind, name=slug.title(), **more)
        async with self.db.transaction() as session:
            _, key = await enrolment.enrol(session, said, vault=self.vault, by="tests", at=self.clock.now())
        self.keys[slug] = key
        return key

    async def tell(self, *told: Signal, slug: str = "prom") -> list[Outcome]:
        """The source says it, it is judged, and this is what became of each signal."""
        receipt = await self.receive(*told, slug=slug)
        await self.judge_all()
        return await self.outcomes(receipt)

    async def receive(self, *told: Signal, slug: str = "prom") -> str:
        """The rows of a request that said this, without its bytes."""
        at = self.clock.now()
        async with self.db.transaction() as session:
            source = await enrolment.found(session, slug)
            receipt = Receipt(
                id=new_id(at), source_id=source.id, received_at=at, body=b"{}", state=ReceiptState.UNDERSTOOD, unjudged=bool(told),
                signals=[packed(signal) for signal in told],
            )  # fmt: skip
            session.add(receipt)
            await inbox.send(session, list(inbox.messages(source, receipt.id, receipt.signals, at)), at=at)
            return receipt.id

    async def judge_all(self) -> None:
        while (message_id := await self._next()) is not None:
            async with self.db.transaction() as session:
                message = await session.get_one(OutboxMessage, message_id)
                await correlation.judge(session, [message.payload], self.clock.now())
                message.state = MessageState.DONE

    async def outcomes(self, receipt_id: str) -> list[Outcome]:
        query = select(Verdict.outcome).where(Verdict.receipt_id == receipt_id).order_by(Verdict.position)
        async with self.db.reading() as session:
            return [Outcome(outcome) for outcome in await session.scalars(query)]

    async def incidents(self) -> list[Incident]:
        async with self.db.reading() as session:
            return list(await session.scalars(select(Incident).order_by(Incident.number)))

    async def incident(self) -> Incident:
        """The only one there is."""
        (found,) = await self.incidents()
        return found

    async def problem(self, key: str = "q") -> Problem:
        async with self.db.reading() as session:
            return (await session.scalars(select(Problem).where(Problem.dedup_key == key))).one()

    async def entries(self, incident: Incident) -> Sequence[TimelineEntry]:
        async with self.db.reading() as session:
            return await timeline.entries(session, incident.id)

    async def kinds(self, incident: Incident) -> list[str]:
        return [entry.kind for entry in await self.entries(incident)]

    async def topics(self) -> list[str]:
        """What the rest of the service was told of, in order."""
        query = (
            select(OutboxMessage.topic).where(OutboxMessage.topic != inbox.TOPIC).order_by(OutboxMessage.id)
        )
        async with self.db.reading() as session:
            return list(await session.scalars(query))

    async def receipts(self) -> list[Receipt]:
        async with self.db.reading() as session:
            return list(await session.scalars(select(Receipt).order_by(Receipt.id)))

    async def count(self, table: type[Source] | type[Receipt] | type[OutboxMessage]) -> int:
        async with self.db.reading() as session:
            return int(await session.scalar(select(func.count()).select_from(table)) or 0)

    async def locked(self, session: Any) -> Incident:
        return await record.locked(session, (await self.incident()).id)

    def later(self, **by: float) -> None:
        self.clock.advance(timedelta(**by))

    async def _next(self) -> int | None:
        query = select(OutboxMessage.id).where(
            OutboxMessage.topic == inbox.TOPIC, OutboxMessage.state == MessageState.PENDING
        )
        async with self.db.reading() as session:
            return await session.scalar(query.order_by(OutboxMessage.id).limit(1))


def problem(key: str = "q", occurrence: str = T1, **more: Any) -> Signal:
    return Signal(
        **{"dedup_key": key, "occurrence": occurrence, "state": SignalState.PROBLEM, "title": "Queue long"}
        | more
    )


def recovered(key: str = "q", occurrence: str = T1, **more: Any) -> Signal:
    return problem(key, occurrence, state=SignalState.RECOVERED, **more)


def acked(key: str = "q", occurrence: str = "", **more: Any) -> Signal:
    return problem(key, occurrence, state=SignalState.ACKED, **more)


def remark(key: str = "q", occurrence: str = "", **more: Any) -> Signal:
    return problem(key, occurrence, state=SignalState.INFO, **more)
