"""The warning of an incident, its warning state (ST-1): near to what a level asks for, no response started, the event tracked.

Warnings of indicators, before there is an incident, are `app.warnings`: the same idea, in the same colours of the levels.
Tracked: whoever owes the updates of that level owes them from now on, in its cadence, as if it had been started.
"""

from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.incidents import obligations, record, timeline
from app.incidents.tables import Incident, State, Status
from app.levels import grading, matrix
from app.wording import kept, restored

_NOT_STARTED: Final = (State.DETECTED, State.ASSESSED)


async def look(session: AsyncSession, incident: Incident, *, at: datetime) -> None:
    """Put a locked incident into the warning state, or take it out, as its facts and its level are now."""
    if incident.state not in _NOT_STARTED or incident.status == Status.TEST:
        return
    levels = await matrix.of(session, incident.plan_revision)
    _, kind = levels.type_of(incident.type)
    near = grading.near(kind, record.scope(incident), incident.facts, level=incident.level)
    before = incident.warned_of, incident.warned_because
    incident.warned_of = near.level if near else None
    incident.warned_because = kept(near.reason) if near else None
    if (incident.warned_of, incident.warned_because) == before:
        return
    incident.version += 1
    if near is not None:
        timeline.append(
            session, incident, "warning.begun", actor="plan", at=at, level=near.level, because=near.reason
        )
        if incident.warned_of != before[0]:
            await obligations.owe_update(session, incident, levels.levels[near.level], at=at)
            outbox.put(session, "incident.warned", {"incident_id": incident.id}, ref=incident.id, at=at)
        return
    assert before[1] is not None
    timeline.append(
        session, incident, "warning.ended", actor="plan", at=at, level=before[0], because=restored(before[1])
    )
    await obligations.withdraw_updates(session, incident)
