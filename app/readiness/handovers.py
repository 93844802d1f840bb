"""Handovers of rosters: at each change of the holder an idempotent row, and a message that lets both be told.

Any number of replicas may fire the same one: its key is the moment, the position and the new holder. One that is long past is not
told any more: whoever has the duty knows by then. Nothing here sends.
"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.people import holders, rosters
from app.people.rota import Called, Why
from app.people.tables import Roster
from app.readiness.tables import HandoverOccurrence

LATEST: Final = timedelta(minutes=30)
"""How long after a handover it is still told."""
_MOMENT: Final = timedelta(microseconds=1)


async def fire_due(session: AsyncSession, *, at: datetime) -> list[str]:
    """Fire the handovers of the last minutes, of every roster in force; says which were fired."""
    fired: list[str] = []
    for roster in await rosters.rosters(session):
        start = at - LATEST
        found = await holders.calendar(session, roster.position_id, start, at + _MOMENT, at=at)
        for before, after in pairwise(found.stretches):
            one, other = _of_the_roster(before), _of_the_roster(after)
            # What was so before the roster was written is news to nobody.
            if one != other and after.begins >= roster.written_at:
                key = await _fire(session, roster, one, other, after.begins)
                fired += [key] if key else []
    return fired


def _of_the_roster(stretch: Called) -> str | None:
    return stretch.people[0] if stretch.why not in {None, Why.ASSIGNED} else None


async def _fire(
    session: AsyncSession, roster: Roster, from_id: str | None, to_id: str | None, handed_over_at: datetime
) -> str | None:
    key = f"{handed_over_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{roster.position_id}-{to_id or 'nobody'}"
    values = {
        "key": key, "position": roster.position_id, "handed_over_at": handed_over_at, "from_id": from_id, "to_id": to_id,
    }  # fmt: skip
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    statement = insert(HandoverOccurrence).values(values).on_conflict_do_nothing(index_elements=["key"])
    if await session.scalar(statement.returning(HandoverOccurrence.key)) is None:
        return None
    payload = {
        "position": roster.position_id, "from_id": from_id, "to_id": to_id, "at": handed_over_at.isoformat(),
    }  # fmt: skip
    outbox.put(session, "handover.due", payload, ref=roster.position_id, at=handed_over_at)
    return key
