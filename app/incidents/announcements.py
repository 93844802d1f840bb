"""Notices to people outside: drafted, approved, recorded as published (EP-7.1.2, EP-7.1.3)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.ids import new_id
from app.incidents import timeline
from app.incidents.tables import Announcement, AnnouncementState, Incident, Status
from app.wording import localised, say


def draft(
    session: AsyncSession,
    incident: Incident,
    *,
    audience: str,
    text: Mapping[str, Any],
    at: datetime,
    step: str | None,
    parties: Sequence[str] = (),
    ask: Mapping[str, int] | None = None,
) -> Announcement:
    """Draft a notice; `parties` outside are told of it, and asked for so much, once it is published."""
    if incident.status != Status.ACTUAL:  # whoever copies it out to the world copies the mark with it
        text = localised(say("announcement.exercise", text=dict(text)))
    announcement = Announcement(
        id=new_id(at),
        incident_id=incident.id,
        step=step,
        audience=audience,
        text=dict(text),
        parties=list(parties),
        ask=dict(ask or {}),
        state=AnnouncementState.DRAFTED,
        drafted_at=at,
    )
    session.add(announcement)
    timeline.append(
        session,
        incident,
        "announcement.drafted",
        actor="plan",
        at=at,
        audience=audience,
        to_whom=say(f"audience.{audience}"),
        text=dict(text),
    )
    return announcement


def publish(
    session: AsyncSession,
    incident: Incident,
    announcement: Announcement,
    *,
    approved_by: str | None,
    at: datetime,
) -> None:
    """Record it as told, on a locked incident."""
    announcement.state, announcement.published_at = AnnouncementState.PUBLISHED, at
    announcement.approved_by = approved_by
    timeline.append(
        session,
        incident,
        "announcement.published",
        actor=approved_by or "plan",
        at=at,
        audience=announcement.audience,
        to_whom=say(f"audience.{announcement.audience}"),
        text=announcement.text,
    )
    payload = {"incident_id": incident.id, "announcement_id": announcement.id}
    outbox.put(session, "announcement.published", payload, ref=incident.id, at=at)


def reject(
    session: AsyncSession, incident: Incident, announcement: Announcement, *, by: str, at: datetime
) -> None:
    announcement.state = AnnouncementState.REJECTED
    timeline.append(
        session,
        incident,
        "announcement.rejected",
        actor=by,
        at=at,
        audience=announcement.audience,
        to_whom=say(f"audience.{announcement.audience}"),
    )


async def of_step(session: AsyncSession, step: str) -> Announcement | None:
    return await session.scalar(
        select(Announcement).where(Announcement.step == step).order_by(Announcement.id.desc()).limit(1)
    )


async def of_incident(session: AsyncSession, incident_id: str) -> list[Announcement]:
    query = select(Announcement).where(Announcement.incident_id == incident_id)
    return list(await session.scalars(query.order_by(Announcement.drafted_at, Announcement.id)))


async def withdraw_drafts(session: AsyncSession, incident_id: str, *, step: str | None = None) -> None:
    for announcement in await of_incident(session, incident_id):
        if announcement.state == AnnouncementState.DRAFTED and (step is None or announcement.step == step):
            announcement.state = AnnouncementState.WITHDRAWN
