"""What the metrics say of this room.

Deliveries by channel and state, and how late the most overdue one is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.notify.tables import Delivery, DeliveryState


@dataclass(frozen=True)
class DeliveryCounts:
    by_channel_and_state: Mapping[tuple[str, str], int]  # channel `none`: there was nobody to send to
    oldest_due: timedelta  # zero: nothing is due


async def counts(session: AsyncSession, *, at: datetime) -> DeliveryCounts:
    """Deliveries by channel and state, and the age of the oldest that is due and unsent."""
    rows = await session.execute(
        select(Delivery.channel, Delivery.state, func.count()).group_by(Delivery.channel, Delivery.state)
    )
    by = {(channel or "none", str(state)): int(number) for channel, state, number in rows}
    waiting = select(func.min(Delivery.not_before)).where(
        Delivery.state.in_((DeliveryState.PENDING, DeliveryState.SENDING)), Delivery.not_before <= at
    )
    oldest: datetime | None = await session.scalar(waiting)
    return DeliveryCounts(by, at - oldest if oldest is not None else timedelta())
