"""Reactions set aside after failing repeatedly: shown, and tried again by command (architecture, guarantee 9)."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from app.access.edge import Edge, Now, Session, problems
from app.db import Work, wake
from app.errors import NotFound, Refused
from app.outbox import MessageState, OutboxMessage
from app.wording import say

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["service"])


class ParkedRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    topic: str
    ref: str
    created_at: datetime
    attempts: int
    last_error: str | None


class Parked(BaseModel):
    items: list[ParkedRead]
    next: None = None


@router.get("/parked", responses=problems())
async def list_parked(session: Session) -> Parked:
    """What was set aside, newest first."""
    query = (
        select(OutboxMessage)
        .where(OutboxMessage.state == MessageState.PARKED)
        .order_by(OutboxMessage.id.desc())
    )
    return Parked(items=[ParkedRead.model_validate(row) for row in await session.scalars(query.limit(200))])


@router.post("/parked/{message_id}/retry", status_code=202, responses=problems(NotFound, Refused))
async def retry(message_id: int, session: Session, now: Now) -> ParkedRead:
    """Try again, from the first attempt."""
    row = (
        await session.get(OutboxMessage, message_id, with_for_update=True) if 0 < message_id < 2**63 else None
    )
    if row is None:
        raise NotFound(say("service.no_such_message", id=message_id))
    if row.state != MessageState.PARKED:
        raise Refused(say("service.not_parked"), state=row.state)
    row.state, row.attempts, row.not_before = MessageState.PENDING, 0, now
    wake(session, Work.MESSAGES)
    return ParkedRead.model_validate(row)
