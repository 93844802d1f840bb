"""Who may do what within an incident: finer than the table of rights, coarser than any one task (EP-2)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, false, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.keys import Principal
from app.access.tables import Role
from app.errors import Forbidden, NotFound
from app.incidents.tables import Incident, Task
from app.people.tables import Assignment, Position
from app.vocabulary import Layer
from app.wording import say

# Which layers' work each layer may do: leadership anybody's, management its own and the staff's.
_ABOVE = {
    Role.LEADERSHIP: frozenset(Layer),
    Role.MANAGEMENT: frozenset({Layer.MANAGEMENT, Layer.EXECUTION, Layer.COLLABORATION}),
    Role.EXECUTION: frozenset({Layer.EXECUTION}),
    Role.COLLABORATION: frozenset({Layer.COLLABORATION}),
}


def layer_of(who: Principal) -> Layer | None:
    """The layer a caller acts in; an auditor or a source has none."""
    return Layer(who.role.value) if who.role in _ABOVE else None


async def may_act_for(session: AsyncSession, who: Principal, positions: Sequence[str]) -> bool:
    """Whether the caller may answer for one of these positions: holds it, or stands above it."""
    if who.leads:
        return True
    if who.person_id is not None:
        held = select(Assignment.position_id).where(
            Assignment.person_id == who.person_id, Assignment.position_id.in_(positions)
        )
        if await session.scalar(held.limit(1)) is not None:
            return True
    layers = set(await session.scalars(select(Position.layer).where(Position.id.in_(positions))))
    above = _ABOVE.get(who.role, frozenset())
    if who.person_id is not None and who.role is not Role.MANAGEMENT:
        return False
    return bool({Layer(layer) for layer in layers} & above)


def visible_to(who: Principal, query: Select[Any]) -> Select[Any]:
    """Incidents the caller may see: the collaboration layer sees those it is asked into (EP-2.4)."""
    if who.role is not Role.COLLABORATION:
        return query
    if who.person_id is None:
        return query.where(false())
    held = select(Assignment.position_id).where(Assignment.person_id == who.person_id)
    return query.where(Incident.id.in_(select(Task.incident_id).where(Task.position.in_(held))))


async def seen(session: AsyncSession, who: Principal, name: str) -> Incident:
    """The incident, if the caller may see it; otherwise it is not there."""
    query = select(Incident).where(or_(Incident.id == name, Incident.number == name))
    incident: Incident | None = await session.scalar(visible_to(who, query))
    if incident is None:
        raise NotFound(say("incidents.not_found", id=name))
    return incident


async def must_hold(session: AsyncSession, who: Principal, position: str) -> None:
    """The collaboration layer does its own tasks only."""
    if who.role is Role.COLLABORATION and not await may_act_for(session, who, [position]):
        raise Forbidden(say("tasks.not_yours", position=position))
