"""The pages of warnings: what is near to becoming an incident, the indicators with their curves, and what happened to one warning.

An incident that nobody has started the response to, and that is near to a level, is a warning too and stands among them (ST-1).
Each form does what its twin in the API does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.edge import Edge, Now, Session, Who
from app.access.keys import Principal
from app.console import curve
from app.console.curve import Curve
from app.console.forms import posted, shaped
from app.console.pages import draw, go, in_local_time, language_of
from app.incidents import authority, record
from app.incidents.tables import Incident
from app.levels import matrix
from app.levels.indicator import COLOURS, Indicator
from app.warnings import course, indicators
from app.warnings.course import WarningEvent
from app.warnings.schemas import AcknowledgeWarning, IndicatorRead, MoveWarning, WarningRead
from app.warnings.tables import EarlyWarning, Sample

router = APIRouter(route_class=Edge, include_in_schema=False)
Id = Annotated[str, Path(max_length=64)]
_READING: Final = ["GET", "HEAD"]
_MOST: Final = 50
_ENDED: Final = 15
_LOOKED_BACK: Final = timedelta(hours=24)
_MOST_SAMPLES: Final = 5000


@dataclass(frozen=True)
class Watched:
    """An indicator with its curve over the last day."""

    read: IndicatorRead
    curve: Curve


async def open_to(session: AsyncSession, who: Principal) -> tuple[list[EarlyWarning], list[Incident]]:
    """What warns now, the gravest first: of indicators, and of incidents no response was started to that `who` may see."""
    query = course.search(open_=True).order_by(EarlyWarning.gravest, EarlyWarning.id).limit(_MOST)
    tracked = record.search(open_=True).where(Incident.warned_of.is_not(None))
    near = authority.visible_to(who, tracked).order_by(Incident.warned_of, Incident.id).limit(_MOST)
    return list(await session.scalars(query)), list(await session.scalars(near))


@router.api_route("/warnings", methods=_READING)
async def show_warnings(request: Request, session: Session, who: Who, now: Now) -> Response:
    await in_local_time(request, session)
    language = language_of(request)
    _, levels = await matrix.in_force(session)
    warnings, near = await open_to(session, who)
    over = course.search(open_=False).order_by(EarlyWarning.id.desc()).limit(_ENDED)
    watched = [
        Watched(
            IndicatorRead.of(name, spec, row, language),
            await _curve(session, name, spec, start=now - _LOOKED_BACK, end=now),
        )
        for name, spec, row in await indicators.every(session)
    ]
    return draw(
        request, "warnings.html", levels=levels, warnings=[WarningRead.of(one, language) for one in warnings], near=near,
        ended=[WarningRead.of(one, language) for one in await session.scalars(over)], watched=watched, colours=COLOURS,
    )  # fmt: skip


@router.api_route("/warnings/{warning_id}", methods=_READING)
async def show_warning(warning_id: Id, request: Request, session: Session, now: Now) -> Response:
    return await _page(request, session, warning_id, now)


@router.post("/warnings/{warning_id}/acknowledgements")
async def acknowledge_warning(
    warning_id: Id, request: Request, session: Session, who: Who, now: Now
) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _page(request, session, warning_id, now)

    form = await posted(request, again, here=f"/warnings/{warning_id}")
    asked = shaped(AcknowledgeWarning, {"note": form.one("note")})
    warning = await course.found(session, warning_id, lock=True)
    await course.acknowledge(session, warning, by=who.name, at=now, note=asked.note)
    return go(f"/warnings/{warning_id}")


@router.post("/warnings/{warning_id}/transitions")
async def move_warning(warning_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _page(request, session, warning_id, now)

    form = await posted(request, again, here=f"/warnings/{warning_id}")
    asked = shaped(MoveWarning, {"event": form.one("event") or "", "reason": form.one("reason")})
    warning = await course.found(session, warning_id, lock=True)
    await course.move(
        session, warning, asked.event, by=who.name, at=now, reason=asked.reason, version=form.whole("version")
    )
    return go(f"/incidents/{warning.incident_id}" if warning.incident_id else f"/warnings/{warning_id}")


async def _page(request: Request, session: AsyncSession, warning_id: str, now: datetime) -> Response:
    await in_local_time(request, session)
    language = language_of(request)
    _, levels = await matrix.in_force(session)
    warning = await course.found(session, warning_id)
    known = {name: (spec, row) for name, spec, row in await indicators.every(session)}
    watched = None
    if (found := known.get(warning.indicator)) is not None:
        end = min(warning.ended_at or now, now) + timedelta(minutes=1)
        start = min(warning.began_at - timedelta(hours=1), end - timedelta(hours=3))
        watched = Watched(
            IndicatorRead.of(warning.indicator, *found, language),
            await _curve(session, warning.indicator, found[0], start=start, end=end),
        )
    return draw(
        request, "warning.html", warning=WarningRead.of(warning, language), watched=watched, levels=levels, colours=COLOURS,
        entries=await course.entries(session, warning), events=list(WarningEvent),
        incident=await session.get(Incident, warning.incident_id) if warning.incident_id else None,
    )  # fmt: skip


async def _curve(
    session: AsyncSession, name: str, spec: Indicator, *, start: datetime, end: datetime
) -> Curve:
    query = indicators.samples(name, start=start, end=end).with_only_columns(Sample.at, Sample.value)
    newest = query.order_by(Sample.at.desc()).limit(_MOST_SAMPLES).subquery()
    rows = await session.execute(select(newest).order_by(newest.c.at))
    values: Sequence[tuple[datetime, float]] = [(at, value) for at, value in rows]
    return curve.of(values, spec.limits, start=start, end=end)
