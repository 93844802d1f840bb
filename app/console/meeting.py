"""The forms of meetings on the page of an incident: call, move, cancel, write minutes. Each does what its twin in the API does."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.edge import Edge, Here, Now, Session, Who
from app.access.keys import Principal
from app.console.forms import Form, posted, shaped
from app.console.pages import go
from app.console.routes import incident_page
from app.errors import NotFound
from app.incidents import record
from app.incidents.tables import Incident
from app.levels import matrix
from app.meetings import calling
from app.meetings.routes import organiser
from app.meetings.schemas import CallMeeting, CancelMeeting, MoveMeeting, WriteMinutes
from app.wording import say

router = APIRouter(route_class=Edge, include_in_schema=False)
Id = Annotated[str, Path(max_length=64)]


@router.post("/incidents/{incident_id}/meetings")
async def call_meeting(
    incident_id: Id, request: Request, session: Session, here: Here, who: Who, now: Now
) -> Response:
    form = await _posted(request, who, incident_id)
    incident = await record.locked(session, incident_id)
    zone = (await matrix.of(session, incident.plan_revision)).zone
    said = {"title": form.one("title") or "", "starts_at": form.moment("starts_at", zone) or ""}
    invited = {"groups": form.many("groups"), "parties": form.many("parties")}
    asked = shaped(CallMeeting, {**said, **_where(form), "who": invited})
    await calling.call(session, incident, asked.wanted(), organiser=organiser(who, here), at=now)
    return go(f"/incidents/{incident.id}#meetings")


@router.post("/incidents/{incident_id}/meetings/{meeting_id}/move")
async def move_meeting(
    incident_id: Id, meeting_id: Id, request: Request, session: Session, here: Here, who: Who, now: Now
) -> Response:
    form = await _posted(request, who, incident_id)
    incident = await _incident(session, incident_id, meeting_id)
    zone = (await matrix.of(session, incident.plan_revision)).zone
    asked = shaped(MoveMeeting, {"starts_at": form.moment("starts_at", zone), **_where(form)})
    await calling.move(
        session, meeting_id, asked.changed(), organiser=organiser(who, here), at=now, expected=form.whole("version"),
    )  # fmt: skip
    return go(f"/incidents/{incident.id}#meetings")


@router.post("/incidents/{incident_id}/meetings/{meeting_id}/cancel")
async def cancel_meeting(
    incident_id: Id, meeting_id: Id, request: Request, session: Session, here: Here, who: Who, now: Now
) -> Response:
    form = await _posted(request, who, incident_id)
    incident = await _incident(session, incident_id, meeting_id)
    asked = shaped(CancelMeeting, {"reason": form.one("reason")})
    await calling.cancel(session, meeting_id, reason=asked.reason, organiser=organiser(who, here), at=now)
    return go(f"/incidents/{incident.id}#meetings")


@router.post("/incidents/{incident_id}/meetings/{meeting_id}/minutes")
async def write_minutes(
    incident_id: Id, meeting_id: Id, request: Request, session: Session, who: Who, now: Now
) -> Response:
    form = await _posted(request, who, incident_id)
    incident = await _incident(session, incident_id, meeting_id)
    said = {
        "text": form.one("text") or "",
        "decided": form.lines("decided"),
        "attended": form.many("attended"),
    }
    asked = shaped(WriteMinutes, {**said, "others": form.lines("others")})
    await calling.minute(session, meeting_id, asked.taken(), by=who.name, at=now)
    return go(f"/incidents/{incident.id}#meetings")


async def _incident(session: AsyncSession, incident_id: str, meeting_id: str) -> Incident:
    """The incident, and the meeting is one of its."""
    incident = await record.found(session, incident_id)
    if (await calling.found(session, meeting_id)).incident_id != incident.id:
        raise NotFound(say("meetings.not_found", id=meeting_id))
    return incident


def _where(form: Form) -> dict[str, object]:
    minutes = form.whole("minutes")
    lasts = minutes * 60 if minutes is not None else None
    return {"lasts": lasts, "room": form.one("room"), "link": form.one("link")}


async def _posted(request: Request, who: Principal, incident_id: str) -> Form:
    async def again(session: AsyncSession) -> Response:
        return await incident_page(request, session, who, incident_id)

    return await posted(request, again, here=f"/incidents/{incident_id}")
