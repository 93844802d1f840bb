"""The pages of what customers are told, and of what they say: drafts, approvals, outlets, feedback and who owes an answer.

Each form does what its twin in the API does; the preview is the public page itself, with one more announcement on it.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import case
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.edge import Edge, Here, Now, Session, Who
from app.console.forms import Form, posted, shaped
from app.console.pages import draw, go, in_local_time, language_of
from app.customers import announcing, board, feedback, outlets, page
from app.customers.public import HEADERS
from app.customers.schemas import (
    AddOutlet,
    DraftAnnouncement,
    EnterFeedback,
    MoveAnnouncement,
    MoveFeedback,
    ReviseAnnouncement,
)
from app.customers.tables import Came, Feedback, Outlet
from app.incidents import announcements, authority, record
from app.incidents.tables import Announcement, AnnouncementState, Incident, Stage
from app.levels import matrix
from app.people import organisation
from app.people.contact_points import CHANNELS
from app.wording import LANGUAGES

router = APIRouter(route_class=Edge, include_in_schema=False)
Id = Annotated[str, Path(max_length=64)]
_READING: Final = ["GET", "HEAD"]
_MOST: Final = 100
_LANGUAGES: Final = ("zh", "zh_hant", "en")


@router.api_route("/announcements", methods=_READING)
async def show_announcements(request: Request, session: Session, who: Who) -> Response:
    return await _list(request, session, who)


@router.post("/outlets")
async def add_outlet(request: Request, session: Session, who: Who, here: Here, now: Now) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _list(request, session, who)

    form = await posted(request, again, here="/announcements")
    said = {name: form.one(name) for name in ("id", "title", "channel", "address", "language")}
    asked = shaped(AddOutlet, said)
    await outlets.add(
        session, here.vault, asked.id, title=asked.title, channel=asked.channel, address=asked.address,
        language=asked.language, at=now,
    )  # fmt: skip
    return go("/announcements#outlets")


@router.post("/outlets/{outlet_id}/retire")
async def retire_outlet(outlet_id: Id, request: Request, session: Session, now: Now) -> Response:
    await posted(request, here="/announcements")
    await outlets.retire(session, outlet_id, at=now)
    return go("/announcements#outlets")


@router.api_route("/incidents/{incident_id}/announcements/new", methods=_READING)
async def begin_announcement(
    incident_id: Id, request: Request, session: Session, who: Who, stage: Stage = Stage.BEGUN
) -> Response:
    return await _new(request, session, who, incident_id, stage)


@router.post("/incidents/{incident_id}/announcements")
async def draft_announcement(
    incident_id: Id, request: Request, session: Session, who: Who, now: Now
) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _new(request, session, who, incident_id, stage)

    stage = Stage.BEGUN
    form = await posted(request, again, here=f"/incidents/{incident_id}/announcements/new")
    asked = shaped(DraftAnnouncement, _words(form) | {"audience": form.one("audience")})
    incident = await authority.seen(session, who, incident_id)
    words = asked.words(await announcing.words_for(session, incident, asked.stage))
    drafted = await announcing.begin(
        session, incident.id, words, audience=asked.audience, chosen=asked.outlets, by=who, at=now
    )
    return go(f"/announcements/{drafted.id}")


@router.api_route("/announcements/{announcement_id}", methods=_READING)
async def show_announcement(announcement_id: Id, request: Request, session: Session, who: Who) -> Response:
    return await _one(request, session, who, announcement_id)


@router.api_route("/announcements/{announcement_id}/preview", methods=_READING)
async def preview(
    announcement_id: Id, request: Request, session: Session, who: Who, here: Here, now: Now
) -> Response:
    """The public page as it would be, were the newest version published."""
    announcement = await announcements.found(session, announcement_id)
    await authority.seen(session, who, announcement.incident_id)
    language = request.query_params.get("lang", "")
    language = language if language in LANGUAGES else language_of(request)
    shown = await board.preview(session, announcement, at=now)
    body = page.draw(shown, page.Form.HTML, language, base_url=here.settings.base_url)
    return HTMLResponse(body, headers={**HEADERS, "Cache-Control": "no-store", "Content-Language": language})


@router.post("/announcements/{announcement_id}/versions")
async def revise_announcement(
    announcement_id: Id, request: Request, session: Session, who: Who, now: Now
) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _one(request, session, who, announcement_id)

    form = await posted(request, again, here=f"/announcements/{announcement_id}")
    asked = shaped(ReviseAnnouncement, _words(form))
    await announcing.revise(
        session, announcement_id, asked.words(), chosen=asked.outlets, by=who, at=now, version=form.whole("version")
    )  # fmt: skip
    return go(f"/announcements/{announcement_id}")


@router.post("/announcements/{announcement_id}/transitions")
async def move_announcement(
    announcement_id: Id, request: Request, session: Session, who: Who, now: Now
) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _one(request, session, who, announcement_id)

    form = await posted(request, again, here=f"/announcements/{announcement_id}")
    asked = shaped(MoveAnnouncement, {"event": form.one("event") or "", "reason": form.one("reason")})
    await announcing.move(
        session, announcement_id, asked.event, by=who, at=now, reason=asked.reason, version=form.whole("version")
    )  # fmt: skip
    return go(f"/announcements/{announcement_id}")


@router.api_route("/feedback", methods=_READING)
async def show_feedback(request: Request, session: Session, now: Now) -> Response:
    return await _feedback(request, session, now)


@router.post("/feedback")
async def enter_feedback(request: Request, session: Session, who: Who, now: Now) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _feedback(request, session, now)

    form = await posted(request, again, here="/feedback")
    said = {name: form.one(name) for name in ("text", "came", "incident", "kind", "reference")}
    asked = shaped(EnterFeedback, said | {"text": said["text"] or "", "came": said["came"] or ""})
    incident = await authority.seen(session, who, asked.incident) if asked.incident else None
    await feedback.enter(session, asked.said(incident.id if incident else None), by=who.name, at=now)
    return go("/feedback")


@router.post("/feedback/{feedback_id}")
async def move_feedback(feedback_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _feedback(request, session, now)

    form = await posted(request, again, here="/feedback")
    event = form.one("event") or ""
    needed = {"sort": ("kind", "position"), "answer": ("answer",), "drop": ("reason",)}.get(event, ())
    asked = shaped(MoveFeedback, {"event": event} | {name: form.one(name) for name in needed})
    await feedback.move(
        session, feedback_id, asked.decided(), by=who.name, at=now, version=form.whole("version")
    )
    return go("/feedback")


def _words(form: Form) -> dict[str, Any]:
    """Stage, title and text in every language, and the outlets; what is left empty in traditional is taken from simplified."""
    said: dict[str, Any] = {"stage": form.one("stage") or "", "outlets": form.many("outlets")}
    for name in ("title", "text"):
        typed = {language: form.one(f"{name}_{language}") for language in _LANGUAGES}
        said[name] = {language: text for language, text in typed.items() if text is not None}
    return said


async def _list(request: Request, session: AsyncSession, who: Who) -> Response:
    await in_local_time(request, session)
    waiting_first = case((Announcement.state == AnnouncementState.DRAFTED, 0), else_=1)
    query = announcing.every(who).order_by(waiting_first, Announcement.id.desc()).limit(_MOST)
    rows = list(await session.scalars(query))
    said = await announcements.wordings(session, [row.id for row in rows])
    numbers = {row.incident_id: await session.get_one(Incident, row.incident_id) for row in rows}
    ways = list(await session.scalars(outlets.every().order_by(Outlet.id)))
    return draw(
        request,
        "announcements.html",
        rows=rows,
        said=said,
        incidents=numbers,
        outlets=ways,
        channels=CHANNELS,
    )


async def _new(request: Request, session: AsyncSession, who: Who, incident_id: str, stage: Stage) -> Response:
    await in_local_time(request, session)
    incident = await authority.seen(session, who, incident_id)
    words = await announcing.words_for(session, incident, stage)
    return draw(
        request, "announcement_new.html", incident=incident, words=words, stages=list(Stage),
        outlets=list(await session.scalars(outlets.every().order_by(Outlet.id))),
    )  # fmt: skip


async def _one(request: Request, session: AsyncSession, who: Who, announcement_id: str) -> Response:
    await in_local_time(request, session)
    announcement = await announcements.found(session, announcement_id)
    await authority.seen(session, who, announcement.incident_id)
    said = (await announcements.wordings(session, [announcement.id]))[announcement.id]
    return draw(
        request, "announcement.html", one=announcement, said=said, newest=said[-1], stages=list(Stage),
        allowed=announcements.allowed(announcement, said[-1]), incident=await record.found(session, announcement.incident_id),
        editable=announcement.state in announcements.EDITABLE,
        outlets=list(await session.scalars(outlets.every().order_by(Outlet.id))),
    )  # fmt: skip


async def _feedback(request: Request, session: AsyncSession, now: Now) -> Response:
    await in_local_time(request, session)
    _, levels = await matrix.in_force(session)
    owed = await session.scalars(
        feedback.search(owed=True).order_by(Feedback.due_at, Feedback.id).limit(_MOST)
    )
    settled = await session.scalars(
        feedback.search(owed=False).order_by(Feedback.ended_at.desc(), Feedback.id).limit(20)
    )
    counted = await feedback.figures(session, at=now)
    return draw(
        request, "feedback.html", owed=list(owed), settled=list(settled), figures=counted, kinds=await feedback.kinds(session),
        came=list(Came), levels=levels, positions={one.id: one.title for one in await organisation.positions(session)},
        allowed=feedback.allowed,
    )  # fmt: skip
