"""Reservations end (EP-6): a reminder before, a question to whoever commands, and at the end back to the pool.

What is held for something that is still going on is not torn away at the minute: it is late, shown as late, and given back after
`GRACE` unless somebody extends it. Each moment is a timer; one that comes after an extension finds that, and does nothing.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import NotFound, Refused, Stale
from app.resources.tables import Reservation, ReservationState
from app.wording import say

ENDING: Final = "reservation.ending"
ENDED: Final = "reservation.ended"
LATE: Final = "reservation.late"
EXTENDED: Final = "reservation.extended"
REMINDER: Final = timedelta(minutes=15)  # before the end; of a short lease, half of it
GRACE: Final = timedelta(minutes=15)  # after it
LONGEST: Final = timedelta(
    days=30
)  # from the moment of extending; then somebody looks again whether it is still needed


async def arm(session: AsyncSession, held: Reservation, *, at: datetime) -> None:
    """The reminder and the end of a lease, as it now stands."""
    before = min(REMINDER, max(held.until - at, timedelta()) / 2)
    payload = {"reservation_id": held.id, "until": held.until.isoformat()}
    key = f"{held.id}:{held.until:%Y%m%dT%H%M%S%f}"
    await outbox.arm(
        session, ENDING, payload, ref=held.ref, key=f"{ENDING}:{key}", due_at=held.until - before
    )
    await outbox.arm(session, ENDED, payload, ref=held.ref, key=f"{ENDED}:{key}", due_at=held.until)
    await outbox.arm(session, LATE, payload, ref=held.ref, key=f"{LATE}:{key}", due_at=held.until + GRACE)


async def still(session: AsyncSession, payload: Any) -> Reservation | None:
    """The reservation a moment was set for, locked; none: it is given back, or ends at another time by now."""
    held = await _locked(session, payload["reservation_id"])
    if held is None or held.state != ReservationState.HELD:
        return None
    return held if held.until == datetime.fromisoformat(payload["until"]) else None


async def extend(
    session: AsyncSession,
    reservation_id: str,
    until: datetime,
    *,
    by: str,
    at: datetime,
    version: int | None = None,
) -> Reservation:
    """Let it end later; what is given back cannot be."""
    held = await _locked(session, reservation_id)
    if held is None:
        raise NotFound(say("resources.no_such_reservation"))
    if held.state != ReservationState.HELD:
        raise Refused(say("resources.given_back"), state=held.state)
    Stale.unless(version, held.version)
    if until <= max(held.until, at):
        raise Refused(say("resources.not_later"), until=held.until)
    if until > at + LONGEST:
        raise Refused(say("resources.too_late", latest=at + LONGEST), latest=at + LONGEST)
    held.until, held.decision_id = until, None
    held.version += 1
    payload = {"reservation_id": held.id, "by": by, "until": until.isoformat()}
    outbox.put(session, EXTENDED, payload, ref=held.ref, at=at)
    return held


async def of_decision(session: AsyncSession, decision_id: str) -> Reservation | None:
    """The reservation a question was put about."""
    query = select(Reservation).where(Reservation.decision_id == decision_id).with_for_update()
    found: Reservation | None = await session.scalar(query.execution_options(populate_existing=True))
    return found


async def _locked(session: AsyncSession, reservation_id: str) -> Reservation | None:
    query = select(Reservation).where(Reservation.id == reservation_id).with_for_update()
    found: Reservation | None = await session.scalar(query.execution_options(populate_existing=True))
    return found
