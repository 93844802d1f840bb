"""The summary of the day's check-ins, told to management at the hour the plan names (EO-1).

A day has one row, whichever replica fires it. A summary that is long past is not told any more: by then the day speaks for itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.people import check_ins, holders
from app.people.tables import Availability
from app.plan import revisions
from app.plan.document import PlanDocument
from app.readiness import capacity
from app.readiness.capacity import Capacity
from app.readiness.tables import CheckInSummary

LATEST: Final = timedelta(hours=3)
"""How long after its hour a summary is still told."""


@dataclass(frozen=True)
class Day:
    """How everybody is, as far as is known, and what that leaves of the pools. Names by person id."""

    well: int
    ill: Mapping[str, str]
    leave: Mapping[str, str]
    remote: Mapping[str, str]
    missing: Mapping[str, str]  # neither on leave nor ill, and not heard of today
    pools: list[Capacity]  # in the hour that begins now


async def fire_due(session: AsyncSession, *, at: datetime) -> str | None:
    """Let today's summary fall due, once, from its hour on; says which day's it was."""
    revision = await revisions.current(session)
    if revision is None or revision.in_force_from is None:
        return None
    document = await revisions.document_of(session, revision.id)
    asked = document.organisation.check_ins
    if asked is None:
        return None
    zone = ZoneInfo(document.plan.time_zone)
    today = at.astimezone(zone).date()
    due = datetime.combine(today, time.fromisoformat(asked.summary_at), zone)
    if not max(due, revision.in_force_from) <= at < due + LATEST:
        return None
    day = today.isoformat()
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    statement = insert(CheckInSummary).values({"day": day, "fired_at": at})
    statement = statement.on_conflict_do_nothing(index_elements=["day"])
    if await session.scalar(statement.returning(CheckInSummary.day)) is None:
        return None
    outbox.put(session, "check_ins.due", {"day": day}, ref=revisions.REF, at=at)
    return day


async def of(session: AsyncSession, plan: PlanDocument, *, at: datetime) -> Day:
    """The day up to now."""
    zone = ZoneInfo(plan.plan.time_zone)
    midnight = datetime.combine(at.astimezone(zone).date(), time(), zone)
    said = await check_ins.summary(session, midnight, at)
    names, roll = await holders.staff(session), await holders.roll(session, at=at)
    unwell = {*said.away, *(one for one in names if roll[one] is Availability.ILL)}

    def those(kind: Availability) -> dict[str, str]:
        return {one: name for one, name in names.items() if roll[one] is kind and one not in unwell}

    away = unwell | those(Availability.LEAVE).keys()
    return Day(
        said.well, {one: name for one, name in names.items() if one in unwell}, those(Availability.LEAVE),
        those(Availability.REMOTE), {one: names[one] for one in names if one in said.missing and one not in away},
        await capacity.by_hour(session, plan, start=at, hours=1),
    )  # fmt: skip
