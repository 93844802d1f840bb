"""The pages of what the product noticed.

What was set aside, with a button to try each again; when sources were last heard, and what a sample would give if one
sent it; and what the check of the plan says of the days to come.
"""

import json
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app import door
from app.access.edge import Edge, Here, Now, Session, Who
from app.access.paging import Paging, Slice
from app.console.forms import Form, posted, shaped
from app.console.pages import draw, go, in_local_time
from app.errors import Malformed, WrongShape
from app.intake import enrolment, trying
from app.intake.sources import generic
from app.intake.tables import Source
from app.intake.trying import Trial
from app.plan.outlook import standing
from app.plan.outlook.report import DAYS
from app.watch import set_aside, silence
from app.wording import Wording, say, spoken_span

router = APIRouter(route_class=Edge, include_in_schema=False)
_MOST_SOURCES: Final = 500


@router.api_route("/parked", methods=["GET", "HEAD"])
async def show_parked(request: Request, session: Session, part: Paging) -> Response:
    return await _page(request, session, part)


@router.post("/parked/{parked_id}/retry")
async def retry(
    parked_id: Annotated[str, Path(max_length=64)], request: Request, session: Session, who: Who, now: Now
) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _page(request, session, Slice(50, None))

    await posted(request, again, here="/parked")
    await set_aside.retry(session, parked_id, by=who.name, at=now)
    return go("/parked?done=retried")


async def _page(request: Request, session: AsyncSession, part: Slice) -> Response:
    await in_local_time(request, session)
    items, cursor = await set_aside.listed(session, part)
    return draw(request, "parked.html", items=items, next=cursor)


@router.api_route("/sources", methods=["GET", "HEAD"])
async def show_sources(request: Request, session: Session, now: Now) -> Response:
    """When each source was last heard, and which should have been."""
    await in_local_time(request, session)
    sources = list(await session.scalars(enrolment.listing().order_by(Source.slug).limit(_MOST_SOURCES)))
    silent = {source.id for source in sources if silence.silent(source, now)}
    return draw(request, "sources.html", sources=sources, silent=silent, write_time=_span)


Slug = Annotated[str, Path(max_length=63)]


@router.api_route("/sources/{slug}/try", methods=["GET", "HEAD"])
async def show_try(slug: Slug, request: Request, session: Session) -> Response:
    """Where a sample can be pasted, to see what would come of it."""
    return await _trial(request, session, slug, None)


@router.post("/sources/{slug}/try")
async def try_sample(slug: Slug, request: Request, session: Session) -> Response:
    """What the sample gives, read by the mapping as it is typed; or that mapping kept for what comes."""

    async def again(session: AsyncSession) -> Response:
        return await _trial(request, session, slug, None)

    form = await posted(request, again, here=f"/sources/{slug}/try")
    source, mapping = await enrolment.found(session, slug), _mapping(form)
    if form.one("do") == "keep":
        enrolment.read_by(source, mapping)
        return go(f"/sources/{slug}/try?done=mapping")
    sample = (form.one("sample") or "").encode()
    # A mapping that was emptied is none, and not the one that is stored.
    trial = trying.tried(source, sample, trying.headers_of(source, sample), mapping or generic.Mapping())
    return await _trial(request, session, slug, trial)


def _mapping(form: Form) -> generic.Mapping | None:
    said = form.one("mapping")
    if said is None:
        return None
    try:
        document = door.parse_json(said.encode())
    except Malformed as error:
        raise WrongShape(say("console.try.no_object")) from error
    if not isinstance(document, dict):
        raise WrongShape(say("console.try.no_object"))
    return shaped(generic.Mapping, document)


async def _trial(request: Request, session: AsyncSession, slug: str, trial: Trial | None) -> Response:
    await in_local_time(request, session)
    source = await enrolment.found(session, slug)
    mapping = json.dumps(source.mapping, ensure_ascii=False, indent=1) if source.mapping else ""
    return draw(request, "try.html", source=source, trial=trial, mapping=mapping)


@router.api_route("/plan/check", methods=["GET", "HEAD"])
async def show_outlook(request: Request, session: Session, parts: Here, now: Now) -> Response:
    """Whether the plan in force would hold over the coming days, with a counter-example for each finding."""
    await in_local_time(request, session)
    async with standing.alone(parts.checks):
        looked = await standing.look_ahead(session, at=now, days=DAYS, channels=parts.settings.channels)
    return draw(request, "outlook.html", looked=looked, days=DAYS)


def _span(seconds: int) -> Wording:
    return spoken_span(timedelta(seconds=seconds))
