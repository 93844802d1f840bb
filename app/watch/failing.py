"""A channel that takes nothing any more: people are told by another one, once when it begins and once when it works again."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.ids import earliest_id, new_id
from app.notify.channel import SELF
from app.notify.tables import Attempt, Delivery
from app.watch.tables import ChannelEpisode

WITHIN: Final = timedelta(minutes=10)
ENOUGH: Final = 3  # failed attempts within that time, and not one that went well
_OLDEST: Final = timedelta(hours=2)  # a delivery made earlier than that is tried no more
_FAILED: Final = ("retry", "failed")


async def look(session: AsyncSession, *, at: datetime) -> None:
    """Begin an episode for each channel that fails, end those of channels that work again, and let people be told of both."""
    failed, worked = await _attempts(session, since=at - WITHIN)
    for channel, number in failed.items():
        if number >= ENOUGH and channel not in worked:
            await _begin(session, channel, number, at=at)
    query = select(ChannelEpisode).where(ChannelEpisode.working_at.is_(None))
    for episode in await session.scalars(query.with_for_update(skip_locked=True)):
        if (again := worked.get(episode.channel)) is not None and again >= episode.failing_at:
            episode.working_at = again
            payload = {"channel": episode.channel, "since": episode.failing_at.isoformat()}
            outbox.put(session, "channel.working", payload, ref=f"channel:{episode.channel}", at=at)


async def failing_now(session: AsyncSession) -> list[str]:
    """The channels that take nothing at present."""
    query = select(ChannelEpisode.channel).where(ChannelEpisode.working_at.is_(None))
    return sorted(await session.scalars(query))


async def _begin(session: AsyncSession, channel: str, number: int, *, at: datetime) -> None:
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    values = {"id": new_id(at), "channel": channel, "failing_at": at}
    begun = insert(ChannelEpisode).values(values).on_conflict_do_nothing().returning(ChannelEpisode.id)
    if await session.scalar(begun) is not None:
        payload = {"channel": channel, "number": number}
        outbox.put(session, "channel.failing", payload, ref=f"channel:{channel}", at=at)


async def _attempts(
    session: AsyncSession, *, since: datetime
) -> tuple[Mapping[str, int], Mapping[str, datetime]]:
    """By channel: how many attempts failed since then, and when the latest went well."""
    query = (
        select(Delivery.channel, Attempt.outcome, func.count(), func.max(Attempt.ended_at))
        .join(Delivery, Delivery.id == Attempt.delivery_id)
        .where(Attempt.delivery_id >= earliest_id(since - _OLDEST), Attempt.ended_at >= since, Delivery.channel != SELF)
        .group_by(Delivery.channel, Attempt.outcome)
    )  # fmt: skip
    failed: dict[str, int] = {}
    worked: dict[str, datetime] = {}
    for channel, outcome, number, latest in await session.execute(query):
        if outcome in _FAILED:
            failed[channel] = failed.get(channel, 0) + number
        elif outcome == "sent" and latest is not None:
            worked[channel] = latest
    return failed, worked
