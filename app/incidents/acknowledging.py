"""Somebody has it (EP-5.2): the chain stops for this occurrence and level."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import Refused
from app.incidents import lifecycle, timeline
from app.incidents.tables import OPEN_STATES, Incident, State, TimelineEntry
from app.wording import Wording, say

_OUR_WAYS = frozenset({"api", "link", "console"})


def acknowledge(
    session: AsyncSession, incident: Incident, *, by: str, at: datetime, via: str, note: str | None = None
) -> TimelineEntry:
    """Record the answer on a locked incident, and let the calling stop. A second one is recorded; the first keeps the time."""
    if incident.state not in OPEN_STATES:
        raise Refused(
            say("incidents.over"), state=incident.state, allowed=lifecycle.allowed(State(incident.state))
        )
    entry = note_answer(session, incident, by=by, at=at, via=via, note=note)
    payload = {"incident_id": incident.id, "by": by, "via": via, "answered_at": at.isoformat()}
    # Whatever the level: until the chain has heard of it, it goes on calling.
    outbox.put(
        session, "incident.acknowledged", payload, ref=incident.id, at=at, urgency=outbox.Urgency.GRAVE
    )
    return entry


def note_answer(
    session: AsyncSession, incident: Incident, *, by: str, at: datetime, via: str, note: str | None = None,
    holds: bool = True,
) -> TimelineEntry:  # fmt: skip
    """Write down an answer whose calling has stopped already; `holds`: it was given to the call that counts now."""
    if holds and incident.acknowledged_at is None:
        incident.acknowledged_at, incident.acknowledged_by = at, by
        incident.version += 1
    return timeline.append(
        session, incident, "incident.acknowledged", actor=by, at=at, via=via, note=note, by_way=_way(via)
    )


def _way(via: str) -> Wording:
    """How an answer came; what is none of our own ways is the name of a monitoring source."""
    return say(f"via.{via if via in _OUR_WAYS else 'source'}")
