"""Reports over HTTP: written ones in versions, oral ones, and the link of somebody outside."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from app.access.edge import Edge, Here, IfMatch, Language, Now, Session, Who, problems
from app.errors import NotFound, Refused, Stale, Unavailable
from app.incidents import authority, record, report
from app.incidents.tables import Incident
from app.levels import matrix
from app.reports import oral, papers, sending, written
from app.reports.schemas import (
    DraftReport,
    MoveReport,
    NoteOralReport,
    OralReportRead,
    OralReports,
    ReportRead,
    Reports,
    RewriteReport,
    VersionRead,
    Versions,
)
from app.reports.tables import Report, ReportVersion
from app.reports.written import IllegalReportTransition, OwnReport
from app.typeset import pdf

router = APIRouter(route_class=Edge, tags=["reports"])

_PDF = "application/pdf"
_MARKDOWN = "text/markdown"
_DOCUMENTS: dict[int | str, dict[str, Any]] = {200: {"content": {_MARKDOWN: {}, _PDF: {}}}}


@router.get("/api/v1/incidents/{incident_id}/reports", responses=problems(NotFound))
async def list_reports(incident_id: str, session: Session, who: Who, language: Language) -> Reports:
    """Written reports, oldest first, each with its newest version and what came of sending it."""
    incident = await authority.seen(session, who, incident_id)
    found = await written.of_incident(session, incident.id)
    return Reports(items=[await _read(session, incident, one, language) for one in found])


@router.post(
    "/api/v1/incidents/{incident_id}/reports", status_code=201, responses=problems(NotFound, Refused)
)
async def draft_report(
    incident_id: str, asked: DraftReport, session: Session, who: Who, now: Now, language: Language
) -> ReportRead:
    """Begin a report: compiled now from the incident, but for the parts written by hand (EP-5.1)."""
    incident = await record.locked(session, incident_id)
    parts = {str(name): text for name, text in asked.parts.items()}
    begun = await written.draft(
        session, incident, asked.kind, by=who, language=asked.language or language, at=now, parts=parts, note=asked.note
    )  # fmt: skip
    return await _read(session, incident, begun, language)


@router.get("/api/v1/reports/{report_id}", responses=problems(NotFound))
async def read_report(
    report_id: str, session: Session, who: Who, language: Language, response: Response
) -> ReportRead:
    """One report with its newest version."""
    begun, incident = await _seen(session, who, report_id)
    response.headers["ETag"] = f'"{begun.version}"'
    return await _read(session, incident, begun, language)


@router.patch("/api/v1/reports/{report_id}", responses=problems(NotFound, IllegalReportTransition, Stale))
async def rewrite_report(
    report_id: str, asked: RewriteReport, session: Session, who: Who, now: Now, version: IfMatch, language: Language
) -> ReportRead:  # fmt: skip
    """Add a version; an approval of the one before ends here. What was sent changes no more."""
    begun, incident = await written.locked(session, report_id)
    parts = {str(name): text for name, text in asked.parts.items()}
    await written.rewrite(
        session, incident, begun, by=who, at=now, parts=parts, compile_anew=asked.compile_anew, note=asked.note,
        version=version,
    )  # fmt: skip
    return await _read(session, incident, begun, language)


@router.post(
    "/api/v1/reports/{report_id}/transitions",
    status_code=201,
    responses=problems(NotFound, IllegalReportTransition, Stale, OwnReport),
)
async def move_report(
    report_id: str, asked: MoveReport, session: Session, who: Who, now: Now, version: IfMatch, language: Language
) -> ReportRead:  # fmt: skip
    """Approve, reject or send the newest version: inside the centre at once, outside once another hand than the author's
    approved it (EP-5.1, EP-7.1.2)."""
    begun, incident = await written.locked(session, report_id)
    await written.move(
        session, incident, begun, asked.event, by=who, at=now, reason=asked.reason, version=version
    )
    return await _read(session, incident, begun, language)


@router.get("/api/v1/reports/{report_id}/versions", responses=problems(NotFound))
async def list_versions(report_id: str, session: Session, who: Who) -> Versions:
    """Every version, newest first, each with what it says otherwise than the one before."""
    begun, _ = await _seen(session, who, report_id)
    return Versions.of(await written.versions(session, begun))


@router.get(
    "/api/v1/reports/{report_id}/versions/{version}",
    responses={**problems(NotFound, Unavailable), **_DOCUMENTS},
    response_model=VersionRead,
)
async def read_version(
    report_id: str,
    version: Annotated[int, Path(ge=1, le=1_000_000)],
    session: Session,
    who: Who,
    request: Request,
) -> VersionRead | Response:
    """One version; `Accept: text/markdown` or `application/pdf` for a document."""
    begun, incident = await _seen(session, who, report_id)
    text = await written.version_of(session, begun, version)
    accepts = request.headers.get("accept", "")
    if _PDF in accepts or _MARKDOWN in accepts:
        return await document(session, incident, begun, text, as_pdf=_PDF in accepts)
    before = await written.version_of(session, begun, version - 1) if version > 1 else None
    return VersionRead.of(text, before)


@router.get("/api/v1/incidents/{incident_id}/oral-reports", responses=problems(NotFound))
async def list_oral_reports(incident_id: str, session: Session, who: Who) -> OralReports:
    """Reports given orally, in the order they were given."""
    incident = await authority.seen(session, who, incident_id)
    rows = await oral.of_incident(session, incident.id)
    return OralReports(items=[OralReportRead.of(row) for row in rows])


@router.post("/api/v1/incidents/{incident_id}/oral-reports", status_code=201, responses=problems(NotFound))
async def note_oral_report(
    incident_id: str, asked: NoteOralReport, session: Session, who: Who, now: Now
) -> OralReportRead:
    """Put an oral report on the record. It counts as the first report to somebody that report is for; the written one is then
    owed (EP-5.2)."""
    incident = await record.locked(session, incident_id)
    told = oral.Told(asked.told_by or who.name, asked.told, asked.position, asked.at, asked.way, asked.text)
    return OralReportRead.of(await oral.note(session, incident, told, by=who.name, at=now))


@router.get(
    "/r/{message_id}/{page_mark}",
    responses={**problems(NotFound), **_DOCUMENTS},
    response_class=Response,
    tags=["acknowledge"],
)
async def show_shared(message_id: str, page_mark: str, session: Session, here: Here, now: Now) -> Response:
    """The version somebody outside was sent, by the link they were sent: a PDF, or Markdown where none can be drawn."""
    incident, begun, text = await sending.shared(session, here.vault, message_id, page_mark, at=now)
    try:
        return await document(session, incident, begun, text, as_pdf=True)
    except Unavailable:
        return await document(session, incident, begun, text, as_pdf=False)


async def document(
    session: Session, incident: Incident, begun: Report, text: ReportVersion, *, as_pdf: bool
) -> Response:
    """A version as a file. Raises `Unavailable` where no PDF can be drawn of it: why, and what to do."""
    zone = (await matrix.of(session, incident.plan_revision)).zone
    shown = papers.as_report(incident, begun, text)
    headers = {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
    }
    if not as_pdf:
        made = report.as_markdown(shown, begun.language, zone)
        return Response(made, media_type=f"{_MARKDOWN}; charset=utf-8", headers=headers)
    try:
        body = await pdf.drawn(report.as_paper(shown, begun.language, zone).written())
    except pdf.Undrawable as undrawable:
        raise Unavailable(undrawable.wording) from undrawable
    name = f"{incident.number}-{begun.kind}-{begun.ordinal}-v{text.version}.pdf"
    return Response(
        body, media_type=_PDF, headers={**headers, "Content-Disposition": f'inline; filename="{name}"'}
    )


async def _seen(session: Session, who: Who, report_id: str) -> tuple[Report, Incident]:
    """The report, if its incident may be seen; otherwise it is not there."""
    begun = await written.found(session, report_id)
    return begun, await authority.seen(session, who, begun.incident_id)


async def _read(session: Session, incident: Incident, begun: Report, language: str) -> ReportRead:
    sent = await sending.recipients(session, begun)
    return ReportRead.of(
        incident, begun, await written.version_of(session, begun), sent, await sending.deliveries(session, sent), language
    )  # fmt: skip
