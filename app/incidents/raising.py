"""Raising an incident: one call, graded at once, never lost for want of a category (EP-4.2.1)."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.ids import new_id
from app.incidents import record, timeline
from app.incidents.tables import Incident, NumberSeries, State, Status
from app.levels import grading, matrix
from app.wording import Wording, kept


@dataclass(frozen=True)
class Alarm:
    """What is known when an incident is raised."""

    title: str
    type: str = "other"
    description: str | None = None
    department: str | None = None
    occurred_at: datetime | None = None
    reporter: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    level: int | None = None  # what the reporter says
    level_hint: int | None = None  # what a monitoring source says, or a rule of the plan for it
    hinted_by: Wording | None = None  # the rule
    dedup_key: str | None = None
    source: str | None = None
    group: str | None = None  # by which it is known to further problems that belong to it
    status: Status = Status.ACTUAL


async def raise_incident(
    session: AsyncSession, alarm: Alarm, *, actor: str, at: datetime
) -> tuple[Incident, bool]:
    """Open an incident, or find the open one this problem already has; the second value says whether it is new.

    1. The same problem again is the same incident.
    2. The type is looked up; an unknown one is `other`, and what was said is kept.
    3. A provisional level is given, with its reason.
    4. Number, row, timeline entry and outbox message are written together.
    """
    if (known := await _known(session, alarm)) is not None:
        return known, False
    revision_id, levels = await matrix.in_force(session)
    type_name, kind = levels.type_of(alarm.type)
    incident = Incident(
        id=new_id(at), title=alarm.title, description=alarm.description, type=type_name,
        type_said=alarm.type if alarm.type != type_name else None, category=kind.category,
        department=alarm.department or kind.department, state=State.DETECTED, provisional=True, status=alarm.status,
        version=1, occurrence=1, calls=1, facts=dict(alarm.facts), reporter=alarm.reporter, raised_by=actor, source=alarm.source,
        signals=1 if alarm.source else 0, grew_at=at if alarm.source else None,
        dedup_key=alarm.dedup_key, group_key=alarm.group, plan_revision=revision_id, playbook=kind.playbook,
        occurred_at=alarm.occurred_at or at, detected_at=at, last_seq=0, last_hash="", level=kind.default_level,
    )  # fmt: skip
    scope = record.scope(incident)
    graded = grading.at_first(
        kind, scope, alarm.facts, said=alarm.level, hint=alarm.level_hint, hinted_by=alarm.hinted_by
    )
    incident.level = graded.level
    incident.level_reason = kept(graded.reason)
    try:
        # Only one that may already be known can collide, and pays for the way back.
        async with session.begin_nested() if alarm.dedup_key else nullcontext():
            # In the savepoint: a number whose incident is not written is not used up.
            incident.number = await _number(session, incident, at)
            session.add(incident)
            await session.flush()
    except IntegrityError:
        # Another process raised the same problem between our look and our write; its incident is the one.
        winner = await _known(session, alarm)
        if winner is None:
            raise
        return winner, False
    timeline.append(
        session, incident, "incident.detected", actor=actor, at=at, to=State.DETECTED, title=alarm.title, type=type_name,
        type_said=incident.type_said, level=graded.level, because=graded.reason, number=incident.number, source=alarm.source,
        facts=dict(alarm.facts), status=alarm.status,
    )  # fmt: skip
    payload = {"incident_id": incident.id, "level": graded.level, "actor": actor}
    outbox.speaks_of(session, incident.id, outbox.Urgency.of(graded.level))
    outbox.put(session, "incident.detected", payload, ref=incident.id, at=at)
    return incident, True


async def _known(session: AsyncSession, alarm: Alarm) -> Incident | None:
    return await record.open_with_key(session, alarm.dedup_key, alarm.status) if alarm.dedup_key else None


async def _number(session: AsyncSession, incident: Incident, at: datetime) -> str:
    """The next of the year; the product's own tests take none of those."""
    if incident.status == Status.TEST:
        return f"TEST-{incident.id[-15:]}"
    return await _next_number(session, at.year)


async def _next_number(session: AsyncSession, year: int) -> str:
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    statement = insert(NumberSeries).values(year=year, last=1)
    statement = statement.on_conflict_do_update(index_elements=["year"], set_={"last": NumberSeries.last + 1})
    last = await session.scalar(statement.returning(NumberSeries.last))
    return f"INC-{year}-{last:04d}"
