"""Until when a batch may be used (EP-6.2): to the end of its last day, by the calendar of the plan's time zone.

Its pool's owner hears a while before that there is some left, and once more when it may no longer be used.
"""

from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.resources.tables import Pool, Unit

EXPIRING: Final = "stock.expiring"
EXPIRED: Final = "stock.expired"
NOTICE: Final = timedelta(days=30)


def end_of(last_day: date | None, time_zone: str) -> datetime | None:
    """The moment after the last day; none: it keeps."""
    if last_day is None or last_day == date.max:
        return None
    return datetime.combine(last_day + timedelta(days=1), time(), ZoneInfo(time_zone))


def is_expired(expires_at: datetime | None, at: datetime) -> bool:
    """Whether its last day is over."""
    return expires_at is not None and expires_at <= at


async def arm(session: AsyncSession, pool: Pool, unit: Unit, *, at: datetime) -> None:
    """Both notices of a lot, as far as they lie ahead."""
    if unit.expires_at is None or unit.expires_on is None:
        return
    payload = {
        "unit_id": unit.id, "pool_id": pool.id, "item": unit.name, "title": unit.title, "owner": pool.owner,
        "place": unit.place, "last_day": unit.expires_on.isoformat(),
    }  # fmt: skip
    if (soon := unit.expires_at - NOTICE) > at:
        await outbox.arm(session, EXPIRING, payload, ref=pool.id, key=f"expiring:{unit.id}", due_at=soon)
    if not is_expired(unit.expires_at, at):
        await outbox.arm(
            session, EXPIRED, payload, ref=pool.id, key=f"expired:{unit.id}", due_at=unit.expires_at
        )


async def left_of(session: AsyncSession, unit_id: str) -> int:
    """How many of a lot are there now."""
    return await session.scalar(select(Unit.on_hand).where(Unit.id == unit_id)) or 0
