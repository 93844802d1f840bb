"""Reports given orally (EP-5.2): recorded by whoever made them, who told whom, when, by which way, and what."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import WrongShape
from app.ids import new_id
from app.incidents import timeline
from app.incidents.tables import Incident
from app.people import holders
from app.reports import due, sending
from app.reports.tables import OralReport
from app.wording import say


class Way(StrEnum):
    """How it was told."""

    TELEPHONE = "telephone"
    IN_PERSON = "in_person"
    MEETING = "meeting"
    VIDEO = "video"


@dataclass(frozen=True)
class Told:
    """What is put down of it."""

    told_by: str
    told: str  # the person, as they are called
    position: str | None  # in whose place they were told
    at: datetime
    way: Way
    text: str


async def note(session: AsyncSession, incident: Incident, told: Told, *, by: str, at: datetime) -> OralReport:
    """Put an oral report on the record of a locked incident.

    It is the first report where that is still owed and whoever was told is among those inside the centre the level's report is
    for; the written one is owed from then on. A moment in the future, or before the incident was known, is refused.
    """
    if not incident.occurred_at <= told.at <= at:
        raise WrongShape(say("reports.oral_when", since=incident.occurred_at, at=at), errors=[{"path": "at"}])
    inside = [name for name, whom in (await sending.named(session, incident)).items() if not whom.is_outside]
    counts = told.position in inside and await due.given_orally(
        session, incident, by=by, told_at=told.at, at=at
    )
    row = OralReport(
        id=new_id(at), incident_id=incident.id, told_by=told.told_by, told=told.told, position=told.position, at=told.at,
        way=told.way, text=told.text, counts=counts, recorded_by=by, recorded_at=at,
    )  # fmt: skip
    session.add(row)
    titles = await holders.titles(session, [told.position] if told.position else [])
    timeline.append(
        session, incident, "report.oral_first" if counts else "report.oral", actor=by, at=at, told_by=told.told_by,
        told=told.told, position=titles[0] if titles else "–", moment=told.at, way=say(f"report_way.{told.way}"),
        text=told.text,
    )  # fmt: skip
    outbox.put(
        session, "report.oral", {"incident_id": incident.id, "oral_id": row.id}, ref=incident.id, at=at
    )
    await session.flush()
    return row


async def of_incident(session: AsyncSession, incident_id: str) -> list[OralReport]:
    query = select(OralReport).where(OralReport.incident_id == incident_id)
    return list(await session.scalars(query.order_by(OralReport.at, OralReport.id)))
