"""Everything that was set aside, in one place, and tried again by command (architecture, guarantee 9).

Reactions that failed too often; deliveries that failed for good and external steps that were given up, while what they are about
is open; bodies of sources that could not be understood. A step is tried again by answering the question on its incident.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app.access.paging import Slice
from app.db import Work, inline, wake
from app.errors import Malformed, NotFound, Refused
from app.ids import new_id
from app.incidents.tables import OPEN_STATES, Incident
from app.intake import inbox
from app.intake.signals import NotUnderstood
from app.intake.tables import Receipt, ReceiptState, Source
from app.notify import pipeline
from app.notify.tables import Delivery, DeliveryState
from app.outbox import MessageState, OutboxMessage
from app.playbooks.tables import StepRow, StepState
from app.wording import Wording, kept, say

_GIVEN_UP: Final = (StepState.ASKING, StepState.FAILED)


class Kind(StrEnum):
    """What was set aside."""

    REACTION = "reaction"  # its reactions failed too often
    DELIVERY = "delivery"  # no channel took it, and it is not tried any more
    STEP = "step"  # an external step that was given up
    SIGNAL = "signal"  # what a source sent and nobody understood


@dataclass(frozen=True)
class SetAside:
    """One thing that was set aside."""

    kind: Kind
    key: str  # of its row
    at: datetime | None  # none: a step that ended before it began
    what: str  # the topic, the channel, the step's name, the source's name
    ref: str
    reason: Wording | str | None
    attempts: int
    incident: tuple[str, str, str] | None = None  # id, number, title

    @property
    def id(self) -> str:
        return f"{self.kind}-{self.key}"

    @property
    def may_retry(self) -> bool:
        return self.kind is not Kind.STEP


async def listed(
    session: AsyncSession, part: Slice, *, kind: Kind | None = None
) -> tuple[list[SetAside], str | None]:
    """A page: kind by kind, the newest of each first, and the cursor of the next."""
    kinds = list(Kind) if kind is None else [kind]
    after = None
    if part.after is not None:
        reached, after = _named(part.after)
        if reached not in kinds:
            raise Malformed(say("access.cursor"))
        kinds = kinds[kinds.index(reached) :]
    found: list[SetAside] = []
    for one in kinds:
        found += await _of_kind(session, one, after=after, most=part.limit + 1 - len(found))
        after = None
        if len(found) > part.limit:
            cursor = base64.urlsafe_b64encode(found[part.limit - 1].id.encode()).decode()
            return await _with_incidents(session, found[: part.limit]), cursor
    return await _with_incidents(session, found), None


async def count(session: AsyncSession, *kinds: Kind) -> int:
    """How much was set aside, of these kinds."""
    queries = [_query(kind, None) for kind in kinds]
    numbers = [
        await session.scalar(query.with_only_columns(func.count()).order_by(None)) for query in queries
    ]
    return sum(number or 0 for number in numbers)


async def retry(session: AsyncSession, name: str, *, by: str, at: datetime) -> SetAside:
    """Try it again: a reaction from its first attempt, a delivery by the same contact point, a body by what its source's mapping
    is now. Raises `NotFound`, and `Refused` where it is not set aside or still cannot be understood.
    """
    try:
        kind, key = _named(name)
    except Malformed as error:
        raise NotFound(say("service.no_such_message", id=name[:40])) from error
    match kind:
        case Kind.REACTION:
            return await _run_again(session, int(key), at=at)
        case Kind.DELIVERY:
            return await _send_again(session, key, by=by, at=at)
        case Kind.SIGNAL:
            return await _read_again(session, key, at=at)
        case Kind.STEP:
            raise Refused(say("watch.step_is_asked"))


# ── what is listed ────────────────────────────────────────────────────────────────────────────────────────


def _query(kind: Kind, after: str | None) -> Select[Any]:
    """The rows of a kind, newest first; said as the partial indexes say it."""
    match kind:
        case Kind.REACTION:
            return _newest(
                OutboxMessage,
                OutboxMessage.state == inline(MessageState.PARKED),
                int(after) if after else None,
            )
        case Kind.DELIVERY:
            over = exists().where(Incident.id == Delivery.ref, Incident.state.not_in(OPEN_STATES))
            return _newest(Delivery, and_(Delivery.state == inline(DeliveryState.FAILED), ~over), after)
        case Kind.STEP:
            is_open = exists().where(Incident.id == StepRow.ref, Incident.state.in_(OPEN_STATES))
            given_up = StepRow.state.in_(inline(_GIVEN_UP))
            return _newest(StepRow, and_(given_up, StepRow.call.is_not(None), is_open), after)
        case Kind.SIGNAL:
            query = _newest(Receipt, Receipt.state == inline(ReceiptState.NOT_UNDERSTOOD), after)
            return query.options(defer(Receipt.body, raiseload=True))


def _newest(table: Any, which: ColumnElement[bool], after: Any) -> Select[Any]:
    query = select(table).where(which).order_by(table.id.desc())
    return query if after is None else query.where(table.id < after)


async def _of_kind(session: AsyncSession, kind: Kind, *, after: str | None, most: int) -> list[SetAside]:
    rows = list(await session.scalars(_query(kind, after).limit(most)))
    names: Mapping[str, str] = {}
    if kind is Kind.SIGNAL:
        sources = select(Source.id, Source.name).where(Source.id.in_({row.source_id for row in rows}))
        names = {row.id: row.name for row in await session.execute(sources)}
    return [_described(row, names) for row in rows]


def _described(row: Any, sources: Mapping[str, str]) -> SetAside:
    match row:
        case OutboxMessage():
            ref = str(row.payload.get("incident_id", row.ref))
            return SetAside(
                Kind.REACTION, str(row.id), row.created_at, row.topic, ref, row.last_error, row.attempts
            )
        case Delivery():
            reason = Wording(row.reason["key"], row.reason["params"]) if row.reason else None
            return SetAside(Kind.DELIVERY, row.id, row.created_at, row.channel, row.ref, reason, row.attempts)
        case StepRow():
            reason = Wording(row.reason["key"], row.reason["params"]) if row.reason else None
            begun = row.ended_at or row.started_at or row.due_at
            return SetAside(Kind.STEP, row.id, begun, row.name, row.ref, reason, row.attempts)
        case Receipt():
            reason = Wording(row.error["key"], row.error["params"]) if row.error else None
            name = sources.get(row.source_id, "–")
            return SetAside(Kind.SIGNAL, row.id, row.received_at, name, row.id, reason, 1)
    raise TypeError(type(row).__name__)


async def _with_incidents(session: AsyncSession, found: Sequence[SetAside]) -> list[SetAside]:
    query = select(Incident.id, Incident.number, Incident.title).where(
        Incident.id.in_({one.ref for one in found})
    )
    known = {row.id: (row.id, row.number, row.title) for row in await session.execute(query)}
    return [
        SetAside(one.kind, one.key, one.at, one.what, one.ref, one.reason, one.attempts, known.get(one.ref))
        for one in found
    ]


def _named(name: str) -> tuple[Kind, str]:
    """Kind and key of an id, or `Malformed`; a bare number is a reaction's."""
    kind, dash, key = name.partition("-")
    if not dash:
        kind, key = Kind.REACTION, name
    numeric = key.isascii() and key.isdigit() and len(key) <= 18
    if kind not in set(Kind) or not (numeric if kind == Kind.REACTION else key.isascii() and key.isalnum()):
        raise Malformed(say("access.cursor"))
    return Kind(kind), key


# ── trying again ──────────────────────────────────────────────────────────────────────────────────────────


async def _run_again(session: AsyncSession, number: int, *, at: datetime) -> SetAside:
    row = await session.get(OutboxMessage, number, with_for_update=True)
    if row is None:
        raise NotFound(say("service.no_such_message", id=number))
    if row.state != MessageState.PARKED:
        raise Refused(say("service.not_parked"), state=row.state)
    was = _described(row, {})
    row.state, row.attempts, row.not_before = MessageState.PENDING, 0, at
    wake(session, Work.MESSAGES)
    return was


async def _send_again(session: AsyncSession, key: str, *, by: str, at: datetime) -> SetAside:
    """A new delivery of the same notice to the same contact point, on no rung: the attempts of the old one are its own.

    Of a round that has ended by now it is dropped when its turn comes, as any other would be.
    """
    row = await session.get(Delivery, key, with_for_update=True)
    if row is None:
        raise NotFound(say("service.no_such_message", id=key))
    if row.state != DeliveryState.FAILED:
        raise Refused(say("service.not_parked"), state=row.state)
    was = _described(row, {})
    again = Delivery(
        id=new_id(at), notice_id=row.notice_id, round_id=row.round_id, ref=row.ref, level=row.level, hop=None, lap=None,
        position=row.position, person_id=row.person_id, person_name=row.person_name, language=row.language,
        contact_id=row.contact_id, channel=row.channel, address_masked=row.address_masked, asks=row.asks,
        state=DeliveryState.PENDING, attempts=0, note=kept(say("watch.sent_again_of", by=by)), further=[], not_before=at,
        created_at=at,
    )  # fmt: skip
    pipeline.drop(row, say("watch.sent_again", by=by))
    session.add(again)
    wake(session, Work.DELIVERIES)
    return was


async def _read_again(session: AsyncSession, key: str, *, at: datetime) -> SetAside:
    row = await session.get(Receipt, key, with_for_update=True)
    if row is None:
        raise NotFound(say("service.no_such_message", id=key))
    if row.state != ReceiptState.NOT_UNDERSTOOD:
        raise Refused(say("service.not_parked"), state=row.state)
    was = _described(row, {})
    source = await session.get_one(Source, row.source_id)
    try:
        await inbox.read_again(session, source, row, at=at)
    except NotUnderstood as refusal:
        raise Refused(refusal.detail, errors=list(refusal.errors)) from refusal
    return was
