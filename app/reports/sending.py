"""Who is sent a report, and the notices that carry it (EP-5.2): inside the centre at once, outside only what was approved.

People are told in their language, and get the report, which is in one, as PDF and as Markdown. Of a drill nothing leaves.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.ids import new_id
from app.incidents import record
from app.incidents.tables import Incident, Status
from app.levels import matrix
from app.notify import opening, pipeline
from app.notify.pipeline import News
from app.notify.tables import Delivery
from app.plan import revisions
from app.reports import due, papers
from app.reports.tables import Report, ReportRecipient, ReportVersion, Whom
from app.vault import Vault
from app.wording import kept, localised, say

KIND: Final = "report"
PAGE: Final = "r"
"""Where the link of somebody outside leads (`opening`)."""
SHARED_FOR: Final = timedelta(days=30)
"""How long the link of somebody outside shows the report."""


async def plan_recipients(session: AsyncSession, incident: Incident, begun: Report, *, at: datetime) -> int:
    """Put down whom the newest version is for, as the plan names them for the level; says how many there are."""
    whom_by_position = await named(session, incident)
    known = {one.position for one in await recipients(session, begun)}
    for position, whom in whom_by_position.items():
        if position not in known:
            session.add(
                ReportRecipient(
                    id=new_id(at), report_id=begun.id, version=begun.version, position=position, whom=whom
                )
            )
    await session.flush()
    return len(whom_by_position)


async def recipients(
    session: AsyncSession, begun: Report, version: int | None = None
) -> list[ReportRecipient]:
    """Whom a version was or is to be sent; the newest, if not said."""
    query = select(ReportRecipient).where(
        ReportRecipient.report_id == begun.id, ReportRecipient.version == (version or begun.version)
    )
    return list(await session.scalars(query.order_by(ReportRecipient.id)))


async def deliveries(session: AsyncSession, sent: Sequence[ReportRecipient]) -> dict[str, list[Delivery]]:
    """What came of each, by the recipient's id."""
    notices = {one.notice_id for one in sent if one.notice_id is not None}
    query = select(Delivery).where(Delivery.notice_id.in_(notices)).order_by(Delivery.id)
    rows = list(await session.scalars(query)) if notices else []
    return {
        one.id: [row for row in rows if row.notice_id == one.notice_id and row.position == one.position]
        for one in sent
    }


async def send_inside(
    session: AsyncSession, incident: Incident, begun: Report, written: ReportVersion, *, at: datetime
) -> None:
    """To departments and superiors: those this version has not gone to yet."""
    waiting = [
        one for one in await recipients(session, begun) if not Whom(one.whom).is_outside and not one.told_at
    ]
    if not waiting or incident.status == Status.TEST:
        return
    news = await _news(session, incident, begun, written)
    positions = [one.position for one in waiting]
    notice = await pipeline.tell(session, news, positions=positions, at=at)
    for one in waiting:
        one.notice_id, one.told_at = notice.id, at


async def waits_outside(session: AsyncSession, begun: Report) -> bool:
    """Whether somebody outside the centre is still to be sent the newest version."""
    return any(Whom(one.whom).is_outside and one.told_at is None for one in await recipients(session, begun))


async def send_outside(
    session: AsyncSession, incident: Incident, begun: Report, written: ReportVersion, *, at: datetime
) -> None:
    """To partners and regulators; each gets a link of their own, that shows this version and nothing else.

    Of a drill or a test nothing leaves: it is put down that nothing did (EP-8.3).
    """
    waiting = [
        one for one in await recipients(session, begun) if Whom(one.whom).is_outside and not one.told_at
    ]
    for one in waiting:
        if incident.status != Status.ACTUAL:
            one.withheld = kept(say("reports.withheld_drill"))
            continue
        if written.approved_by is None:
            raise AssertionError("what leaves the centre is approved")
        news = await _news(session, incident, begun, written, outside=True)
        notice = await pipeline.tell(session, news, positions=[one.position], at=at, opens=PAGE)
        one.notice_id, one.told_at = notice.id, at


async def ask_approval(
    session: AsyncSession, incident: Incident, begun: Report, written: ReportVersion, *, at: datetime
) -> None:
    """Those who may let it leave hear that it waits for them."""
    spec = await due.reporting(session, incident)
    positions = list(spec.approved_by) if spec is not None else []
    said = {"number": incident.number, "title": incident.title, "author": written.author}
    zone = (await matrix.of(session, incident.plan_revision)).zone
    kind = say(f"report.kind.{begun.kind}")
    news = News(
        ref=incident.id, kind="report_approval", level=incident.level, number=incident.number,
        exercise=incident.status != Status.ACTUAL, page=f"/incidents/{incident.id}/reports/{begun.id}",
        subject=localised(say("reports.approval.subject", kind=kind, version=written.version, **said), zone),
        text=localised(say("reports.approval.text", kind=kind, version=written.version, **said), zone),
    )  # fmt: skip
    await pipeline.tell(session, news, positions=positions, at=at)


async def shared(
    session: AsyncSession, vault: Vault, delivery_id: str, mark: str, *, at: datetime
) -> tuple[Incident, Report, ReportVersion]:
    """What the link of somebody outside shows; anything wrong with it, and there is nothing."""
    nothing = NotFound(say("reports.link_shows_nothing"))
    # The mark first: only ids of our own making ever reach the database.
    if not opening.is_ours(vault, PAGE, delivery_id, mark):
        raise nothing
    query = (
        select(ReportRecipient)
        .join(Delivery, Delivery.notice_id == ReportRecipient.notice_id)
        .where(Delivery.id == delivery_id, Delivery.opens == PAGE)
    )
    one = await session.scalar(query)
    if one is None or one.told_at is None or at > one.told_at + SHARED_FOR:
        raise nothing
    begun = await session.get_one(Report, one.report_id)
    written = await session.get_one(ReportVersion, (one.report_id, one.version))
    return await record.found(session, begun.incident_id), begun, written


async def named(session: AsyncSession, incident: Incident) -> dict[str, Whom]:
    """The positions the level names, and the department concerned; somebody named twice is told once, inside first."""
    spec = await due.reporting(session, incident)
    if spec is None:
        return {}
    departments = (await revisions.document_of(session, incident.plan_revision)).organisation.departments
    heads = [
        departments[name].head
        for name in dict.fromkeys([incident.department, *spec.departments])
        if name in departments
    ]
    found: dict[str, Whom] = {}
    for positions, whom in (
        ([head for head in heads if head is not None], Whom.DEPARTMENT), (spec.superiors, Whom.SUPERIOR),
        (spec.partners, Whom.PARTNER), (spec.regulators, Whom.REGULATOR),
    ):  # fmt: skip
        for position in positions:
            found.setdefault(position, whom)
    return found


async def _news(
    session: AsyncSession, incident: Incident, begun: Report, written: ReportVersion, *, outside: bool = False
) -> News:  # fmt: skip
    zone = (await matrix.of(session, incident.plan_revision)).zone
    kind = say(f"report.kind.{begun.kind}")
    said = say("report.ordinal", kind=kind, number=begun.ordinal) if begun.kind == "follow_up" else kind
    params = {"number": incident.number, "title": written.title, "kind": said, "version": written.version}
    text = "outside" if outside else "text"
    missing = [one["title"] for one in written.parts if not one["lines"]]
    if missing and not outside:
        text = "text_missing"
    return News(
        ref=incident.id, kind=KIND, level=incident.level, number=incident.number,
        exercise=incident.status != Status.ACTUAL,
        page=None if outside else f"/incidents/{incident.id}/reports/{begun.id}",
        subject=localised(say("reports.sent.subject", **params), zone),
        text=localised(say(f"reports.sent.{text}", missing=missing, author=written.author, **params), zone),
        attachments=papers.files(incident, begun, written, zone),
    )  # fmt: skip
