"""Status updates (EP-5.1, continuity): what is told while the work goes on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import Refused
from app.ids import new_id
from app.incidents import lifecycle, obligations, timeline
from app.incidents.tables import OPEN_STATES, Incident, State, StatusUpdate
from app.wording import say


async def post(
    session: AsyncSession,
    incident: Incident,
    *,
    text: Mapping[str, Any],
    audience: str,
    author: str,
    at: datetime,
) -> StatusUpdate:
    """Post an update on a locked incident. It pays the update that is owed, and the next one falls due from now."""
    if incident.state not in OPEN_STATES:
        raise Refused(
            say("incidents.over"), state=incident.state, allowed=lifecycle.allowed(State(incident.state))
        )
    update = StatusUpdate(
        id=new_id(at), incident_id=incident.id, at=at, author=author, text=dict(text), audience=audience
    )
    session.add(update)
    await obligations.told_anew(session, incident, by=author, at=at)
    timeline.append(
        session, incident, "update.posted", actor=author, at=at, text=dict(text), audience=audience
    )
    payload = {"incident_id": incident.id, "update_id": update.id}
    outbox.put(session, "update.posted", payload, ref=incident.id, at=at)
    return update


async def of_incident(session: AsyncSession, incident_id: str) -> list[StatusUpdate]:
    query = (
        select(StatusUpdate)
        .where(StatusUpdate.incident_id == incident_id)
        .order_by(StatusUpdate.at, StatusUpdate.id)
    )
    return list(await session.scalars(query))
