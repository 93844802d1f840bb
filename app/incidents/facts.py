"""What is known of an incident, and how it changes (EP-7.1.2). Each change is kept on the timeline, before and after."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import Refused, WrongShape
from app.incidents import lifecycle, record, timeline
from app.incidents.lifecycle import Event, Move
from app.incidents.tables import OPEN_STATES, Incident, State
from app.levels import grading, matrix
from app.levels.grading import Graded
from app.wording import say

MOST_FACTS = 500


async def merge(
    session: AsyncSession,
    incident: Incident,
    facts: Mapping[str, Any],
    *,
    actor: str,
    at: datetime,
    hint: Graded | None = None,
) -> dict[str, Any]:
    """Merge facts into a locked incident; `None` removes one. The grading rules look again, and a source's new `hint` counts.

    While the level is provisional a rule may move it; once somebody has assessed it, a different answer is a suggestion.
    """
    if incident.state not in OPEN_STATES:
        raise Refused(
            say("incidents.over"), state=incident.state, allowed=lifecycle.allowed(State(incident.state))
        )
    changes = {
        name: [incident.facts.get(name), value]
        for name, value in facts.items()
        if incident.facts.get(name) != value
    }
    if not changes:
        if hint is not None:
            await look_again(session, incident, at=at, hint=hint)
        return changes
    merged = {name: value for name, value in {**incident.facts, **facts}.items() if value is not None}
    if len(merged) > MOST_FACTS:
        raise WrongShape(say("incidents.too_many_facts", most=MOST_FACTS), errors=[{"path": "facts"}])
    incident.facts = merged
    incident.version += 1
    timeline.append(
        session, incident, "facts.changed", actor=actor, at=at, changes=changes, names=sorted(changes)
    )
    outbox.put(session, "facts.changed", {"incident_id": incident.id}, ref=incident.id, at=at)
    await look_again(session, incident, at=at, hint=hint)
    return changes


async def look_again(
    session: AsyncSession, incident: Incident, *, at: datetime, hint: Graded | None = None
) -> None:
    """Ask the grading rules of the incident's revision anew; `hint` is what a source says that calls it graver than before.

    Both go one way: they move a provisional level, and are a suggestion for one that somebody has assessed.
    """
    levels = await matrix.of(session, incident.plan_revision)
    _, kind = levels.type_of(incident.type)
    ruled = grading.again(kind, record.scope(incident), incident.facts, level=incident.level, hint=hint)
    if ruled is None or ruled.level == incident.level:
        incident.level_suggested = None
    elif incident.provisional:
        move = Move(
            spec=levels.levels[incident.level],
            level=ruled.level,
            level_reason=ruled.reason,
            reason=ruled.reason,
        )
        lifecycle.apply(session, incident, Event.RELEVEL, actor="plan", at=at, move=move)
    elif ruled.level != incident.level_suggested:
        incident.level_suggested = ruled.level
        timeline.append(
            session, incident, "level.suggested", actor="plan", at=at, level=ruled.level, because=ruled.reason
        )
        outbox.put(
            session,
            "level.suggested",
            {"incident_id": incident.id, "level": ruled.level},
            ref=incident.id,
            at=at,
        )
