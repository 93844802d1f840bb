"""What people answer when they are called (EP-5.2): somebody has it, cannot, or wants others called as well.

An answer belongs to an occurrence and a level. It does not hold for ever: with nothing done it lapses, and the chain asks again.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import Refused
from app.incidents import lifecycle, timeline
from app.incidents.tables import OPEN_STATES, Incident, State, TimelineEntry
from app.people import naming
from app.wording import Wording, say

Answer = Literal["take", "cannot", "add"]
"""I have it; I cannot; call these as well."""

_OUR_WAYS: Final = frozenset(
    {"api", "link", "console", "cli", "sms", "voice", "mail", "dingtalk", "wecom", "feishu", "slack"}
)
# What stands on a timeline and is nobody's deed.
_NO_DEEDS: Final = frozenset({"incident.acknowledged", "incident.declined"})
_AT_WORK: Final = (State.RESPONDING, State.RECOVERING)


async def answer(
    session: AsyncSession, incident: Incident, given: Answer, *, by: str, person_id: str | None, at: datetime, via: str,
    note: str | None = None, add: Sequence[str] = (),
) -> TimelineEntry:  # fmt: skip
    """An answer over the API, the console or the command line, on a locked incident; `add` names positions and people.

    Raises `Refused` when the incident is over, `NobodyOfThatName` for whom nobody knows.
    """
    if given == "cannot":
        return decline(session, incident, by=by, person_id=person_id, at=at, via=via, note=note)
    entry = None
    if given == "take":
        entry = acknowledge(session, incident, by=by, at=at, via=via, note=note)
    if add or entry is None:
        asked = await ask_others(session, incident, by=by, names=add, at=at, via=via, note=note)
        entry = entry or asked
    return entry


def acknowledge(
    session: AsyncSession, incident: Incident, *, by: str, at: datetime, via: str, note: str | None = None
) -> TimelineEntry:
    """Record the answer on a locked incident, and let the calling stop. A second one is recorded; the first keeps the time."""
    _must_be_open(incident)
    entry = note_answer(session, incident, by=by, at=at, via=via, note=note)
    payload = {"incident_id": incident.id, "by": by, "via": via, "answered_at": at.isoformat()}
    # Whatever the level: until the chain has heard of it, it goes on calling.
    outbox.put(
        session, "incident.acknowledged", payload, ref=incident.id, at=at, urgency=outbox.Urgency.GRAVE
    )
    return entry


def decline(
    session: AsyncSession, incident: Incident, *, by: str, person_id: str | None, at: datetime, via: str,
    note: str | None = None,
) -> TimelineEntry:  # fmt: skip
    """They cannot: the next in the chain is told at once. Whoever has it hands it back by this, and the chain is called anew."""
    _must_be_open(incident)
    entry = note_decline(session, incident, by=by, at=at, via=via, note=note)
    payload = {"incident_id": incident.id, "by": by, "person_id": person_id, "via": via}
    if not give_back(session, incident, by=by, person_id=person_id, at=at, via=via):
        outbox.put(
            session, "incident.declined", payload, ref=incident.id, at=at, urgency=outbox.Urgency.GRAVE
        )
    return entry


async def ask_others(
    session: AsyncSession, incident: Incident, *, by: str, names: Sequence[str], at: datetime, via: str,
    note: str | None = None,
) -> TimelineEntry:  # fmt: skip
    """Let these be called as well, without a word on who has it."""
    _must_be_open(incident)
    named = await naming.meant(session, names)
    entry = note_asked(session, incident, by=by, names=names, at=at, via=via, note=note)
    payload = {
        "incident_id": incident.id, "by": by, "via": via, "whom": [one._asdict() for one in named], "is_noted": True,
    }  # fmt: skip
    outbox.put(session, "others.asked", payload, ref=incident.id, at=at, urgency=outbox.Urgency.GRAVE)
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


def note_decline(
    session: AsyncSession, incident: Incident, *, by: str, at: datetime, via: str, note: str | None = None
) -> TimelineEntry:
    """Write down that somebody cannot."""
    return timeline.append(
        session, incident, "incident.declined", actor=by, at=at, via=via, note=note, by_way=_way(via)
    )


def note_asked(
    session: AsyncSession, incident: Incident, *, by: str, names: Sequence[object], at: datetime, via: str,
    note: str | None = None,
) -> TimelineEntry:  # fmt: skip
    """Write down that somebody wants others called."""
    return timeline.append(
        session,
        incident,
        "others.asked",
        actor=by,
        at=at,
        via=via,
        note=note,
        by_way=_way(via),
        whom=list(names),
    )


def give_back(
    session: AsyncSession, incident: Incident, *, by: str, person_id: str | None, at: datetime, via: str
) -> bool:
    """Whoever has it has it no longer, and people are called anew; says whether they had it."""
    if incident.acknowledged_at is None or incident.acknowledged_by != by:
        return False
    _lapse(session, incident, at=at, by=by, person_id=person_id, via=via)
    return True


async def look_for_deeds(session: AsyncSession, incident: Incident, *, calls: int, at: datetime) -> None:
    """The time an answer holds has passed: it lapses where nobody has done anything since (EP-5.2).

    Not when people are at work by now, nor when the answer belongs to a call that others have followed.
    """
    since, by = incident.acknowledged_at, incident.acknowledged_by
    if since is None or incident.calls != calls or not awaits_deeds(incident):
        return
    here = (TimelineEntry.incident_id == incident.id, TimelineEntry.at >= since)
    answered = select(func.min(TimelineEntry.seq)).where(*here, TimelineEntry.kind == "incident.acknowledged")
    query = select(TimelineEntry.kind, TimelineEntry.actor).where(
        *here, TimelineEntry.seq > answered.scalar_subquery()
    )
    if any(_is_deed(row.kind, row.actor) for row in await session.execute(query)):
        return
    timeline.append(session, incident, "acknowledgement.expired", actor="plan", at=at, by=by, since=since)
    _lapse(session, incident, at=at, by=by)


def awaits_deeds(incident: Incident) -> bool:
    """Whether somebody has it and the work has not begun."""
    return (
        incident.acknowledged_at is not None
        and incident.state in OPEN_STATES
        and incident.state not in _AT_WORK
    )


def _lapse(
    session: AsyncSession, incident: Incident, *, at: datetime, by: str | None, person_id: str | None = None, via: str = ""
) -> None:  # fmt: skip
    lifecycle.page_again(incident)
    incident.version += 1
    payload = {"incident_id": incident.id, "by": by, "person_id": person_id, "via": via}
    outbox.put(session, "acknowledgement.lapsed", payload, ref=incident.id, at=at)


def _is_deed(kind: str, actor: str) -> bool:
    return actor != "plan" and not actor.startswith("source:") and kind not in _NO_DEEDS


def _must_be_open(incident: Incident) -> None:
    if incident.state not in OPEN_STATES:
        raise Refused(
            say("incidents.over"), state=incident.state, allowed=lifecycle.allowed(State(incident.state))
        )


def _way(via: str) -> Wording:
    """How an answer came; what is none of our own ways is the name of a monitoring source."""
    return say(f"via.{via if via in _OUR_WAYS else 'source'}")
