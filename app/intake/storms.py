"""A storm: one source raises many new problems of one type in a short time, and people get one incident with a count.

The first `MOST` incidents of a source and type within `WITHIN` stand for themselves. A further problem joins the gravest
of those still open, unless it is graver than that: then it gets an incident of its own, which the next ones join. Each
has its row, its verdict and its part in the end: the incident recovers when all of them have.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import inline
from app.incidents import record
from app.incidents.raising import Alarm
from app.incidents.tables import Incident, State
from app.levels import grading, matrix

MOST: Final = 10  # new incidents of one source and type …
WITHIN: Final = timedelta(minutes=5)  # … in this time


async def incident_for(session: AsyncSession, alarm: Alarm, *, at: datetime) -> Incident | None:
    """The open incident, locked, that this new problem is a part of; `None` while there is no storm, or none grave enough."""
    _, levels = await matrix.in_force(session)
    type_name, kind = levels.type_of(alarm.type)
    # The newest few by their key, which sorts by time: a storm is looked for with each new problem, so it must cost little.
    query = (
        select(Incident.id, Incident.level, Incident.state)
        .where(
            Incident.source == alarm.source,
            Incident.type == type_name,
            Incident.status == inline(alarm.status),
            Incident.detected_at > at - WITHIN,
        )
        .order_by(Incident.id)
    )
    lately = (await session.execute(query)).all()
    still_open = [one for one in lately if one.state not in (State.CLOSED, State.REVIEWED, State.CANCELLED)]
    if len(lately) < MOST or not still_open:
        return None
    gravest = min(still_open, key=lambda one: (one.level, one.id))
    incident = await record.locked(session, gravest.id)
    graded = grading.at_first(
        kind, record.scope(incident), alarm.facts, said=alarm.level, hint=alarm.level_hint
    )
    return None if grading.is_graver(graded.level, incident.level) else incident
