"""Announcements, outlets and feedback over HTTP: parse, call one room function, render."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.access.edge import Edge, Here, IfMatch, Now, Session, Who, problems
from app.access.paging import Page, Paging, paged
from app.customers import announcing, feedback, outlets
from app.customers.announcing import NamesIncident
from app.customers.feedback import IllegalFeedbackEvent
from app.customers.outlets import OutletTaken
from app.customers.schemas import (
    AddOutlet,
    DraftAnnouncement,
    EnterFeedback,
    FeedbackRead,
    FiguresRead,
    MoveAnnouncement,
    MoveFeedback,
    OutletRead,
    ReviseAnnouncement,
    WordsRead,
)
from app.customers.tables import Feedback, FeedbackState, Outlet
from app.errors import NotFound, Refused, Stale
from app.incidents import announcements, authority
from app.incidents.announcements import AskedOfThePlan, IllegalAnnouncementEvent, SameHand
from app.incidents.schemas import AnnouncementRead
from app.incidents.tables import Announcement, AnnouncementState, Stage
from app.vocabulary import Moment

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["customers"])


@router.get("/incidents/{incident_id}/announcement-words", responses=problems(NotFound))
async def read_words(incident_id: str, session: Session, who: Who, stage: Stage = Stage.BEGUN) -> WordsRead:
    """What an announcement of this incident begins with: the plan's words for its type and the stage."""
    incident = await authority.seen(session, who, incident_id)
    return WordsRead.model_validate(await announcing.words_for(session, incident, stage))


@router.post(
    "/incidents/{incident_id}/announcements", status_code=201, responses=problems(NotFound, Refused, NamesIncident)
)  # fmt: skip
async def draft_announcement(
    incident_id: str, asked: DraftAnnouncement, session: Session, who: Who, now: Now, response: Response
) -> AnnouncementRead:
    """Draft an announcement; what is not given is taken from the plan. It waits for approval by another hand."""
    incident = await authority.seen(session, who, incident_id)
    words = asked.words(await announcing.words_for(session, incident, asked.stage))
    drafted = await announcing.begin(
        session, incident.id, words, audience=asked.audience, chosen=asked.outlets, by=who, at=now
    )
    response.headers["Location"] = f"/api/v1/announcements/{drafted.id}"
    return await _read(session, drafted, response)


@router.get("/announcements", responses=problems())
async def list_all_announcements(
    session: Session, who: Who, part: Paging, state: AnnouncementState | None = None
) -> Page[AnnouncementRead]:
    """Announcements of every incident, newest first."""
    rows, following = await paged(session, announcing.every(who, state=state), Announcement.id, part)
    said = await announcements.wordings(session, [row.id for row in rows])
    return Page(items=[AnnouncementRead.of(row, said[row.id]) for row in rows], next=following)


@router.get("/announcements/{announcement_id}", responses=problems(NotFound))
async def read_announcement(
    announcement_id: str, session: Session, who: Who, response: Response
) -> AnnouncementRead:
    """One announcement with every version of its words."""
    announcement = await announcements.found(session, announcement_id)
    await authority.seen(session, who, announcement.incident_id)
    return await _read(session, announcement, response)


@router.post(
    "/announcements/{announcement_id}/versions", status_code=201,
    responses=problems(NotFound, IllegalAnnouncementEvent, AskedOfThePlan, NamesIncident, Stale),
)  # fmt: skip
async def revise_announcement(
    announcement_id: str, asked: ReviseAnnouncement, session: Session, who: Who, now: Now, version: IfMatch,
    response: Response,
) -> AnnouncementRead:  # fmt: skip
    """Edit a draft, or write what follows on what was told; either waits for approval, and every version is kept."""
    announcement = await announcing.revise(
        session, announcement_id, asked.words(), chosen=asked.outlets, by=who, at=now, version=version
    )
    return await _read(session, announcement, response)


@router.post(
    "/announcements/{announcement_id}/transitions", status_code=201,
    responses=problems(NotFound, IllegalAnnouncementEvent, SameHand, AskedOfThePlan, Stale),
)  # fmt: skip
async def move_announcement(
    announcement_id: str, asked: MoveAnnouncement, session: Session, who: Who, now: Now, version: IfMatch,
    response: Response,
) -> AnnouncementRead:  # fmt: skip
    """Approve, reject, publish, end or withdraw it."""
    announcement = await announcing.move(
        session, announcement_id, asked.event, by=who, at=now, reason=asked.reason, version=version
    )
    return await _read(session, announcement, response)


@router.get("/outlets", responses=problems())
async def list_outlets(session: Session, part: Paging, retired: bool = False) -> Page[OutletRead]:
    """Where announcements can go besides the status page."""
    rows, following = await paged(session, outlets.every(retired=retired), Outlet.id, part)
    return Page(items=[OutletRead.model_validate(row) for row in rows], next=following)


@router.post("/outlets", status_code=201, responses=problems(OutletTaken))
async def add_outlet(asked: AddOutlet, session: Session, here: Here, now: Now) -> OutletRead:
    """Set an outlet up. Its address is kept sealed and never shown again."""
    outlet = await outlets.add(
        session, here.vault, asked.id, title=asked.title, channel=asked.channel, address=asked.address,
        language=asked.language, at=now,
    )  # fmt: skip
    return OutletRead.model_validate(outlet)


@router.post("/outlets/{outlet_id}/retire", responses=problems(NotFound))
async def retire_outlet(outlet_id: str, session: Session, now: Now) -> OutletRead:
    """Nothing goes there from now on."""
    return OutletRead.model_validate(await outlets.retire(session, outlet_id, at=now))


@router.post("/feedback", status_code=201, responses=problems(NotFound))
async def enter_feedback(
    asked: EnterFeedback, session: Session, who: Who, now: Now, response: Response
) -> FeedbackRead:
    """Put down what a customer said; of a known kind it goes straight to whoever answers that kind (EG-3)."""
    incident = await authority.seen(session, who, asked.incident) if asked.incident is not None else None
    said = asked.said(incident.id if incident is not None else None)
    entered = await feedback.enter(session, said, by=who.name, at=now)
    response.headers["Location"] = f"/api/v1/feedback/{entered.id}"
    return _feedback(entered, response)


@router.get("/feedback", responses=problems())
async def list_feedback(
    session: Session, part: Paging, incident: str | None = None, kind: str | None = None,
    state: FeedbackState | None = None, position: str | None = None, owed: bool | None = None,
) -> Page[FeedbackRead]:  # fmt: skip
    """Feedback, newest first; `owed=true` for what still waits for an answer. `incident` is an id."""
    query = feedback.search(incident_id=incident, kind=kind, state=state, position=position, owed=owed)
    rows, following = await paged(session, query, Feedback.id, part)
    return Page(items=[FeedbackRead.of(row) for row in rows], next=following)


@router.get("/feedback/{feedback_id}", responses=problems(NotFound))
async def read_feedback(feedback_id: str, session: Session, response: Response) -> FeedbackRead:
    """One piece of feedback."""
    return _feedback(await feedback.found(session, feedback_id), response)


@router.post(
    "/feedback/{feedback_id}/transitions", status_code=201, responses=problems(NotFound, IllegalFeedbackEvent, Stale)
)  # fmt: skip
async def move_feedback(
    feedback_id: str, asked: MoveFeedback, session: Session, who: Who, now: Now, version: IfMatch,
    response: Response,
) -> FeedbackRead:  # fmt: skip
    """Sort it, note the answer the customer was given, or say why none is owed."""
    moved = await feedback.move(session, feedback_id, asked.decided(), by=who.name, at=now, version=version)
    return _feedback(moved, response)


@router.get("/feedback-figures", responses=problems())
async def read_feedback_figures(
    session: Session, now: Now, incident: str | None = None,
    start: Annotated[Moment | None, Query(alias="from")] = None,
    end: Annotated[Moment | None, Query(alias="to")] = None,
) -> FiguresRead:  # fmt: skip
    """Feedback counted by kind, of an incident or over a time: received, answered, in time, owed, overdue (EO-3)."""
    counted = await feedback.figures(session, at=now, incident_id=incident, start=start, end=end)
    return FiguresRead.of(counted, await feedback.kinds(session))


async def _read(session: Session, announcement: Announcement, response: Response) -> AnnouncementRead:
    await session.flush()
    response.headers["ETag"] = f'"{announcement.version}"'
    said = await announcements.wordings(session, [announcement.id])
    return AnnouncementRead.of(announcement, said[announcement.id])


def _feedback(row: Feedback, response: Response) -> FeedbackRead:
    response.headers["ETag"] = f'"{row.version}"'
    return FeedbackRead.of(row)
