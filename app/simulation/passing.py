"""How time passes where a clock is moved by hand: from one row that falls due to the next."""

from datetime import datetime

from sqlalchemy import func, select

from app.clock import ManualClock
from app.db import Database
from app.engine import Engine
from app.notify.tables import Delivery, DeliveryState
from app.outbox import MessageState, OutboxMessage, Timer, TimerState
from app.playbooks.tables import StepRow, StepState

_NEXT = (
    select(func.min(Timer.due_at)).where(Timer.state == TimerState.ARMED),
    select(func.min(OutboxMessage.not_before)).where(OutboxMessage.state == MessageState.PENDING),
    select(func.min(Delivery.not_before)).where(
        Delivery.state.in_([DeliveryState.PENDING, DeliveryState.SENDING])
    ),
    select(func.min(StepRow.not_before)).where(StepRow.state.in_([StepState.QUEUED, StepState.DOING])),
)


class Stuck(AssertionError):
    """A row that is due is never settled: the engine itself is at fault."""


async def next_due(db: Database) -> datetime | None:
    """When the next row falls due."""
    async with db.reading() as session:
        found = (await session.execute(select(*(query.scalar_subquery() for query in _NEXT)))).one()
    return min((moment for moment in found if moment is not None), default=None)


async def advance(engine: Engine, clock: ManualClock, end: datetime) -> None:
    """Let time pass until `end`, stopping at every row that falls due on the way."""
    await engine.settle()
    while (due := await next_due(engine.db)) is not None and due <= end:
        clock.move_to(max(due, clock.now()))
        await engine.settle()
        if await next_due(engine.db) == due:
            raise Stuck(f"a row due at {due} is never settled")
    clock.move_to(end)
    await engine.settle()
