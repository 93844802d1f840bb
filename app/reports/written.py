"""Written reports in versions (EP-5.1): drafted, rewritten, approved by another hand, sent.

The life of a report is a table. A version never changes: whoever rewrites a report adds one, and what was approved was the one
before. The incident's lock is held throughout.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.access.four_eyes import is_same_hand
from app.access.keys import Principal
from app.errors import Forbidden, NotFound, Refused, Stale
from app.ids import new_id
from app.incidents import authority, record, report, timeline
from app.incidents.report import Kind
from app.incidents.tables import OPEN_STATES, Incident, State, Status
from app.people import holders
from app.reports import due, sending
from app.reports.tables import Report, ReportState, ReportVersion
from app.wording import Wording, say

_ENDED: Final = frozenset({State.CLOSED, State.REVIEWED, State.CANCELLED, State.RECOVERING})


class ReportEvent(StrEnum):
    """What can be done to a report."""

    APPROVE = "approve"  # another hand than the author's: this version may leave the centre
    REJECT = "reject"  # with a reason: this version may not
    SEND = "send"  # inside the centre at once; outside once it is approved


S, E = ReportState, ReportEvent
TRANSITIONS: Final[Mapping[tuple[ReportState, ReportEvent], ReportState]] = {
    (S.DRAFTED, E.APPROVE): S.APPROVED,
    (S.DRAFTED, E.REJECT): S.REJECTED,
    (S.DRAFTED, E.SEND): S.WAITING,  # at once `sent`, where nobody outside is sent it
    (S.WAITING, E.APPROVE): S.SENT,
    (S.WAITING, E.REJECT): S.REJECTED,
    (S.APPROVED, E.REJECT): S.REJECTED,
    (S.APPROVED, E.SEND): S.SENT,
}


class IllegalReportTransition(Refused, slug="illegal-report-transition"):
    """That is not possible with this report now; `allowed` says what is."""


class OwnReport(Forbidden, slug="own-report"):
    """Nobody lets their own text leave the centre."""


def allowed(state: ReportState) -> list[ReportEvent]:
    return [event for one, event in TRANSITIONS if one is state]


async def draft(
    session: AsyncSession, incident: Incident, kind: Kind, *, by: Principal, language: str, at: datetime,
    parts: Mapping[str, str] | None = None, note: str | None = None,
) -> Report:  # fmt: skip
    """Begin a report of a locked incident with its first version, compiled now; `parts` are those written by hand.

    Refused while one of the kind is not sent yet, for a second first report, and for a first or follow-up report of an incident
    that has ended.
    """
    await _may_begin(session, incident, kind)
    before = [one for one in await of_incident(session, incident.id) if one.kind == kind]
    begun = Report(
        id=new_id(at), incident_id=incident.id, kind=kind, ordinal=len(before) + 1, state=ReportState.DRAFTED,
        version=1, language=language, created_at=at,
    )  # fmt: skip
    session.add(begun)
    await session.flush()
    written = await _compiled(session, incident, begun, {}, at=at)
    await _add(session, incident, begun, _with_hand(written, parts or {}), by=by, note=note, at=at)
    return begun


async def rewrite(
    session: AsyncSession, incident: Incident, begun: Report, *, by: Principal, at: datetime,
    parts: Mapping[str, str] | None = None, compile_anew: bool = False, note: str | None = None, version: int | None = None,
) -> Report:  # fmt: skip
    """Add a version. What nobody wrote by hand is compiled anew on wish; an approval ends here (EP-5.1).

    Refused once it was sent: what became known since belongs into the next report.
    """
    Stale.unless(version, begun.version)
    if begun.state == ReportState.SENT:
        raise IllegalReportTransition(
            say("reports.sent_already", kind=say(f"report.kind.{begun.kind}")), state=begun.state, allowed=[],
            next="follow_up" if incident.state in OPEN_STATES else "final",
        )  # fmt: skip
    last = await version_of(session, begun)
    kept = {part["name"]: part for part in last.parts}
    if compile_anew:
        kept = await _compiled(session, incident, begun, kept, at=at)
    begun.version += 1
    begun.state, begun.approved_by, begun.approved_at = ReportState.DRAFTED, None, None
    begun.rejected_because = None
    await _add(session, incident, begun, _with_hand(kept, parts or {}), by=by, note=note, at=at)
    return begun


async def move(
    session: AsyncSession, incident: Incident, begun: Report, event: ReportEvent, *, by: Principal, at: datetime,
    reason: str | None = None, version: int | None = None,
) -> Report:  # fmt: skip
    """Approve, reject or send the newest version of a report of a locked incident."""
    Stale.unless(version, begun.version)
    state = ReportState(begun.state)
    to = TRANSITIONS.get((state, event))
    if to is None:
        raise IllegalReportTransition(
            say("reports.illegal", event=say(f"report_event.{event}"), state=say(f"report_state.{state}")),
            state=state, allowed=allowed(state), current_version=begun.version,
        )  # fmt: skip
    if event is not ReportEvent.SEND:
        await _may_decide(session, incident, begun, by)
    written = await version_of(session, begun)
    match event:
        case ReportEvent.APPROVE:
            begun.approved_by, begun.approved_at, written.approved_by = by.name, at, by.name
            timeline.append(session, incident, "report.approved", actor=by.name, at=at, **_said(begun))
            outbox.put(session, "report.approved", _told(begun), ref=incident.id, at=at)
            if to is ReportState.SENT:
                await sending.send_outside(session, incident, begun, written, at=at)
        case ReportEvent.REJECT:
            if not reason:
                raise Refused(say("reports.reason_needed"), allowed=allowed(state), needs=["reason"])
            begun.rejected_because, begun.approved_by, begun.approved_at = reason, None, None
            written.approved_by = None
            timeline.append(
                session, incident, "report.rejected", actor=by.name, at=at, reason=reason, **_said(begun)
            )
            outbox.put(session, "report.rejected", _told(begun), ref=incident.id, at=at)
        case ReportEvent.SEND:
            to = await _send(session, incident, begun, written, to, by=by, at=at)
    begun.state = to
    if to is ReportState.SENT:
        begun.sent_at = at
        await due.given(session, incident, begun.kind, by=by.name, at=at)
    return begun


async def found(session: AsyncSession, report_id: str) -> Report:
    if (begun := await session.get(Report, report_id)) is None:
        raise NotFound(say("reports.not_found", id=report_id))
    return begun


async def locked(session: AsyncSession, report_id: str) -> tuple[Report, Incident]:
    """The report as it stands now, and its incident, locked."""
    begun = await found(session, report_id)
    incident = await record.locked(session, begun.incident_id)
    await session.refresh(begun)
    return begun, incident


async def of_incident(session: AsyncSession, incident_id: str) -> list[Report]:
    """Oldest first."""
    query = select(Report).where(Report.incident_id == incident_id)
    return list(await session.scalars(query.order_by(Report.created_at, Report.id)))


async def version_of(session: AsyncSession, begun: Report, version: int | None = None) -> ReportVersion:
    """One version; the newest, if not said."""
    written = await session.get(ReportVersion, (begun.id, version or begun.version))
    if written is None:
        raise NotFound(say("reports.no_such_version", version=version, newest=begun.version))
    return written


async def versions(session: AsyncSession, begun: Report) -> list[ReportVersion]:
    """Newest first."""
    query = select(ReportVersion).where(ReportVersion.report_id == begun.id)
    return list(await session.scalars(query.order_by(ReportVersion.version.desc())))


async def _may_begin(session: AsyncSession, incident: Incident, kind: Kind) -> None:
    before = [one for one in await of_incident(session, incident.id) if one.kind == kind]
    said = say(f"report.kind.{kind}")
    if kind != "final" and incident.state not in OPEN_STATES:
        raise Refused(say("reports.over", kind=said), state=incident.state, next="final")
    if before and before[-1].state != ReportState.SENT:
        raise Refused(
            say("reports.begun_already", kind=said), report=before[-1].id, allowed=allowed(ReportState(before[-1].state))
        )  # fmt: skip
    if kind == "first" and before:
        raise Refused(say("reports.one_first"), report=before[-1].id, next="follow_up")


async def _compiled(
    session: AsyncSession, incident: Incident, begun: Report, kept: Mapping[str, Any], *, at: datetime
) -> dict[str, Any]:
    """Every part as the incident gives it now, but for those in `kept` that were written by hand."""
    kind: Any = begun.kind
    made = await report.compile_report(session, incident, kind, at=at, language=begun.language)
    fresh = {
        part.name: {"name": part.name, "title": part.title, "lines": list(part.lines), "by_hand": False}
        for part in made.parts
    }
    return fresh | {name: part for name, part in kept.items() if part["by_hand"]}


def _with_hand(parts: Mapping[str, Any], by_hand: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        part if (text := by_hand.get(name)) is None
        else {**part, "lines": [line.strip() for line in text.splitlines() if line.strip()], "by_hand": True}
        for name, part in parts.items()
    ]  # fmt: skip


async def _add(
    session: AsyncSession, incident: Incident, begun: Report, parts: list[dict[str, Any]], *, by: Principal,
    note: str | None, at: datetime,
) -> None:  # fmt: skip
    order = list(report.PARTS)
    written = ReportVersion(
        report_id=begun.id, version=begun.version, title=incident.title, level=incident.level, at=at, author=by.name,
        author_key=by.key_id, note=note, parts=sorted(parts, key=lambda one: order.index(one["name"])),
    )  # fmt: skip
    session.add(written)
    missing = [one["title"] for one in written.parts if not one["lines"]]
    timeline.append(
        session, incident, "report.written", actor=by.name, at=at, missing=missing, **_said(begun)
    )
    outbox.put(session, "report.written", _told(begun), ref=incident.id, at=at)
    await session.flush()


async def _send(
    session: AsyncSession, incident: Incident, begun: Report, written: ReportVersion, to: ReportState, *, by: Principal,
    at: datetime,
) -> ReportState:  # fmt: skip
    """Give it to those inside; to those outside too where it is approved, else its approvers hear that it waits."""
    if begun.kind == "final" and incident.state not in _ENDED:
        raise Refused(say("reports.not_over"), state=incident.state, next="follow_up")
    if await sending.plan_recipients(session, incident, begun, at=at) == 0:
        raise Refused(say("reports.nobody_named", level=incident.level), level=incident.level)
    await sending.send_inside(session, incident, begun, written, at=at)
    is_waiting = incident.status == Status.ACTUAL and await sending.waits_outside(session, begun)
    timeline.append(session, incident, "report.sent", actor=by.name, at=at, **_said(begun))
    outbox.put(session, "report.sent", _told(begun), ref=incident.id, at=at)
    if to is ReportState.WAITING and is_waiting:
        await sending.ask_approval(session, incident, begun, written, at=at)
        return ReportState.WAITING
    await sending.send_outside(session, incident, begun, written, at=at)
    return ReportState.SENT


async def _may_decide(session: AsyncSession, incident: Incident, begun: Report, by: Principal) -> None:
    written = await version_of(session, begun)
    if await is_same_hand(session, by, written.author_key):
        raise OwnReport(say("reports.own", by=written.author))
    spec = await due.reporting(session, incident)
    positions = list(spec.approved_by) if spec is not None else []
    if not await authority.may_act_for(session, by, positions):
        titles = await holders.titles(session, positions)
        why: Wording = (
            say("reports.not_approver", positions=titles) if titles else say("reports.leadership_only")
        )
        raise Forbidden(why, positions=positions)


def _said(begun: Report) -> dict[str, Any]:
    named = say(f"report.kind.{begun.kind}")
    what = say("report.ordinal", kind=named, number=begun.ordinal) if begun.kind == "follow_up" else named
    return {"report": begun.id, "what": what, "version": begun.version}


def _told(begun: Report) -> dict[str, Any]:
    return {"incident_id": begun.incident_id, "report_id": begun.id, "version": begun.version}
