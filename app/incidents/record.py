"""Finding incidents, and holding one while it is changed."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.db import inline
from app.errors import NotFound, Stale
from app.incidents.tables import OPEN_STATES, Incident, State, Status
from app.wording import say


async def found(session: AsyncSession, name: str) -> Incident:
    """The incident of that id or number. Raises `NotFound`."""
    incident = await session.scalar(select(Incident).where(or_(Incident.id == name, Incident.number == name)))
    if incident is None:
        raise NotFound(say("incidents.not_found", id=name))
    return incident


async def locked(session: AsyncSession, name: str, *, version: int | None = None) -> Incident:
    """The incident under its row lock until the transaction ends; `version`, if given, must be the present one."""
    query = select(Incident).where(or_(Incident.id == name, Incident.number == name)).with_for_update()
    incident = await session.scalar(query.execution_options(populate_existing=True))
    if incident is None:
        raise NotFound(say("incidents.not_found", id=name))
    Stale.unless(version, incident.version)
    outbox.speaks_of(session, incident.id, outbox.Urgency.of(incident.level))
    return incident


async def free(session: AsyncSession, names: Iterable[str]) -> list[Incident]:
    """Those of the incidents of these ids that nobody holds at this moment, locked like `locked`; no other is waited for."""
    query = select(Incident).where(Incident.id.in_(names)).order_by(Incident.id)
    rows = await session.scalars(
        query.with_for_update(skip_locked=True).execution_options(populate_existing=True)
    )
    incidents = list(rows)
    for incident in incidents:
        outbox.speaks_of(session, incident.id, outbox.Urgency.of(incident.level))
    return incidents


async def by_id(session: AsyncSession, ids: Iterable[str]) -> Mapping[str, Incident]:
    """The incidents of these ids, none of them locked."""
    rows = await session.scalars(select(Incident).where(Incident.id.in_(list(ids))))
    return {incident.id: incident for incident in rows}


async def open_with_key(session: AsyncSession, dedup_key: str, status: Status) -> Incident | None:
    """The open incident this problem already has; drills and what really happens are kept apart."""
    # Said as the unique index says it, or the index is not used.
    is_open = Incident.state.not_in(inline((State.CLOSED, State.REVIEWED, State.CANCELLED)))
    query = select(Incident).where(Incident.dedup_key == dedup_key, Incident.status == status, is_open)
    return await session.scalar(query)


def search(
    *, state: State | None = None, level: int | None = None, type_: str | None = None, department: str | None = None,
    open_: bool | None = None, text: str | None = None,
) -> Select[Any]:  # fmt: skip
    """Incidents that match all that is given; never those by which the product tries itself."""
    query = select(Incident).where(Incident.status != Status.TEST)
    for column, value in (
        (Incident.state, state), (Incident.level, level), (Incident.type, type_), (Incident.department, department),
    ):  # fmt: skip
        if value is not None:
            query = query.where(column == value)
    if open_ is not None:
        query = query.where(Incident.state.in_(OPEN_STATES) if open_ else Incident.state.not_in(OPEN_STATES))
    if text:
        query = query.where(
            or_(Incident.title.icontains(text, autoescape=True), Incident.number == text.upper())
        )
    return query


def scope(incident: Incident) -> Mapping[str, Any]:
    """The incident as conditions and texts of the plan see it."""
    return {
        "id": incident.id, "number": incident.number, "title": incident.title, "type": incident.type,
        "level": incident.level, "state": str(incident.state), "department": incident.department,
        "occurred_at": incident.occurred_at, "detected_at": incident.detected_at,
        "exercise": incident.status == "Exercise", "description": incident.description or "",
    }  # fmt: skip
