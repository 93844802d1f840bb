"""The page of the register of risks: each with its level and the cell that gave it, and when it must be reviewed."""

from typing import Final

from fastapi import APIRouter, Request, Response

from app.access.edge import Edge, Now, Session
from app.console.pages import draw, in_local_time, language_of
from app.levels import matrix
from app.risks import register
from app.risks.schemas import RiskRead
from app.risks.tables import Risk

router = APIRouter(route_class=Edge, include_in_schema=False)
_MOST_RISKS: Final = 500


@router.api_route("/risks", methods=["GET", "HEAD"])
async def show_risks(request: Request, session: Session, now: Now) -> Response:
    await in_local_time(request, session)
    _, levels = await matrix.in_force(session)
    rows = await session.scalars(register.every().order_by(Risk.review_on, Risk.id).limit(_MOST_RISKS))
    risks = [RiskRead.of(row, levels, language_of(request)) for row in rows]
    return draw(request, "risks.html", risks=risks, today=now.astimezone(levels.zone).date())
