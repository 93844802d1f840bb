"""The daily health check-in (EO-1): one word, nothing more is asked or kept.

Whoever is ill or has symptoms cannot be called from that moment on; who is well again can. The day's summary says who has not
been heard of.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.keys import Principal
from app.access.rights import MANAGES
from app.errors import Forbidden, Refused
from app.ids import new_id
from app.people import organisation
from app.people.tables import Availability, CheckIn, Health, Person
from app.wording import say

STAYS_AWAY: Final = frozenset({Health.SYMPTOMS, Health.ILL})


@dataclass(frozen=True)
class Summary:
    """A day's check-ins: the latest word of each."""

    well: int
    away: Sequence[str]  # ids of those with symptoms or ill
    missing: Sequence[str]  # ids of those who said nothing


async def check_in(
    session: AsyncSession, person_id: str, health: Health, *, who: Principal, at: datetime
) -> tuple[CheckIn, Person]:
    """Somebody says how they are, or whoever manages says it for them; their availability follows at once."""
    if who.person_id != person_id and who.role not in MANAGES:
        raise Forbidden(say("people.not_yours"))
    person = await session.get(Person, person_id, with_for_update=True, populate_existing=True)
    person = person or await organisation.person(session, person_id)
    if person.left_at is not None:
        raise Refused(say("people.left", name=person.name))
    said = CheckIn(id=new_id(at), person_id=person_id, health=health, at=at, by=who.name)
    session.add(said)
    was = person.availability
    # Who is on leave stays on leave, ill or well, until somebody ends it.
    if health in STAYS_AWAY and was != Availability.LEAVE:
        organisation.make_available(session, person, Availability.ILL, at=at, by=who.name)
    elif was == Availability.ILL:
        organisation.make_available(session, person, Availability.ON_DUTY, at=at, by=who.name)
    if person.availability != was:
        person.version += 1
        organisation.tell_of(session, person, at=at)
    await session.flush()
    return said, person


async def summary(session: AsyncSession, since: datetime, until: datetime) -> Summary:
    """What was said between two moments, by everybody of the centre."""
    everybody = list(
        await session.scalars(select(Person.id).where(Person.left_at.is_(None)).order_by(Person.id))
    )
    query = select(CheckIn).where(CheckIn.at >= since, CheckIn.at < until).order_by(CheckIn.at, CheckIn.id)
    latest = {one.person_id: one.health for one in await session.scalars(query)}
    away = [one for one in everybody if latest.get(one) in STAYS_AWAY]
    missing = [one for one in everybody if one not in latest]
    return Summary(len(everybody) - len(away) - len(missing), away, missing)
