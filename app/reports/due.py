"""When reports are due (EP-5.1): the first from detection, follow-ups from the report before, the final one from the close."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.incidents import obligations
from app.incidents.document import Reporting
from app.incidents.tables import OPEN_STATES, Incident, State, Status
from app.levels import matrix
from app.plan import revisions

_DUTY = {"follow_up": "follow_up_report", "final": "final_report"}


async def reporting(session: AsyncSession, incident: Incident) -> Reporting | None:
    """What the plan the incident follows says of the reports of its level; none: the level owes none."""
    plan = await revisions.document_of(session, incident.plan_revision)
    return plan.reports.get(incident.level)


async def owe(session: AsyncSession, incident: Incident, *, at: datetime) -> None:
    """From activation on the first report is due; once it was given, the next follow-up. Anew at each change of level."""
    spec = await reporting(session, incident)
    if spec is None or incident.status == Status.TEST or incident.activated_at is None:
        return
    if incident.state not in OPEN_STATES:
        return
    firsts = await obligations.times_settled(session, incident.id, "first_report")
    if not firsts:
        due_at = max(at, incident.detected_at + spec.first_within)
        await _owe(session, incident, "first_report", spec, due_at=due_at, at=at)
    elif spec.follow_up_every is not None:
        before = await obligations.times_settled(session, incident.id, "follow_up_report")
        due_at = max(at, max([*firsts, *before]) + spec.follow_up_every)
        await _owe(session, incident, "follow_up_report", spec, due_at=due_at, at=at)


async def owe_final(session: AsyncSession, incident: Incident, *, at: datetime) -> None:
    """Due from the close on."""
    spec = await reporting(session, incident)
    if spec is not None and incident.status != Status.TEST and incident.state == State.CLOSED:
        await _owe(session, incident, "final_report", spec, due_at=at + spec.final_within, at=at)


async def given(session: AsyncSession, incident: Incident, kind: str, *, by: str, at: datetime) -> None:
    """A written report was given to everybody it is for: what is owed of it is paid, and the next follow-up falls due.

    It tells how things stand as well as an update does (EP-5.3).
    """
    await obligations.told_anew(session, incident, by=by, at=at)
    for duty in ("first_report", "written_report") if kind == "first" else (_DUTY[kind],):
        await obligations.pay(session, incident, duty, at=at)
    if kind != "final":
        await owe(session, incident, at=at)


async def given_orally(
    session: AsyncSession, incident: Incident, *, by: str, told_at: datetime, at: datetime
) -> bool:
    """Says whether it was the first report that was owed: then that is paid, and the written one is owed now (EP-5.2)."""
    spec = await reporting(session, incident)
    if spec is None or not await obligations.unpaid(session, incident.id, "first_report"):
        return False
    await obligations.pay(session, incident, "first_report", at=told_at)
    await obligations.told_anew(session, incident, by=by, at=told_at)
    await _owe(
        session, incident, "written_report", spec, due_at=max(at, told_at + spec.written_within), at=at
    )
    return True


async def _owe(
    session: AsyncSession, incident: Incident, kind: str, spec: Reporting, *, due_at: datetime, at: datetime
) -> None:
    levels = await matrix.of(session, incident.plan_revision)
    remind = levels.levels[incident.level].remind_before
    await obligations.owe_report(
        session, incident, kind, owner=spec.owner, due_at=due_at, remind_before=remind, at=at
    )
