"""A party is told and asked, answers or is silent (EP-2.4, EP-5.2).

What is shared is written into the request and is all that leaves: its subject, its text, what is asked for, how urgent it is. The
link in the message opens this one request, until it is withdrawn or its incident ends. Looking changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import NotFound, Refused, Stale
from app.ids import new_id
from app.incidents import record, timeline
from app.incidents.tables import OPEN_STATES, Incident, Status
from app.notify import opening, pipeline
from app.notify.channel import Attachment
from app.notify.pipeline import News
from app.notify.receivers import Receiver
from app.notify.tables import Delivery
from app.parties import register
from app.parties.tables import Does, Party, PartyAnswer, PartyContact, PartyRequest, RequestState
from app.people.holders import Contact
from app.resources import reservation
from app.resources.document import Ask
from app.resources.tables import Pool
from app.vault import Vault
from app.wording import localised, say

PAGE: Final = "p"
"""The first part of the path of the page that a link opens."""
KIND: Final = "party"
HELD_FOR: Final = timedelta(days=1)
"""How long what a party commits is reserved, unless somebody extends it; it ends with the incident at the latest."""
_REF: Final = "party:"
_LIVE: Final = (RequestState.OPEN, RequestState.ANSWERED, RequestState.DECLINED)


class NoLongerOpen(Refused, slug="party-request-over"):
    """The request was withdrawn, or its incident has ended."""


@dataclass(frozen=True)
class Wanted:
    """What is shared with a party and asked of it."""

    party: str
    text: Mapping[str, Any]  # Localised
    subject: Mapping[str, Any] | None = None  # Localised; none: a general one
    ask: Mapping[str, int] = field(default_factory=dict)  # how many of what it may be asked for
    level: int | None = None  # how urgent; none: as the incident


@dataclass(frozen=True)
class Said:
    """One answer of a party."""

    does: Does
    by: str
    via: str
    noted_by: str | None = (
        None  # who of ours took it down; stands on the timeline, and is not shown to the party
    )
    note: str | None = None
    ready_at: datetime | None = None
    quantities: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Card:
    """What the page behind a link shows, and all of it."""

    request: PartyRequest
    party: Party
    answers: Sequence[PartyAnswer]
    contact: str  # whom the message was for


async def ask(
    session: AsyncSession, incident: Incident, wanted: Wanted, *, within: timedelta, by: str, at: datetime
) -> PartyRequest:
    """Share a text with a party and ask it for what it may be asked for, about a locked incident. In the caller's transaction:

    1. Refuse an incident that is over, a party that is retired, and what this one may not be asked for.
    2. Write the request and the entry on the timeline. A drill ends here: nobody outside is told of it.
    3. Tell the first contact, who has `within` to answer; where there is none, our contract owner hears so now.
    """
    _refuse_over(incident)
    party = await register.found(session, wanted.party)
    if party.retired_at is not None:
        raise Refused(say("parties.retired", name=party.name), party=party.id)
    request = PartyRequest(
        id=new_id(at), incident_id=incident.id, party_id=party.id,
        subject=dict(wanted.subject or localised(say("parties.subject"))), text=dict(wanted.text),
        asked=_asked(party, wanted.ask), level=wanted.level or incident.level, state=RequestState.OPEN,
        within=int(within.total_seconds()), rung=0, asked_at=at, asked_by=by, owner_told_at=None, ended_at=None, version=1,
    )  # fmt: skip
    session.add(request)
    if incident.status != Status.ACTUAL:
        request.state = RequestState.WITHHELD
        _note(session, incident, request, party, "withheld", actor=by, at=at)
        await session.flush()
        return request
    things = [say("flow.thing", quantity=one["quantity"], title=one["title"]) for one in request.asked]
    _note(session, incident, request, party, "asked", actor=by, at=at, text=request.text, things=things)
    await session.flush()
    await go_on(session, incident, request, rung=0, at=at)
    return request


async def inform(
    session: AsyncSession, party: Party, *, ref: str, kind: str, level: int, subject: Mapping[str, Any], text: Mapping[str, Any],
    attachments: tuple[Attachment, ...] = (), at: datetime,
) -> None:  # fmt: skip
    """Tell the first contact of a party something that asks for no answer: a meeting, a report. There is no link.

    `ref` names what it is about and goes along where a channel sends one: not the incident. Whoever calls sees to it that a drill
    tells nobody outside, and notes it on the timeline.
    """
    contacts = (await register.contacts_of(session, [party.id]))[party.id]
    news = News(ref=ref, kind=kind, level=level, subject=subject, text=text, attachments=attachments)
    await pipeline.tell_people(session, news, people=[_receiver(party, contacts)], at=at)


async def go_on(
    session: AsyncSession, incident: Incident, request: PartyRequest, *, rung: int, at: datetime
) -> None:
    """The contact of rank `rung` did not answer in time, or cannot be reached: the next is told, at last our contract owner.

    Nothing where somebody has answered, or where a later contact was told already.
    """
    if request.state != RequestState.OPEN or rung != request.rung or request.owner_told_at is not None:
        return
    party = await register.found(session, request.party_id)
    contacts = (await register.contacts_of(session, [party.id]))[party.id]
    following = next((one for one in contacts if one.rank > rung), None)
    if following is None:
        request.owner_told_at = at
        _note(session, incident, request, party, "silent", actor="plan", at=at)
        said = {"incident_id": incident.id, "request_id": request.id}
        outbox.put(session, "party.unanswered", said, ref=incident.id, at=at)
        return
    request.rung = following.rank
    await _tell(session, request, party, following, at=at)
    _note(session, incident, request, party, "told", actor="plan", at=at, contact=following.name)
    await outbox.arm(
        session, "party.silent", {"incident_id": incident.id, "request_id": request.id, "rung": following.rank},
        ref=incident.id, key=f"{_REF}{request.id}:{following.rank}",
        due_at=at + timedelta(seconds=request.within),
    )  # fmt: skip


async def answer(session: AsyncSession, request: PartyRequest, said: Said, *, at: datetime) -> PartyAnswer:
    """Take down what a party says, of a request whose incident is locked here. In the caller's transaction:

    1. Refuse what is over, an estimate that says neither what nor when, a commitment of nothing or of what was not asked.
    2. The first answer ends the waiting: no further contact is told.
    3. What is committed from a pool of partners is reserved for the incident, as far as the pool has it; the last word on a thing
       counts.
    4. Entry on the timeline; the rest of the service hears so.
    """
    incident = await record.locked(session, request.incident_id)
    await session.refresh(request)
    if request.state not in _LIVE or incident.state not in OPEN_STATES:
        raise NoLongerOpen(say("parties.over"))
    if said.does is Does.ESTIMATE and not said.note and said.ready_at is None:
        raise Refused(say("parties.estimate_of_nothing"), needs=["note", "ready_at"])
    party = await register.found(session, request.party_id)
    given = PartyAnswer(
        id=new_id(at), request_id=request.id, does=said.does, by=said.by, via=said.via, at=at, note=said.note,
        ready_at=said.ready_at if said.does is Does.ESTIMATE else None, committed=[],
    )  # fmt: skip
    if said.does is Does.COMMIT:
        given.committed = await _commit(session, incident, request, said.quantities, answer=given.id, at=at)
    session.add(given)
    request.state = RequestState.DECLINED if said.does is Does.DECLINE else RequestState.ANSWERED
    request.version += 1
    await outbox.withdraw(session, key_prefix=f"{_REF}{request.id}:")
    things = [say("flow.thing", quantity=one["quantity"], title=one["title"]) for one in given.committed]
    _note(
        session, incident, request, party, str(said.does), actor=said.noted_by or said.by, at=at, note=said.note,
        ready_at=given.ready_at,
        things=things, via=said.via,
    )  # fmt: skip
    told = {"incident_id": incident.id, "request_id": request.id, "answer_id": given.id}
    outbox.put(session, "party.answered", told, ref=incident.id, at=at)
    await session.flush()
    return given


async def withdraw(
    session: AsyncSession, request_id: str, *, by: str, at: datetime, expected: int | None = None
) -> PartyRequest:
    """It is asked no more: from the commit on its links open nothing. Repeatable."""
    request = await found(session, request_id)
    incident = await record.locked(session, request.incident_id)
    await session.refresh(request)
    Stale.unless(expected, request.version)
    if request.state in _LIVE:
        _end(request, at)
        await outbox.withdraw(session, key_prefix=f"{_REF}{request.id}:")
        party = await register.found(session, request.party_id)
        _note(session, incident, request, party, "withdrawn", actor=by, at=at)
    return request


async def end_all(session: AsyncSession, incident_id: str, *, at: datetime) -> None:
    """The incident has ended: no link of it opens anything any more."""
    for request in await of_incident(session, incident_id):
        if request.state in _LIVE:
            _end(request, at)


async def found(session: AsyncSession, request_id: str) -> PartyRequest:
    request = await session.get(PartyRequest, request_id)
    if request is None:
        raise NotFound(say("parties.no_such_request", id=request_id))
    return request


async def of_incident(session: AsyncSession, incident_id: str) -> list[PartyRequest]:
    query = select(PartyRequest).where(PartyRequest.incident_id == incident_id)
    return list(await session.scalars(query.order_by(PartyRequest.asked_at, PartyRequest.id)))


async def answers_to(session: AsyncSession, requests: Sequence[str]) -> Mapping[str, list[PartyAnswer]]:
    """What was said to each, the oldest first."""
    said: dict[str, list[PartyAnswer]] = {one: [] for one in requests}
    query = select(PartyAnswer).where(PartyAnswer.request_id.in_(requests))
    for one in await session.scalars(query.order_by(PartyAnswer.at, PartyAnswer.id)):
        said[one.request_id].append(one)
    return said


def of_ref(ref: str) -> str | None:
    """The request that a delivery's `ref` names, if it names one."""
    return ref.removeprefix(_REF) if ref.startswith(_REF) else None


async def rung_of(session: AsyncSession, request: PartyRequest, delivery_id: str) -> int:
    """The rank of the contact a message went to; the last told where that contact is no more."""
    told = await session.get_one(Delivery, delivery_id)
    contact = await session.get(PartyContact, told.contact_id) if told.contact_id else None
    return contact.rank if contact is not None else request.rung


async def opened(session: AsyncSession, vault: Vault, delivery_id: str, mark: str) -> Card:
    """What a link leads to. A link we did not make, one withdrawn, and one of an incident that is over are the same to whoever
    asks: `NotFound`.
    """
    delivery = (
        await session.get(Delivery, delivery_id) if opening.is_ours(vault, PAGE, delivery_id, mark) else None
    )
    request_id = of_ref(delivery.ref) if delivery is not None and delivery.opens == PAGE else None
    request = await session.get(PartyRequest, request_id) if request_id else None
    state = (
        await session.scalar(select(Incident.state).where(Incident.id == request.incident_id))
        if request is not None
        else None
    )
    if delivery is None or request is None or request.state not in _LIVE or state not in OPEN_STATES:
        raise NotFound(say("parties.no_such_link"))
    party = await register.found(session, request.party_id)
    said = (await answers_to(session, [request.id]))[request.id]
    return Card(request, party, said, delivery.person_name or party.name)


def _asked(party: Party, ask: Mapping[str, int]) -> list[dict[str, Any]]:
    offers = {one["id"]: one for one in party.may_be_asked}
    if unknown := [name for name in ask if name not in offers]:
        raise Refused(say("parties.may_not_be_asked", name=party.name, what=unknown), allowed=list(offers))
    return [{**offers[name], "quantity": quantity} for name, quantity in ask.items()]


async def _tell(
    session: AsyncSession, request: PartyRequest, party: Party, contact: PartyContact, *, at: datetime
) -> None:
    """One message to one contact, of nothing but what is shared: it names no incident, and no number of one."""
    news = News(
        ref=f"{_REF}{request.id}", kind=KIND, level=request.level, subject=request.subject, text=request.text,
    )  # fmt: skip
    await pipeline.tell_people(session, news, people=[_receiver(party, [contact])], at=at, opens=PAGE)


def _receiver(party: Party, contacts: Sequence[PartyContact]) -> Receiver:
    """Those in turn, each when the one before cannot be reached; they are none of our people."""
    name = contacts[0].name if contacts else party.name
    ways = [Contact(one.id, one.channel, one.address_masked) for one in contacts]
    return Receiver(party.id, None, name, party.language, ways)


async def _commit(
    session: AsyncSession, incident: Incident, request: PartyRequest, quantities: Mapping[str, int], *,
    answer: str, at: datetime,
) -> list[dict[str, Any]]:  # fmt: skip
    asked = {one["id"]: one for one in request.asked}
    if unknown := [name for name in quantities if name not in asked]:
        raise Refused(say("parties.was_not_asked", what=unknown), allowed=list(asked))
    if above := [name for name, many in quantities.items() if many > asked[name]["quantity"]]:
        raise Refused(say("parties.more_than_asked", what=[asked[name]["title"] for name in above]))
    if not any(quantities.values()):
        raise Refused(say("parties.commitment_of_nothing"), allowed=list(asked))
    before = (await answers_to(session, [request.id]))[request.id]
    committed: list[dict[str, Any]] = []
    for name, many in quantities.items():
        one = asked[name]
        for earlier in before:
            await reservation.release_key(session, _key(earlier.id, name), by="plan", at=at)
        held = await _reserve(session, incident, one, many, key=_key(answer, name), at=at) if many else 0
        committed.append(
            {"id": name, "title": one["title"], "unit": one.get("unit"), "quantity": many, "held": held}
        )
    return committed


async def _reserve(
    session: AsyncSession, incident: Incident, asked: Mapping[str, Any], many: int, *, key: str, at: datetime
) -> int:
    """How many of what was committed could be reserved in the pool it is meant for: of a pool of partners, what is free there.

    What the pool does not know of stands in the record alone.
    """
    pool = await session.get(Pool, asked["pool"]) if asked.get("pool") else None
    if pool is None or pool.tier != register.PARTNER or pool.next is not None:
        return 0
    while many > 0:
        taken = await reservation.reserve(
            session, ref=incident.id, key=key, ask=[Ask(pool=pool.id, item=asked.get("item"), quantity=many)],
            until=at + HELD_FOR, by="plan", exercise=False, at=at,
        )  # fmt: skip
        if not isinstance(taken, reservation.Shortage):
            return many
        many -= max(1, sum(one.missing for one in taken.asks))
    return 0


def _key(answer: str, name: str) -> str:
    return f"{_REF}{answer}:{name}"


def _end(request: PartyRequest, at: datetime) -> None:
    request.state, request.ended_at, request.version = RequestState.WITHDRAWN, at, request.version + 1


def _refuse_over(incident: Incident) -> None:
    if incident.state not in OPEN_STATES:
        raise Refused(say("incidents.over"), state=incident.state)


def _note(
    session: AsyncSession, incident: Incident, request: PartyRequest, party: Party, kind: str, *, actor: str, at: datetime,
    **more: Any,
) -> None:  # fmt: skip
    timeline.append(
        session, incident, f"party.{kind}", actor=actor, at=at, request=request.id, party=party.name, **more
    )
