"""The timeline: gapless, in order, each entry sealed with the hash of the one before.

Who appends holds the incident's row lock (`record.locked`), so two writers cannot take the same number.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.incidents.tables import Incident, State, TimelineEntry
from app.wording import Wording, kept, render

# What people may leave out when they act.
_MAY_BE_UNSAID = frozenset({"reason", "note", "because"})


def append(
    session: AsyncSession, incident: Incident, kind: str, *, actor: str, at: datetime, **data: Any
) -> TimelineEntry:
    """Write the next entry of a locked incident, in the caller's transaction."""
    seq = incident.last_seq + 1
    plain = json.loads(json.dumps(data, ensure_ascii=False, default=_plain), parse_float=_number)
    sealed = seal(incident.id, seq, at, actor, kind, plain, incident.last_hash)
    entry = TimelineEntry(
        incident_id=incident.id,
        seq=seq,
        at=at,
        actor=actor,
        kind=kind,
        data=plain,
        previous=incident.last_hash,
        hash=sealed,
    )
    session.add(entry)
    incident.last_seq, incident.last_hash = seq, sealed
    return entry


def seal(
    incident_id: str, seq: int, at: datetime, actor: str, kind: str, data: Mapping[str, Any], previous: str
) -> str:
    """SHA-256 over the canonical JSON of an entry and the hash before it."""
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    content = [incident_id, seq, moment, actor, kind, data, previous]
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


async def entries(session: AsyncSession, incident_id: str, *, after: int = 0) -> list[TimelineEntry]:
    query = select(TimelineEntry).where(TimelineEntry.incident_id == incident_id, TimelineEntry.seq > after)
    return list(await session.scalars(query.order_by(TimelineEntry.seq)))


def first_break(chain: Iterable[TimelineEntry]) -> int | None:
    """The number of the first entry that does not follow from the one before it, or `None`: the chain holds."""
    previous, expected = "", 1
    for entry in chain:
        sealed = seal(entry.incident_id, entry.seq, entry.at, entry.actor, entry.kind, entry.data, previous)
        if entry.seq != expected or entry.previous != previous or entry.hash != sealed:
            return expected
        previous, expected = entry.hash, expected + 1
    return None


def fold(chain: Iterable[TimelineEntry]) -> State | None:
    """The state the timeline tells of; always that of the row."""
    state = None
    for entry in chain:
        if "to" in entry.data:
            state = State(entry.data["to"])
    return state


def summary(entry: TimelineEntry, language: str, zone: tzinfo = UTC) -> str:
    """The entry as one sentence; a note or reason that nobody gave leaves nothing behind."""
    said = {
        name: "" if value is None and name in _MAY_BE_UNSAID else value for name, value in entry.data.items()
    }
    return render(Wording(f"timeline.{entry.kind}", said), language, zone).strip()


def _number(text: str) -> float | int:
    """A number as both databases give it back: PostgreSQL writes 1e16 out in full and knows no negative zero."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) >= 1e16 else value + 0.0


def _plain(value: Any) -> Any:
    if isinstance(value, Wording):
        return kept(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} does not belong on a timeline")
