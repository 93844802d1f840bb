"""The last stored signals through other rules, over HTTP: those of a plan that is not stored, or of a revision."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from app.access.edge import Edge, Language, Session, problems
from app.errors import NotFound, UnsupportedMedia
from app.intake import preview
from app.intake.preview_schemas import PreviewRead
from app.plan import revisions
from app.plan.routes import YAML_BODY, Yaml, told_in

router = APIRouter(prefix="/api/v1/plan", route_class=Edge, tags=["plan"])
Last = Annotated[int, Query(ge=1, le=preview.MOST, description="So many signals, the newest.")]


@router.post(
    "/preview", response_model=PreviewRead, responses=problems(UnsupportedMedia), openapi_extra=YAML_BODY
)
async def preview_plan(
    text: Yaml, session: Session, language: Language, last: Last = preview.USUAL
) -> PreviewRead:
    """What this plan would have made of the last signals, beside the plan in force: types, levels, incidents. Nothing is kept."""
    with told_in(language):
        checked = await asyncio.to_thread(revisions.sound, text, "plan.yaml")
    found = await preview.through(session, checked.document.grading(), last=last)
    return PreviewRead.of(found, language)


@router.get("/revisions/{revision_id}/preview", response_model=PreviewRead, responses=problems(NotFound))
async def preview_revision(
    revision_id: str, session: Session, language: Language, last: Last = preview.USUAL
) -> PreviewRead:
    """The same for a revision, whatever its state."""
    document = await revisions.document_of(session, (await revisions.found(session, revision_id)).id)
    return PreviewRead.of(await preview.through(session, document.grading(), last=last), language)
