"""Quiet hours: what can wait, waits until they are over; what is about levels 1 and 2 never does.

The chain goes on meanwhile: a message that waits is on its way, and the next rung is told in its time. Of several that wait for the
same person by the same way in one round, the last is sent.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.notify.receivers import Receiver
from app.notify.tables import Delivery, DeliveryState
from app.outbox import Urgency
from app.people import rota
from app.wording import kept, say

_NOTE: Final = "notify.quiet"


def not_before(who: Receiver, level: int, at: datetime, after: timedelta) -> datetime:
    """When somebody may be told: so long after `at`, or after the quiet hours it falls in."""
    if who.quiet is None or Urgency.of(level) is Urgency.GRAVE:
        return at + after
    moment = (rota.quiet_until(who.quiet, at) or at) + after
    return rota.quiet_until(who.quiet, moment) or moment


def note(delivery: Delivery) -> None:
    """Say on the record that it waits, and for what."""
    delivery.note = kept(say(_NOTE, until=delivery.not_before))


def waits(delivery: Delivery) -> bool:
    """Whether it waits for the end of quiet hours."""
    return delivery.note is not None and delivery.note["key"] == _NOTE


async def only_the_last(session: AsyncSession, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
    """Let what waits take the place of what waited in the same round: nobody finds the same call ten times in the morning."""
    waiting = {(one.round_id, one.contact_id) for one in deliveries if waits(one) and one.round_id}
    if not waiting:
        return deliveries
    query = select(Delivery).where(
        Delivery.round_id.in_({round_id for round_id, _ in waiting}),
        Delivery.state == DeliveryState.PENDING,
        Delivery.attempts == 0,
    )
    for earlier in await session.scalars(query.with_for_update()):
        if waits(earlier) and (earlier.round_id, earlier.contact_id) in waiting and earlier not in deliveries:
            earlier.state = DeliveryState.DROPPED
            earlier.reason = kept(say("notify.quiet_again"))
    return deliveries
