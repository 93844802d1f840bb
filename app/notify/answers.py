"""What people answer to a call, by whatever way it comes: I have it, I cannot, call these as well (EP-5.2).

A link, a button in a card, a short message, a key of a telephone and a mail all end here: who it is, which call is meant, what is
asked for. Each answer is written down, also where nothing came of it, and whoever gave it is told what did. An answer belongs to
the call it was given to: a late one, one from a number nobody of ours has, one that comes twice changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import Problem
from app.ids import new_id
from app.notify import acknowledgement, chain, pipeline
from app.notify.pipeline import News
from app.notify.receivers import Receiver
from app.notify.replies import LONGEST, Reply
from app.notify.tables import Answer, AnswerState, Deed, Delivery, Notice, Round, RoundState
from app.people import contact_points, naming
from app.people.contact_points import Owner
from app.people.holders import Contact
from app.vault import Vault
from app.wording import Wording, kept, localised, say

_ONCE_IN: Final = timedelta(hours=1)  # for words of ours to somebody whose machine may be answering them
_FORGED_ROW: Final = timedelta(hours=1)
_MOST_CALLS: Final = 20  # looked at for one sender


@dataclass(frozen=True)
class Sender:
    """Who answers: a person, or a stranger of whom only the masked address is known."""

    name: str
    person_id: str | None = None
    language: str | None = None
    contact: Contact | None = None  # by which they can be told what came of it


@dataclass(frozen=True)
class Came:
    """How an answer came: the way, what makes it the same as another, and its words."""

    via: str
    token: str | None
    words: str
    at: datetime


@dataclass(frozen=True)
class Verdict:
    """What came of an answer, and what whoever gave it is told."""

    state: AnswerState
    says: Wording
    language: str | None = None
    is_repeated: bool = False


async def sender_of(
    session: AsyncSession, vault: Vault, channels: Sequence[str], address: str
) -> tuple[Sender, ...]:
    """Everybody whose contact point this is; mostly one, and nobody for a stranger's."""
    found = await contact_points.owners(session, vault, channels, address)
    return tuple(_known(owner) for owner in found)


async def by_reply(
    session: AsyncSession, senders: Sequence[Sender], reply: Reply | None, came: Came, *, stranger: str
) -> Verdict:
    """An answer that names its call by a code at most: from a telephone, or typed into a group.

    1. One that came before is not looked at again.
    2. Whoever is nobody of ours, or says nothing that is an answer, is told so.
    3. The call is the one with the code; without a code, the only one that was made to the sender.
    """
    if (before := await _before(session, came)) is not None:
        return before
    if not senders:
        return await _nothing(
            session, came, AnswerState.UNKNOWN_SENDER, say("answers.unknown_sender"), Sender(stranger)
        )
    if reply is None:
        return await _nothing(
            session, came, AnswerState.NOT_UNDERSTOOD, say("answers.not_understood"), senders[0]
        )
    calls = await _calls(session, senders, reply.code)
    if len({called.id for called, _, _ in calls}) != 1:
        why = (
            say("answers.which", codes=[called.code for called, _, _ in calls])
            if calls
            else say("answers.no_call")
        )
        return await _nothing(session, came, AnswerState.NO_CALL, why, senders[0], deed=reply.deed)
    called, sender, delivery = calls[0]
    return await _give(session, called, sender, reply, came, delivery=delivery)


async def by_delivery(
    session: AsyncSession, delivery: Delivery, reply: Reply, came: Came, *, sender: Sender | None = None
) -> Verdict:
    """An answer to one message: its link, its button, its call, the reply to its mail. `sender`: who pressed the button, where
    that is known to be somebody; otherwise it is whoever the message was for."""
    if (before := await _before(session, came)) is not None:
        return before
    giver = sender or Sender(delivery.person_name or delivery.position, delivery.person_id, delivery.language)
    if delivery.round_id is None:
        if reply.deed is not Deed.TAKE:
            return await _nothing(
                session, came, AnswerState.NO_CALL, say("answers.only_seen"), giver, deed=reply.deed
            )
        await acknowledgement.answer_notice(session, delivery, by=giver.name, via=came.via, at=came.at)
        _write(
            session, came, AnswerState.DONE, giver, deed=reply.deed, ref=delivery.ref, delivery_id=delivery.id
        )
        return Verdict(AnswerState.DONE, say("answers.seen"), giver.language)
    called = await session.get_one(Round, delivery.round_id)
    return await _give(session, called, giver, reply, came, delivery=delivery)


async def by_stranger(session: AsyncSession, came: Came, *, stranger: str) -> Verdict:
    """A button pressed by an account that is nobody's contact point: written down and said, and nothing else."""
    return await by_reply(session, (), None, came, stranger=stranger)


async def by_person(
    session: AsyncSession, *, ref: str, person_id: str | None, by: str, deed: Deed, came: Came
) -> int:
    """An answer over the API or the console that the rest of the service has been told of already: here `cannot`. Gives the
    number of calls it counted for: those that told the person."""
    done = 0
    for called in await chain.calling(session, ref):
        mine = select(Delivery).where(Delivery.round_id == called.id)
        theirs = Delivery.person_id == person_id if person_id else Delivery.person_name == by
        delivery = await session.scalar(mine.where(theirs).order_by(Delivery.id.desc()).limit(1))
        if delivery is None:
            continue
        giver = Sender(by, delivery.person_id)
        _write(session, came, AnswerState.DONE, giver, deed=deed, called=called, delivery_id=delivery.id)
        await session.flush()
        await _decline(session, called, giver, at=came.at)
        done += 1
    return done


async def forged(session: AsyncSession, came: Came, *, whose: str) -> None:
    """A signature was wrong: written down once for an hour of them, so that no flood of them becomes a flood of rows."""
    hour = int(came.at.timestamp() // _FORGED_ROW.total_seconds())
    once = replace(came, token=f"forged:{whose}:{hour}", words="")
    if await _before(session, once) is None:
        _write(session, once, AnswerState.FORGED, Sender(whose), reason=say("answers.forged", whose=whose))
        await session.flush()


async def tell(session: AsyncSession, sender: Sender, verdict: Verdict, *, at: datetime) -> None:
    """Tell whoever answered what came of it, where the way it came has no answer of its own. What was not understood is said
    once an hour: a machine may be answering."""
    if sender.contact is None or verdict.is_repeated:
        return
    if verdict.state is AnswerState.NOT_UNDERSTOOD:
        lately = select(Answer.id).where(
            Answer.person_id == sender.person_id, Answer.state == AnswerState.NOT_UNDERSTOOD, Answer.at > at - _ONCE_IN
        )  # fmt: skip
        if len(list(await session.scalars(lately.limit(2)))) > 1:
            return
    news = News(
        ref=f"person:{sender.person_id}", kind="answer", level=2, subject=localised(say("answers.subject")),
        text=localised(verdict.says),
    )  # fmt: skip
    who = Receiver("", sender.person_id, sender.name, sender.language, [sender.contact])
    await pipeline.tell_people(session, news, people=[who], at=at)


# ── which call, and what becomes of it ────────────────────────────────────────────────────────────────────


_Call = tuple[Round, Sender, Delivery | None]


async def _calls(session: AsyncSession, senders: Sequence[Sender], code: str | None) -> list[_Call]:
    """The calls that may be meant, those under way before those that are over."""
    by_id = {one.person_id: one for one in senders}
    query = (
        select(Round, Delivery)
        .join(Delivery, Delivery.round_id == Round.id)
        .where(Delivery.person_id.in_([one for one in by_id if one]))
        .order_by(Round.id.desc(), Delivery.id.desc())
        .limit(_MOST_CALLS * 5)
    )
    if code is not None:
        query = query.where(Round.code == code)
    found: dict[str, _Call] = {}
    for called, delivery in await session.execute(query):
        found.setdefault(called.id, (called, by_id[delivery.person_id], delivery))
    calling = [one for one in found.values() if one[0].state == RoundState.CALLING]
    if calling:
        return calling
    if code is not None:
        # Somebody of ours who was not told, and heard the code from a colleague.
        others = select(Round).where(Round.code == code, Round.state == RoundState.CALLING)
        if heard := [(called, senders[0], None) for called in await session.scalars(others.limit(2))]:
            return list(heard)
    return list(found.values())[:1]  # too late for it: the last one


async def _give(
    session: AsyncSession,
    called: Round,
    sender: Sender,
    reply: Reply,
    came: Came,
    *,
    delivery: Delivery | None,
) -> Verdict:
    # All rounds are locked, in the order every answer locks them: two answers at once must not wait for each other.
    under_way = {one.id: one for one in await chain.calling(session, called.ref)}
    write: dict[str, Any] = {
        "deed": reply.deed, "called": called, "delivery_id": delivery.id if delivery else None,
    }  # fmt: skip
    if (standing := under_way.get(called.id)) is None:
        await session.refresh(called)
        if not _is_still_theirs(called, sender, reply.deed):
            why = (
                say("answers.taken", by=called.acknowledged_by, at=called.ended_at)
                if called.state == RoundState.ACKNOWLEDGED
                else say("answers.over")
            )
            return await _nothing(session, came, AnswerState.LATE, why, sender, **write)
    says = say("answers.next_is_told")
    if reply.deed is Deed.CANNOT and delivery is None:
        return await _nothing(session, came, AnswerState.NO_CALL, say("answers.no_call"), sender, **write)
    match reply.deed:
        case Deed.TAKE:
            _write(session, came, AnswerState.DONE, sender, **write)
            await acknowledgement.acknowledge(
                session, ref=called.ref, by=sender.name, via=came.via, at=came.at,
                delivery_id=delivery.id if delivery else None, is_news=True,
            )  # fmt: skip
            says = say("answers.yours", number=await _number(session, called))
        case Deed.CANNOT:
            _write(session, came, AnswerState.DONE, sender, **write)
            await session.flush()
            said = {
                "round_id": called.id, "by": sender.name, "person_id": sender.person_id, "via": came.via,
                "gives_back": standing is None,
            }  # fmt: skip
            outbox.put(session, "round.declined", said, ref=called.ref, at=came.at)
            if standing is not None:
                await _decline(session, standing, sender, at=came.at)
        case Deed.UPDATE:
            _write(session, came, AnswerState.DONE, sender, **write)
            update = {"by": sender.name, "text": reply.text}
            outbox.put(session, "update.given", update, ref=called.ref, at=came.at)
            says = say("answers.passed_on", number=await _number(session, called))
        case Deed.ADD:
            try:
                named = await naming.meant(session, reply.names)
            except Problem as refusal:
                return await _nothing(
                    session, came, AnswerState.NOT_UNDERSTOOD, refusal.detail, sender, **write
                )
            _write(session, came, AnswerState.DONE, sender, **write)
            whom = [one._asdict() for one in named]
            asked = {"by": sender.name, "via": came.via, "whom": whom, "is_noted": False}
            outbox.put(session, "others.asked", asked, ref=called.ref, at=came.at)
            says = say("answers.they_are_called", names=list(reply.names))
    await session.flush()
    return Verdict(AnswerState.DONE, says, sender.language)


def _is_still_theirs(called: Round, sender: Sender, deed: Deed) -> bool:
    """Whoever has it may call others, and may hand it back; how things stand may be said by everybody who was called."""
    answered = called.state == RoundState.ACKNOWLEDGED
    return answered and (
        deed is Deed.UPDATE or (called.acknowledged_by == sender.name and deed is not Deed.TAKE)
    )


async def _decline(session: AsyncSession, called: Round, sender: Sender, *, at: datetime) -> None:
    if sender.person_id is not None:
        await chain.pass_over(session, called, sender.person_id, say("notify.cannot", by=sender.name), at=at)


async def _number(session: AsyncSession, called: Round) -> str:
    return (await session.get_one(Notice, called.notice_id)).number


def listing(*, state: AnswerState | None = None, ref: str | None = None) -> Select[Answer]:
    """Answers, those that came to nothing included; of one incident where `ref` says so."""
    query = select(Answer)
    if state is not None:
        query = query.where(Answer.state == state)
    return query if ref is None else query.where(Answer.ref == ref)


# ── the record ────────────────────────────────────────────────────────────────────────────────────────────


async def _before(session: AsyncSession, came: Came) -> Verdict | None:
    """What was said to the same answer when it came first."""
    if came.token is None:
        return None
    known = await session.scalar(select(Answer).where(Answer.token == came.token))
    return Verdict(AnswerState(known.state), say("answers.repeated"), is_repeated=True) if known else None


async def _nothing(
    session: AsyncSession, came: Came, state: AnswerState, why: Wording, sender: Sender, **more: Any
) -> Verdict:
    _write(session, came, state, sender, reason=why, **more)
    await session.flush()
    return Verdict(state, why, sender.language)


def _write(
    session: AsyncSession, came: Came, state: AnswerState, sender: Sender, *, deed: Deed | None = None,
    reason: Wording | None = None, called: Round | None = None, ref: str | None = None, delivery_id: str | None = None,
) -> None:  # fmt: skip
    session.add(
        Answer(
            id=new_id(came.at), at=came.at, via=came.via, token=came.token, deed=deed, state=state,
            words=_storable(came.words), by=sender.name[:200], person_id=sender.person_id, reason=kept(reason) if reason else None,
            ref=called.ref if called else ref, round_id=called.id if called else None, lap=called.lap if called else None,
            delivery_id=delivery_id,
        )
    )  # fmt: skip


def _storable(words: str) -> str:
    return "".join(one for one in words[:LONGEST] if one.isprintable() or one == "\n")


def _known(owner: Owner) -> Sender:
    return Sender(
        owner.name, owner.person_id, owner.language, Contact(owner.contact_id, owner.channel, owner.masked)
    )
