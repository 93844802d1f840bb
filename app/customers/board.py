"""What the public may know: the published words to customers of what really happened, and when. Nothing else is read.

No number, title, level, fact or name of an incident passes through here, and of a drill nothing at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.incidents import announcements
from app.incidents.tables import (
    Announcement,
    AnnouncementState,
    AnnouncementWording,
    Incident,
    Stage,
    Status,
    WordingState,
)
from app.levels import matrix

REMEMBERED: Final = timedelta(days=90)
_MOST_CURRENT: Final = 50
_MOST_PAST: Final = 100


@dataclass(frozen=True)
class Told:
    """One thing that was said, in every language."""

    at: datetime
    stage: Stage
    title: Mapping[str, Any]
    text: Mapping[str, Any]


@dataclass(frozen=True)
class Thread:
    """One announcement as the public sees it: all that was said of it, the newest first."""

    id: str
    begun_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    told: Sequence[Told]

    @property
    def newest(self) -> Told:
        return self.told[0]


@dataclass(frozen=True)
class Board:
    """Everything the public may know at a moment, the latest first."""

    current: Sequence[Thread]
    past: Sequence[Thread]
    zone: str  # IANA name: the clocks customers live by

    @property
    def updated_at(self) -> datetime | None:
        """When anything was said last; none: nothing ever was."""
        return max((one.updated_at for one in (*self.current, *self.past)), default=None)


async def read(session: AsyncSession, *, at: datetime) -> Board:
    """What is told now, and what was told and ended within the time that is remembered."""
    _, levels = await matrix.in_force(session)
    current = await _threads(session, AnnouncementState.PUBLISHED, most=_MOST_CURRENT)
    past = await _threads(session, AnnouncementState.ENDED, most=_MOST_PAST, since=at - REMEMBERED)
    return Board(current, past, levels.time_zone)


async def preview(session: AsyncSession, announcement: Announcement, *, at: datetime) -> Board:
    """The board with this announcement alone, as it would be if its newest version were published at this moment."""
    _, levels = await matrix.in_force(session)
    wordings = (await announcements.wordings(session, [announcement.id]))[announcement.id]
    told = [_told(one, one.published_at) for one in reversed(wordings) if one.published_at is not None]
    newest = wordings[-1]
    if newest.published_at is None:
        told.insert(0, _told(newest, at))
    thread = Thread(announcement.id, told[-1].at, told[0].at, announcement.ended_at, told)
    return (
        Board((), (thread,), levels.time_zone) if thread.ended_at else Board((thread,), (), levels.time_zone)
    )


async def _threads(
    session: AsyncSession, state: AnnouncementState, *, most: int, since: datetime | None = None
) -> Sequence[Thread]:
    query = (
        select(Announcement)
        .join(Incident, Incident.id == Announcement.incident_id)
        .where(Incident.status == Status.ACTUAL)
        .where(Announcement.audience == announcements.CUSTOMERS, Announcement.state == state)
        .order_by(Announcement.published_at.desc(), Announcement.id.desc())
        .limit(most)
    )
    if since is not None:
        query = query.where(Announcement.ended_at >= since)
    rows = list(await session.scalars(query))
    said = await announcements.wordings(session, [row.id for row in rows])
    return [_thread(row, said[row.id]) for row in rows]


def _thread(row: Announcement, wordings: Sequence[AnnouncementWording]) -> Thread:
    told = [
        _told(one, one.published_at)
        for one in reversed(wordings)
        if one.state == WordingState.PUBLISHED and one.published_at is not None
    ]
    return Thread(row.id, told[-1].at, row.updated_at or told[0].at, row.ended_at, told)


def _told(words: AnnouncementWording, at: datetime) -> Told:
    return Told(at, Stage(words.stage), words.title, words.text)
