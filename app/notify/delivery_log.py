"""What was told, to whom, by what, and why not: the questions asked of this room's record.

Only reads. Addresses are masked in the rows already; an address in full never passes here.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.paging import Slice, paged
from app.errors import NotFound
from app.notify.chain import HOPEFUL
from app.notify.channel import SELF
from app.notify.tables import Attempt, Delivery, DeliveryState, Notice, Round
from app.wording import say

# Ids made within one millisecond sort by chance; what was decided together is shown by position and person.
_AS_TOLD = (
    Delivery.created_at,
    Delivery.hop,
    Delivery.position,
    Delivery.person_name,
    Delivery.not_before,
    Delivery.id,
)


@dataclass(frozen=True)
class LoggedDelivery:
    delivery: Delivery
    number: str
    attempts: Sequence[Attempt]


@dataclass(frozen=True)
class LoggedNotice:
    notice: Notice
    called: Round | None
    deliveries: Sequence[LoggedDelivery]


async def notices(session: AsyncSession, ref: str, part: Slice) -> tuple[list[LoggedNotice], str | None]:
    """A page of what was told about `ref`, newest first, each with its deliveries in the order they were
    decided.
    """
    found, cursor = await paged(session, select(Notice).where(Notice.ref == ref), Notice.id, part)
    ids = [notice.id for notice in found]
    called = {
        row.notice_id: row for row in await session.scalars(select(Round).where(Round.notice_id.in_(ids)))
    }
    query = select(Delivery).where(Delivery.notice_id.in_(ids))
    rows = await session.scalars(query.order_by(*_AS_TOLD))
    logged: defaultdict[str, list[LoggedDelivery]] = defaultdict(list)
    for one in await _with_attempts(session, list(rows), {notice.id: notice.number for notice in found}):
        logged[one.delivery.notice_id].append(one)
    return [LoggedNotice(notice, called.get(notice.id), logged[notice.id]) for notice in found], cursor


async def deliveries(
    session: AsyncSession, state: DeliveryState | None, part: Slice
) -> tuple[list[LoggedDelivery], str | None]:
    """A page of deliveries in one state, of every incident, newest first."""
    query = select(Delivery).where(Delivery.channel != SELF)
    if state is not None:
        query = query.where(Delivery.state == state)
    found, cursor = await paged(session, query, Delivery.id, part)
    ids = {delivery.notice_id for delivery in found}
    numbers = {one.id: one.number for one in await session.scalars(select(Notice).where(Notice.id.in_(ids)))}
    return await _with_attempts(session, found, numbers), cursor


async def delivery(session: AsyncSession, delivery_id: str) -> LoggedDelivery:
    """One delivery."""
    found = await session.get(Delivery, delivery_id)
    if found is None or found.channel == SELF:
        raise NotFound(say("notify.no_such_delivery"))
    notice = await session.get_one(Notice, found.notice_id)
    [logged] = await _with_attempts(session, [found], {notice.id: notice.number})
    return logged


async def latest_tests(session: AsyncSession, person_id: str) -> dict[str, Delivery]:
    """The last test of each contact point of somebody."""
    query = select(Delivery).where(Delivery.person_id == person_id, Delivery.ref == f"person:{person_id}")
    return {str(one.contact_id): one for one in await session.scalars(query.order_by(Delivery.id))}


async def people_told(session: AsyncSession, notice_id: str) -> list[str]:
    """The names of those a notice is on its way to or has reached; empty: nobody."""
    rows = await session.scalars(
        select(Delivery.person_name)
        .where(Delivery.notice_id == notice_id, Delivery.state.in_(HOPEFUL))
        .order_by(*_AS_TOLD)
    )
    return [name for name in dict.fromkeys(rows) if name]


async def positions_told(session: AsyncSession, ref: str) -> list[str]:
    """The positions somebody was told at about `ref`: those who should also hear how it ended."""
    query = select(Delivery.position).where(Delivery.ref == ref, Delivery.state.in_(HOPEFUL)).distinct()
    return sorted(await session.scalars(query))


async def _with_attempts(
    session: AsyncSession, found: Sequence[Delivery], numbers: dict[str, str]
) -> list[LoggedDelivery]:
    made: defaultdict[str, list[Attempt]] = defaultdict(list)
    query = select(Attempt).where(Attempt.delivery_id.in_([delivery.id for delivery in found]))
    for attempt in await session.scalars(query.order_by(Attempt.delivery_id, Attempt.number)):
        made[attempt.delivery_id].append(attempt)
    return [LoggedDelivery(one, numbers[one.notice_id], made[one.id]) for one in found]
