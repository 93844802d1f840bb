"""The hold of a restored or moved database: shown, looked through, and ended by leadership.

Nothing is sent in hold (`app.engine`); what is raised or received is stored and goes out with the release. A release first decides
what becomes of what fell due meanwhile: it goes out, or it is dropped with the reason and open chains go on with their next rung.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import structlog
from fastapi import APIRouter
from pydantic import BaseModel, StringConstraints
from sqlalchemy import Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import installation
from app.access.edge import Edge, Language, Now, Session, Who, problems
from app.db import Work, wake
from app.errors import Refused
from app.installation import Watch
from app.notify.tables import Delivery, DeliveryState, Round, RoundState
from app.outbox import MessageState, OutboxMessage, Timer, TimerState
from app.playbooks import external
from app.playbooks.tables import StepRow, StepState
from app.wording import kept, say, spoken

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["service"])
log = structlog.get_logger("muster")

_UNSENT = (DeliveryState.PENDING, DeliveryState.SENDING)
_UNCALLED = (StepState.QUEUED, StepState.DOING)


class Overdue(StrEnum):
    """What becomes of messages and calls that fell due before a release."""

    SEND = "send"  # they go out now
    DROP = "drop"  # they are dropped, with the reason; open chains go on with their next rung


@dataclass(frozen=True)
class Waiting:
    """What is due now and would go out."""

    reactions: int
    timers: int
    deliveries: int
    steps: int
    oldest_due: datetime | None


class InstallationRead(BaseModel):
    held: bool
    since: datetime | None = None
    reason: str | None = None
    waiting: Waiting
    """What is due now; of interest in hold."""


class Release(BaseModel):
    overdue: Overdue
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
    """Why it may send again; kept with who released it."""


class Released(BaseModel):
    released_at: datetime
    deliveries_dropped: int
    steps_dropped: int


@router.get("/installation", responses=problems())
async def read_installation(session: Session, now: Now, language: Language) -> InstallationRead:
    """Whether this database is in hold, why, and what would go out. Changes nothing."""
    hold = await installation.held(session)
    return InstallationRead(
        held=hold is not None, since=hold.since if hold else None,
        reason=spoken(hold.reason, language) if hold else None, waiting=await waiting(session, at=now),
    )  # fmt: skip


@router.post("/installation/release", status_code=201, responses=problems(Refused))
async def post_release(asked: Release, session: Session, who: Who, now: Now) -> Released:
    """End the hold: from now on this database sends."""
    return await release(session, overdue=asked.overdue, by=who.name, why=asked.reason, at=now)


async def waiting(session: AsyncSession, *, at: datetime) -> Waiting:
    """What is due at this moment, counted by kind, and since when the oldest is."""
    due = {
        "reactions": _due(OutboxMessage, OutboxMessage.not_before, [MessageState.PENDING], at),
        "timers": _due(Timer, Timer.due_at, [TimerState.ARMED], at),
        "deliveries": _due(Delivery, Delivery.not_before, _UNSENT, at),
        "steps": _due(StepRow, StepRow.not_before, _UNCALLED, at),
    }
    counts, oldest = {}, []
    for kind, query in due.items():
        counts[kind], first = (await session.execute(query)).one()
        oldest += [first] if first is not None else []
    return Waiting(**counts, oldest_due=min(oldest, default=None))


def _due(table: Any, moment: Any, states: Any, at: datetime) -> Select[Any]:
    return (
        select(func.count(), func.min(moment)).select_from(table).where(table.state.in_(states), moment <= at)
    )


async def release(session: AsyncSession, *, overdue: Overdue, by: str, why: str, at: datetime) -> Released:
    """End the hold, in the caller's transaction.

    1. Refuse when there is none: a second release finds nothing to decide.
    2. With `drop`: drop messages that are due, let calls that are due fail, and bring the next rung of each open round forward.
    3. Write down who, when, why and how much was dropped.
    """
    if await installation.held(session) is None:
        raise Refused(say("service.hold.none"))
    deliveries = steps = 0
    if overdue is Overdue.DROP:
        deliveries, steps = await _drop_deliveries(session, at), await _drop_steps(session, at)
    outcome = {"overdue": overdue.value, "deliveries_dropped": deliveries, "steps_dropped": steps}
    await installation.end_holds(session, by=by, why=why, outcome=outcome, at=at)
    log.warning("released", by=by, **outcome)
    for work in Work:
        wake(session, work)
    return Released(released_at=at, deliveries_dropped=deliveries, steps_dropped=steps)


async def _drop_deliveries(session: AsyncSession, at: datetime) -> int:
    changed = await session.execute(
        update(Delivery)
        .where(Delivery.state.in_(_UNSENT), Delivery.not_before <= at)
        .values(state=DeliveryState.DROPPED, reason=kept(say("service.hold.overdue")))
        .returning(Delivery.round_id)
    )
    rounds = [row.round_id for row in changed]
    open_rounds = await session.scalars(
        select(Round.id).where(
            Round.state == RoundState.CALLING, Round.id.in_({one for one in rounds if one})
        )
    )
    # Whoever was not told because of us must not wait out the time they were given to answer.
    for round_id in open_rounds.all():
        await session.execute(
            update(Timer)
            .where(
                Timer.key.startswith(f"round:{round_id}:", autoescape=True), Timer.state == TimerState.ARMED
            )
            .where(Timer.due_at > at)
            .values(due_at=at)
        )
    return len(rounds)


async def _drop_steps(session: AsyncSession, at: datetime) -> int:
    due = select(StepRow).where(StepRow.state.in_(_UNCALLED), StepRow.not_before <= at).order_by(StepRow.id)
    steps = (await session.scalars(due.with_for_update())).all()
    refusal = external.Answer(refusal=say("service.hold.overdue"))
    for step in steps:
        step.state = StepState.DOING
        await session.flush()
        claimed = external.Claimed(step.id, step.ref, step.attempts, at, step.call or {}, exercise=False)
        await external.note(session, claimed, refusal, at=at)
    return len(steps)


class HoldHeader:
    """Says on every answer of a process in hold that nobody is told yet: `Muster-Hold: true`."""

    def __init__(self, app: ASGIApp, watch: Watch) -> None:
        self._app, self._watch = app, watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Muster-Hold"] = "true"
            await send(message)

        await self._app(scope, receive, told if self._watch.is_held else send)
