"""A cap on how much one person is told in a short time; what is beyond it is told together, never left out.

A storm of incidents must not bury the one message that counts. Beyond the cap a message waits for its person's digest: one message
with the numbers, the gravest first. The chain goes on meanwhile as if it had been sent, an answer drops it as any other, and should
the digest itself fail, what waits for it goes out by itself a minute later. The first page of a grave round is never held back.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.db import Work, wake
from app.ids import new_id
from app.notify import quiet, receivers
from app.notify.languages import in_language
from app.notify.tables import Delivery, DeliveryState, Notice
from app.wording import kept, localised, say

TOPIC: Final = "digest.due"
KIND: Final = "digest"
WINDOW: Final = timedelta(minutes=10)
_GRAVE: Final = (1, 2)
_GRAVE_CAP: Final = 3  # times that of the lighter levels
_ALONE_AFTER: Final = timedelta(minutes=1)  # what a digest should have told goes out by itself
_LANGUAGES: Final = {"zh": "zh-Hans", "en": "en", "zh_hant": "zh-Hant"}
_MOST_LINES: Final = 20


def cap(session: AsyncSession, messages: int) -> None:
    """From here on in this transaction, nobody is told more than so many messages within the window; 0: no cap."""
    session.info["most_messages"] = messages


async def hold_back(session: AsyncSession, deliveries: Sequence[Delivery]) -> Sequence[Delivery]:
    """Let those beyond the cap wait for the digest. All go on: what waits is on its way, only later."""
    most: int = session.info.get("most_messages", 0)
    people = {one.person_id for one in deliveries if one.person_id is not None}
    if most <= 0 or not people:
        return deliveries
    at = deliveries[0].created_at
    carrying = {one.notice_id for one in deliveries if await _carries_files(session, one.notice_id)}
    exercise = (await session.get_one(Notice, deliveries[0].notice_id)).exercise
    told = await _told_lately(session, people, at, exercise=exercise)
    waiting = await _digests_to_come(session, people, at)
    for one in deliveries:
        if one.person_id is None or _is_first_page(one) or quiet.waits(one) or one.notice_id in carrying:
            continue
        if told.get(one.person_id, 0) < most * (_GRAVE_CAP if one.level in _GRAVE else 1):
            continue
        if one.person_id not in waiting:
            waiting[one.person_id] = at + WINDOW
            said = {"person_id": one.person_id, "due_at": waiting[one.person_id].isoformat()}
            await outbox.arm(
                session, TOPIC, said, ref=one.person_id, key=f"digest:{one.person_id}:{said['due_at']}",
                due_at=waiting[one.person_id],
            )  # fmt: skip
        one.digest_at = waiting[one.person_id]
        one.not_before = max(one.not_before, one.digest_at) + _ALONE_AFTER
        one.reason = kept(say("notify.held_back", number=told[one.person_id], at=one.digest_at))
    return deliveries


async def tell(session: AsyncSession, person_id: str, *, at: datetime) -> None:
    """Tell a person together what was held back; drills apart from what is real. In the caller's transaction:

    1. Lock what still waits: what was answered or withdrawn meanwhile does not.
    2. Write one message with all of it, to the contact point of the gravest.
    3. Drop the held messages, each with the notice that told of it.
    """
    rows = await session.execute(
        select(Delivery, Notice)
        .join(Notice, Notice.id == Delivery.notice_id)
        .where(Delivery.person_id == person_id, Delivery.digest_at <= at)
        .where(Delivery.state == DeliveryState.PENDING, Delivery.attempts == 0)
        .order_by(Delivery.level, Delivery.not_before, Delivery.id)
        .with_for_update(of=Delivery)
        .execution_options(populate_existing=True)
    )
    apart: dict[bool, list[tuple[Delivery, Notice]]] = {}
    for delivery, notice in rows:
        apart.setdefault(notice.exercise, []).append((delivery, notice))
    for held in apart.values():
        await _tell_together(session, held, at)


async def _tell_together(
    session: AsyncSession, held: Sequence[tuple[Delivery, Notice]], at: datetime
) -> None:
    first, gravest = held[0]
    notices = list({notice.id: notice for _, notice in held}.values())
    heading = say("notify.digest.text", number=len(notices))
    notice = Notice(
        id=new_id(at), ref=gravest.ref, kind=KIND, number=gravest.number, level=gravest.level, exercise=gravest.exercise,
        subject=localised(say("notify.digest.subject", number=len(notices), level=gravest.level)),
        text={name: _listed(said, notices, name) for name, said in localised(heading).items()}, created_at=at,
    )  # fmt: skip
    session.add(notice)
    await session.flush()
    chosen = (first.contact_id, first.channel, first.address_masked)
    ways = [tuple(one) for one in first.further]
    ways += [(one.contact_id, one.channel, one.address_masked) for one, _ in held]
    further = [list(way) for way in dict.fromkeys(ways) if way != chosen]
    not_before = at
    if first.person_id is not None:
        who = await receivers.somebody(session, first.person_id, position=first.position)
        not_before = quiet.not_before(who, notice.level, at, timedelta())
    session.add(Delivery(
        id=new_id(at), notice_id=notice.id, ref=notice.ref, level=notice.level, position=first.position,
        person_id=first.person_id, person_name=first.person_name, language=first.language, contact_id=first.contact_id,
        channel=first.channel, address_masked=first.address_masked, asks=False, state=DeliveryState.PENDING, attempts=0,
        untried=0, further=further, not_before=not_before, created_at=at,
    ))  # fmt: skip
    for delivery, _ in held:
        delivery.state = DeliveryState.DROPPED
        delivery.reason = kept(say("notify.in_digest", number=len(notices), at=at, notice=notice.id))
    await session.flush()
    wake(session, Work.DELIVERIES)


def _listed(heading: str, notices: Sequence[Notice], name: str) -> str:
    lines = [
        f"{one.number} {in_language(one.subject, _LANGUAGES[name])}".strip() for one in notices[:_MOST_LINES]
    ]
    if len(notices) > _MOST_LINES:
        lines.append("…")
    return "\n".join([heading, *lines])


async def _carries_files(session: AsyncSession, notice_id: str) -> bool:
    """A digest would tell of the message and leave its files out."""
    return bool((await session.get_one(Notice, notice_id)).attached)


def _is_first_page(one: Delivery) -> bool:
    return one.level in _GRAVE and one.round_id is not None and one.lap == 1


async def _told_lately(
    session: AsyncSession, people: set[str], at: datetime, *, exercise: bool
) -> Mapping[str, int]:
    """How many different messages each of them was told, or is being told, within the window.

    A drill eats no room of what is real.
    """
    query = (
        select(Delivery.person_id, func.count(Delivery.notice_id.distinct()))
        .join(Notice, Notice.id == Delivery.notice_id)
        .where(Notice.exercise.is_(exercise))
        .where(Delivery.person_id.in_(people), Delivery.created_at > at - WINDOW)
        .where(Delivery.state != DeliveryState.DROPPED, Delivery.digest_at.is_(None))
    )
    rows: Any = await session.execute(query.group_by(Delivery.person_id))
    return {row[0]: row[1] for row in rows}


async def _digests_to_come(session: AsyncSession, people: set[str], at: datetime) -> dict[str, datetime]:
    query = (
        select(Delivery.person_id, func.max(Delivery.digest_at))
        .where(Delivery.person_id.in_(people), Delivery.created_at > at - WINDOW, Delivery.digest_at > at)
        .group_by(Delivery.person_id)
    )
    rows: Any = await session.execute(query)
    return {row[0]: row[1] for row in rows}
