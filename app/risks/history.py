"""What was recorded of a type of incident over a time, as an assessment counts it (EP-3.2)."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.incidents.tables import Incident, State, Status
from app.levels.assessing import Case
from app.reviews.tables import Review

_MINUTE = timedelta(minutes=1)


async def cases(
    session: AsyncSession, type_: str, *, start: datetime, end: datetime, money: Collection[str]
) -> tuple[list[Case], timedelta]:
    """The incidents of a type detected in a time, and for how much of it incidents were recorded here at all.

    Drills, tests and false alarms do not count. `money`: the kinds of loss that are amounts of money.
    """
    counted = (Incident.status == Status.ACTUAL) & (Incident.state != State.CANCELLED)
    within = (Incident.type == type_) & (Incident.detected_at >= start) & (Incident.detected_at < end)
    query = select(Incident, Review.losses).outerjoin(Review, Review.incident_id == Incident.id)
    rows = await session.execute(query.where(counted & within))
    found = [case(incident, losses or {}, money) for incident, losses in rows]
    first = await session.scalar(select(func.min(Incident.detected_at)).where(counted))
    watched = end - max(start, first) if first is not None else timedelta()
    return found, max(watched, timedelta())


def case(incident: Incident, losses: Mapping[str, Any], money: Collection[str]) -> Case:
    """What is known of one: losses as its review has them, customers and minutes as its facts or its times do."""
    kinds = {kind.casefold() for kind in money}
    amounts = list(_amounts(amount for kind, amount in losses.items() if kind.strip().casefold() in kinds))
    facts = incident.facts
    restored = incident.recovering_at or incident.closed_at
    minutes = _number(facts.get("duration_minutes"))
    if minutes is None and restored is not None:
        minutes = max((restored - incident.occurred_at) / _MINUTE, 0.0)
    return Case(
        loss=sum(amounts) if amounts else _number(facts.get("loss")),
        customers=_number(facts.get("customers_affected")),
        minutes=minutes,
    )


def _amounts(values: Iterable[Any]) -> Iterable[float]:
    for value in values:
        if isinstance(value, Mapping):
            yield from _amounts(value.values())
        elif (number := _number(value)) is not None:
            yield number


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return None
    return float(value)
