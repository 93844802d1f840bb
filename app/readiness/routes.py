"""Recurring duties, and the people there are, over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.access.edge import Edge, Language, Now, Session, Who, problems
from app.access.paging import Page, Paging, paged
from app.errors import NotFound, Unavailable
from app.incidents.authority import may_act_for
from app.plan import revisions
from app.readiness import capacity, duties
from app.readiness.schemas import CapacityRead, CompleteDuty, DutyRead
from app.readiness.tables import DutyOccurrence, DutyState
from app.vocabulary import Moment

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


@router.get("/capacity", response_model=Page[CapacityRead], responses=problems(Unavailable))
async def read_capacity(
    session: Session, now: Now, language: Language,
    since: Annotated[Moment | None, Query(alias="from", description="This hour, if not given.")] = None,
    hours: Annotated[int, Query(ge=1, le=7 * 24)] = 24,
) -> Page[CapacityRead]:  # fmt: skip
    """How many people of each pool can be had, hour by hour, beside the least the plan asks for (EO-2)."""
    _, plan = await revisions.in_force(session)
    start = since or now.replace(minute=0, second=0, microsecond=0)
    found = await capacity.by_hour(session, plan, start=start, hours=hours)
    return Page(items=[CapacityRead.of(one, start, language) for one in found], next=None)
