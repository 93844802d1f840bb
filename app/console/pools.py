"""The page of pools: what there is, how sure of it one can be, who holds it until when, what is fought over (EP-4.2.4, EP-6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.edge import Edge, Now, Session
from app.console.pages import draw, in_local_time
from app.incidents.tables import Incident
from app.people import organisation
from app.resources import pools, preemption, replenishment, reservation
from app.resources.document import Tier
from app.resources.expiry import is_expired
from app.resources.pools import Stock
from app.resources.reservation import Holding
from app.resources.tables import (
    Preemption,
    PreemptionState,
    Replenishment,
    ReplenishmentState,
    Unit,
    UnitState,
)

router = APIRouter(route_class=Edge, include_in_schema=False)
_MOST_SHOWN: Final = 100
_KINDS: Final = ("people", "materials", "technology")
_TIERS: Final = tuple(Tier)


@dataclass(frozen=True)
class Shelves:
    """Everything on the page."""

    stock: Sequence[Stock]
    holdings: Mapping[str, Sequence[Holding]]  # by unit
    conflicts: Sequence[Preemption]  # that wait for somebody's word
    wanted: Sequence[Replenishment]  # not received yet
    incidents: Mapping[str, Incident]  # whatever is named on the page, by ref
    positions: Mapping[str, Any]  # titles by slug
    at: datetime

    @property
    def titles(self) -> Mapping[str, Any]:
        return {one.pool.id: one.pool.title for one in self.stock}

    @property
    def items(self) -> Mapping[tuple[str, str], Any]:
        """What things are called, by pool and slug."""
        return {(unit.pool_id, unit.name): unit.title for one in self.stock for unit in one.units}

    def shown(self, stock: Stock) -> Sequence[Unit]:
        """What is there, or is still held."""
        return [unit for unit in stock.units if unit.held or (unit.state != UnitState.GONE and unit.on_hand)]

    def free(self, stock: Stock) -> int:
        """How many people or assets could be had now; of materials, which are of many kinds, no sum says anything."""
        return sum(unit.state == UnitState.READY and unit.on_hand > unit.held for unit in stock.units)

    def is_expired(self, unit: Unit) -> bool:
        return is_expired(unit.expires_at, self.at)

    def is_past(self, moment: datetime | None) -> bool:
        return moment is not None and moment <= self.at


@router.api_route("/pools", methods=["GET", "HEAD"])
async def show_pools(request: Request, session: Session, now: Now) -> Response:
    await in_local_time(request, session)
    return draw(request, "pools.html", view=await _of(session, at=now))


async def _of(session: AsyncSession, *, at: datetime) -> Shelves:
    proposed = preemption.listing(state=PreemptionState.PROPOSED).order_by(Preemption.id).limit(_MOST_SHOWN)
    conflicts = list(await session.scalars(proposed))
    wanted = replenishment.listing().where(Replenishment.state != ReplenishmentState.RECEIVED)
    holdings = await reservation.holdings(session)
    refs = {one.ref for several in holdings.values() for one in several}
    refs |= {one.ref for one in conflicts} | {taking["ref"] for one in conflicts for taking in one.takings}
    incidents = await session.scalars(select(Incident).where(Incident.id.in_(refs)))
    return Shelves(
        stock=sorted(await pools.stock(session), key=_place), holdings=holdings, conflicts=conflicts,
        wanted=list(await session.scalars(wanted.order_by(Replenishment.id).limit(_MOST_SHOWN))),
        incidents={one.id: one for one in incidents},
        positions={one.id: one.title for one in await organisation.positions(session)}, at=at,
    )  # fmt: skip


def _place(stock: Stock) -> tuple[int, int, str]:
    """By kind, and in the order in which tiers are drawn on."""
    pool = stock.pool
    return _KINDS.index(pool.kind), _TIERS.index(Tier(pool.tier)), pool.id
