"""Recurring duties, drills, and the people there are, over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from app.access.edge import Edge, IfMatch, Language, Now, Session, Who, problems
from app.access.paging import Page, Paging, paged
from app.errors import Forbidden, NotFound, Refused, Stale, Unavailable
from app.incidents.authority import may_act_for
from app.plan import revisions
from app.readiness import capacity, drill_report, drills, duties
from app.readiness.drills import IllegalDrillTransition, OwnDrill
from app.readiness.schemas import (
    CapacityRead,
    CompleteDuty,
    DrillRead,
    DrillSummary,
    DrillYearRead,
    DutyRead,
    FindInDrill,
    FindingRead,
    MoveDrill,
    PlanDrill,
    ScoreDrill,
    ScoreRead,
)
from app.readiness.tables import Drill, DrillState, DutyOccurrence, DutyState
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


@router.get("/drills", response_model=Page[DrillSummary], responses=problems())
async def list_drills(
    session: Session,
    part: Paging,
    state: DrillState | None = None,
    type_: Annotated[str | None, Query(alias="type")] = None,
) -> Page[DrillSummary]:
    """Drills, the last planned first (EP-8.3)."""
    rows, following = await paged(session, drills.every(state=state, type_=type_), Drill.id, part)
    return Page(items=[DrillSummary.model_validate(row) for row in rows], next=following)


@router.post("/drills", status_code=201, response_model=DrillRead, responses=problems(NotFound))
async def plan_drill(
    asked: PlanDrill, session: Session, who: Who, now: Now, language: Language, response: Response
) -> DrillRead:
    """Plan a drill; somebody else approves it before it is held."""
    drill = await drills.plan(session, asked.laid_down(), by=who, at=now)
    response.headers["Location"] = f"/api/v1/drills/{drill.id}"
    return await _read(session, drill, language, response)


@router.get("/drill-years/{year}", response_model=DrillYearRead, responses=problems())
async def read_drill_year(year: Annotated[int, Path(ge=2000, le=9000)], session: Session) -> DrillYearRead:
    """Whether a year had the drills that are asked for, of different types of event."""
    return DrillYearRead.model_validate(await drills.of_year(session, year))


@router.get("/drills/{drill_id}", response_model=DrillRead, responses=problems(NotFound))
async def read_drill(drill_id: str, session: Session, language: Language, response: Response) -> DrillRead:
    return await _read(session, await drills.found(session, drill_id), language, response)


@router.post(
    "/drills/{drill_id}/transitions", status_code=201, response_model=DrillRead,
    responses=problems(NotFound, Forbidden, OwnDrill, IllegalDrillTransition, Refused, Stale),
)  # fmt: skip
async def move_drill(
    drill_id: str, asked: MoveDrill, session: Session, who: Who, now: Now, version: IfMatch, language: Language,
    response: Response,
) -> DrillRead:  # fmt: skip
    """Approve, brief, start, evaluate, close or cancel a drill; `stop` ends a running one at once, and whoever acts may."""
    drill = await drills.move(
        session,
        drill_id,
        asked.event,
        by=who,
        at=now,
        reason=asked.reason,
        summary=asked.summary,
        version=version,
    )
    return await _read(session, drill, language, response)


@router.post(
    "/drills/{drill_id}/scores", status_code=201, response_model=ScoreRead,
    responses=problems(NotFound, OwnDrill, IllegalDrillTransition),
)  # fmt: skip
async def score_drill(drill_id: str, given: ScoreDrill, session: Session, who: Who, now: Now) -> ScoreRead:
    """An evaluator's points on one of the six topics (ST-4); given again, they take the place of the earlier ones."""
    scored = await drills.score(
        session, drill_id, given.topic, given.points, remark=given.remark, by=who, at=now
    )
    return ScoreRead.model_validate(scored)


@router.post(
    "/drills/{drill_id}/findings", status_code=201, response_model=FindingRead,
    responses=problems(NotFound, IllegalDrillTransition),
)  # fmt: skip
async def find_in_drill(
    drill_id: str, said: FindInDrill, session: Session, who: Who, now: Now
) -> FindingRead:
    """What was found wanting; an improvement item once the drill is closed."""
    finding = await drills.find(
        session, drill_id, said.topic, said.text, owner=said.owner, due_on=said.due_on, by=who.name, at=now
    )
    return FindingRead.model_validate(finding)


@router.get(
    "/drills/{drill_id}/report", response_class=Response,
    responses={200: {"content": {"text/markdown": {"schema": {"type": "string"}}}}, **problems(NotFound)},
)  # fmt: skip
async def report_on_drill(drill_id: str, session: Session, language: Language) -> Response:
    """The drill as a document: scheme, course beside the targets, scores by topic, findings."""
    text = await drill_report.of(session, await drills.found(session, drill_id), language)
    return Response(text, media_type="text/markdown; charset=utf-8")


async def _read(session: Session, drill: Drill, language: str, response: Response) -> DrillRead:
    response.headers["ETag"] = f'"{drill.version}"'
    return DrillRead.whole(
        drill, language, parts=await drills.parts(session, drill.id), scores=await drills.scores(session, drill.id),
        findings=await drills.findings(session, drill.id),
    )  # fmt: skip
