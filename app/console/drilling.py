"""The page of drills: what is planned, what runs, and the button that stops it; each drill with its report."""

from typing import Final

from fastapi import APIRouter, Request, Response

from app.access.edge import Edge, Language, Now, Session, Who
from app.console.forms import posted, shaped
from app.console.pages import draw, go, in_local_time
from app.readiness import drill_report, drills
from app.readiness.schemas import MoveDrill
from app.readiness.tables import Drill, DrillState

router = APIRouter(route_class=Edge, include_in_schema=False)
_SHOWN: Final = 100
_NEEDS: Final = {"stop": "reason", "cancel": "reason", "close": "summary"}
"""What somebody has to write beside the button."""


@router.api_route("/drills", methods=["GET", "HEAD"])
async def show_drills(request: Request, session: Session, now: Now) -> Response:
    await in_local_time(request, session)
    rows = list(await session.scalars(drills.every().order_by(Drill.id.desc()).limit(_SHOWN)))
    listed = [(row, drills.allowed(DrillState(row.state))) for row in rows]
    return draw(
        request, "drills.html", drills=listed, needs=_NEEDS, year=await drills.of_year(session, now.year)
    )


@router.api_route("/drills/{drill_id}.md", methods=["GET", "HEAD"])
async def show_report(drill_id: str, session: Session, language: Language) -> Response:
    text = await drill_report.of(session, await drills.found(session, drill_id), language)
    return Response(text, media_type="text/markdown; charset=utf-8")


@router.post("/drills/{drill_id}/transitions")
async def move_drill(drill_id: str, request: Request, session: Session, who: Who, now: Now) -> Response:
    form = await posted(request, here="/drills")
    said = {"event": form.one("event") or "", "reason": form.one("reason"), "summary": form.one("summary")}
    asked = shaped(MoveDrill, said)
    await drills.move(
        session, drill_id, asked.event, by=who, at=now, reason=asked.reason, summary=asked.summary,
        version=form.whole("version"),
    )  # fmt: skip
    return go("/drills")
