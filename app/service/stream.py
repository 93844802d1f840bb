"""What changes, as server-sent events (`GET /api/v1/stream`): topic and incident only; the reader fetches what it shows.

The event id is the outbox number, so `Last-Event-ID` goes on where a connection broke. Numbers are given before they are committed,
so a lower one may appear after a higher one: the last seconds are looked at again, and what was sent is remembered.
"""

import json
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import ColumnElement, Row, func, select

from app.access.edge import Edge, Here, Who, problems
from app.access.parts import Parts
from app.away import Away
from app.outbox import OutboxMessage

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["service"])

_Change = Row[int, str, str, datetime]  # number, topic, reference, when it was put
_LOOK_BACK: Final = timedelta(seconds=10)
_AT_ONCE: Final = 200
_EVENT_ID: Final = re.compile("[0-9]{1,18}")  # what both databases can hold as a number


@router.get("/stream", response_class=EventSourceResponse, responses=problems())
async def stream(
    here: Here, _who: Who, last_event_id: Annotated[str | None, Header()] = None,
    incident: Annotated[str | None, Query(max_length=64)] = None,
) -> AsyncIterator[ServerSentEvent]:  # fmt: skip
    """Server-sent events of what changes; `?incident=` narrows it to one."""
    known = last_event_id is not None and _EVENT_ID.fullmatch(last_event_id)
    position = int(last_event_id) if last_event_id and known else await _newest(here)
    try:
        async for message in _changes(here, position, incident):
            said = {"topic": message.topic, "ref": message.ref}
            yield ServerSentEvent(raw_data=json.dumps(said), event="change", id=str(message.id))
    except Away:
        return  # a status cannot be sent any more; the reader comes again, and goes on where this ended


async def _newest(here: Parts) -> int:
    async with here.db.request(writing=False) as session:
        return int(await session.scalar(select(func.max(OutboxMessage.id))) or 0)


async def _changes(here: Parts, position: int, incident: str | None) -> AsyncIterator[_Change]:
    """Each change once, however many there are and however slowly they are read.

    1. What is new, page by page, until there is no more.
    2. What came late: a lower number, committed since the last such look.
    3. Wait, if there was nothing.
    """
    start = position
    since = here.clock.now() - _LOOK_BACK
    sent: dict[int, datetime] = {}  # as far back as a look for what came late can reach
    async with here.db.wake.listening() as woken:
        while True:
            woken.clear()
            looked = here.clock.now()
            fresh = await _read(here, incident, OutboxMessage.id > position, limit=_AT_ONCE)
            for message in fresh:
                position = message.id
                if message.created_at >= since:
                    sent[message.id] = message.created_at
                yield message
            if len(fresh) == _AT_ONCE:
                continue
            in_reach = (
                OutboxMessage.id > start,
                OutboxMessage.id <= position,
                OutboxMessage.created_at >= since,
            )
            late = [row for row in await _read(here, incident, *in_reach) if row.id not in sent]
            for message in late:
                sent[message.id] = message.created_at
                yield message
            # From the look before, not from now: a slow reader may have kept us longer than the look-back. Never
            # backwards, should the clock be set: what was forgotten would be sent again.
            since = max(since, looked - _LOOK_BACK)
            sent = {number: created for number, created in sent.items() if created >= since}
            if not (fresh or late):
                await woken.wait()


async def _read(
    here: Parts, incident: str | None, *which: ColumnElement[bool], limit: int | None = None
) -> list[_Change]:
    query = select(OutboxMessage.id, OutboxMessage.topic, OutboxMessage.ref, OutboxMessage.created_at)
    if incident is not None:
        query = query.where(OutboxMessage.ref == incident)
    async with here.db.request(writing=False) as session:
        return list(
            (await session.execute(query.where(*which).order_by(OutboxMessage.id).limit(limit))).all()
        )
