"""The pages of the register of risks: each with its level and the cell that gave it, its reviews, and what assessors said of it.

Each form does what its twin in the API does.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.edge import Edge, Now, Session, Who
from app.console.forms import posted, shaped
from app.console.pages import draw, go, in_local_time, language_of
from app.levels import matrix
from app.levels.assessing import Score
from app.people import organisation
from app.risks import assessments, register
from app.risks.schemas import (
    AskAssessment,
    AssessmentRead,
    ChangeRisk,
    GiveScore,
    MoveAssessment,
    RiskHistory,
    RiskRead,
)
from app.risks.tables import Assessment, Method, Risk

router = APIRouter(route_class=Edge, include_in_schema=False)
Id = Annotated[str, Path(max_length=64)]
_READING: Final = ["GET", "HEAD"]
_MOST_RISKS: Final = 500
_MOST_ASSESSMENTS: Final = 20


@router.api_route("/risks", methods=_READING)
async def show_risks(request: Request, session: Session, now: Now) -> Response:
    await in_local_time(request, session)
    _, levels = await matrix.in_force(session)
    rows = await session.scalars(register.every().order_by(Risk.review_on, Risk.id).limit(_MOST_RISKS))
    risks = [RiskRead.of(row, levels, language_of(request)) for row in rows]
    today = now.astimezone(levels.zone).date()
    return draw(
        request, "risks.html", risks=risks, today=today, levels=levels, positions=await _positions(session)
    )


@router.api_route("/risks/{risk_id}", methods=_READING)
async def show_risk(risk_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    return await _page(request, session, risk_id, who, now)


@router.post("/risks/{risk_id}/changes")
async def change_risk(risk_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _page(request, session, risk_id, who, now)

    form = await posted(request, again, here=f"/risks/{risk_id}")
    said: dict[str, Any] = {name: form.one(name) for name in ("review_on", "strategy", "reason")}
    said |= {name: form.whole(name) for name in ("likelihood", "impact")}
    asked = shaped(ChangeRisk, said)
    risk = await register.found(session, risk_id, lock=True)
    await register.change(
        session,
        risk,
        asked.values(risk, language_of(request), now),
        actor=who.name,
        at=now,
        reason=asked.reason,
        version=form.whole("version"),
    )
    return go(f"/risks/{risk_id}")


@router.post("/risks/{risk_id}/assessments")
async def ask_assessment(risk_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _page(request, session, risk_id, who, now)

    form = await posted(request, again, here=f"/risks/{risk_id}")
    said = {"risk": risk_id, "method": form.one("method") or "", "positions": form.many("positions")}
    asked = shaped(AskAssessment, said)
    risk = await register.found(session, risk_id)
    await assessments.ask(session, risk, asked.method, actor=who.name, at=now, positions=asked.positions)
    return go(f"/risks/{risk_id}#assessments")


@router.post("/risks/{risk_id}/assessments/{assessment_id}/scores")
async def give_score(
    risk_id: Id, assessment_id: Id, request: Request, session: Session, who: Who, now: Now
) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _page(request, session, risk_id, who, now)

    form = await posted(request, again, here=f"/risks/{risk_id}")
    said: dict[str, Any] = {"position": form.one("position") or "", "note": form.one("note")}
    asked = shaped(GiveScore, said | {name: form.whole(name) for name in ("likelihood", "impact")})
    given = Score(asked.likelihood, asked.impact)
    await assessments.score(session, assessment_id, asked.position, given, by=who, at=now, note=asked.note)
    return go(f"/risks/{risk_id}#assessments")


@router.post("/risks/{risk_id}/assessments/{assessment_id}/transitions")
async def move_assessment(
    risk_id: Id, assessment_id: Id, request: Request, session: Session, who: Who, now: Now
) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _page(request, session, risk_id, who, now)

    form = await posted(request, again, here=f"/risks/{risk_id}")
    asked = shaped(MoveAssessment, {"event": form.one("event") or "", "reason": form.one("reason")})
    await assessments.move(session, assessment_id, asked.event, by=who, at=now, reason=asked.reason)
    return go(f"/risks/{risk_id}#assessments")


async def _page(request: Request, session: AsyncSession, risk_id: str, who: Who, now: Now) -> Response:
    await in_local_time(request, session)
    language = language_of(request)
    _, levels = await matrix.in_force(session)
    risk = await register.found(session, risk_id)
    query = assessments.visible_to(who, assessments.every(risk_id=risk.id))
    rows = await session.scalars(query.order_by(Assessment.id.desc()).limit(_MOST_ASSESSMENTS))
    asked = [
        AssessmentRead.of(one, await assessments.assessors(session, one), to=who, language=language)
        for one in rows
    ]
    return draw(
        request, "risk.html", risk=RiskRead.of(risk, levels, language), levels=levels, assessments=asked,
        history=RiskHistory.of(await register.history(session, risk.id)).items, methods=list(Method),
        positions=await _positions(session), today=now.astimezone(levels.zone).date(),
    )  # fmt: skip


async def _positions(session: AsyncSession) -> dict[str, Any]:
    return {one.id: one.title for one in await organisation.positions(session)}
