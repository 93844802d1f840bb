"""The register of risks and assessments over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.access.edge import Edge, IfMatch, Language, Now, Session, Who, problems
from app.access.keys import Principal
from app.access.paging import Page, Paging, paged
from app.errors import Forbidden, NotFound, Refused, Stale
from app.incidents import authority
from app.incidents.lifecycle import GuardRefused
from app.incidents.tables import Incident
from app.levels import matrix
from app.levels.assessing import Score
from app.levels.document import RiskCategory
from app.risks import assessments, register
from app.risks.assessments import AlreadyScored, AssessmentEnded, NotEnough
from app.risks.schemas import (
    AddRisk,
    AskAssessment,
    AssessmentRead,
    ChangeRisk,
    GiveScore,
    MoveAssessment,
    RiskHistory,
    RiskRead,
)
from app.risks.tables import Assessment, Risk

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["risks"])


@router.get("/risks", responses=problems())
async def list_risks(
    session: Session, part: Paging, language: Language, category: RiskCategory | None = None,
    owner: str | None = None, type_: Annotated[str | None, Query(alias="type")] = None, retired: bool | None = False,
) -> Page[RiskRead]:  # fmt: skip
    """The register of risks, newest first, each with its level by the matrix in force (EP-3.1)."""
    _, levels = await matrix.in_force(session)
    query = register.every(category=category, owner=owner, type_=type_, retired=retired)
    rows, following = await paged(session, query, Risk.id, part)
    return Page(items=[RiskRead.of(row, levels, language) for row in rows], next=following)


@router.post("/risks", status_code=201, responses=problems())
async def add_risk(
    asked: AddRisk, session: Session, who: Who, now: Now, language: Language, response: Response
) -> RiskRead:
    """Put a risk into the register."""
    risk = await register.add(session, asked.values(), actor=who.name, at=now)
    response.headers["Location"] = f"/api/v1/risks/{risk.id}"
    return await _read(session, risk, language, response)


@router.get("/risks/{risk_id}", responses=problems(NotFound))
async def read_risk(risk_id: str, session: Session, language: Language, response: Response) -> RiskRead:
    """One risk, by its id or the plan's name for it."""
    return await _read(session, await register.found(session, risk_id), language, response)


@router.patch("/risks/{risk_id}", responses=problems(NotFound, Stale))
async def change_risk(
    risk_id: str, asked: ChangeRisk, session: Session, who: Who, now: Now, version: IfMatch, language: Language,
    response: Response,
) -> RiskRead:  # fmt: skip
    """Change a risk, review it with a new date, or retire it. What was changed, by whom and why is kept."""
    risk = await register.found(session, risk_id, lock=True)
    values = asked.values(risk, language, now)
    await register.change(session, risk, values, actor=who.name, at=now, reason=asked.reason, version=version)
    return await _read(session, risk, language, response)


@router.get("/risks/{risk_id}/history", responses=problems(NotFound))
async def read_history(risk_id: str, session: Session) -> RiskHistory:
    """Each change of a risk, the latest first."""
    risk = await register.found(session, risk_id)
    return RiskHistory.of(await register.history(session, risk.id))


@router.post("/assessments", status_code=201, responses=problems(NotFound, Refused, NotEnough))
async def ask_assessment(
    asked: AskAssessment, session: Session, who: Who, now: Now, language: Language, response: Response
) -> AssessmentRead:
    """Assess a risk or an incident: by what was recorded, by several assessors, or by both (EP-3.2)."""
    subject: Risk | Incident
    if asked.risk is not None:
        subject = await register.found(session, asked.risk)
    else:
        subject = await authority.seen(session, who, asked.incident or "")
    made = await assessments.ask(
        session, subject, asked.method, actor=who.name, at=now, positions=asked.positions, start=asked.start,
        end=asked.end, due_at=asked.due_at,
    )  # fmt: skip
    response.headers["Location"] = f"/api/v1/assessments/{made.id}"
    return await _read_assessment(session, made, who, language)


@router.get("/assessments", responses=problems())
async def list_assessments(
    session: Session, who: Who, part: Paging, language: Language, risk: str | None = None,
    incident: str | None = None,
) -> Page[AssessmentRead]:  # fmt: skip
    """Assessments, newest first; `risk` and `incident` are ids."""
    query = assessments.visible_to(who, assessments.every(risk_id=risk, incident_id=incident))
    rows, following = await paged(session, query, Assessment.id, part)
    return Page(items=[await _read_assessment(session, row, who, language) for row in rows], next=following)


@router.get("/assessments/{assessment_id}", responses=problems(NotFound))
async def read_assessment(
    assessment_id: str, session: Session, who: Who, language: Language
) -> AssessmentRead:
    """One assessment: the figures, who has scored, and the scores once all have."""
    return await _read_assessment(session, await assessments.seen(session, who, assessment_id), who, language)


@router.post(
    "/assessments/{assessment_id}/scores", status_code=201,
    responses=problems(NotFound, Forbidden, AlreadyScored, AssessmentEnded),
)  # fmt: skip
async def give_score(
    assessment_id: str, asked: GiveScore, session: Session, who: Who, now: Now, language: Language
) -> AssessmentRead:
    """Score for a position that was asked, once, without seeing the others' scores."""
    given = Score(asked.likelihood, asked.impact)
    assessment = await assessments.score(
        session, assessment_id, asked.position, given, by=who, at=now, note=asked.note
    )
    return await _read_assessment(session, assessment, who, language)


@router.post(
    "/assessments/{assessment_id}/transitions", status_code=201,
    responses=problems(NotFound, NotEnough, AssessmentEnded, GuardRefused),
)  # fmt: skip
async def move_assessment(
    assessment_id: str, asked: MoveAssessment, session: Session, who: Who, now: Now, language: Language
) -> AssessmentRead:
    """Conclude it: the register, or the incident, takes the result over. Or withdraw it."""
    assessment = await assessments.move(
        session, assessment_id, asked.event, by=who, at=now, reason=asked.reason
    )
    return await _read_assessment(session, assessment, who, language)


async def _read(session: Session, risk: Risk, language: str, response: Response) -> RiskRead:
    await session.flush()
    response.headers["ETag"] = f'"{risk.version}"'
    _, levels = await matrix.in_force(session)
    return RiskRead.of(risk, levels, language)


async def _read_assessment(
    session: Session, assessment: Assessment, who: Principal, language: str
) -> AssessmentRead:
    asked = await assessments.assessors(session, assessment)
    return AssessmentRead.of(assessment, asked, to=who, language=language)
