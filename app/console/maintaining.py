"""The page of maintenance windows: what each holds now, until when, who set it and why; and the buttons of its life.

Each form does what its twin in the API does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.edge import Edge, Now, Session, Who
from app.console.forms import Form, posted, shaped
from app.console.pages import draw, go, in_local_time
from app.intake import enrolment, windows
from app.intake.tables import MaintenanceWindow, Repeats, Source
from app.intake.window_schemas import MoveWindow, SetWindow, WindowDetail
from app.levels import matrix
from app.levels.document import Levels

router = APIRouter(route_class=Edge, include_in_schema=False)
_MOST_SHOWN: Final = 100
_MOST_OVER: Final = 10
_MOST_PROBLEMS: Final = 50
Id = Annotated[str, Path(max_length=64)]


@dataclass(frozen=True)
class Maintenance:
    """Everything on the page."""

    windows: Sequence[WindowDetail]
    over: Sequence[MaintenanceWindow]
    sources: Sequence[Source]
    names: dict[str, str]
    """Of the sources, by their ids."""
    levels: Levels
    departments: Sequence[str]
    repeats: Sequence[Repeats]


@router.api_route("/maintenance", methods=["GET", "HEAD"])
async def show_windows(request: Request, session: Session, now: Now) -> Response:
    return await _page(request, session, now)


@router.post("/maintenance")
async def set_window(request: Request, session: Session, who: Who, now: Now) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _page(request, session, now)

    form = await posted(request, again, here="/maintenance")
    zone = (await matrix.in_force(session))[1].zone
    asked = shaped(SetWindow, _typed(form, zone))
    await windows.put_up(session, asked.asked(now), by=who.name, at=now)
    return go("/maintenance?done=window")


@router.post("/maintenance/{window_id}/transitions")
async def move_window(window_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _page(request, session, now)

    form = await posted(request, again, here="/maintenance")
    zone = (await matrix.in_force(session))[1].zone
    said = {"event": form.one("event") or "", "reason": form.one("reason") or ""}
    asked = shaped(MoveWindow, {**said, "ends_at": form.moment("ends_at", zone)})
    await windows.move(
        session, window_id, asked.event, by=who.name, at=now, reason=asked.reason, ends_at=asked.ends_at,
        version=form.whole("version"),
    )  # fmt: skip
    return go(f"/maintenance?done=window#{window_id}")


def _typed(form: Form, zone: ZoneInfo) -> dict[str, Any]:
    labels = (line.partition("=") for line in form.lines("labels"))
    return {
        "title": form.one("title") or "", "reason": form.one("reason") or "",
        "begins_at": form.moment("begins_at", zone), "ends_at": form.moment("ends_at", zone) or "",
        "repeats": form.one("repeats"), "until": form.moment("until", zone),
        "labels": {name.strip(): value.strip() for name, _, value in labels},
        "sources": form.many("sources"), "types": form.many("types"), "departments": form.many("departments"),
        "level_1": bool(form.one("level_1")),
    }  # fmt: skip


async def _page(request: Request, session: AsyncSession, now: datetime) -> Response:
    await in_local_time(request, session)
    _, levels = await matrix.in_force(session)
    newest = MaintenanceWindow.id.desc()
    live = list(await session.scalars(windows.every(over=False, at=now).order_by(newest).limit(_MOST_SHOWN)))
    held = await windows.numbers_held(session, live)
    details = [
        WindowDetail.whole(
            one,
            await windows.held(session, one, most=_MOST_PROBLEMS) if held[one.id] else [],
            held[one.id],
            now,
        )
        for one in live
    ]
    over = list(await session.scalars(windows.every(over=True, at=now).order_by(newest).limit(_MOST_OVER)))
    sources = list(await session.scalars(enrolment.listing().order_by(Source.slug)))
    names = {row.id: row.name for row in await session.execute(select(Source.id, Source.name))}
    return draw(request, "maintenance.html", page=Maintenance(
        sorted(details, key=lambda one: (not one.active, one.begins_at)), over, sources, names, levels,
        sorted({kind.department for kind in levels.types.values()}), list(Repeats),
    ))  # fmt: skip
