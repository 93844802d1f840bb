"""A meeting is called, moved, cancelled, and minuted (EP-5.3).

Whoever is invited is told with a calendar file by mail, and with time, room and link by every other channel. A party outside gets
a file of its own: the title, when and where, and no name of ours but the organiser's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import NotFound, Refused, Stale
from app.ids import new_id
from app.incidents import command_post, decisions, record, timeline
from app.incidents.tables import Incident, State, Status
from app.levels import matrix
from app.meetings import calendar_file
from app.meetings.calendar_file import Invitation
from app.meetings.tables import Guest, GuestKind, Meeting, MeetingState
from app.notify import pipeline, receivers
from app.notify.channel import Attachment
from app.notify.pipeline import News
from app.notify.receivers import Receiver
from app.parties import register, requests
from app.parties.tables import Party
from app.people.tables import Department, Person, Position
from app.wording import kept, localised, say, spoken_span

KIND: Final = "meeting"
COMMAND_POST: Final = "command_post"
"""A group: everybody in the command post of the incident."""
MOST_GUESTS: Final = 500
_OVER: Final = (State.REVIEWED, State.CANCELLED)


class MeetingOver(Refused, slug="meeting-over"):
    """It was held or cancelled, and changes no more."""


@dataclass(frozen=True)
class Wanted:
    """What a meeting is to be, and who is to come."""

    title: str
    starts_at: datetime
    lasts: timedelta
    room: str | None = None
    link: str | None = None
    people: Sequence[str] = ()  # ids
    groups: Sequence[str] = ()  # positions, departments, or `command_post`
    parties: Sequence[str] = ()  # outside


@dataclass(frozen=True)
class Changed:
    """What is different about it; what is left out stays."""

    title: str | None = None
    starts_at: datetime | None = None
    lasts: timedelta | None = None
    room: str | None = None
    link: str | None = None


@dataclass(frozen=True)
class Minutes:
    """What came of it."""

    text: str
    decided: Sequence[str] = ()
    attended: Sequence[str] = ()  # ids of guests who came; of the others it is noted that they did not
    others: Sequence[str] = ()  # names of who came besides


@dataclass(frozen=True)
class Organiser:
    """Who calls, and the address that calendars answer to."""

    name: str
    address: str


async def call(
    session: AsyncSession, incident: Incident, wanted: Wanted, *, organiser: Organiser, at: datetime
) -> Meeting:
    """Call a meeting about a locked incident: write it, find who is meant, tell them, and note all of it."""
    if incident.state in _OVER:
        raise Refused(say("incidents.over"), state=incident.state)
    if wanted.starts_at <= at:
        raise Refused(say("meetings.is_past"), needs=["starts_at"])
    if not wanted.room and not wanted.link:
        raise Refused(say("meetings.nowhere"), needs=["room", "link"])
    meeting = Meeting(
        id=new_id(at), incident_id=incident.id, title=wanted.title, starts_at=wanted.starts_at,
        lasts=int(wanted.lasts.total_seconds()), room=wanted.room, link=wanted.link, state=MeetingState.CALLED, sequence=0,
        organiser=organiser.name, called_at=at, minutes=[], version=1,
    )  # fmt: skip
    session.add(meeting)
    await session.flush()
    people = await _people(session, incident, wanted, at=at)
    parties = [await _party(session, name) for name in dict.fromkeys(wanted.parties)]
    if not people and not parties:
        raise Refused(say("meetings.nobody"), needs=["people", "groups", "parties"])
    if len(people) + len(parties) > MOST_GUESTS:
        raise Refused(say("meetings.too_many", most=MOST_GUESTS), most=MOST_GUESTS)
    for who in people:
        why = kept(who.reason) if who.reason else None
        _invite(session, meeting, GuestKind.PERSON, str(who.person_id), str(who.name), at, who.position, why)
    for party in parties:
        _invite(session, meeting, GuestKind.PARTY, party.id, party.name, at)
    await session.flush()
    await _tell(session, incident, meeting, "called", organiser=organiser, people=people, at=at)
    _note(session, incident, meeting, "called", actor=organiser.name, at=at, who=[
        one.name for one in await guests_of(session, meeting.id)
    ])  # fmt: skip
    return meeting


async def move(
    session: AsyncSession, meeting_id: str, change: Changed, *, organiser: Organiser, at: datetime,
    expected: int | None = None,
) -> Meeting:  # fmt: skip
    """Change when, where or what; calendars replace what they have. Everybody invited is told."""
    meeting, incident = await _held(session, meeting_id, expected)
    _refuse_over(meeting)
    if change.starts_at is not None and change.starts_at <= at:
        raise Refused(say("meetings.is_past"), needs=["starts_at"])
    meeting.title = change.title or meeting.title
    meeting.starts_at = change.starts_at or meeting.starts_at
    meeting.lasts = int(change.lasts.total_seconds()) if change.lasts else meeting.lasts
    meeting.room, meeting.link = change.room or meeting.room, change.link or meeting.link
    _grow(meeting)
    await _tell(session, incident, meeting, "moved", organiser=organiser, at=at)
    _note(session, incident, meeting, "moved", actor=organiser.name, at=at)
    return meeting


async def cancel(
    session: AsyncSession, meeting_id: str, *, reason: str | None, organiser: Organiser, at: datetime,
    expected: int | None = None,
) -> Meeting:  # fmt: skip
    """It does not take place; calendars take it out. Repeatable."""
    meeting, incident = await _held(session, meeting_id, expected)
    if meeting.state == MeetingState.CANCELLED:
        return meeting
    _refuse_over(meeting)
    meeting.state = MeetingState.CANCELLED
    _grow(meeting)
    await _tell(session, incident, meeting, "cancelled", organiser=organiser, at=at)
    _note(session, incident, meeting, "cancelled", actor=organiser.name, at=at, reason=reason)
    return meeting


async def minute(
    session: AsyncSession,
    meeting_id: str,
    minutes: Minutes,
    *,
    by: str,
    at: datetime,
    expected: int | None = None,
) -> Meeting:
    """Write minutes: what was said, what was decided, who came. What is added later stands beside it.

    Each decision stands on the timeline as one, with the meeting it was taken in.
    """
    meeting, incident = await _held(session, meeting_id, expected)
    if meeting.state == MeetingState.CANCELLED:
        raise MeetingOver(say("meetings.was_cancelled"))
    guests = await guests_of(session, meeting.id)
    if unknown := [one for one in minutes.attended if one not in {guest.id for guest in guests}]:
        raise NotFound(say("meetings.no_such_guest", id=unknown[0]))
    for guest in guests:
        guest.attended = guest.id in minutes.attended or guest.attended is True
    meeting.state, meeting.version = MeetingState.HELD, meeting.version + 1
    meeting.minutes = [
        *meeting.minutes, {"at": at.isoformat(), "by": by, "text": minutes.text, "others": list(minutes.others)}
    ]  # fmt: skip
    _note(
        session, incident, meeting, "minuted", actor=by, at=at, text=minutes.text,
        came=[*(one.name for one in guests if one.attended), *minutes.others],
        missing=[one.name for one in guests if not one.attended],
    )  # fmt: skip
    for decided in minutes.decided:
        decisions.taken(
            session,
            incident,
            kind=KIND,
            what={"zh": decided, "en": decided},
            by=by,
            where=meeting.title,
            at=at,
        )
    await session.flush()
    return meeting


async def found(session: AsyncSession, meeting_id: str) -> Meeting:
    meeting = await session.get(Meeting, meeting_id)
    if meeting is None:
        raise NotFound(say("meetings.not_found", id=meeting_id))
    return meeting


async def of_incident(session: AsyncSession, incident_id: str) -> list[Meeting]:
    query = select(Meeting).where(Meeting.incident_id == incident_id)
    return list(await session.scalars(query.order_by(Meeting.starts_at, Meeting.id)))


async def guests_of(session: AsyncSession, meeting_id: str) -> list[Guest]:
    query = select(Guest).where(Guest.meeting_id == meeting_id)
    return list(await session.scalars(query.order_by(Guest.id)))


async def file_of(session: AsyncSession, meeting: Meeting, organiser_address: str, *, at: datetime) -> bytes:
    """The calendar file as our own people get it."""
    names = [one.name for one in await guests_of(session, meeting.id)]
    return calendar_file.written(_invitation(meeting, organiser_address, names), at=at)


async def _people(
    session: AsyncSession, incident: Incident, wanted: Wanted, *, at: datetime
) -> list[Receiver]:
    """Each once, whoever stands for what is meant at this moment; also who cannot be told, with the reason."""
    found = [await _person(session, one, position="") for one in wanted.people]
    for group in dict.fromkeys(wanted.groups):
        if group == COMMAND_POST:
            post = await command_post.of_incident(session, incident.id)
            members = [one for one in post.members if one["person_id"]] if post is not None else []
            found += [await _person(session, one["person_id"], position=one["position"]) for one in members]
        elif await session.get(Position, group) is not None:
            found += await receivers.at_position(session, group, at=at)
        elif await session.get(Department, group) is not None:
            query = select(Person.id).where(Person.department_id == group, Person.left_at.is_(None))
            ids = await session.scalars(query.order_by(Person.id))
            found += [await _person(session, one, position="") for one in ids.all()]
        else:
            raise NotFound(say("meetings.no_such_group", id=group))
    return list({who.person_id: who for who in reversed(found) if who.person_id is not None}.values())[::-1]


async def _person(session: AsyncSession, person_id: str, *, position: str) -> Receiver:
    return await receivers.somebody(session, person_id, position=position)


async def _party(session: AsyncSession, name: str) -> Party:
    party = await register.found(session, name)
    if party.retired_at is not None:
        raise Refused(say("parties.retired", name=party.name), party=party.id)
    return party


def _invite(
    session: AsyncSession, meeting: Meeting, kind: GuestKind, of: str, name: str, at: datetime,
    position: str | None = None, why_not: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    session.add(
        Guest(
            id=new_id(at), meeting_id=meeting.id, kind=kind, of=of, position=position or None, name=name,
            attended=None, why_not=why_not,
        )
    )  # fmt: skip


async def _tell(
    session: AsyncSession, incident: Incident, meeting: Meeting, how: str, *, organiser: Organiser, at: datetime,
    people: Sequence[Receiver] | None = None,
) -> None:  # fmt: skip
    """Everybody invited hears of it: our people with the names, each party by itself. A drill tells no party outside."""
    guests = await guests_of(session, meeting.id)
    if people is None:
        people = [
            await _person(session, one.of, position=one.position or "")
            for one in guests
            if one.kind == GuestKind.PERSON
        ]
    zone = (await matrix.of(session, incident.plan_revision)).zone
    place = [one for one in (meeting.room, meeting.link) if one]
    params = {
        "title": meeting.title, "number": incident.number, "starts_at": meeting.starts_at, "organiser": organiser.name,
        "lasts": spoken_span(timedelta(seconds=meeting.lasts)), "place": place,
    }  # fmt: skip
    words = {part: localised(say(f"meetings.{how}.{part}", **params), zone) for part in ("subject", "text")}
    exercise = incident.status != Status.ACTUAL
    file = _attached(meeting, organiser.address, [one.name for one in guests], at)
    news = News(
        ref=incident.id, kind=KIND, number=incident.number, level=incident.level, exercise=exercise,
        subject=words["subject"], text=words["text"], page=f"/incidents/{incident.id}", attachments=(file,),
    )  # fmt: skip
    if people:
        await pipeline.tell_people(session, news, people=people, at=at)
    for one in guests:
        if one.kind != GuestKind.PARTY or exercise:
            continue
        party = await register.found(session, one.of)
        file = _attached(meeting, organiser.address, [party.name], at)
        outside = {
            part: localised(say(f"meetings.outside.{how}.{part}", **params), zone)
            for part in ("subject", "text")
        }
        await requests.inform(
            session, party, ref=f"meeting:{meeting.id}", kind=KIND, level=incident.level, subject=outside["subject"],
            text=outside["text"], attachments=(file,), at=at,
        )  # fmt: skip


def _attached(meeting: Meeting, address: str, names: Sequence[str], at: datetime) -> Attachment:
    invitation = _invitation(meeting, address, names)
    return Attachment("meeting.ics", invitation.media_type, calendar_file.written(invitation, at=at))


def _invitation(meeting: Meeting, address: str, names: Sequence[str]) -> Invitation:
    return Invitation(
        uid=f"{meeting.id}@muster", sequence=meeting.sequence, title=meeting.title, starts_at=meeting.starts_at,
        lasts=timedelta(seconds=meeting.lasts), place=", ".join(one for one in (meeting.room, meeting.link) if one),
        link=meeting.link, organiser=meeting.organiser, organiser_address=address, guests=names,
        cancelled=meeting.state == MeetingState.CANCELLED,
    )  # fmt: skip


async def _held(session: AsyncSession, meeting_id: str, expected: int | None) -> tuple[Meeting, Incident]:
    meeting = await found(session, meeting_id)
    incident = await record.locked(session, meeting.incident_id)
    await session.refresh(meeting)
    Stale.unless(expected, meeting.version)
    return meeting, incident


def _refuse_over(meeting: Meeting) -> None:
    if meeting.state != MeetingState.CALLED:
        raise MeetingOver(say("meetings.over"), state=meeting.state)


def _grow(meeting: Meeting) -> None:
    meeting.sequence, meeting.version = meeting.sequence + 1, meeting.version + 1


def _note(
    session: AsyncSession, incident: Incident, meeting: Meeting, kind: str, *, actor: str, at: datetime, **more: Any
) -> None:  # fmt: skip
    said = {"incident_id": incident.id, "meeting_id": meeting.id}
    outbox.put(session, f"meeting.{kind}", said, ref=incident.id, at=at)
    timeline.append(
        session, incident, f"meeting.{kind}", actor=actor, at=at, meeting=meeting.id, title=meeting.title,
        starts_at=meeting.starts_at, **more,
    )  # fmt: skip
