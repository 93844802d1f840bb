"""The reporting chain (EP-5.2): called from the top, rung by rung, until somebody answers.

Holds the calling of a chain, what happens when a rung falls due, and the end of a round. It is not a loop
that waits: the next rung is a timer, each message a row. A round keeps a copy of its chain, so a plan edit
never changes one under way. Whoever changes a round holds its row lock first, so an answer and a rung that
falls due cannot both win.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.db import Work, wake
from app.ids import new_id
from app.notify import enrolment, pipeline, receivers
from app.notify.document import Chain, Hop
from app.notify.pipeline import News, Rung
from app.notify.receivers import Receiver
from app.notify.tables import Answer, AnswerState, Deed, Delivery, DeliveryState, Notice, Round, RoundState
from app.outbox import Timer, TimerState
from app.people.holders import Contact
from app.wording import Wording, kept, say

# A plan that says "again at once" would otherwise turn a chain nobody can answer into a loop without a pause.
SHORTEST_LAP: Final = timedelta(minutes=1)

# The kind of a call by which a step of the plan asks certain people for help.
ESCALATION: Final = "escalation"

# States of a delivery that may still reach its receiver, or has.
HOPEFUL: Final = (
    DeliveryState.PENDING,
    DeliveryState.SENDING,
    DeliveryState.SENT,
    DeliveryState.ACKNOWLEDGED,
)


async def call(
    session: AsyncSession,
    *,
    ref: str,
    key: str,
    number: str,
    level: int,
    exercise: bool,
    subject: Mapping[str, Any],
    text: Mapping[str, Any],
    chain: Chain,
    at: datetime,
    kind: str = "chain",
) -> Round:
    """Begin to call `chain`, once per `key`; a second call with the key returns the round there is.

    In the caller's transaction:

    1. End the other rounds of this kind that are still calling about `ref`: what they say is out of date. An
       escalation ends none: each asks people of its own for something of its own.
    2. Write the notice and the round.
    3. Tell the first rung, or the first below it that stands for anybody who can be told.
    """
    if (known := await session.scalar(select(Round).where(Round.key == key))) is not None:
        return known
    outbox.speaks_of(session, ref, outbox.Urgency.of(level))
    for older in () if kind == ESCALATION else await calling(session, ref, kind=kind):
        await end(session, older, RoundState.SUPERSEDED, say("notify.superseded", level=level), at=at)
    notice = await pipeline.write_notice(
        session,
        News(ref=ref, kind=kind, number=number, level=level, exercise=exercise, subject=subject, text=text),
        at=at,
    )
    begun = Round(
        id=new_id(at),
        ref=ref,
        key=key,
        notice_id=notice.id,
        level=level,
        code=await _free_code(session, key),
        chain=chain.model_dump(mode="json"),
        state=RoundState.CALLING,
        lap=1,
        hop=1,
        reached=False,
        started_at=at,
    )
    session.add(begun)
    # Two callers with one key: the second waits here for the first, and its transaction fails and is done
    # again.
    await session.flush()
    await _tell_from(session, begun, notice, chain, first=1, at=at)
    return begun


async def rung_due(session: AsyncSession, *, round_id: str, lap: int, hop: int, at: datetime) -> None:
    """Tell the rung whose time has come; nothing when the round has ended, or is past it already."""
    due = await locked(session, round_id)
    if due is None or due.state != RoundState.CALLING or (lap, hop) <= (due.lap, due.hop):
        return
    if lap > due.lap:
        due.lap, due.hop = lap, 0
        outbox.put(session, "chain.lap", {"round_id": due.id, "lap": lap}, ref=due.ref, at=at)
    notice = await session.get_one(Notice, due.notice_id)
    await _tell_from(session, due, notice, Chain.model_validate(due.chain), first=hop, at=at)


async def calling(session: AsyncSession, ref: str, *, kind: str | None = None) -> Sequence[Round]:
    """The rounds still calling about `ref`, locked, oldest first."""
    query = select(Round).where(Round.ref == ref, Round.state == RoundState.CALLING)
    if kind is not None:
        query = query.where(
            Round.notice_id.in_(select(Notice.id).where(Notice.ref == ref, Notice.kind == kind))
        )
    return (await session.scalars(_for_change(query.order_by(Round.id)))).all()


async def locked(session: AsyncSession, round_id: str) -> Round | None:
    """The round as it is now, held until the transaction ends."""
    found: Round | None = await session.scalar(_for_change(select(Round).where(Round.id == round_id)))
    return found


async def end(
    session: AsyncSession, ended: Round, state: RoundState, reason: Wording, *, at: datetime
) -> None:
    """End a round the caller has locked.

    Nothing more of it is told, and each message not yet sent says why.
    """
    ended.state = state
    ended.ended_at = at
    await session.execute(
        update(Delivery)
        .where(Delivery.round_id == ended.id, Delivery.state == DeliveryState.PENDING)
        .values(state=DeliveryState.DROPPED, reason=kept(reason))
    )
    await outbox.withdraw(session, key_prefix=f"round:{ended.id}:")


async def after_failure(session: AsyncSession, failed: Delivery, *, at: datetime) -> bool:
    """Lose no time over a message that will not arrive; says whether its receiver may still be reached.

    The caller holds the lock of the round, so that of two messages failing at once the later one sees both.

    1. The person's next contact point of this rung is tried now.
    2. When nobody of the rung can be reached any more, the next rung is told now. A new lap is never begun
       early: with every channel down that would be a loop without a pause.
    """
    if await try_next_contact(session, failed, at=at):
        return True
    rung = _rung(failed)
    if await _hopeful(session, *rung):
        return await _hopeful(session, *rung, Delivery.person_id == failed.person_id)
    if not await _hasten(session, f"round:{failed.round_id}:{failed.lap}:{(failed.hop or 0) + 1}", at=at):
        await _say_if_nobody(session, await session.get_one(Round, failed.round_id), at=at)
    return False


async def pass_over(
    session: AsyncSession, told: Round, person_id: str, reason: Wording, *, at: datetime
) -> None:
    """Lose no time over somebody who cannot be called any more, in a round the caller has locked.

    1. What of theirs is not sent yet is dropped, with the reason; the rungs to come look for themselves.
    2. If they were told in the present rung, whoever stands in for them is told now.
    3. When there is nobody, and nobody else of the rung was told, the next rung is told now.
    """
    theirs = (Delivery.round_id == told.id, Delivery.person_id == person_id)
    await session.execute(
        update(Delivery)
        .where(*theirs, Delivery.state == DeliveryState.PENDING)
        .values(state=DeliveryState.DROPPED, reason=kept(reason))
    )
    rung = (Delivery.round_id == told.id, Delivery.lap == told.lap, Delivery.hop == told.hop)
    was_told = await session.scalar(select(Delivery.id).where(*rung, *theirs).limit(1)) is not None
    if was_told and not await _tell_stand_ins(session, told, rung, at=at):
        if await _hopeful(session, *rung, Delivery.person_id != person_id):
            return
        if not await _hasten(session, f"round:{told.id}:{told.lap}:{told.hop + 1}", at=at):
            await _say_if_nobody(session, told, at=at)


async def try_next_contact(session: AsyncSession, failed: Delivery, *, at: datetime) -> bool:
    """Let the person's next contact point of this rung wait no longer; says whether there is one."""
    upcoming = await session.scalar(
        select(Delivery)
        .where(
            *_rung(failed), Delivery.person_id == failed.person_id, Delivery.state == DeliveryState.PENDING
        )
        .where(Delivery.attempts == 0)
        .order_by(Delivery.not_before)
        .limit(1)
    )
    if upcoming is None:
        return False
    upcoming.not_before = min(upcoming.not_before, at)
    wake(session, Work.DELIVERIES)
    return True


async def _tell_stand_ins(
    session: AsyncSession, told: Round, rung: tuple[ColumnElement[bool], ...], *, at: datetime
) -> bool:
    """Tell those the present rung stands for now and did not before; says whether there are any."""
    notice = await session.get_one(Notice, told.notice_id)
    hop = Chain.model_validate(told.chain).hops[told.hop - 1]
    had = set(await session.scalars(select(Delivery.person_id).where(*rung)))
    drafts = [
        one
        for one in await _drafts(session, told, notice, hop, at=at)
        if one.person_id not in had and one.state == DeliveryState.PENDING
    ]
    deliveries = await pipeline.submit(session, drafts, at=at)
    if deliveries:
        outbox.put(session, "rung.told", _said_of_rung(told, hop, deliveries), ref=told.ref, at=at)
    return bool(deliveries)


def _said_of_rung(told: Round, hop: Hop, deliveries: Sequence[Delivery]) -> dict[str, Any]:
    people = list(dict.fromkeys(delivery.person_name for delivery in deliveries))
    return {
        "round_id": told.id,
        "hop": told.hop,
        "lap": told.lap,
        "positions": list(hop.tell),
        "people": people,
    }


def _rung(told: Delivery) -> tuple[ColumnElement[bool], ...]:
    return Delivery.round_id == told.round_id, Delivery.lap == told.lap, Delivery.hop == told.hop


async def _tell_from(
    session: AsyncSession, told: Round, notice: Notice, chain: Chain, *, first: int, at: datetime
) -> None:
    """Tell rung `first`; one that reaches nobody costs no time, the next is told in the same breath.

    In a drill a rung that would have been told takes its time like one that was: the drill tries the plan's own times.
    """
    for number, hop in enumerate(chain.hops[first - 1 :], start=first):
        told.hop = number
        drafts = await _drafts(session, told, notice, hop, at=at)
        deliveries = await pipeline.submit(session, drafts, at=at)
        not_enrolled = [one for one in drafts if enrolment.held_back(one)]
        if deliveries:
            told.reached = True
            outbox.put(session, "rung.told", _said_of_rung(told, hop, deliveries), ref=told.ref, at=at)
        if not_enrolled:
            said = _said_of_rung(told, hop, not_enrolled)
            outbox.put(session, "rung.not_enrolled", said, ref=told.ref, at=at)
        if (deliveries or not_enrolled) and number < len(chain.hops):
            await _arm(session, told, lap=told.lap, hop=number + 1, due_at=at + hop.within)
            return
    await _arm(session, told, lap=told.lap + 1, hop=1, due_at=at + max(chain.repeat_after, SHORTEST_LAP))
    await _say_if_nobody(session, told, at=at)


async def _drafts(
    session: AsyncSession, told: Round, notice: Notice, hop: Hop, *, at: datetime
) -> list[Delivery]:
    drafts = [
        delivery
        for position in dict.fromkeys(hop.tell)
        for who in await receivers.at_position(session, position, via=hop.via, level=told.level, at=at)
        for delivery in _to_person(told, notice, hop, who, at=at)
    ]
    cannot = set(await session.scalars(_declined(told.id, told.lap)))
    for one in drafts:
        if one.person_id in cannot:
            pipeline.drop(one, say("notify.cannot", by=one.person_name))
    return drafts


def _declined(round_id: Any, lap: Any) -> Any:
    """Those who said in this lap that they cannot; in the next they are asked again."""
    said = (Answer.deed == Deed.CANNOT, Answer.state == AnswerState.DONE, Answer.person_id.is_not(None))
    return select(Answer.person_id).where(Answer.round_id == round_id, Answer.lap == lap, *said)


def _to_person(told: Round, notice: Notice, hop: Hop, who: Receiver, *, at: datetime) -> list[Delivery]:
    """One delivery for each contact point, the later ones with a later time.

    Where there is none, one to say so.
    """
    contacts: Sequence[Contact | None] = who.contacts or [None]
    wait = who.wait if who.wait is not None else hop.contact_wait
    waits = contact_times(len(contacts), within=hop.within, wait=wait)
    rung = Rung(told.id, told.lap, told.hop)
    return [
        pipeline.draft(notice, who, contact, rung=rung, asks=True, not_before=at, after=wait, at=at)
        for contact, wait in zip(contacts, waits, strict=True)
    ]


def contact_times(contacts: int, *, within: timedelta, wait: timedelta | None) -> list[timedelta]:
    """How long after their rung a person's contact points are tried: each before the next rung is told."""
    if contacts < 2:
        return [timedelta()] * contacts
    apart = wait if wait is not None else within / 2 / (contacts - 1)
    if apart * (contacts - 1) >= within:
        apart = within / contacts
    return [apart * place for place in range(contacts)]


async def _arm(session: AsyncSession, told: Round, *, lap: int, hop: int, due_at: datetime) -> None:
    said = {"round_id": told.id, "lap": lap, "hop": hop}
    await outbox.arm(
        session, "rung.due", said, ref=told.ref, key=f"round:{told.id}:{lap}:{hop}", due_at=due_at
    )


async def _hasten(session: AsyncSession, key: str, *, at: datetime) -> bool:
    """Let the timer `key` fall due now; says whether there was one still armed."""
    moved = await session.scalar(
        update(Timer)
        .where(Timer.key == key, Timer.state == TimerState.ARMED)
        .values(due_at=at)
        .returning(Timer.id)
    )
    wake(session, Work.MESSAGES)
    return moved is not None


async def _say_if_nobody(session: AsyncSession, told: Round, *, at: datetime) -> None:
    if await enrolment.any_held_back(session, told.id, told.lap):
        return  # a drill: somebody would have been told
    if not await _hopeful(session, Delivery.round_id == told.id, Delivery.lap == told.lap):
        told.reached = False  # what was written to somebody came to nothing: the last resort looks for this
        outbox.put(session, "chain.nobody", {"round_id": told.id, "lap": told.lap}, ref=told.ref, at=at)


async def _hopeful(session: AsyncSession, *which: Any) -> bool:
    """Whether of these somebody may still answer that they have it."""
    cannot = _declined(Delivery.round_id, Delivery.lap).where(Answer.person_id == Delivery.person_id).exists()
    hopeful = select(Delivery.id).where(*which, Delivery.state.in_(HOPEFUL), ~cannot)
    return await session.scalar(hopeful.limit(1)) is not None


async def _free_code(session: AsyncSession, key: str) -> str:
    """Four digits that no other round calling now has, or, where all of a few are taken, six."""
    chance = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")
    wanted = [f"{chance // 10_000**place % 9_000 + 1_000}" for place in range(4)]
    query = select(Round.code).where(Round.code.in_(wanted), Round.state == RoundState.CALLING)
    taken = set(await session.scalars(query))
    return next((one for one in wanted if one not in taken), f"{chance % 900_000 + 100_000}")


def _for_change(query: Any) -> Any:
    # `key_share`: rows that merely point at the round may still be written beside us.
    return query.with_for_update(key_share=True).execution_options(populate_existing=True)
