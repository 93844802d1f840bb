"""Who is told of a drill: those enrolled, and nobody else (EP-8.3).

Whoever the plan would have told besides stands in the log of deliveries, dropped with that reason. What is not an exercise is never
held back here, whatever the ref.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.notify.tables import Delivery, DeliveryState, Enrolment, Notice
from app.wording import kept, say

REASON: Final = "notify.not_enrolled"


def enrol(session: AsyncSession, ref: str, who: Iterable[str]) -> None:
    """From here on exercise notices about `ref` go to these positions and persons only."""
    session.add_all(Enrolment(ref=ref, who=one) for one in dict.fromkeys(who))


async def only_the_enrolled(session: AsyncSession, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
    """Holds back what a drill would tell to somebody who has no part in it."""
    through: list[Delivery] = []
    known: dict[str, frozenset[str]] = {}
    for delivery in deliveries:
        notice = await session.get_one(Notice, delivery.notice_id)
        if notice.exercise and delivery.ref not in known:
            enrolled = await session.scalars(select(Enrolment.who).where(Enrolment.ref == delivery.ref))
            known[delivery.ref] = frozenset(enrolled)
        among = known[delivery.ref] if notice.exercise else frozenset()
        if not among or delivery.position in among or delivery.person_id in among:
            through.append(delivery)
        else:
            delivery.state = DeliveryState.DROPPED
            delivery.reason = kept(say(REASON))
    return through


def held_back(delivery: Delivery) -> bool:
    """Whether it would have been sent, had it not been a drill in which its receiver has no part."""
    return delivery.reason is not None and delivery.reason["key"] == REASON


async def any_held_back(session: AsyncSession, round_id: str, lap: int) -> bool:
    """Whether a pass through a chain would have told somebody besides those enrolled."""
    dropped = select(Delivery).where(Delivery.round_id == round_id, Delivery.lap == lap)
    rows = await session.scalars(dropped.where(Delivery.state == DeliveryState.DROPPED))
    return any(held_back(one) for one in rows)
