"""Decide first, send later: what becomes of each delivery before any channel hears of it.

Holds the stages a delivery passes, and one-off notices to positions. A stage returns what it lets through and
marks the rest dropped, with the reason. Nothing here touches the world: rows are written, `delivery` sends
them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import Work, wake
from app.ids import new_id
from app.notify import attachments, digest, enrolment, quiet, receivers
from app.notify.channel import Attachment
from app.notify.receivers import Receiver
from app.notify.tables import Delivery, DeliveryState, Notice
from app.people.holders import Contact
from app.wording import Wording, kept, say


@dataclass(frozen=True, kw_only=True)
class News:
    """What is to be told, and about what; to whom is not part of it."""

    ref: str  # the incident, drill, person, … it is about
    kind: str  # of notice
    level: int
    subject: Mapping[str, Any]  # in every language, as `localised` gives it
    text: Mapping[str, Any]
    number: str = ""  # of the incident, for people; none when it is about none
    exercise: bool = False
    page: str | None = None
    """A path of ours, from "/": the link of a message that asks for no answer."""
    attachments: tuple[Attachment, ...] = ()
    """Files that go with each mail; what is told by another channel carries the link alone."""


@dataclass(frozen=True)
class Rung:
    """Which rung of which lap of a round."""

    round_id: str
    lap: int
    hop: int


Stage = Callable[[AsyncSession, Sequence[Delivery]], Awaitable[Sequence[Delivery]]]


async def already_decided(session: AsyncSession, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
    """Holds back what was dropped where it was drafted: vacant, on leave."""
    return [delivery for delivery in deliveries if delivery.state != DeliveryState.DROPPED]


async def no_contact(session: AsyncSession, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
    """Holds back what has no contact point to go to."""
    for delivery in deliveries:
        if delivery.contact_id is None:
            drop(delivery, say("notify.no_contact", name=delivery.person_name))
    return [delivery for delivery in deliveries if delivery.contact_id is not None]


async def duplicate(session: AsyncSession, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
    """Holds back a second copy for somebody who holds two of the positions told together.

    "Together" is one notice, or one rung of one lap of a chain: a later rung tells the same person again,
    because that is what a chain is for.
    """
    if not deliveries:
        return []
    notices = {delivery.notice_id for delivery in deliveries}
    before = await session.execute(
        select(
            Delivery.notice_id,
            Delivery.lap,
            Delivery.hop,
            Delivery.person_id,
            Delivery.contact_id,
            Delivery.position,
        ).where(Delivery.notice_id.in_(notices), Delivery.state != DeliveryState.DROPPED)
    )
    told: dict[tuple[Any, ...], str] = {tuple(row[:5]): row[5] for row in before}
    fresh = []
    for delivery in deliveries:
        same = (delivery.notice_id, delivery.lap, delivery.hop, delivery.person_id, delivery.contact_id)
        if same in told:
            drop(delivery, say("notify.duplicate", position=await receivers.title(session, told[same])))
        else:
            told[same] = delivery.position
            fresh.append(delivery)
    return fresh


PIPELINE: Final[Sequence[Stage]] = (
    already_decided,
    no_contact,
    enrolment.only_the_enrolled,
    duplicate,
    quiet.only_the_last,
    digest.hold_back,
)


async def submit(
    session: AsyncSession, deliveries: Sequence[Delivery], *, at: datetime
) -> Sequence[Delivery]:
    """Decide on `deliveries` and store them all, the dropped with their reason; returns what will be sent."""
    through = deliveries
    with session.no_autoflush:
        for stage in PIPELINE:
            through = await stage(session, through)
    session.add_all(deliveries)
    await session.flush()
    if through:
        wake(session, Work.DELIVERIES)
    return through


async def write_notice(session: AsyncSession, news: News, *, at: datetime) -> Notice:
    """Put down what is told, before anybody is."""
    notice = Notice(
        id=new_id(at), ref=news.ref, kind=news.kind, number=news.number, level=news.level, exercise=news.exercise,
        subject=dict(news.subject), text=dict(news.text), page=news.page,
        attached=await attachments.keep(session, news.attachments), created_at=at,
    )  # fmt: skip
    session.add(notice)
    await session.flush()
    return notice


async def tell(
    session: AsyncSession, news: News, *, positions: Sequence[str], via: Sequence[str] = (), at: datetime,
    asks: bool = False, opens: str | None = None,
) -> Notice:  # fmt: skip
    """Tell whoever holds `positions`, once."""
    people = [
        who
        for position in dict.fromkeys(positions)
        for who in await receivers.at_position(session, position, via=via, level=news.level, at=at)
    ]
    return await tell_people(session, news, people=people, at=at, asks=asks, opens=opens)


async def tell_people(
    session: AsyncSession, news: News, *, people: Sequence[Receiver], at: datetime, asks: bool = False,
    opens: str | None = None,
) -> Notice:  # fmt: skip
    """Tell certain people, once: each by their first contact point, and by the next when that one fails.

    `opens`: the page their link leads to (`opening`), instead of the acknowledgement.
    """
    notice = await write_notice(session, news, at=at)
    deliveries = [
        draft(notice, who, contact, further=who.contacts[1:], asks=asks, opens=opens, not_before=at, at=at)
        for who in people
        for contact in (who.contacts[0] if who.contacts else None,)
    ]
    await submit(session, deliveries, at=at)
    return notice


def draft(
    notice: Notice,
    who: Receiver,
    contact: Contact | None,
    *,
    further: Sequence[Contact] = (),
    rung: Rung | None = None,
    asks: bool,
    opens: str | None = None,
    not_before: datetime,
    at: datetime,
    after: timedelta = timedelta(),
) -> Delivery:
    """A delivery nobody has decided on yet; one to somebody who cannot be told is dropped from the start.

    It is sent `after` the moment it may be: `not_before`, or the end of the receiver's quiet hours.
    """
    told_at = quiet.not_before(who, notice.level, not_before, after)
    delivery = Delivery(
        id=new_id(at),
        notice_id=notice.id,
        ref=notice.ref,
        level=notice.level,
        round_id=rung.round_id if rung else None,
        lap=rung.lap if rung else None,
        hop=rung.hop if rung else None,
        position=who.position,
        person_id=who.person_id,
        person_name=who.name,
        language=who.language,
        contact_id=contact.contact_id if contact else None,
        channel=contact.channel if contact else "",
        address_masked=contact.masked if contact else "",
        asks=asks,
        opens=opens,
        state=DeliveryState.PENDING,
        attempts=0,
        untried=0,
        note=kept(who.note) if who.note else None,
        further=[list(one) for one in further],
        not_before=told_at,
        created_at=at,
    )
    if told_at > not_before + after:
        quiet.note(delivery)
    if who.reason is not None:
        drop(delivery, who.reason)
    return delivery


def drop(delivery: Delivery, reason: Wording) -> None:
    """Decide against it."""
    delivery.state = DeliveryState.DROPPED
    delivery.reason = kept(reason)
