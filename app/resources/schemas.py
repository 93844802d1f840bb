"""What crosses the wire about pools, movements and reservations."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.resources import ledger
from app.resources.document import Ask
from app.resources.pools import Stock
from app.resources.reservation import Held
from app.resources.tables import (
    Movement,
    MovementKind,
    Preemption,
    PreemptionState,
    Replenishment,
    ReplenishmentState,
    Reservation,
    ReservationState,
    Unit,
    UnitState,
)
from app.vocabulary import Moment, Slug

_Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2200, 1, 1))]


class UnitRead(BaseModel):
    id: str
    name: str
    title: dict[str, Any]
    measure: dict[str, Any] | None
    place: str | None
    person_id: str | None
    on_hand: int
    held: int
    minimum: int
    state: UnitState
    batch: str | None
    expires_on: date | None
    counted_at: datetime | None
    standby_of: str | None
    checked_at: datetime | None
    check_due_at: datetime | None

    @classmethod
    def of(cls, unit: Unit) -> "UnitRead":
        return cls(
            id=unit.id, name=unit.name, title=unit.title, measure=unit.measure, place=unit.place or None,
            person_id=unit.person_id, on_hand=unit.on_hand, held=unit.held, minimum=unit.minimum, state=unit.state,
            batch=unit.batch or None, expires_on=unit.expires_on, counted_at=unit.counted_at, standby_of=unit.standby_of,
            checked_at=unit.checked_at, check_due_at=unit.check_due_at,
        )  # fmt: skip


class PoolRead(BaseModel):
    id: str
    kind: str
    tier: str
    title: dict[str, Any]
    owner: str
    next: str | None
    positions: list[str]
    on_hand: int
    held: int
    stocktake_due_at: datetime | None

    @classmethod
    def of(cls, stock: Stock) -> "PoolRead":
        return cls(**_pool(stock))


class PoolWithUnits(PoolRead):
    units: list[UnitRead]

    @classmethod
    def of(cls, stock: Stock) -> "PoolWithUnits":
        return cls(**_pool(stock), units=[UnitRead.of(unit) for unit in stock.units])


def _pool(stock: Stock) -> dict[str, Any]:
    pool = stock.pool
    return {
        "id": pool.id, "kind": pool.kind, "tier": pool.tier, "title": pool.title, "owner": pool.owner,
        "next": pool.next, "positions": pool.positions, "on_hand": stock.on_hand, "held": stock.held,
        "stocktake_due_at": pool.stocktake_due_at,
    }  # fmt: skip


class _Lot(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    item: Slug
    place: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    """Where it lies; may be left out where there is one such lot."""
    batch: Annotated[str | None, Field(max_length=64)] = None
    """Empty: what belongs to no batch. May be left out where there is one such lot."""

    def lot(self) -> ledger.Lot:
        return ledger.Lot(self.item, self.place, self.batch)


class WriteMovement(_Lot):
    """Something came in, went out, was carried elsewhere, was thrown away, or was counted."""

    kind: Literal["in", "out", "transfer", "scrap", "adjust"]
    quantity: Annotated[int, Field(ge=0, le=1_000_000)]
    """For `adjust`: what was counted; otherwise how many moved."""
    to: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    """For `transfer`: the place it was carried to."""
    expires_on: _Day | None = None
    """For `in`: the last day on which this batch may be used."""
    note: Annotated[str | None, Field(max_length=2000)] = None

    @model_validator(mode="after")
    def _transfers_go_somewhere(self) -> Self:
        if (self.kind == "transfer") != (self.to is not None):
            raise ValueError("a transfer, and only a transfer, says where to")
        return self

    def lot(self) -> ledger.Lot:
        return ledger.Lot(self.item, self.place, self.batch, self.expires_on)


class Counted(_Lot):
    """What was counted of one lot."""

    quantity: Annotated[int, Field(ge=0, le=1_000_000)]


class TakeStock(BaseModel):
    """A stocktake: what was counted, lot by lot."""

    model_config = ConfigDict(extra="forbid")

    counts: Annotated[list[Counted], Field(min_length=1, max_length=500)]


class OrderReplenishment(BaseModel):
    """The supplier has been asked."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    quantity: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    """How many; none: as many as were proposed."""


class ReceiveReplenishment(BaseModel):
    """It came in."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    quantity: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    """How many; none: all that is still to come."""
    last: bool = False
    """Nothing more will come: what is still low is asked for anew."""
    place: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    batch: Annotated[str | None, Field(min_length=1, max_length=64)] = None
    expires_on: _Day | None = None


class ReplenishmentRead(BaseModel):
    id: str
    pool_id: str
    item: str
    supplier: str | None
    quantity: int
    received: int
    """Of the quantity, so far."""
    state: ReplenishmentState
    opened_at: datetime
    ordered_at: datetime | None
    received_at: datetime | None
    by: str
    version: int

    @classmethod
    def of(cls, row: Replenishment) -> "ReplenishmentRead":
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class SetState(BaseModel):
    """How an asset is."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    state: Literal["ready", "faulty", "in_repair"]
    checked: bool = False
    """It was checked on purpose: the next check is due later."""


class MovementRead(BaseModel):
    id: str
    unit_id: str
    kind: MovementKind
    change: int
    at: datetime
    actor: str
    note: str | None

    @classmethod
    def of(cls, row: Movement) -> "MovementRead":
        return cls(
            id=row.id,
            unit_id=row.unit_id,
            kind=row.kind,
            change=row.change,
            at=row.at,
            actor=row.actor,
            note=row.note,
        )


class RequestUnits(BaseModel):
    """All of this, or nothing, until then."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    ref: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z_.:-]+$")]
    """What it is for: an incident's id."""
    key: Annotated[str | None, Field(min_length=1, max_length=120)] = None
    """The same key of the same ref again is the same reservation."""
    ask: Annotated[list[Ask], Field(min_length=1, max_length=50)]
    until: Moment
    exercise: bool = False


class WantPreemption(BaseModel):
    """All of this, taken from less grave incidents if their graver one's commander says so."""

    model_config = ConfigDict(extra="forbid")

    ask: Annotated[list[Ask], Field(min_length=1, max_length=50)]
    until: Moment


class PreemptionWanted(BaseModel):
    """What was asked will be looked into."""

    incident_id: str
    key: str


class PreemptionRead(BaseModel):
    """A conflict over resources: what would be taken from whom, and how that was decided (EP-4.2.4)."""

    id: str
    ref: str
    asked: list[Any]
    until: datetime
    takings: list[Any]
    state: PreemptionState
    decision_id: str | None
    proposed_at: datetime
    decided_at: datetime | None
    decided_by: str | None

    @classmethod
    def of(cls, row: Preemption) -> "PreemptionRead":
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class ExtendReservation(BaseModel):
    """It is needed for longer."""

    model_config = ConfigDict(extra="forbid")

    until: Moment


class LineRead(BaseModel):
    pool: str
    unit: str
    title: dict[str, Any]
    measure: dict[str, Any] | None
    quantity: int
    person_id: str | None

    @classmethod
    def of(cls, held: Held) -> "LineRead":
        return cls(
            pool=held.pool, unit=held.unit, title=held.title, measure=held.measure, quantity=held.quantity,
            person_id=held.person_id,
        )  # fmt: skip


class ReservationRead(BaseModel):
    id: str
    ref: str
    state: ReservationState
    exercise: bool
    reserved_at: datetime
    until: datetime
    released_at: datetime | None
    by: str
    lines: list[LineRead]
    version: int

    @classmethod
    def of(cls, row: Reservation, lines: list[Held]) -> "ReservationRead":
        return cls(
            id=row.id, ref=row.ref, state=row.state, exercise=row.exercise, reserved_at=row.reserved_at,
            until=row.until, released_at=row.released_at, by=row.by,
            lines=[LineRead.of(line) for line in lines], version=row.version,
        )  # fmt: skip


class HeldRead(LineRead):
    """One thing held for an incident, from which pool, until when."""

    reservation_id: str
    until: datetime
    exercise: bool

    @classmethod
    def of(cls, held: Held) -> "HeldRead":
        line = LineRead.of(held)
        return cls(
            **line.model_dump(), reservation_id=held.reservation_id, until=held.until, exercise=held.exercise
        )
