"""Indicators and warnings over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Body, Query, Response

from app.access.edge import Edge, IfMatch, Language, Now, Session, Who, problems
from app.access.paging import Page, Paging, paged
from app.errors import NotFound, Stale
from app.vocabulary import Moment
from app.warnings import course, indicators
from app.warnings.course import WarningOver
from app.warnings.schemas import (
    AcknowledgeWarning,
    EntryRead,
    IndicatorRead,
    MoveWarning,
    SampleRead,
    TellIndicators,
    ToldAll,
    WarningRead,
    WarningWithEntries,
)
from app.warnings.tables import EarlyWarning, Sample

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["warnings"])


@router.post("/indicators", status_code=201, responses=problems())
async def tell_indicators(asked: Annotated[TellIndicators, Body()], session: Session, now: Now) -> ToldAll:
    """Tell the value of an indicator, or up to a thousand values as a list: all are taken in, or none (EP-2.5, OM-2).

    Each is known by its indicator and its moment, and counts once; one that comes after a newer is kept for the curve only.
    """
    told = [one.told(now) for one in (asked if isinstance(asked, list) else [asked])]
    return ToldAll.of(told, await indicators.take(session, told, at=now))


@router.get("/indicators", responses=problems())
async def list_indicators(session: Session, language: Language) -> Page[IndicatorRead]:
    """The indicators of the plan in force, each as it stands; in the order of the plan, all on one page."""
    found = await indicators.every(session)
    return Page(items=[IndicatorRead.of(*one, language) for one in found], next=None)


@router.get("/indicators/{indicator}", responses=problems(NotFound))
async def read_indicator(indicator: str, session: Session, language: Language) -> IndicatorRead:
    """One indicator as it stands."""
    return IndicatorRead.of(indicator, *await indicators.found(session, indicator), language)


@router.get("/indicators/{indicator}/samples", responses=problems(NotFound))
async def list_samples(
    indicator: str, session: Session, part: Paging, start: Annotated[Moment | None, Query(alias="from")] = None,
    end: Annotated[Moment | None, Query(alias="to")] = None,
) -> Page[SampleRead]:  # fmt: skip
    """What was told of an indicator, the newest first; kept for ninety days."""
    await indicators.found(session, indicator)
    query = indicators.samples(indicator, start=start, end=end)
    rows, following = await paged(session, query, Sample.id, part)
    return Page(items=[SampleRead.of(row) for row in rows], next=following)


@router.get("/warnings", responses=problems())
async def list_warnings(
    session: Session, part: Paging, language: Language, open_: Annotated[bool | None, Query(alias="open")] = None,
    indicator: str | None = None,
) -> Page[WarningRead]:  # fmt: skip
    """Warnings, the newest first."""
    query = course.search(open_=open_, indicator=indicator)
    rows, following = await paged(session, query, EarlyWarning.id, part)
    return Page(items=[WarningRead.of(row, language) for row in rows], next=following)


@router.get("/warnings/{warning_id}", responses=problems(NotFound))
async def read_warning(
    warning_id: str, session: Session, language: Language, response: Response
) -> WarningWithEntries:
    """One warning, with what happened to it."""
    return await _read(session, await course.found(session, warning_id), language, response)


@router.post(
    "/warnings/{warning_id}/acknowledgements", status_code=201, responses=problems(NotFound, WarningOver)
)
async def acknowledge_warning(
    warning_id: str, asked: AcknowledgeWarning, session: Session, who: Who, now: Now, language: Language,
    response: Response,
) -> WarningWithEntries:  # fmt: skip
    """Say that you have it; the first who does is the one that counts."""
    warning = await course.found(session, warning_id, lock=True)
    await course.acknowledge(session, warning, by=who.name, at=now, note=asked.note)
    return await _read(session, warning, language, response)


@router.post(
    "/warnings/{warning_id}/transitions", status_code=201, responses=problems(NotFound, Stale, WarningOver)
)
async def move_warning(
    warning_id: str, asked: MoveWarning, session: Session, who: Who, now: Now, version: IfMatch, language: Language,
    response: Response,
) -> WarningWithEntries:  # fmt: skip
    """Lift a warning, with the reason, or make it an incident of the type it warns of."""
    warning = await course.found(session, warning_id, lock=True)
    await course.move(
        session, warning, asked.event, by=who.name, at=now, reason=asked.reason, version=version
    )
    return await _read(session, warning, language, response)


async def _read(
    session: Session, warning: EarlyWarning, language: str, response: Response
) -> WarningWithEntries:
    response.headers["ETag"] = f'"{warning.version}"'
    read = WarningRead.of(warning, language)
    told = [EntryRead.of(one, language) for one in await course.entries(session, warning)]
    return WarningWithEntries(**read.model_dump(), timeline=told)
