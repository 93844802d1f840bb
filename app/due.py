"""What is due of the outbox and the timers: one look, and the statements that take it.

A timer that is due becomes a message in the transaction that marks it fired. Messages are taken in groups: of each `ref` the oldest
and those that follow it, and while anything urgent waits, only the most urgent. Who takes a message holds its row until the
transaction ends, so that no other engine has the `ref` meanwhile. Nothing here knows what a topic means.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Row,
    Select,
    String,
    bindparam,
    exists,
    insert,
    literal,
    literal_column,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from app.db import inline
from app.outbox import MessageState, OutboxMessage, Timer, TimerState, Urgency

ATTEMPTS: Final = 8  # reactions of one message; then it is parked
Moment = datetime | BindParameter[datetime]
_FIRST_WAIT: Final = timedelta(seconds=1)
_LONGEST_WAIT: Final = timedelta(seconds=30)  # for an incident that somebody else holds
_TIMERS_AT_ONCE: Final = 500
_URGENT_REFS: Final = 256  # looked at together
_UNFIT: Final = re.compile("[\x00\ud800-\udfff]")  # what a database does not keep, and an error may quote

_PENDING: Final = inline(MessageState.PENDING)
_ARMED: Final = inline(TimerState.ARMED)
# Written out: a database uses a partial index only where it can read the condition.
_GRAVE: Final[ColumnElement[int]] = literal_column(str(int(Urgency.GRAVE)))
_ORDINARY: Final[ColumnElement[int]] = literal_column(str(int(Urgency.ORDINARY)))


@dataclass(frozen=True)
class Look:
    """What there is to do at one moment, and when there will be more if nothing happens until then."""

    timers: bool
    messages: bool
    grave_timers: bool
    grave_messages: bool
    urgent_messages: bool  # grave, or called so by their source
    next_timer: datetime | None


@dataclass(frozen=True)
class Taken:
    """One message, ours until the transaction ends."""

    id: int
    topic: str
    ref: str
    payload: dict[str, Any]
    urgency: Urgency
    attempts: int


async def look(session: AsyncSession, *, at: datetime) -> Look:
    """Locks nothing, and costs what is due, not what is pending."""
    row = (await session.execute(_look(), {"at": at})).one()
    messages, urgency, grave_timers = bool(row[0]), row[1], bool(row[2])
    next_timer: datetime | None = row[3]
    return Look(
        timers=next_timer is not None and next_timer <= at, messages=messages, grave_timers=grave_timers,
        grave_messages=urgency == Urgency.GRAVE, urgent_messages=urgency is not None, next_timer=next_timer,
    )  # fmt: skip


async def fire(session: AsyncSession, *, at: datetime, grave: bool) -> int:
    """Turn timers that are due into messages, in the order they fell due; says how many. `grave`: those of refs with a
    grave one among them."""
    due = select(Timer.id).where(*_due(at)).order_by(Timer.due_at, Timer.id).limit(_TIMERS_AT_ONCE)
    if grave:
        # With all that is due of the same ref: order holds within it.
        urgent = aliased(Timer)
        refs = select(urgent.ref).where(_is_grave(urgent), urgent.state == _ARMED, urgent.due_at <= at)
        due = due.where(Timer.ref.in_(refs.order_by(urgent.due_at, urgent.id).limit(_URGENT_REFS)))
    moment = literal(at, Timer.due_at.type)
    told = ["topic", "ref", "payload", "urgency", "created_at", "not_before", "state", "attempts"]
    begun = (moment, moment, literal(MessageState.PENDING, String), literal(0, Integer))
    message = insert(OutboxMessage)
    marked = update(Timer).values(state=TimerState.FIRED).execution_options(synchronize_session=False)
    # All in the database: a row that is read only to be written back costs more than all the rest.
    if session.get_bind().dialect.name == "sqlite":
        # One writer: both statements see the same rows.
        rows = due.with_only_columns(Timer.topic, Timer.ref, Timer.payload, Timer.urgency, *begun)
        put = await session.execute(message.from_select(told, rows, include_defaults=False))
        await session.execute(marked.where(Timer.id.in_(due)))
    else:
        fired = (
            marked.where(Timer.id.in_(due.with_for_update(skip_locked=True)))
            .returning(Timer.id, Timer.topic, Timer.ref, Timer.payload, Timer.due_at, Timer.urgency)
            .cte("fired")
        )
        rows = select(fired.c.topic, fired.c.ref, fired.c.payload, fired.c.urgency, *begun)
        put = await session.execute(
            message.from_select(
                told, rows.order_by(fired.c.due_at, fired.c.id), include_defaults=False
            ).add_cte(fired)
        )
    return int(put.rowcount)  # type: ignore[attr-defined]


async def take(
    session: AsyncSession, *, at: datetime, limit: int, urgent: bool, only: int | None = None
) -> list[Taken]:
    """Up to `limit` messages to handle in this transaction, in the order to handle them.

    1. The oldest of each ref, where no other engine has it. `urgent`: of refs about which something of the greatest urgency
       waits, unless none of them can be had: their oldest may have failed and wait for its next attempt, which holds up
       nobody else. `only`: this message, if nobody has it.
    2. What follows them within the same ref: nobody else can have it while we hold the oldest.
    """
    heads = _columns().where(*_heads(at))
    if only is not None:
        heads = heads.where(OutboxMessage.id == only)
    if urgent:
        told = aliased(OutboxMessage)
        first = _most_urgent(at).scalar_subquery()
        refs = select(told.ref).where(_is_urgent(told), told.urgency == first, *_pending(told, at))
        heads = heads.where(OutboxMessage.ref.in_(refs.order_by(told.id).limit(_URGENT_REFS)))
    heads = heads.order_by(OutboxMessage.id).limit(limit).with_for_update(skip_locked=True)
    rows = (await session.execute(heads)).all()
    if urgent and not rows:
        return await take(session, at=at, limit=limit, urgent=False)
    if not rows or len(rows) == limit:
        return [_taken(row) for row in rows]
    followers = (
        _columns()
        .where(OutboxMessage.state == _PENDING, OutboxMessage.ref.in_([row.ref for row in rows]))
        .where(OutboxMessage.id.not_in([row.id for row in rows]))
        .order_by(OutboxMessage.id)
        .limit(limit - len(rows))
    )
    return [_taken(row) for row in (*rows, *_unbroken((await session.execute(followers)).all(), at))]


class Overtaken(Exception):
    """A message that was followed up here is done already."""


async def mark_done(session: AsyncSession, ids: Sequence[int], *, at: datetime) -> None:
    """Raises `Overtaken` when another reactor was first with one of them: what was done here is undone, and not done twice."""
    if not ids:
        return
    changed = await session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id.in_(ids), OutboxMessage.state == MessageState.PENDING)
        .values(state=MessageState.DONE, done_at=at)
        .execution_options(synchronize_session=False)
    )
    if changed.rowcount != len(ids):  # type: ignore[attr-defined]
        raise Overtaken


async def postpone(session: AsyncSession, ids: Sequence[int], *, at: datetime) -> None:
    """Let messages whose incident somebody else holds wait as long again as they have waited: it is not held against them."""
    query = select(OutboxMessage).where(OutboxMessage.id.in_(ids), OutboxMessage.state == _PENDING)
    for message in await session.scalars(query):
        message.not_before = at + min(max(at - message.created_at, _FIRST_WAIT), _LONGEST_WAIT)
    await session.flush()


async def note_failure(
    session: AsyncSession, message_id: int, error: Exception, *, at: datetime
) -> MessageState | None:
    """Count it, try again later, and in the end set it aside: it holds back its own ref only, and not for ever. None: it is
    not pending any more."""
    message = await session.get_one(OutboxMessage, message_id, with_for_update=True, populate_existing=True)
    if message.state != MessageState.PENDING:
        return None
    message.attempts += 1
    message.last_error = _UNFIT.sub("\ufffd", f"{type(error).__name__}: {error}"[:2000])
    message.not_before = at + _FIRST_WAIT * 2 ** (message.attempts - 1)
    if message.attempts >= ATTEMPTS:
        message.state = MessageState.PARKED
    await session.flush()
    return MessageState(message.state)


@cache
def _look() -> Select[Any]:
    """Made once: it is asked at every turn of every engine, and takes longer to put together than to run."""
    at = bindparam("at", type_=Timer.due_at.type)
    first = select(Timer.due_at).where(Timer.state == _ARMED).order_by(Timer.due_at).limit(1)
    return select(
        exists(select(OutboxMessage.id).where(*_heads(at))),
        _most_urgent(at).scalar_subquery(),
        exists(select(Timer.id).where(_is_grave(Timer), *_due(at))),
        first.scalar_subquery(),
    )


def _columns() -> Select[Any]:
    return select(
        OutboxMessage.id, OutboxMessage.topic, OutboxMessage.ref, OutboxMessage.payload, OutboxMessage.urgency,
        OutboxMessage.attempts, OutboxMessage.not_before,
    )  # fmt: skip


def _taken(row: Row[Any]) -> Taken:
    return Taken(row.id, row.topic, row.ref, row.payload, Urgency(row.urgency), row.attempts)


def _unbroken(rows: Iterable[Row[Any]], at: datetime) -> list[Row[Any]]:
    """Of each ref, those before the first that must wait."""
    found: dict[str, list[Row[Any]]] = defaultdict(list)
    stopped: set[str] = set()
    for row in rows:
        if row.not_before > at:
            stopped.add(row.ref)
        elif row.ref not in stopped:
            found[row.ref].append(row)
    return sorted((row for of_ref in found.values() for row in of_ref), key=lambda row: row.id)


def _pending(message: Any, at: Moment) -> tuple[ColumnElement[bool], ...]:
    return message.state == _PENDING, message.not_before <= at


def _heads(at: Moment) -> tuple[ColumnElement[bool], ...]:
    """Messages that may be handled: none before them, of the same ref, is still pending."""
    earlier = aliased(OutboxMessage)
    held_back = exists().where(
        earlier.state == _PENDING, earlier.ref == OutboxMessage.ref, earlier.id < OutboxMessage.id
    )
    return (*_pending(OutboxMessage, at), ~held_back)


def _due(at: Moment) -> tuple[ColumnElement[bool], ...]:
    return Timer.state == _ARMED, Timer.due_at <= at


def _is_grave(timers: Any) -> ColumnElement[bool]:
    found: ColumnElement[bool] = timers.urgency == _GRAVE
    return found


def _is_urgent(messages: Any) -> ColumnElement[bool]:
    found: ColumnElement[bool] = messages.urgency < _ORDINARY
    return found


def _most_urgent(at: Moment) -> Select[Any]:
    """How urgent the most urgent message is; none: all are ordinary."""
    told = aliased(OutboxMessage)
    return select(told.urgency).where(_is_urgent(told), *_pending(told, at)).order_by(told.urgency).limit(1)
