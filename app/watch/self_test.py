"""A synthetic incident every few minutes, through inbox, grading, timer, outbox and a delivery to a receiver of our own.

What breaks anywhere on that way breaks the test, and people hear of it before an emergency finds out. Any number of replicas may
begin one: a slot of time has one row. A test has the status Test and a number of its own series; it is told to nobody, counted
nowhere, ends when it came through, and a day later no row of it is left.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.db import Work, inline, wake
from app.ids import new_id
from app.incidents.tables import Incident, TimelineEntry
from app.intake import inbox, ourselves
from app.intake.signals import Signal, SignalState
from app.intake.tables import Problem, Receipt, Verdict
from app.notify import pipeline
from app.notify.channel import SELF
from app.notify.pipeline import News
from app.notify.tables import Attempt, Delivery, DeliveryState, Notice
from app.outbox import MessageState, OutboxMessage, Timer
from app.watch.tables import SelfTest
from app.wording import localised, say

KEPT_FOR: Final = timedelta(days=1)
STAGES: Final = ("grading", "timer", "delivery")
_TIMER: Final = timedelta(seconds=1)  # what it waits for its timer
_LEVEL: Final = 4
_AT_ONCE: Final = 500  # tests forgotten in one transaction


class Standing(StrEnum):
    """How the latest tests went."""

    OFF = "off"  # none is made
    UNKNOWN = "unknown"  # none has ended yet
    PASSED = "passed"  # the latest that had its time came through
    LATE = "late"  # it did not, or none was begun where one should have been


async def begin_due(session: AsyncSession, *, every: timedelta, limit: timedelta, at: datetime) -> bool:
    """Begin the test of this slot of time, unless somebody has; says whether this call did."""
    if not every:
        return False
    slot = datetime.fromtimestamp(at.timestamp() // every.total_seconds() * every.total_seconds(), UTC)
    key = f"{slot:%Y%m%dT%H%M%SZ}"
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    begun = insert(SelfTest).values(key=key, begun_at=at).on_conflict_do_nothing(index_elements=["key"])
    if await session.scalar(begun.returning(SelfTest.key)) is None:
        return False
    source = await ourselves.source(session, ourselves.SELF_TEST, at=at)
    signal = Signal(
        dedup_key=f"self-test:{key}",
        occurrence=key,
        state=SignalState.PROBLEM,
        title="Self-test",
        level_hint=_LEVEL,
    )
    receipt_id = await inbox.say_ourselves(session, source, signal, at=at)
    ref = inbox.ref_of(source.id, signal.dedup_key)
    first = select(OutboxMessage.id).where(
        OutboxMessage.ref == ref, OutboxMessage.state == inline(MessageState.PENDING)
    )
    test = await session.get_one(SelfTest, key)
    test.receipt_id, test.first_message = receipt_id, await session.scalar(first.limit(1))
    await outbox.arm(
        session, "self_test.late", {"key": key}, ref=_ref(key), key=f"self-test:{key}:late", due_at=at + limit
    )
    return True


async def graded(session: AsyncSession, incident: Incident, *, at: datetime) -> None:
    """The incident is there, with its level: now a timer."""
    test = await session.scalar(select(SelfTest).where(SelfTest.key == _key_of(incident)))
    if test is None:
        return
    test.incident_id, test.graded_at, test.timer_due_at = incident.id, at, at + _TIMER
    await outbox.arm(
        session, "self_test.due", {"key": test.key}, ref=incident.id, key=f"self-test:{test.key}:due", due_at=at + _TIMER
    )  # fmt: skip


async def fired(session: AsyncSession, key: str, *, at: datetime) -> None:
    """Its timer fell due: now a delivery, to the receiver of our own."""
    test = await session.get(SelfTest, key)
    if test is None or test.incident_id is None:
        return
    test.fired_at = at
    said = localised(say("watch.self_test"))
    notice = await pipeline.write_notice(
        session,
        News(ref=test.incident_id, kind="self_test", level=_LEVEL, exercise=True, subject=said, text=said),
        at=at,
    )
    session.add(
        Delivery(
            id=new_id(at),
            notice_id=notice.id,
            ref=test.incident_id,
            level=_LEVEL,
            position=SELF,
            channel=SELF,
            asks=False,
            state=DeliveryState.PENDING,
            attempts=0,
            further=[],
            not_before=at,
            created_at=at,
        )
    )
    wake(session, Work.DELIVERIES)


async def received(session: AsyncSession, incident_id: str, *, at: datetime) -> None:
    """The message arrived: the test came through, once however often it is sent."""
    came = (
        update(SelfTest)
        .where(SelfTest.incident_id == incident_id, SelfTest.received_at.is_(None))
        .values(received_at=at)
        .returning(SelfTest.key)
    )
    if (key := await session.scalar(came)) is not None:
        await outbox.withdraw(session, key_prefix=f"self-test:{key}:late")
        outbox.put(session, "self_test.received", {"key": key}, ref=incident_id, at=at)


async def note_late(session: AsyncSession, key: str, *, at: datetime) -> bool:
    """Its time is over; says whether it had really not come through."""
    test = await session.get(SelfTest, key, with_for_update=True)
    if test is None or test.received_at is not None or test.late_at is not None:
        return False
    test.late_at = at
    return True


async def standing(session: AsyncSession, *, every: timedelta, limit: timedelta, at: datetime) -> Standing:
    """How the latest test went that has had its time; nothing begun for two slots is as bad as one that is lost."""
    if not every:
        return Standing.OFF
    rows = list(await session.scalars(select(SelfTest).order_by(SelfTest.key.desc()).limit(2)))
    if not rows:
        return Standing.UNKNOWN
    if at - rows[0].begun_at > 2 * every + limit:
        return Standing.LATE
    for test in rows:
        if test.received_at is not None:
            return Standing.PASSED
        if at - test.begun_at > limit:
            return Standing.LATE
    return Standing.UNKNOWN


async def seconds_by_stage(session: AsyncSession) -> dict[str, float]:
    """How long the latest test that came through took, stage by stage; empty when none has."""
    query = select(SelfTest).where(SelfTest.received_at.is_not(None)).order_by(SelfTest.key.desc()).limit(1)
    test = await session.scalar(query)
    if test is None:
        return {}
    marks = (
        (test.begun_at, test.graded_at),
        (test.timer_due_at, test.fired_at),
        (test.fired_at, test.received_at),
    )
    return {
        stage: (to - since).total_seconds()
        for stage, (since, to) in zip(STAGES, marks, strict=True)
        if since is not None and to is not None
    }


async def forget(session: AsyncSession, *, at: datetime) -> int:
    """Take away every row of the tests that are older than a day; says how many tests there were.

    The outbox has no index on what is done, so its rows are looked for between the first message of the oldest of them and the
    first of the oldest test that stays.
    """
    old = select(SelfTest).where(SelfTest.begun_at < at - KEPT_FOR).order_by(SelfTest.key).limit(_AT_ONCE)
    tests = list(await session.scalars(old))
    if not tests:
        return 0
    after = select(SelfTest.first_message).where(SelfTest.key > tests[-1].key).order_by(SelfTest.key).limit(1)
    upper = await session.scalar(after)
    source = ourselves.SELF_TEST
    incidents = [test.incident_id for test in tests if test.incident_id]
    receipts = [test.receipt_id for test in tests if test.receipt_id]
    problems = [f"self-test:{test.key}" for test in tests]
    refs = [*incidents, *(_ref(test.key) for test in tests), *(inbox.ref_of(source, key) for key in problems)]
    notices = select(Notice.id).where(Notice.ref.in_(incidents))
    deliveries = select(Delivery.id).where(Delivery.notice_id.in_(notices))
    first = min((test.first_message for test in tests if test.first_message is not None), default=None)
    messages: list[ColumnElement[bool]] = [OutboxMessage.ref.in_(refs)]
    if first is not None:
        messages.append(OutboxMessage.id >= first)
    if upper is not None:
        messages.append(OutboxMessage.id < upper)
    for statement in (
        delete(Attempt).where(Attempt.delivery_id.in_(deliveries)),
        delete(Delivery).where(Delivery.notice_id.in_(notices)),
        delete(Notice).where(Notice.ref.in_(incidents)),
        delete(Timer).where(Timer.ref.in_(refs)),
        delete(OutboxMessage).where(*messages),
        delete(Verdict).where(Verdict.receipt_id.in_(receipts)),
        delete(Receipt).where(Receipt.id.in_(receipts)),
        delete(Problem).where(Problem.source_id == source, Problem.dedup_key.in_(problems)),
        delete(TimelineEntry).where(TimelineEntry.incident_id.in_(incidents)),
        delete(Incident).where(Incident.id.in_(incidents)),
        delete(SelfTest).where(SelfTest.key.in_([test.key for test in tests])),
    ):
        await session.execute(statement)
    return len(tests)


def _ref(key: str) -> str:
    return f"self-test:{key}"


def _key_of(incident: Incident) -> str:
    return (incident.dedup_key or "").rpartition(":")[2]
