"""Where announcements go besides the status page: the outlets somebody set up and chose (OM-2).

An outlet is a contact point of nobody of ours; what goes there names no incident, no level and no person.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.customers.tables import Outlet
from app.errors import NotFound, Refused, WrongShape
from app.incidents.tables import Announcement, AnnouncementWording
from app.notify import pipeline
from app.notify.pipeline import News
from app.notify.receivers import Receiver
from app.people import contact_points
from app.people.holders import Contact
from app.vault import Vault
from app.wording import say

KIND = "announcement"
_LEVEL = 4  # how urgent it is to us is nobody's business outside; it waits behind calls to our people


class OutletTaken(Refused, slug="outlet-taken"):
    """An outlet of that id is there already; choose another id, or retire that one."""


async def add(
    session: AsyncSession, vault: Vault, outlet_id: str, *, title: str, channel: str, address: str,
    language: str | None, at: datetime,
) -> Outlet:  # fmt: skip
    """Set an outlet up; the address is kept sealed and never shown again."""
    if (why := contact_points.shape_problem(channel, address)) is not None:
        raise WrongShape(why, errors=[{"path": "address", "message": why}])
    if await session.get(Outlet, outlet_id) is not None:
        raise OutletTaken(say("customers.outlet_taken", id=outlet_id))
    point = contact_points.outside(vault, channel, address, rank=1, at=at)
    session.add(point)
    await session.flush()
    outlet = Outlet(
        id=outlet_id, title=title, contact_id=point.id, channel=channel, address_masked=point.address_masked,
        language=language, created_at=at,
    )  # fmt: skip
    session.add(outlet)
    await session.flush()
    return outlet


async def retire(session: AsyncSession, outlet_id: str, *, at: datetime) -> Outlet:
    """Nothing goes there from now on. Repeatable."""
    outlet = await found(session, outlet_id)
    outlet.retired_at = outlet.retired_at or at
    await session.flush()
    return outlet


async def found(session: AsyncSession, outlet_id: str) -> Outlet:
    outlet = await session.get(Outlet, outlet_id)
    if outlet is None:
        raise NotFound(say("customers.no_outlet", id=outlet_id))
    return outlet


def every(*, retired: bool = False) -> Select[Any]:
    query = select(Outlet)
    return query if retired else query.where(Outlet.retired_at.is_(None))


async def chosen(session: AsyncSession, ids: Sequence[str]) -> Sequence[str]:
    """The outlets chosen for an announcement, or `WrongShape` with those there are."""
    known = {one.id for one in await session.scalars(every())}
    if unknown := sorted(set(ids) - known):
        why = say("customers.no_outlet", id=unknown)
        raise WrongShape(why, errors=[{"path": "outlets", "message": why}], known=sorted(known))
    return list(dict.fromkeys(ids))


async def tell(
    session: AsyncSession, announcement: Announcement, words: AnnouncementWording, *, at: datetime
) -> Sequence[str]:
    """Send a published version to the outlets that were chosen; gives the titles of those it goes to."""
    query = every().where(Outlet.id.in_(announcement.outlets)).order_by(Outlet.id)
    outlets = list(await session.scalars(query))
    if outlets:
        people = [
            Receiver(one.id, None, one.title, one.language, [Contact(one.contact_id, one.channel, one.address_masked)])
            for one in outlets
        ]  # fmt: skip
        news = News(ref=announcement.id, kind=KIND, level=_LEVEL, subject=words.title, text=words.text)
        await pipeline.tell_people(session, news, people=people, at=at)
    return [one.title for one in outlets]
