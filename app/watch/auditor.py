"""The auditor: questions to the database that must all be answered with nothing.

Each rule is one SELECT over rows that should not stand as they do, served by an index, so that asking costs what is open and not
what there has ever been. What is merely late by less than the grace is under way and no finding. The auditor repairs nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import inline
from app.ids import earliest_id
from app.incidents.tables import OPEN_STATES, Incident, State, Status, Task, TaskState, TimelineEntry
from app.intake.tables import Receipt, Verdict
from app.notify.tables import Delivery, DeliveryState, Round, RoundState
from app.outbox import MessageState, OutboxMessage, Timer, TimerState
from app.playbooks.tables import Run, RunState, StepRow, StepState
from app.resources.tables import Reservation, ReservationLine, ReservationState, Unit

GRACE: Final = timedelta(minutes=2)  # what the engine may be behind before it is a finding
EXAMPLES: Final = 5
_LOOK_BACK: Final = timedelta(days=7)  # for rules about what has ended; earlier ends were looked at then
_RUNNING: Final = (State.ACTIVATED, State.RESPONDING, State.RECOVERING)
_OVER: Final = (State.CLOSED, State.REVIEWED, State.CANCELLED)
_UNSENT: Final = (DeliveryState.PENDING, DeliveryState.SENDING)

Query = Callable[[datetime], Select[Any]]
"""From the latest moment that counts to the ids of rows that should not stand as they do."""


@dataclass(frozen=True)
class Finding:
    """What one rule found: how much, and the ids of the first."""

    rule: str
    number: int
    examples: Sequence[str]


def _timer_overdue(limit: datetime) -> Select[Any]:
    return select(Timer.key).where(Timer.state == inline(TimerState.ARMED), Timer.due_at < limit)


def _message_overdue(limit: datetime) -> Select[Any]:
    pending = OutboxMessage.state == inline(MessageState.PENDING)
    return select(OutboxMessage.id).where(pending, OutboxMessage.not_before < limit)


def _delivery_overdue(limit: datetime) -> Select[Any]:
    """Also one whose sender died and whose lease ended long ago."""
    return select(Delivery.id).where(Delivery.state.in_(inline(_UNSENT)), Delivery.not_before < limit)


def _step_overdue(limit: datetime) -> Select[Any]:
    waiting = StepRow.state.in_(inline((StepState.QUEUED, StepState.DOING)))
    return select(StepRow.id).where(waiting, StepRow.not_before < limit)


def _incident_uncalled(limit: datetime) -> Select[Any]:
    """Nobody has it, nobody is being called about it, and nobody was ever reached."""
    called = exists().where(
        Round.ref == Incident.id, or_(Round.state == RoundState.CALLING, Round.reached.is_(True))
    )
    return select(Incident.id).where(
        Incident.state.in_(inline(OPEN_STATES)), Incident.acknowledged_at.is_(None),
        Incident.status == inline(Status.ACTUAL), Incident.detected_at < limit, ~called,
    )  # fmt: skip


def _told_after_the_end(limit: datetime) -> Select[Any]:
    """A message of a round that has ended is still to be sent."""
    return (
        select(Delivery.id)
        .join(Round, Round.id == Delivery.round_id)
        .where(Delivery.state == inline(DeliveryState.PENDING), Delivery.state.in_(inline(_UNSENT)))
        .where(Round.state != RoundState.CALLING, Round.ended_at < limit)
    )


def _rung_after_the_end(limit: datetime) -> Select[Any]:
    """A round that has ended would still tell its next rung."""
    key = func.substr(Timer.key, len("round:") + 1, 26)
    return (
        select(Timer.key)
        .join(Round, and_(Round.ref == Timer.ref, Round.id == key))
        .where(Timer.topic == "rung.due", Timer.state == TimerState.ARMED)
        .where(Round.ended_at.is_not(None), Round.ended_at < limit, Round.ended_at > limit - _LOOK_BACK)
    )


def _over(limit: datetime) -> ColumnElement[bool]:
    ended = func.coalesce(Incident.closed_at, Incident.cancelled_at)
    return and_(Incident.state.in_(inline(_OVER)), ended < limit)


def _held_after_the_end(limit: datetime) -> Select[Any]:
    held = Reservation.state == inline(ReservationState.HELD)
    return select(Reservation.id).join(Incident, Incident.id == Reservation.ref).where(held, _over(limit))


def _task_after_the_end(limit: datetime) -> Select[Any]:
    undone = Task.state.in_(inline((TaskState.OPEN, TaskState.STARTED)))
    return select(Task.id).join(Incident, Incident.id == Task.incident_id).where(undone, _over(limit))


def _run_after_the_end(limit: datetime) -> Select[Any]:
    running = Run.state == inline(RunState.RUNNING)
    return select(Run.id).join(Incident, Incident.id == Run.ref).where(running, _over(limit))


def _plan_not_started(limit: datetime) -> Select[Any]:
    started = exists().where(Run.ref == Incident.id)
    return select(Incident.id).where(
        Incident.state.in_(inline(_RUNNING)), Incident.activated_at < limit, ~started
    )


def _timeline_broken(_limit: datetime) -> Select[Any]:
    """The last entry an open incident counts is missing, or there is one more."""

    def entry(seq: Any) -> ColumnElement[bool]:
        return exists().where(TimelineEntry.incident_id == Incident.id, TimelineEntry.seq == seq)

    counted = and_(entry(Incident.last_seq), ~entry(Incident.last_seq + 1))
    return select(Incident.id).where(Incident.state.in_(inline(OPEN_STATES)), ~counted)


def _held_unlike_lines(_limit: datetime) -> Select[Any]:
    """What a unit says is held of it is not what its reservations hold."""
    lines = (
        select(ReservationLine.unit_id, func.sum(ReservationLine.quantity).label("number"))
        .where(ReservationLine.held)
        .group_by(ReservationLine.unit_id)
        .subquery()
    )
    otherwise = select(Unit.id).join(lines, lines.c.unit_id == Unit.id).where(Unit.held != lines.c.number)
    reserved = exists().where(ReservationLine.unit_id == Unit.id, ReservationLine.held)
    for_nobody = select(Unit.id).where(Unit.held > literal(0, literal_execute=True), ~reserved)
    return select(union_all(otherwise, for_nobody).subquery().c.id)


def _signal_unjudged(limit: datetime) -> Select[Any]:
    """Accepted from a source, and nothing came of it: its message is lost, or set aside."""
    # Of two who judge signals of one receipt, one marks it, and may be undone afterwards.
    judged = exists().where(Verdict.receipt_id == Receipt.id)
    return select(Receipt.id).where(Receipt.unjudged, Receipt.id < earliest_id(limit), ~judged)


RULES: Final[Mapping[str, Query]] = {
    "timer_overdue": _timer_overdue,
    "message_overdue": _message_overdue,
    "delivery_overdue": _delivery_overdue,
    "step_overdue": _step_overdue,
    "incident_uncalled": _incident_uncalled,
    "told_after_the_end": _told_after_the_end,
    "rung_after_the_end": _rung_after_the_end,
    "held_after_the_end": _held_after_the_end,
    "task_after_the_end": _task_after_the_end,
    "run_after_the_end": _run_after_the_end,
    "plan_not_started": _plan_not_started,
    "timeline_broken": _timeline_broken,
    "held_unlike_lines": _held_unlike_lines,
    "signal_unjudged": _signal_unjudged,
}


def question(rule: str, *, at: datetime, grace: timedelta = GRACE) -> Select[Any]:
    """What a rule asks at this moment."""
    return RULES[rule](at - grace)


async def findings(session: AsyncSession, *, at: datetime, grace: timedelta = GRACE) -> list[Finding]:
    """What stands as it should not, by rule; empty when all is well."""
    found = []
    for rule in RULES:
        asked = question(rule, at=at, grace=grace)
        number = int(await session.scalar(select(func.count()).select_from(asked.subquery())) or 0)
        if number:
            examples = [str(one) for one in await session.scalars(asked.limit(EXAMPLES))]
            found.append(Finding(rule, number, examples))
    return found
