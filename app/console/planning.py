"""The pages of the plan: its revisions, what each changes in words, what it would have changed, and the buttons of its life.

Each form does what its twin in the API does.
"""

from itertools import groupby
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.edge import Edge, Now, Session, Who
from app.console.forms import posted, shaped
from app.console.pages import draw, go, in_local_time, language_of
from app.console.routes import incident_page
from app.incidents import record
from app.intake import preview
from app.intake.preview_schemas import PreviewRead
from app.plan import due, following, replay, revisions
from app.plan.differences.notes import Difference, Group
from app.plan.differences.told import told
from app.plan.schemas import ImpactRead, MoveRevision, MoveToRevision
from app.plan.tables import PlanRevision, RevisionDue, RevisionState

router = APIRouter(route_class=Edge, include_in_schema=False)
_READING: Final = ["GET", "HEAD"]
_MOST_SHOWN: Final = 100
"""Whose incidents the button replays."""
Id = Annotated[str, Path(max_length=64)]


@router.api_route("/plan", methods=_READING)
async def show_plan(request: Request, session: Session) -> Response:
    await in_local_time(request, session)
    query = revisions.every().order_by(PlanRevision.id.desc()).limit(_MOST_SHOWN)
    reasons = due.every(open_only=True).order_by(RevisionDue.id.desc()).limit(_MOST_SHOWN)
    return draw(
        request,
        "plan.html",
        revisions=list(await session.scalars(query)),
        due=list(await session.scalars(reasons)),
    )


@router.api_route("/plan/revisions/{revision_id}", methods=_READING)
async def show_revision(revision_id: Id, request: Request, session: Session) -> Response:
    return await _page(request, session, revision_id)


@router.api_route("/plan/revisions/{revision_id}/preview", methods=_READING)
async def show_preview(revision_id: Id, request: Request, session: Session) -> Response:
    """The last stored signals through the routing rules of this revision, beside the plan in force."""
    await in_local_time(request, session)
    revision = await revisions.found(session, revision_id)
    document = await revisions.document_of(session, revision.id)
    found = await preview.through(session, document.grading(), last=preview.USUAL)
    shown = PreviewRead.of(found, language_of(request))
    return draw(request, "preview.html", revision=revision, preview=shown, levels=document.grading())


@router.post("/plan/revisions/{revision_id}/transitions")
async def move_revision(revision_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _page(request, session, revision_id)

    form = await posted(request, again, here=f"/plan/revisions/{revision_id}")
    asked = shaped(MoveRevision, {"event": form.one("event") or "", "note": form.one("note")})
    version = form.whole("version")
    await revisions.move(session, revision_id, asked.event, by=who, at=now, note=asked.note, version=version)
    return go(f"/plan/revisions/{revision_id}")


@router.post("/plan/revisions/{revision_id}/impact")
async def keep_impact(revision_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    """The incidents of the last year through this revision, kept for its approver."""

    async def again(session: AsyncSession) -> Response:
        return await _page(request, session, revision_id)

    await posted(request, again, here=f"/plan/revisions/{revision_id}")
    found = await replay.replay(session, revision_id, begins=now - replay.USUAL_PERIOD, ends=now)
    await replay.keep(session, await revisions.found(session, revision_id), found, by=who.name, at=now)
    return go(f"/plan/revisions/{revision_id}#impact")


@router.post("/incidents/{incident_id}/plan")
async def move_incident(incident_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    """Let the incident follow the plan in force."""

    async def again(session: AsyncSession) -> Response:
        return await incident_page(request, session, who, incident_id)

    form = await posted(request, again, here=f"/incidents/{incident_id}")
    asked = shaped(
        MoveToRevision, {"revision_id": form.one("revision_id"), "reason": form.one("reason") or ""}
    )
    incident = await record.locked(session, incident_id, version=form.whole("version"))
    await following.move(session, incident, asked.revision_id, reason=asked.reason, by=who, at=now)
    return go(f"/incidents/{incident.id}")


async def _page(request: Request, session: AsyncSession, revision_id: str) -> Response:
    await in_local_time(request, session)
    revision = await revisions.found(session, revision_id)
    standing = await revisions.current(session)
    differences: list[tuple[Group, list[Difference]]] = []
    if standing is not None and standing.id != revision.id:
        old = await revisions.document_of(session, standing.id)
        found = told(old, await revisions.document_of(session, revision.id))
        differences = [(group, list(said)) for group, said in groupby(found, key=lambda one: one.group)]
    impact = ImpactRead.kept(revision.impact, language_of(request)) if revision.impact else None
    state = RevisionState(revision.state)
    return draw(
        request, "revision.html", revision=revision, differences=differences, impact=impact,
        note=replay.about(revision, standing), allowed=revisions.allowed(state),
        may_replay=state in (RevisionState.DRAFT, RevisionState.SUBMITTED),
    )  # fmt: skip
