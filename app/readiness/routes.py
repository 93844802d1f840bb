"""Recurring duties over HTTP."""

from fastapi import APIRouter

from app.access.edge import Edge, Language, Now, Session, Who, problems
from app.access.paging import Page, Paging, paged
from app.errors import NotFound
from app.incidents.authority import may_act_for
from app.readiness import duties
from app.readiness.schemas import CompleteDuty, DutyRead
from app.readiness.tables import DutyOccurrence, DutyState

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["readiness"])


@router.get("/duties", response_model=Page[DutyRead], responses=problems())
async def list_duties(
    session: Session, part: Paging, language: Language, state: DutyState | None = None,
    duty: str | None = None,
) -> Page[DutyRead]:  # fmt: skip
    """Occurrences of the plan's recurring duties (drills, training, inspections, checks), newest first."""
    rows, following = await paged(session, duties.every(state=state, duty=duty), DutyOccurrence.key, part)
    return Page(items=[DutyRead.of(row, language) for row in rows], next=following)


@router.post(
    "/duties/{key}/completions", status_code=201, response_model=DutyRead,
    responses=problems(NotFound, duties.AlreadyDone),
)  # fmt: skip
async def complete_duty(
    key: str, done: CompleteDuty, session: Session, who: Who, now: Now, language: Language
) -> DutyRead:
    """Report an occurrence as done, in time or late."""
    occurrence = await duties.found(session, key)
    entitled = await may_act_for(session, who, [occurrence.owner])
    occurrence = await duties.complete(session, key, by=who.name, entitled=entitled, at=now, note=done.note)
    return DutyRead.of(occurrence, language)
