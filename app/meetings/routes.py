"""Meetings over HTTP: parse, call one room function, render."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from app.access.edge import Edge, Here, IfMatch, Language, Now, Session, Who, problems
from app.access.keys import Principal
from app.access.parts import Parts
from app.errors import NotFound, Refused, Stale
from app.incidents import authority, record
from app.meetings import calling
from app.meetings.calling import MeetingOver, Organiser
from app.meetings.schemas import CallMeeting, CancelMeeting, MeetingRead, Meetings, MoveMeeting, WriteMinutes
from app.meetings.tables import Meeting

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["meetings"])
Id = Annotated[str, Path(max_length=64)]


@router.get("/incidents/{incident_id}/meetings", responses=problems(NotFound))
async def list_meetings(incident_id: str, session: Session, who: Who, language: Language) -> Meetings:
    """The meetings of an incident, by when they start."""
    incident = await authority.seen(session, who, incident_id)
    found = await calling.of_incident(session, incident.id)
    return Meetings(items=[await _read(session, one, language) for one in found])


@router.post("/incidents/{incident_id}/meetings", status_code=201, responses=problems(NotFound, Refused))
async def call_meeting(
    incident_id: str, asked: CallMeeting, session: Session, here: Here, who: Who, now: Now, language: Language
) -> MeetingRead:  # fmt: skip
    """Call a meeting (EP-5.3): each guest is told, by mail with a calendar file."""
    incident = await record.locked(session, incident_id)
    meeting = await calling.call(session, incident, asked.wanted(), organiser=organiser(who, here), at=now)
    return await _read(session, meeting, language)


@router.get("/meetings/{meeting_id}", responses=problems(NotFound))
async def read_meeting(
    meeting_id: Id, session: Session, language: Language, response: Response
) -> MeetingRead:
    """One meeting, with who is invited and its minutes."""
    meeting = await calling.found(session, meeting_id)
    response.headers["ETag"] = f'"{meeting.version}"'
    return await _read(session, meeting, language)


@router.patch("/meetings/{meeting_id}", responses=problems(NotFound, MeetingOver, Stale))
async def move_meeting(
    meeting_id: Id, change: MoveMeeting, session: Session, here: Here, who: Who, now: Now, version: IfMatch,
    language: Language,
) -> MeetingRead:  # fmt: skip
    """Change when, where or what; every guest is told, and calendars follow."""
    meeting = await calling.move(
        session, meeting_id, change.changed(), organiser=organiser(who, here), at=now, expected=version
    )
    return await _read(session, meeting, language)


@router.post("/meetings/{meeting_id}/cancel", responses=problems(NotFound, MeetingOver, Stale))
async def cancel_meeting(
    meeting_id: Id, asked: CancelMeeting, session: Session, here: Here, who: Who, now: Now, version: IfMatch,
    language: Language,
) -> MeetingRead:  # fmt: skip
    """It does not take place; every guest is told, and calendars take it out."""
    meeting = await calling.cancel(
        session, meeting_id, reason=asked.reason, organiser=organiser(who, here), at=now, expected=version
    )
    return await _read(session, meeting, language)


@router.post(
    "/meetings/{meeting_id}/minutes", status_code=201, responses=problems(NotFound, MeetingOver, Stale)
)
async def write_minutes(
    meeting_id: Id, asked: WriteMinutes, session: Session, who: Who, now: Now, version: IfMatch, language: Language
) -> MeetingRead:  # fmt: skip
    """What was said and decided, and who came: all of it stands on the timeline."""
    meeting = await calling.minute(session, meeting_id, asked.taken(), by=who.name, at=now, expected=version)
    return await _read(session, meeting, language)


@router.get("/meetings/{meeting_id}/calendar", responses=problems(NotFound))
async def read_calendar(meeting_id: Id, session: Session, here: Here, now: Now) -> Response:
    """The calendar file, for whoever was told by another channel than mail."""
    meeting = await calling.found(session, meeting_id)
    body = await calling.file_of(session, meeting, here.settings.mail_from, at=now)
    named = {"Content-Disposition": 'attachment; filename="meeting.ics"'}
    return Response(body, media_type="text/calendar; charset=utf-8", headers=named)


def organiser(who: Principal, here: Parts) -> Organiser:
    """Whoever calls, at the address that the service's mails come from."""
    return Organiser(who.name, here.settings.mail_from)


async def _read(session: Session, meeting: Meeting, language: str) -> MeetingRead:
    return MeetingRead.of(meeting, await calling.guests_of(session, meeting.id), language)
