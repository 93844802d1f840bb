"""The reports of an incident: what is owed and lacks, drafts, approval, sending, versions with their difference, oral reports.

Each form does what its twin in the API does.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.edge import Edge, Now, Session, Who
from app.console.forms import posted, shaped
from app.console.pages import draw, go, in_local_time, language_of
from app.errors import NotFound
from app.incidents import authority, obligations, record, report
from app.incidents.tables import Incident
from app.levels import matrix
from app.people import organisation
from app.reports import oral, sending, written
from app.reports.oral import Way
from app.reports.routes import document
from app.reports.schemas import (
    DraftReport,
    MoveReport,
    NoteOralReport,
    OralReportRead,
    ReportRead,
    RewriteReport,
    Versions,
)
from app.reports.tables import Report
from app.wording import say

router = APIRouter(route_class=Edge, include_in_schema=False)
Id = Annotated[str, Path(max_length=64)]
Version = Annotated[int, Path(ge=1, le=1_000_000)]
_READING: Final = ["GET", "HEAD"]
_KINDS: Final = ("first", "follow_up", "final")


@router.api_route("/incidents/{incident_id}/reports", methods=_READING)
async def show_reports(incident_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    return await _all(request, session, incident_id, who, now)


@router.post("/incidents/{incident_id}/reports")
async def draft_report(incident_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _all(request, session, incident_id, who, now)

    form = await posted(request, again, here=f"/incidents/{incident_id}/reports")
    asked = shaped(DraftReport, {"kind": form.one("kind") or "", "language": form.one("language")})
    incident = await record.locked(session, incident_id)
    language = asked.language or language_of(request)
    begun = await written.draft(session, incident, asked.kind, by=who, language=language, at=now)
    return go(f"/incidents/{incident.id}/reports/{begun.id}")


@router.post("/incidents/{incident_id}/oral-reports")
async def note_oral_report(
    incident_id: Id, request: Request, session: Session, who: Who, now: Now
) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _all(request, session, incident_id, who, now)

    form = await posted(request, again, here=f"/incidents/{incident_id}/reports")
    incident = await record.locked(session, incident_id)
    zone = (await matrix.of(session, incident.plan_revision)).zone
    said: dict[str, Any] = {name: form.one(name) for name in ("position", "told_by")}
    said |= {name: form.one(name) or "" for name in ("told", "way", "text")}
    asked = shaped(NoteOralReport, said | {"at": form.moment("at", zone) or now.isoformat()})
    told = oral.Told(asked.told_by or who.name, asked.told, asked.position, asked.at, asked.way, asked.text)
    await oral.note(session, incident, told, by=who.name, at=now)
    return go(f"/incidents/{incident.id}/reports#oral")


@router.api_route("/incidents/{incident_id}/reports/{report_id}", methods=_READING)
async def show_report(
    incident_id: Id, report_id: Id, request: Request, session: Session, who: Who
) -> Response:
    return await _one(request, session, incident_id, report_id, who)


@router.api_route("/incidents/{incident_id}/reports/{report_id}/{version}.{form}", methods=_READING)
async def download(
    incident_id: Id, report_id: Id, version: Version, form: str, session: Session, who: Who
) -> Response:
    """A version as `pdf` or as `md`."""
    incident, begun = await _found(session, incident_id, report_id, who)
    if form not in ("pdf", "md"):
        raise NotFound(say("reports.no_such_version", version=f"{version}.{form}", newest=begun.version))
    text = await written.version_of(session, begun, version)
    return await document(session, incident, begun, text, as_pdf=form == "pdf")


@router.post("/incidents/{incident_id}/reports/{report_id}")
async def rewrite_report(
    incident_id: Id, report_id: Id, request: Request, session: Session, who: Who, now: Now
) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _one(request, session, incident_id, report_id, who)

    form = await posted(request, again, here=f"/incidents/{incident_id}/reports/{report_id}")
    begun, incident = await _locked(session, incident_id, report_id)
    last = await written.version_of(session, begun)
    compile_anew = form.one("compile_anew") is not None
    before = {part["name"]: "\n".join(part["lines"]) for part in last.parts}
    typed = {
        name: _plain(form.many(f"part_{name}")) for name in report.PARTS if f"part_{name}" in form.fields
    }
    changed = {name: text for name, text in typed.items() if text != _plain([before.get(name, "")])}
    asked = shaped(RewriteReport, {"parts": changed, "compile_anew": compile_anew, "note": form.one("note")})
    await written.rewrite(
        session, incident, begun, by=who, at=now, parts={str(name): text for name, text in asked.parts.items()},
        compile_anew=asked.compile_anew, note=asked.note, version=form.whole("version"),
    )  # fmt: skip
    return go(f"/incidents/{incident.id}/reports/{begun.id}")


@router.post("/incidents/{incident_id}/reports/{report_id}/transitions")
async def move_report(
    incident_id: Id, report_id: Id, request: Request, session: Session, who: Who, now: Now
) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _one(request, session, incident_id, report_id, who)

    form = await posted(request, again, here=f"/incidents/{incident_id}/reports/{report_id}")
    asked = shaped(MoveReport, {"event": form.one("event") or "", "reason": form.one("reason")})
    begun, incident = await _locked(session, incident_id, report_id)
    await written.move(
        session,
        incident,
        begun,
        asked.event,
        by=who,
        at=now,
        reason=asked.reason,
        version=form.whole("version"),
    )
    return go(f"/incidents/{incident.id}/reports/{begun.id}")


def _plain(typed: list[str]) -> str:
    """A text area as it was typed: browsers send their own ends of lines."""
    return "\n".join(line.strip() for text in typed for line in text.splitlines() if line.strip())


async def _all(request: Request, session: AsyncSession, incident_id: str, who: Who, now: Now) -> Response:
    await in_local_time(request, session)
    language = language_of(request)
    incident = await authority.seen(session, who, incident_id)
    found = await written.of_incident(session, incident.id)
    levels = await matrix.of(session, incident.plan_revision)
    compiled = await report.compile_report(session, incident, "first", at=now, language=language)
    unpaid = await obligations.unpaid(session, incident.id)
    return draw(
        request, "reports.html", incident=incident, levels=levels, compiled=compiled,
        reports=[await _read(session, incident, one, language) for one in found], kinds=_KINDS,
        owed=[one for one in unpaid if one.kind in obligations.REPORTS], ways=list(Way), clock=now.astimezone(levels.zone),
        oral=[OralReportRead.of(row) for row in await oral.of_incident(session, incident.id)],
        named=await sending.named(session, incident), positions=await _positions(session),
    )  # fmt: skip


async def _one(
    request: Request, session: AsyncSession, incident_id: str, report_id: str, who: Who
) -> Response:
    await in_local_time(request, session)
    language = language_of(request)
    incident, begun = await _found(session, incident_id, report_id, who)
    levels = await matrix.of(session, incident.plan_revision)
    return draw(
        request, "report.html", incident=incident, levels=levels, report=await _read(session, incident, begun, language),
        versions=Versions.of(await written.versions(session, begun)).items, named=await sending.named(session, incident),
        positions=await _positions(session),
    )  # fmt: skip


async def _found(
    session: AsyncSession, incident_id: str, report_id: str, who: Who
) -> tuple[Incident, Report]:
    incident = await authority.seen(session, who, incident_id)
    begun = await written.found(session, report_id)
    if begun.incident_id != incident.id:
        raise NotFound(say("reports.not_found", id=report_id))
    return incident, begun


async def _locked(session: AsyncSession, incident_id: str, report_id: str) -> tuple[Report, Incident]:
    """The report, under the incident it belongs to, whose id the address must have."""
    begun, incident = await written.locked(session, report_id)
    if incident_id not in (incident.id, incident.number):
        raise NotFound(say("reports.not_found", id=report_id))
    return begun, incident


async def _read(session: AsyncSession, incident: Incident, begun: Report, language: str) -> ReportRead:
    sent = await sending.recipients(session, begun)
    text = await written.version_of(session, begun)
    return ReportRead.of(incident, begun, text, sent, await sending.deliveries(session, sent), language)


async def _positions(session: AsyncSession) -> dict[str, Any]:
    return {one.id: one.title for one in await organisation.positions(session)}
