"""Pools, their ledger and reservations over HTTP. Reserving by hand is in `app.service.of_incident`: it may be for an incident."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.access.edge import Edge, IfMatch, Now, Session, Who, problems
from app.access.paging import Page, Paging, paged
from app.errors import NotFound, Refused, Stale
from app.resources import checks, leases, ledger, pools, preemption, replenishment, reservation
from app.resources.schemas import (
    ExtendReservation,
    MovementRead,
    OrderReplenishment,
    PoolRead,
    PoolWithUnits,
    PreemptionRead,
    ReceiveReplenishment,
    ReplenishmentRead,
    ReservationRead,
    SetState,
    TakeStock,
    UnitRead,
    WriteMovement,
)
from app.resources.tables import (
    Movement,
    MovementKind,
    Preemption,
    PreemptionState,
    Replenishment,
    ReplenishmentState,
    Reservation,
    ReservationState,
    UnitState,
)

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


@router.get("/pools/{pool_id}/movements", response_model=Page[MovementRead], responses=problems(NotFound))
async def list_movements(
    pool_id: Id, session: Session, part: Paging, item: Annotated[str | None, Query(pattern=_PLAIN)] = None
) -> Page[MovementRead]:
    """The ledger of a pool, newest first; `item`: of one item, all its lots."""
    await pools.stock_of(session, pool_id)
    rows, following = await paged(session, ledger.of_pool(pool_id, item=item), Movement.id, part)
    return Page(items=[MovementRead.of(row) for row in rows], next=following)


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
    if new.to is not None:
        moved = await ledger.transfer(
            session, pool_id, new.lot(), new.to, new.quantity, by=who.name, at=now, note=new.note
        )
    else:
        kind = MovementKind(new.kind)
        moved = await ledger.move(
            session, pool_id, new.lot(), kind, new.quantity, by=who.name, at=now, note=new.note
        )
    return MovementRead.of(moved)


@router.post(
    "/pools/{pool_id}/stocktakes", status_code=201, response_model=Page[MovementRead], responses=problems(NotFound, Refused)
)  # fmt: skip
async def take_stock(pool_id: Id, new: TakeStock, session: Session, who: Who, now: Now) -> Page[MovementRead]:
    """Set the ledger right by what was counted; all of it or nothing."""
    counts = [ledger.Count(one.lot(), one.quantity) for one in new.counts]
    written = await ledger.take_stock(session, pool_id, counts, by=who.name, at=now)
    return Page(items=[MovementRead.of(one) for one in written], next=None)


@router.post(
    "/pools/{pool_id}/assets/{name}/state", response_model=UnitRead, responses=problems(NotFound, Refused)
)
async def set_state(pool_id: Id, name: Id, new: SetState, session: Session, who: Who, now: Now) -> UnitRead:
    """Say how an asset is, and whether it was checked on purpose."""
    unit = await checks.set_state(
        session, pool_id, name, UnitState(new.state), by=who.name, at=now, checked=new.checked
    )
    return UnitRead.of(unit)


@router.get("/replenishments", response_model=Page[ReplenishmentRead], responses=problems())
async def list_replenishments(
    session: Session, part: Paging, state: ReplenishmentState | None = None
) -> Page[ReplenishmentRead]:
    """What was asked of suppliers."""
    rows, following = await paged(session, replenishment.listing(state=state), Replenishment.id, part)
    return Page(items=[ReplenishmentRead.of(row) for row in rows], next=following)


@router.post(
    "/replenishments/{replenishment_id}/order", response_model=ReplenishmentRead, responses=problems(NotFound, Refused)
)  # fmt: skip
async def order_replenishment(
    replenishment_id: Id, new: OrderReplenishment, session: Session, who: Who, now: Now, version: IfMatch
) -> ReplenishmentRead:
    """Note that the supplier was asked; again with another quantity changes the order."""
    asked = await replenishment.found(session, replenishment_id)
    Stale.unless(version, asked.version)
    replenishment.order(asked, quantity=new.quantity, by=who.name, at=now)
    return ReplenishmentRead.of(asked)


@router.post(
    "/replenishments/{replenishment_id}/receive", response_model=ReplenishmentRead, responses=problems(NotFound, Refused)
)  # fmt: skip
async def receive_replenishment(
    replenishment_id: Id, new: ReceiveReplenishment, session: Session, who: Who, now: Now, version: IfMatch
) -> ReplenishmentRead:
    """Note that some or all of it came in, in the ledger as well; it stays ordered until all is there or nothing more will come."""
    asked = await replenishment.found(session, replenishment_id)
    Stale.unless(version, asked.version)
    quantity = replenishment.receive(asked, new.quantity, last=new.last, by=who.name, at=now)
    lot = ledger.Lot(asked.item, new.place, new.batch, new.expires_on)
    await session.flush()  # once it is no longer running, what is still low is asked for anew
    await ledger.move(session, asked.pool_id, lot, MovementKind.IN, quantity, by=who.name, at=now)
    return ReplenishmentRead.of(asked)


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
    "/reservations/{reservation_id}/release",
    response_model=ReservationRead,
    responses=problems(NotFound, Stale),
)
async def release(
    reservation_id: Id, session: Session, who: Who, now: Now, version: IfMatch
) -> ReservationRead:
    """Give everything back; again changes nothing."""
    held = await reservation.reservation(session, reservation_id)
    if held.state == ReservationState.HELD:
        Stale.unless(version, held.version)
    if await reservation.release(session, held.id, by=who.name, at=now):
        await session.refresh(held)
    return ReservationRead.of(held, (await reservation.lines_of(session, [held]))[held.id])


@router.post(
    "/reservations/{reservation_id}/extend", response_model=ReservationRead, responses=problems(NotFound, Refused)
)  # fmt: skip
async def extend(
    reservation_id: Id, new: ExtendReservation, session: Session, who: Who, now: Now, version: IfMatch
) -> ReservationRead:
    """Let it end later, by thirty days from now at most."""
    held = await leases.extend(session, reservation_id, new.until, by=who.name, at=now, version=version)
    return ReservationRead.of(held, (await reservation.lines_of(session, [held]))[held.id])


@router.get("/preemptions", response_model=Page[PreemptionRead], responses=problems())
async def list_preemptions(
    session: Session, part: Paging, state: PreemptionState | None = None
) -> Page[PreemptionRead]:
    """Conflicts over resources: what would be taken from which incident for which, and how it was decided."""
    rows, following = await paged(session, preemption.listing(state=state), Preemption.id, part)
    return Page(items=[PreemptionRead.of(row) for row in rows], next=following)
