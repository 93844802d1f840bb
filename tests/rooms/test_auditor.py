"""The auditor: each rule sees the row that was broken by hand, and nothing else does; and asking is served by an index."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Executable, Select, delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ClauseElement

from app.db import Database
from app.ids import earliest_id, new_id
from app.incidents.tables import Incident, State, Task, TaskState
from app.intake.tables import Receipt, Verdict
from app.notify.tables import Delivery, DeliveryState, Round, RoundState
from app.outbox import MessageState, OutboxMessage, Timer, TimerState
from app.playbooks.tables import Run, RunState, StepRow, StepState
from app.resources.tables import ReservationLine, Unit
from app.watch import auditor
from tests.world import NIGHT, World

LONG_AGO = NIGHT - timedelta(hours=1)
Break = Callable[[AsyncSession], Awaitable[Any]]


def values(table: Any, *which: Any, **to: Any) -> Break:
    async def change(session: AsyncSession) -> None:
        done = await session.execute(update(table).where(*which).values(**to))
        assert done.rowcount  # type: ignore[attr-defined]

    return change


async def _lose_an_entry(session: AsyncSession) -> None:
    incident = (await session.scalars(select(Incident).where(Incident.state == State.RESPONDING))).one()
    incident.last_seq += 1


async def _lose_the_run(session: AsyncSession) -> None:
    """As if the plan had never been started."""
    await session.execute(update(Run).values(ref="nothing", state=RunState.DONE))


async def _lose_the_rounds(session: AsyncSession) -> None:
    await session.execute(update(Incident).values(acknowledged_at=None))
    await session.execute(update(Round).values(ref="nothing"))


async def _end(session: AsyncSession, *, but: str) -> None:
    """As if the incident had been closed an hour ago and everything but one thing had been tidied away."""
    await session.execute(update(Incident).values(state=State.CLOSED, closed_at=LONG_AGO))
    tidied: Mapping[str, Any] = {
        "held": update(ReservationLine).values(held=False),
        "task": update(Task).values(state=TaskState.DONE),
        "run": update(Run).values(state=RunState.DONE),
    }
    for name, statement in tidied.items():
        if name != but:
            await session.execute(statement)
    if but != "held":
        await session.execute(text("update reservations set state = 'released'"))
        await session.execute(update(Unit).values(held=0))


async def _call_after_the_end(session: AsyncSession) -> None:
    """A round that was answered, and one rung of it still armed."""
    answered = (await session.scalars(select(Round))).first()
    assert answered is not None
    answered.state, answered.ended_at = RoundState.ACKNOWLEDGED, LONG_AGO
    session.add(
        Timer(
            key=f"round:{answered.id}:9:9", topic="rung.due", ref=answered.ref, payload={}, due_at=NIGHT + timedelta(days=1),
            state=TimerState.ARMED,
        )
    )  # fmt: skip


async def _tell_after_the_end(session: AsyncSession) -> None:
    answered = (await session.scalars(select(Round))).first()
    assert answered is not None
    answered.state, answered.ended_at = RoundState.ACKNOWLEDGED, LONG_AGO
    later = NIGHT + timedelta(days=1)
    await session.execute(delete(Timer).where(Timer.key.startswith(f"round:{answered.id}:")))
    await session.execute(
        update(Delivery)
        .where(Delivery.round_id == answered.id)
        .values(state=DeliveryState.PENDING, not_before=later)
    )


async def _lose_the_verdict(session: AsyncSession) -> None:
    await session.execute(delete(Verdict))
    await session.execute(update(Receipt).values(unjudged=True))


async def _queue_a_step(session: AsyncSession) -> None:
    step = (await session.scalars(select(StepRow).limit(1))).one()
    step.state, step.not_before = StepState.QUEUED, LONG_AGO


async def _put_and_leave(session: AsyncSession) -> None:
    session.add(
        OutboxMessage(topic="left", ref="left", payload={}, created_at=LONG_AGO, not_before=LONG_AGO, state=MessageState.PENDING)
    )  # fmt: skip


async def _arm_and_leave(session: AsyncSession) -> None:
    session.add(Timer(key="left", topic="left", ref="left", payload={}, due_at=LONG_AGO))


async def _leave_a_delivery(session: AsyncSession) -> None:
    delivery = (await session.scalars(select(Delivery).where(Delivery.round_id.is_(None)).limit(1))).one()
    delivery.state, delivery.not_before = DeliveryState.SENDING, LONG_AGO


def _ended(but: str) -> Break:
    async def change(session: AsyncSession) -> None:
        await _end(session, but=but)

    return change


BREAKS: Mapping[str, Break] = {
    "timer_overdue": _arm_and_leave,
    "message_overdue": _put_and_leave,
    "delivery_overdue": _leave_a_delivery,
    "step_overdue": _queue_a_step,
    "incident_uncalled": _lose_the_rounds,
    "told_after_the_end": _tell_after_the_end,
    "rung_after_the_end": _call_after_the_end,
    "held_after_the_end": _ended("held"),
    "task_after_the_end": _ended("task"),
    "run_after_the_end": _ended("run"),
    "plan_not_started": _lose_the_run,
    "timeline_broken": _lose_an_entry,
    "held_unlike_lines": values(Unit, Unit.held > 0, held=0),
    "signal_unjudged": _lose_the_verdict,
}


async def test_each_rule_sees_what_it_is_for_and_no_other_does(world: World) -> None:
    """A large incident in full swing, raised by a source: nothing is found. Then one thing at a time is broken."""
    source = await world.post("/sources", {"slug": "probe", "kind": "generic"})
    body = {"id": "1", "title": "Nobody can sign in", "state": "problem", "type": "system_outage"}
    sent = await world.client.post(
        "/intake/probe", json=body, headers={"Authorization": f"Bearer {source['key']}"}
    )
    assert sent.status_code == 202, sent.text
    await world.settle()
    (incident,) = (await world.get("/incidents"))["items"]
    await world.apply(incident["id"], "assess", level=1, reason="everybody is affected")
    await world.apply(incident["id"], "activate")
    await world.apply(incident["id"], "respond")
    await world.advance(minutes=10)
    assert (await world.get("/audit", role="auditor"))["items"] == []

    for rule, broken in BREAKS.items():
        async with world.parts.db.engine.connect() as connection:
            undone = await connection.begin()
            async with AsyncSession(bind=connection, join_transaction_mode="create_savepoint") as session:
                await broken(session)
                await session.flush()
                found = await auditor.findings(session, at=world.clock.now())
            await undone.rollback()
        assert [one.rule for one in found] == [rule]
        assert found[0].examples
    assert set(BREAKS) == set(auditor.RULES)


async def test_what_is_late_by_less_than_the_grace_is_no_finding(world: World) -> None:
    async with world.parts.db.transaction() as session:
        at = world.clock.now()
        session.add(Timer(key="soon", topic="soon", ref="soon", payload={}, due_at=at - timedelta(minutes=1)))
        await session.flush()
        assert await auditor.findings(session, at=at) == []
        (found,) = await auditor.findings(session, at=at + timedelta(minutes=2))
        assert (found.rule, found.number, found.examples) == ("timer_overdue", 1, ["soon"])
        await session.execute(delete(Timer).where(Timer.key == "soon"))


async def test_findings_are_answered_and_counted_and_are_for_leadership_and_auditors(world: World) -> None:
    async with world.parts.db.transaction() as session:
        await _arm_and_leave(session)

    (found,) = (await world.get("/audit"))["items"]

    assert found == {
        "rule": "timer_overdue", "about": "A timer is overdue and has not been fired.", "number": 1, "examples": ["left"],
    }  # fmt: skip
    metrics = await world.get("/metrics")
    assert 'muster_auditor_findings{rule="timer_overdue"} 1.0' in metrics
    assert 'muster_auditor_findings{rule="message_overdue"} 0.0' in metrics
    await world.get("/audit", role="management", expect=403)
    async with world.parts.db.transaction() as session:
        await session.execute(delete(Timer).where(Timer.key == "left"))


class Explain(Executable, ClauseElement):
    inherit_cache = False

    def __init__(self, asked: Select[Any]) -> None:
        self.asked = asked


@compiles(Explain)
def _explain(element: Explain, compiler: Any, **more: Any) -> str:
    verb = "EXPLAIN QUERY PLAN" if compiler.dialect.name == "sqlite" else "EXPLAIN"
    return f"{verb} {compiler.process(element.asked, **more)}"


async def test_asking_is_served_by_an_index(database_url: str) -> None:
    db = Database(database_url)
    async with db.reading() as session:
        if not db.is_sqlite:  # with so few rows PostgreSQL would rather read them all
            await session.execute(text("set local enable_seqscan = off"))
            await session.execute(text("set local enable_bitmapscan = off"))
        for rule in auditor.RULES:
            asked = auditor.question(rule, at=NIGHT)
            plan = [str(row[-1]) for row in await session.execute(Explain(asked))]
            assert [line for line in plan if _reads_everything(line)] == [], rule + "\n" + "\n".join(plan)
            if rule == "signal_unjudged":
                assert "ix_receipts_unjudged" in "\n".join(plan), (
                    "what waits, and not a week of what was judged"
                )
    await db.dispose()


def _reads_everything(line: str) -> bool:
    """Whether a step of a plan looks at every row there ever was; a whole partial index holds only what is open."""
    if "Seq Scan" in line:
        return True
    scans = line.startswith("SCAN") and "(subquery" not in line and not line.startswith("SCAN anon")
    partial = ("ix_timers_due", "ix_outbox_oldest", "ix_outbox_pending", "ix_deliveries_due", "ix_steps_due", "ix_tasks_unended",
               "uq_runs_running", "ix_reservations_held", "ix_reservation_lines_held", "ix_units_held",
               "ix_receipts_unjudged")  # fmt: skip
    return scans and line.rsplit(maxsplit=1)[-1] not in partial


def test_the_earliest_id_of_a_moment_sorts_before_those_made_in_it() -> None:
    assert new_id(NIGHT - timedelta(milliseconds=1)) < earliest_id(NIGHT) < new_id(NIGHT)
