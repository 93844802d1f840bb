"""What a change of the plan brings with it, over HTTP: its impact, the reasons for one, and incidents that are moved to it."""

from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from app.access.edge import Edge, IfMatch, Language, Now, Session, Who, problems
from app.access.paging import Page, Paging, paged
from app.errors import NotFound, Refused, Stale
from app.incidents import authority, record
from app.incidents.schemas import TimelineEntryRead
from app.plan import due, following, replay, revisions
from app.plan.due import AlreadySettled
from app.plan.following import PlanCannotCarry
from app.plan.routes import detail
from app.plan.schemas import (
    DismissDue,
    DueRead,
    ImpactRead,
    MoveToRevision,
    NoteDue,
    ProspectRead,
    ReplayImpact,
    RevisionDetail,
)
from app.plan.tables import RevisionDue
from app.vocabulary import Moment

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["plan"])
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


@router.get("/plan/revisions/{revision_id}/impact", response_model=ImpactRead, responses=problems(NotFound))
async def read_impact(
    revision_id: str, session: Session, now: Now, language: Language,
    begins: Annotated[Moment | None, Query(alias="from", description="A year before `to`.")] = None,
    ends: Annotated[Moment | None, Query(alias="to", description="Not included; now.")] = None,
) -> ImpactRead:  # fmt: skip
    """What would have been different for the incidents of a period, the newest 100 of them; nothing is kept."""
    ends = ends or now
    begins = begins or max(ends, _EARLIEST + replay.USUAL_PERIOD) - replay.USUAL_PERIOD
    return ImpactRead.of(await replay.replay(session, revision_id, begins=begins, ends=ends), language)


@router.post(
    "/plan/revisions/{revision_id}/impact", status_code=201, response_model=RevisionDetail,
    responses=problems(NotFound, Refused),
)  # fmt: skip
async def keep_impact(
    revision_id: str, asked: ReplayImpact, session: Session, who: Who, now: Now, language: Language,
    response: Response,
) -> RevisionDetail:  # fmt: skip
    """The same, kept with the revision for whoever approves it."""
    found = await replay.replay(session, revision_id, begins=asked.begins, ends=asked.ends)
    revision = await revisions.found(session, revision_id)
    await replay.keep(session, revision, found, by=who.name, at=now)
    return await detail(session, revision, language, response)


@router.get("/plan/due", response_model=Page[DueRead], responses=problems())
async def list_due(
    session: Session, part: Paging, language: Language, open_: Annotated[bool, Query(alias="open")] = False
) -> Page[DueRead]:
    """Why the plan is, or was, to be revised (ST-4), newest first."""
    rows, following_ = await paged(session, due.every(open_only=open_), RevisionDue.id, part)
    return Page(items=[DueRead.of(row, language) for row in rows], next=following_)


@router.post("/plan/due", status_code=201, response_model=DueRead, responses=problems())
async def note_due(asked: NoteDue, session: Session, who: Who, now: Now, language: Language) -> DueRead:
    """Note a reason for revising the plan; it is brought to mind until it is answered."""
    return DueRead.of(
        await due.note_by_hand(session, asked.reason, asked.text, by=who.name, at=now), language
    )


@router.post(
    "/plan/due/{due_id}/dismissals", status_code=201, response_model=DueRead,
    responses=problems(NotFound, AlreadySettled),
)  # fmt: skip
async def dismiss_due(
    due_id: str, asked: DismissDue, session: Session, who: Who, now: Now, language: Language
) -> DueRead:
    """Say why no revision is needed."""
    return DueRead.of(await due.dismiss(session, due_id, note_=asked.note, by=who.name, at=now), language)


@router.get(
    "/incidents/{incident_id}/plan", response_model=ProspectRead,
    responses=problems(NotFound, Refused, PlanCannotCarry),
)  # fmt: skip
async def read_prospect(
    incident_id: str, session: Session, who: Who, language: Language,
    revision: Annotated[str | None, Query(max_length=26)] = None,
) -> ProspectRead:  # fmt: skip
    """What moving an incident to a revision would change; without one: to the revision in force."""
    incident = await authority.seen(session, who, incident_id)
    return ProspectRead.of(await following.prospect(session, incident, revision), language)


@router.post(
    "/incidents/{incident_id}/plan", status_code=201, response_model=TimelineEntryRead,
    responses=problems(NotFound, Refused, PlanCannotCarry, Stale),
)  # fmt: skip
async def move_to_revision(
    incident_id: str, asked: MoveToRevision, session: Session, who: Who, now: Now, version: IfMatch, language: Language
) -> TimelineEntryRead:  # fmt: skip
    """Let an incident follow another revision of the plan (EP-9.3): its commander or leadership, with a reason."""
    incident = await record.locked(session, incident_id, version=version)
    entry = await following.move(session, incident, asked.revision_id, reason=asked.reason, by=who, at=now)
    return TimelineEntryRead.of(entry, language)
