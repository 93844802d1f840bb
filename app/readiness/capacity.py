"""How many people of each pool can be had, hour by hour, beside the least the plan asks for (EO-2).

Reckoned from leave, illness and who holds the positions, so an hour counts whoever is not away in any part of it. Only reads.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.people import holders
from app.people.rota import Away, Aways
from app.plan.document import PlanDocument
from app.resources.document import PeoplePool
from app.vocabulary import Localised

HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True)
class Capacity:
    """One pool over some hours."""

    pool: str
    title: Localised
    minimum: int
    members: int
    available: tuple[int, ...]  # in each of the hours asked about


async def by_hour(
    session: AsyncSession, plan: PlanDocument, *, start: datetime, hours: int
) -> list[Capacity]:
    """Every people pool of the plan from `start` on, in the order of the plan."""
    _, away = await holders.everybody(session, start, start + hours * HOUR)
    begins = [start + number * HOUR for number in range(hours)]
    found = []
    for name, pool in plan.pools.items():
        if isinstance(pool, PeoplePool):
            members = await holders.members(session, pool.positions, at=start)
            counts = tuple(sum(_is_there(one, away, hour) for one in members) for hour in begins)
            found.append(Capacity(name, pool.title, pool.minimum, len(members), counts))
    return found


def _is_there(person: str, away: Aways, hour: datetime) -> bool:
    return not any(_touches(one, hour) for one in away.get(person, ()))


def _touches(one: Away, hour: datetime) -> bool:
    return (one.begins is None or one.begins < hour + HOUR) and (one.ends is None or one.ends > hour)
