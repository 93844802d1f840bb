"""More of what runs low, asked of the supplier: open, ordered, received (EP-6.2).

One at a time for an item. What is received stands in the ledger by the same call; who asks is told by the rest of the service.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import NotFound, Refused
from app.ids import new_id
from app.resources.expiry import is_expired
from app.resources.tables import Pool, Replenishment, ReplenishmentState, Unit
from app.wording import say

LOW: Final = "stock.low"


async def ask_if_low(session: AsyncSession, pool: Pool, units: Iterable[Unit], *, at: datetime) -> None:
    """Ask for more of an item when all its lots together are below the minimum, unless it has been asked for."""
    lots = list(units)
    unit = lots[0]
    usable = sum(one.on_hand for one in lots if not is_expired(one.expires_at, at))
    if usable >= unit.minimum or await _running(session, pool.id, unit.name) is not None:
        return
    asked = Replenishment(
        id=new_id(at), pool_id=pool.id, item=unit.name, supplier=unit.supplier, opened_at=at, by="plan", version=1,
        quantity=unit.order or 2 * unit.minimum - usable, state=ReplenishmentState.OPEN,
    )  # fmt: skip
    session.add(asked)
    low = {
        "item": unit.name, "on_hand": usable, "minimum": unit.minimum, "title": unit.title, "owner": pool.owner,
        "supplier": unit.supplier, "quantity": asked.quantity, "replenishment_id": asked.id,
    }  # fmt: skip
    outbox.put(session, LOW, low, ref=pool.id, at=at)


async def found(session: AsyncSession, replenishment_id: str) -> Replenishment:
    """The request, locked, or `NotFound`."""
    query = select(Replenishment).where(Replenishment.id == replenishment_id).with_for_update()
    asked = await session.scalar(query.execution_options(populate_existing=True))
    if asked is None:
        raise NotFound(say("resources.no_such_replenishment"))
    return asked


def order(asked: Replenishment, *, quantity: int | None, by: str, at: datetime) -> None:
    """The supplier has been asked, for so many; again changes how many, or nothing."""
    if asked.state == ReplenishmentState.RECEIVED:
        raise Refused(say("resources.received_already"), state=asked.state)
    wanted = quantity or asked.quantity
    if asked.received and wanted <= asked.received:
        raise Refused(
            say("resources.came_already", received=asked.received), state=asked.state, received=asked.received
        )
    if asked.state == ReplenishmentState.ORDERED and wanted == asked.quantity:
        return
    asked.ordered_at = asked.ordered_at or at
    asked.state, asked.quantity, asked.by = ReplenishmentState.ORDERED, wanted, by
    asked.version += 1


def receive(asked: Replenishment, quantity: int | None, *, last: bool, by: str, at: datetime) -> int:
    """So many came, or all that was still to come; how many that is. Whoever calls this writes it into the ledger, in the same
    transaction. It is received when all that was ordered is there, or when this was the `last` of it."""
    if asked.state == ReplenishmentState.RECEIVED:
        raise Refused(say("resources.received_already"), state=asked.state)
    came = quantity or asked.quantity - asked.received
    asked.received += came
    asked.ordered_at = asked.ordered_at or at
    whole = last or asked.received >= asked.quantity
    asked.state = ReplenishmentState.RECEIVED if whole else ReplenishmentState.ORDERED
    asked.received_at, asked.by = at, by
    asked.version += 1
    return came


def listing(*, state: ReplenishmentState | None = None) -> Select[Any]:
    query = select(Replenishment)
    return query if state is None else query.where(Replenishment.state == state)


async def _running(session: AsyncSession, pool_id: str, item: str) -> Replenishment | None:
    query = select(Replenishment).where(
        Replenishment.pool_id == pool_id,
        Replenishment.item == item,
        Replenishment.state != ReplenishmentState.RECEIVED,
    )
    running: Replenishment | None = await session.scalar(query)
    return running
