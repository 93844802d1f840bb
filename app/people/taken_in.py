"""Overrides taken in from a calendar: each event puts somebody in, all of them or none."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import WrongShape
from app.people import organisation, rosters
from app.people.ical import Entry
from app.people.tables import Override, Person
from app.wording import Wording, say


async def overrides(
    session: AsyncSession, position: str, entries: Sequence[Entry], *, by: str, at: datetime
) -> dict[str, int]:
    """Put in who the events name, by staff number or name; says how many were new and how many changed.

    The same calendar again changes nothing. A name that two people have is refused: their staff numbers tell them apart.
    """
    await rosters.roster_of(session, position)
    people = list(await session.scalars(select(Person).where(Person.left_at.is_(None))))
    named: dict[str, list[str]] = {}
    for one in people:
        named.setdefault(one.name.casefold(), []).append(one.id)
    numbered = {one.staff_number.casefold(): one.id for one in people if one.staff_number}
    query = select(Override).where(Override.position_id == position, Override.uid.is_not(None))
    known = {(one.uid, one.begins): one for one in await session.scalars(query)}
    wrong: list[tuple[str, Wording]] = []
    added = changed = 0
    for number, entry in enumerate(entries, start=1):
        said = entry.summary.casefold()
        found = [numbered[said]] if said in numbered else named.get(said, [])
        if len(found) != 1:
            wrong.append((f"event.{number}", say("people.ical.who", who=organisation.echoed(entry.summary))))
            continue
        row = known.get((entry.uid, entry.begins))
        if row is None:
            known[entry.uid, entry.begins] = await rosters.put_in(
                session, position, found[0], begins=entry.begins, ends=entry.ends, by=by, at=at, uid=entry.uid
            )
            added += 1
        elif (row.person_id, row.ends) != (found[0], entry.ends) and row.withdrawn_at is None:
            row.person_id, row.ends = found[0], entry.ends
            organisation.tell(session, at=at, position=position)
            changed += 1
    if wrong:
        errors = [{"path": path, "message": message} for path, message in wrong]
        raise WrongShape(say("people.mistakes", count=len(wrong)), errors=errors)
    return {"added": added, "changed": changed}
