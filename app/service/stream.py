"""What changes, as server-sent events (`GET /api/v1/stream`): topic and incident only; the reader fetches what it shows.

The event id is the outbox number, so `Last-Event-ID` goes on where a connection broke. Numbers are given before they are committed,
so a lower one may appear after a higher one: the last seconds are looked at again, and what was sent is remembered.
"""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import func, or_, select

from app.access.edge import Edge, Here, Who, problems
from app.access.parts import Parts
from app.outbox import OutboxMessage

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["service"])

_LOOK_BACK: Final = timedelta(seconds=10)
_AT_ONCE: Final = 200


@router.get("/stream", response_class=EventSourceResponse, responses=problems())
async def stream(
    here: Here, _who: Who, last_event_id: Annotated[str | None, Header()] = None,
    incident: Annotated[str | None, Query(max_length=64)] = None,
) -> AsyncIterator[ServerSentEvent]:  # fmt: skip
    """Server-sent events of what changes; `?incident=` narrows it to one."""
    position = int(last_event_id) if last_event_id and last_event_id.isdigit() else await _newest(here)
    async for message in _changes(here, position, incident):
        said = {"topic": message.topic, "ref": message.ref}
        yield ServerSentEvent(raw_data=json.dumps(said), event="change", id=str(message.id))


async def _newest(here: Parts) -> int:
    async with here.db.reading() as session:
        return int(await session.scalar(select(func.max(OutboxMessage.id))) or 0)


async def _changes(here: Parts, position: int, incident: str | None) -> AsyncIterator[OutboxMessage]:
    start, sent = position, set[int]()
    async with here.db.wake.listening() as woken:
        while True:
            woken.clear()
            since = here.clock.now() - _LOOK_BACK
            late = OutboxMessage.created_at >= since
            query = select(OutboxMessage).where(
                OutboxMessage.id > start,
                or_(OutboxMessage.id > position, late),
                OutboxMessage.id.not_in(sent),
            )
            if incident is not None:
                query = query.where(OutboxMessage.ref == incident)
            async with here.db.reading() as session:
                found = list(await session.scalars(query.order_by(OutboxMessage.id).limit(_AT_ONCE)))
            for message in found:
                sent.add(message.id)
                position = max(position, message.id)
                yield message
            if len(sent) > 5 * _AT_ONCE:
                sent = {number for number in sent if number > position - 2 * _AT_ONCE}
            if not found:
                await woken.wait()
