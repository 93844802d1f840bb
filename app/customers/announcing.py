"""Announcements made by hand: begun with the plan's words, approved by whom the plan names (EP-7.1.2, OM-2)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.keys import Principal
from app.customers import drafting, outlets
from app.errors import Refused
from app.incidents import announcements, authority, record
from app.incidents.announcements import AnnouncementEvent, Words
from app.incidents.document import Customers
from app.incidents.tables import Announcement, Incident, Stage, State
from app.plan import revisions
from app.wording import say


class NamesIncident(Refused, slug="announcement-names-the-incident"):
    """The words hold the number of the incident, which nobody outside is told; take it out."""


async def begin(
    session: AsyncSession, incident_id: str, words: Words, *, audience: str, chosen: Sequence[str], by: Principal,
    at: datetime,
) -> Announcement:  # fmt: skip
    """Draft an announcement of an incident; nobody outside sees it before another hand approved it and it was published."""
    incident = await record.locked(session, incident_id)
    if incident.state == State.CANCELLED:
        raise Refused(say("incidents.over"), state=incident.state)
    _refuse_number(incident, words)
    drafted = announcements.draft(
        session, incident, audience=audience, text=words.text, title=words.title, stage=words.stage,
        outlets=await outlets.chosen(session, chosen), step=None, by=by, at=at,
    )  # fmt: skip
    await session.flush()
    return drafted


async def revise(
    session: AsyncSession, announcement_id: str, words: Words, *, chosen: Sequence[str] | None, by: Principal,
    at: datetime, version: int | None,
) -> Announcement:  # fmt: skip
    """Write another version: an edit of what nobody has seen, or what follows on what was told."""
    incident, announcement = await announcements.locked(session, announcement_id)
    _refuse_number(incident, words)
    picked = await outlets.chosen(session, chosen) if chosen is not None else None
    await announcements.revise(
        session, incident, announcement, words, by=by, at=at, outlets=picked, version=version
    )
    return announcement


async def move(
    session: AsyncSession, announcement_id: str, event: AnnouncementEvent, *, by: Principal, at: datetime,
    reason: str | None = None, version: int | None = None,
) -> Announcement:  # fmt: skip
    """Approve, reject, publish, end or withdraw it."""
    incident, announcement = await announcements.locked(session, announcement_id)
    plan = await _plan(session, incident)
    entitled = plan is None or await authority.may_act_for(session, by, plan.approve_by)
    return await announcements.move(
        session,
        incident,
        announcement,
        event,
        by=by,
        at=at,
        entitled=entitled,
        reason=reason,
        version=version,
    )


async def words_for(session: AsyncSession, incident: Incident, stage: Stage) -> Words:
    """What an announcement of it would begin with."""
    return drafting.template(await _plan(session, incident), incident, stage)


async def approvers(session: AsyncSession, incident: Incident) -> Sequence[str]:
    """The positions that may approve."""
    plan = await _plan(session, incident)
    return plan.approve_by if plan is not None else ()


def every(who: Principal, *, state: str | None = None) -> Select[Any]:
    """Announcements of the incidents the caller may see."""
    ids = authority.visible_to(who, select(Incident.id))
    query = select(Announcement).where(Announcement.incident_id.in_(ids))
    return query if state is None else query.where(Announcement.state == state)


def _refuse_number(incident: Incident, words: Words) -> None:
    """The number is for us; outside it says how many incidents there are."""
    said = [str(text) for part in (words.title, words.text) for text in part.values()]
    if any(incident.number in text for text in said):
        raise NamesIncident(say("customers.names_incident", number=incident.number))


async def _plan(session: AsyncSession, incident: Incident) -> Customers | None:
    return (await revisions.document_of(session, incident.plan_revision)).customers
