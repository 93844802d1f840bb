"""Calendar feeds: the turns of a roster or of a person, for programs that subscribe to an address.

The address holds a mark that nobody can guess; only its digest is kept. Whoever has the address reads names and times of that one
roster or person, and nothing else.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.keys import Principal
from app.access.rights import MANAGES
from app.errors import Forbidden, NotFound
from app.ids import new_id
from app.people import holders, ical, organisation, rosters
from app.people.ical import Entry
from app.people.rota import Why
from app.people.tables import Feed, Position
from app.vocabulary import Localised
from app.wording import render, say

BACK: Final = timedelta(days=31)
AHEAD: Final = timedelta(days=180)


async def make(
    session: AsyncSession, *, position: str | None, person_id: str | None, language: str, who: Principal, at: datetime
) -> tuple[Feed, str]:  # fmt: skip
    """A feed of a roster, or of a person's turns at all of them. The second value is its mark, shown this once."""
    if person_id is not None:
        await organisation.person(session, person_id)
        if who.person_id != person_id and who.role not in MANAGES:
            raise Forbidden(say("people.not_yours"))
    if position is not None:
        await rosters.roster_of(session, position)
    mark = secrets.token_urlsafe(32)
    feed = Feed(
        digest=_digest(mark), id=new_id(at), position_id=position, person_id=person_id, language=language, made_at=at,
        made_by=who.name, maker=_maker(who), revoked_at=None,
    )  # fmt: skip
    session.add(feed)
    await session.flush()
    return feed, mark


async def feeds(session: AsyncSession) -> list[Feed]:
    return list(await session.scalars(select(Feed).order_by(Feed.id.desc())))


async def revoke(session: AsyncSession, feed_id: str, *, who: Principal, at: datetime) -> Feed:
    """From the commit on, the address opens nothing. Whoever made it can, whose turns they are, and who manages. Repeatable."""
    feed = await session.scalar(select(Feed).where(Feed.id == feed_id))
    if feed is None:
        raise NotFound(say("people.feed.none"))
    theirs = feed.maker == _maker(who) or (feed.person_id is not None and feed.person_id == who.person_id)
    if who.role not in MANAGES and not theirs:
        raise Forbidden(say("people.not_yours"))
    feed.revoked_at = feed.revoked_at or at
    found: Feed = feed
    return found


async def opened(session: AsyncSession, mark: str, *, at: datetime) -> bytes:
    """The calendar behind a mark; an unknown and a revoked one are the same to the one who asks."""
    feed = await session.get(Feed, _digest(mark))
    if feed is None or feed.revoked_at is not None or not await _is_here(session, feed):
        raise NotFound(say("people.feed.none"))
    return await calendar(
        session, position=feed.position_id, person_id=feed.person_id, language=feed.language, at=at
    )


async def calendar(
    session: AsyncSession, *, position: str | None, person_id: str | None, language: str, at: datetime
) -> bytes:
    """The turns from a month back to half a year ahead."""
    if position is not None:
        posts = [(await rosters.roster_of(session, position)).position_id]
    else:
        posts = [one.position_id for one in await rosters.rosters(session)]
    titles = {one.id: one.title for one in await session.scalars(select(Position))}
    # From midnight: what is asked again the same day says the same.
    start = (at - BACK).replace(hour=0, minute=0, second=0, microsecond=0)
    found: list[Entry] = []
    for post in posts:
        kept = await holders.calendar(session, post, start, at + AHEAD, at=at)
        title = Localised.model_validate(titles[post]).in_language(language)
        found += _entries(post, title, kept, person_id)
    if position is not None:
        name = Localised.model_validate(titles[position]).in_language(language)
    else:
        name = (await organisation.person(session, person_id or "")).name
    return ical.write(render(say("people.feed.name", of=name), language), found, at=at)


async def _is_here(session: AsyncSession, feed: Feed) -> bool:
    """Whose turns they are has not left the centre."""
    return feed.person_id is None or (await organisation.person(session, feed.person_id)).left_at is None


def _entries(position: str, title: str, kept: holders.Calendar, person_id: str | None) -> Sequence[Entry]:
    found: list[Entry] = []
    for one in kept.stretches:
        if (
            one.why in {None, Why.ASSIGNED}
            or len(one.people) != 1
            or (person_id is not None and person_id not in one.people)
        ):
            continue
        [who] = one.people
        uid = f"{position}-{one.begins:%Y%m%dT%H%M%SZ}-{who}@muster"
        found.append(Entry(uid, one.begins, one.ends, f"{title}: {kept.names[who]}"))
    return found


def _maker(who: Principal) -> str:
    return who.person_id or who.key_id


def _digest(mark: str) -> str:
    return hashlib.sha256(mark.encode()).hexdigest()
