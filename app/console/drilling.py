"""The pages of drills: what is planned, what runs with the button that stops it, and each drill with its scores and findings.

Each form does what its twin in the API does.
"""

from datetime import datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.edge import Edge, Language, Now, Session, Who
from app.console.forms import Form, posted, shaped
from app.console.pages import draw, go, in_local_time
from app.levels import matrix
from app.people import holders, organisation
from app.people.tables import Person
from app.readiness import drill_report, drills
from app.readiness.schemas import FindInDrill, MoveDrill, PlanDrill, ScoreDrill
from app.readiness.tables import Drill, DrillMode, DrillState, Topic
from app.reviews.figures import from_iso
from app.vocabulary import parse_span
from app.wording import spoken_span

router = APIRouter(route_class=Edge, include_in_schema=False)
_READING: Final = ["GET", "HEAD"]
_SHOWN: Final = 100
_SAID: Final = {"stop": "reason", "cancel": "reason", "close": "summary"}
"""What is written beside the button; to stop, it may be left out."""
_SCORED: Final = (DrillState.RUNNING, DrillState.ENDED)
_FOUND: Final = (*_SCORED, DrillState.EVALUATED)
Id = Annotated[str, Path(max_length=64)]


@router.api_route("/drills", methods=_READING)
async def show_drills(request: Request, session: Session, now: Now) -> Response:
    return await _list(request, session, now)


@router.post("/drills")
async def plan_drill(request: Request, session: Session, who: Who, now: Now) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _list(request, session, now)

    form = await posted(request, again, here="/drills")
    zone = (await matrix.in_force(session))[1].zone
    drill = await drills.plan(session, shaped(PlanDrill, _scheme(form, zone)).laid_down(), by=who, at=now)
    return go(f"/drills/{drill.id}")


@router.api_route("/drills/{drill_id}.md", methods=_READING)
async def show_report(drill_id: Id, session: Session, language: Language) -> Response:
    text = await drill_report.of(session, await drills.found(session, drill_id), language)
    return Response(text, media_type="text/markdown; charset=utf-8")


@router.api_route("/drills/{drill_id}", methods=_READING)
async def show_drill(drill_id: Id, request: Request, session: Session) -> Response:
    return await _page(request, session, drill_id)


@router.post("/drills/{drill_id}/transitions")
async def move_drill(drill_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    form = await _posted(request, drill_id)
    said = {"event": form.one("event") or "", "reason": form.one("reason"), "summary": form.one("summary")}
    asked = shaped(MoveDrill, said)
    await drills.move(
        session, drill_id, asked.event, by=who, at=now, reason=asked.reason, summary=asked.summary,
        version=form.whole("version"),
    )  # fmt: skip
    return go(f"/drills/{drill_id}")


@router.post("/drills/{drill_id}/scores")
async def score_drill(drill_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    """The topics that were given points; the others stay as they are."""
    form = await _posted(request, drill_id)
    for topic in Topic:
        if (points := form.whole(topic)) is not None:
            given = shaped(
                ScoreDrill, {"topic": topic, "points": points, "remark": form.one(f"{topic}_remark")}
            )
            await drills.score(
                session, drill_id, given.topic, given.points, remark=given.remark, by=who, at=now
            )
    return go(f"/drills/{drill_id}#evaluation")


@router.post("/drills/{drill_id}/findings")
async def find_in_drill(drill_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    form = await _posted(request, drill_id)
    said = shaped(FindInDrill, {name: form.one(name) or "" for name in FindInDrill.model_fields})
    await drills.find(
        session, drill_id, said.topic, said.text, owner=said.owner, due_on=said.due_on, by=who.name, at=now
    )
    return go(f"/drills/{drill_id}#findings")


async def _posted(request: Request, drill_id: str) -> Form:
    async def again(session: AsyncSession) -> Response:
        return await _page(request, session, drill_id)

    return await posted(request, again, here=f"/drills/{drill_id}")


def _scheme(form: Form, zone: ZoneInfo) -> dict[str, Any]:
    """The form in the words of the API; times are by the clocks of the plan, a line of the scenario begins with when."""
    said: dict[str, Any] = {
        name: form.one(name) for name in ("title", "type", "level", "mode", "place", "scheme", "playbook")
    }
    starts = form.one("starts_at")
    if starts is not None:
        try:
            said["starts_at"] = datetime.fromisoformat(starts).replace(tzinfo=zone)
        except ValueError:
            said["starts_at"] = starts  # for the shape to refuse
    if (minutes := form.whole("minutes")) is not None:
        said["lasts"] = f"PT{minutes}M"
    said["props"] = form.lines("props")
    lines = [line.partition(" ") for line in form.lines("scenario")]
    said["scenario"] = [{"after": f"PT{after}M", "text": text} for after, _, text in lines]
    said["parts"] = [
        {kind: name, "observes": field == "observers"}
        for field in ("enrolled", "observers")
        for kind, _, name in (one.partition(":") for one in form.many(field))
    ]
    return said


async def _list(request: Request, session: AsyncSession, now: datetime) -> Response:
    await in_local_time(request, session)
    _, levels = await matrix.in_force(session)
    listed = await session.scalars(drills.every().order_by(Drill.id.desc()).limit(_SHOWN))
    people = await session.scalars(organisation.listing().order_by(Person.name))
    return draw(
        request, "drills.html", drills=list(listed), levels=levels, modes=list(DrillMode), people=list(people),
        year=await drills.of_year(session, now.astimezone(levels.zone).year),
        positions=await organisation.positions(session),
    )  # fmt: skip


async def _page(request: Request, session: AsyncSession, drill_id: str) -> Response:
    await in_local_time(request, session)
    drill = await drills.found(session, drill_id)
    _, levels = await matrix.in_force(session)
    parts = await drills.parts(session, drill.id)
    scores = await drills.scores(session, drill.id)
    state = DrillState(drill.state)
    is_simulated = drill.mode == DrillMode.SIMULATED
    times = (drill.figures or {}).get("times", {})
    return draw(
        request, "drill.html", drill=drill, levels=levels, allowed=drills.allowed(state), said=_SAID, topics=list(Topic),
        may_play=is_simulated and state is DrillState.RUNNING,
        parts_of_drill=parts, names=await holders.names(session, [one.who for one in parts if one.is_person]),
        titles={one.id: one.title for one in await organisation.positions(session)}, scores=scores,
        means=drills.mean_points(scores), findings=await drills.findings(session, drill.id),
        times={name: one for name, one in times.items() if one.get("target")}, may_score=state in _SCORED,
        may_find=state in _FOUND, say_time=lambda written: spoken_span(from_iso(written)) if written else None,
        say_span=lambda written: spoken_span(parse_span(written)),
    )  # fmt: skip
