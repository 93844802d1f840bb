"""Pools, their ledger and reservations over HTTP. Reserving by hand is in `app.service.of_incident`: it may be for an incident."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.access.edge import Edge, Now, Session, Who, problems
from app.access.paging import Page, Paging, paged
from app.errors import NotFound, Refused
from app.resources import ledger, pools, reservation
from app.resources.schemas import (
    MovementRead,
    PoolRead,
    PoolWithUnits,
    ReservationRead,
    WriteMovement,
)
from app.resources.tables import MovementKind, Reservation, ReservationState

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["resources"])
_PLAIN = r"^[0-9A-Za-z_.:-]{1,64}$"
Id = Annotated[str, Path(pattern=_PLAIN)]


@router.get("/pools", response_model=Page[PoolRead], responses=problems())
async def list_pools(session: Session) -> Page[PoolRead]:
    """All pools of the plan, by id, with what is in them and what is held."""
    return Page(items=[PoolRead.of(stock) for stock in await pools.stock(session)], next=None)


@router.get("/pools/{pool_id}", response_model=PoolWithUnits, responses=problems(NotFound))
async def read_pool(pool_id: Id, session: Session) -> PoolWithUnits:
    """One pool with its people, items or assets."""
    return PoolWithUnits.of(await pools.stock_of(session, pool_id))


@router.post(
    "/pools/{pool_id}/movements",
    status_code=201,
    response_model=MovementRead,
    responses=problems(NotFound, Refused),
)
async def write_movement(
    pool_id: Id, new: WriteMovement, session: Session, who: Who, now: Now
) -> MovementRead:
    """Write into the ledger that something came in, went out, was scrapped or was counted."""
    movement = await ledger.move(
        session, pool_id, new.item, MovementKind(new.kind), new.quantity, by=who.name, at=now, note=new.note
    )
    return MovementRead.of(movement)


@router.get("/reservations", response_model=Page[ReservationRead], responses=problems())
async def list_reservations(
    session: Session, part: Paging, ref: Annotated[str | None, Query(pattern=_PLAIN)] = None,
    state: ReservationState | None = None,
) -> Page[ReservationRead]:  # fmt: skip
    """Reservations with what each took."""
    rows, following = await paged(session, reservation.listing(ref=ref, state=state), Reservation.id, part)
    lines = await reservation.lines_of(session, rows)
    return Page(items=[ReservationRead.of(row, lines[row.id]) for row in rows], next=following)


@router.post(
    "/reservations/{reservation_id}/release", response_model=ReservationRead, responses=problems(NotFound)
)
async def release(reservation_id: Id, session: Session, who: Who, now: Now) -> ReservationRead:
    """Give everything back; again changes nothing."""
    held = await reservation.reservation(session, reservation_id)
    if await reservation.release(session, held.id, by=who.name, at=now):
        await session.refresh(held)
    return ReservationRead.of(held, (await reservation.lines_of(session, [held]))[held.id])
