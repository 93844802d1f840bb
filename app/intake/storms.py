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

MOST: Final = 10  # new incidents of one source and type …
WITHIN: Final = timedelta(minutes=5)  # … in this time
OVER: Final = frozenset({State.CLOSED, State.REVIEWED, State.CANCELLED})


async def incident_for(
    session: AsyncSession, alarm: Alarm, type_name: str, *, at: datetime
) -> Incident | None:
    """The gravest open incident, locked, of the storm that this new problem of that type is a part of; `None`: no storm."""
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
    still_open = [one for one in lately if one.state not in OVER]
    if len(lately) < MOST or not still_open:
        return None
    found = await record.locked(session, min(still_open, key=lambda one: (one.level, one.id)).id)
    # Who held its lock may have ended it: what is over takes nothing in any more.
    return found if found.state not in OVER else None
