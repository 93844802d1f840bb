"""Pools, their units, the ledger of movements, and what is reserved."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Pool(Base):
    __tablename__ = "pools"

    id: Mapped[str] = mapped_column(String(63), primary_key=True)  # the slug the plan uses
    kind: Mapped[str] = mapped_column(String(16))  # people, materials, technology
    tier: Mapped[str] = mapped_column(String(16))
    title: Mapped[dict[str, Any]]
    owner: Mapped[str] = mapped_column(String(63))  # position
    next: Mapped[str | None] = mapped_column(String(63))  # the pool asked when this one is short
    positions: Mapped[list[str]]  # people: whose holders are its members
    time_zone: Mapped[str] = mapped_column(String(64), default="UTC")  # by whose calendar a last day ends
    stocktake_every: Mapped[int | None]  # seconds
    stocktake_due_at: Mapped[datetime | None]


class UnitState(StrEnum):
    READY = "ready"  # can be reserved
    FAULTY = "faulty"  # technology: broken
    IN_REPAIR = "in_repair"  # technology: with the vendor
    GONE = "gone"  # no longer a member, or scrapped


class Unit(Base):
    """A person in a people pool, one batch of a material at one place, or one asset."""

    __tablename__ = "units"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    pool_id: Mapped[str] = mapped_column(ForeignKey("pools.id"), index=True)
    name: Mapped[str] = mapped_column(String(63))  # slug of the item or asset; id of the person
    title: Mapped[dict[str, Any]]  # Localised
    measure: Mapped[dict[str, Any] | None]  # Localised: pieces, boxes; none: one of its kind
    place: Mapped[str] = mapped_column(String(200), default="")  # a person: none
    batch: Mapped[str] = mapped_column(String(64), default="")  # none: of no batch
    expires_on: Mapped[date | None]  # the last day on which it may be used
    expires_at: Mapped[datetime | None]  # the end of that day
    person_id: Mapped[str | None] = mapped_column(String(26))
    on_hand: Mapped[int]  # a person or asset: 1
    held: Mapped[int] = mapped_column(default=0)  # of it, reserved now
    minimum: Mapped[int] = mapped_column(default=0)  # of the item, all places and batches together
    supplier: Mapped[str | None] = mapped_column(String(63))  # position
    order: Mapped[int | None]  # how many are asked for at a time
    counted_at: Mapped[datetime | None]  # by the last stocktake
    state: Mapped[UnitState] = mapped_column(String(16), default=UnitState.READY)
    standby_of: Mapped[str | None] = mapped_column(String(63))  # the asset of this pool it stands in for
    check_every: Mapped[int | None]  # seconds
    checked_at: Mapped[datetime | None]
    check_due_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("pool_id", "name", "place", "batch"),
        # Never more than there is, whatever the code believes.
        CheckConstraint("held >= 0 and held <= on_hand", name="never_oversold"),
        Index("ix_units_held", "id", postgresql_where=text("held > 0"), sqlite_where=text("held > 0")),
    )


class MovementKind(StrEnum):
    """Entries of the ledger (EP-6.2)."""

    OPENING = "opening"  # what the plan said when the pool was first loaded
    IN = "in"  # bought, returned
    OUT = "out"  # used up
    SCRAP = "scrap"  # thrown away
    TRANSFER = "transfer"  # from one place to another: one entry each
    ADJUST = "adjust"  # set right by a stocktake


class Movement(Base):
    __tablename__ = "movements"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    unit_id: Mapped[str] = mapped_column(ForeignKey("units.id"), index=True)
    kind: Mapped[MovementKind] = mapped_column(String(16))
    change: Mapped[int]  # signed; the sum over a unit is what is on hand
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(Text)


class ReplenishmentState(StrEnum):
    OPEN = "open"  # the stock is low; nobody has ordered yet
    ORDERED = "ordered"  # the supplier has been asked
    RECEIVED = "received"  # all that will come has come in, and stands in the ledger


class Replenishment(Base):
    """More of an item is wanted of its supplier (EP-6.2)."""

    __tablename__ = "replenishments"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    pool_id: Mapped[str] = mapped_column(ForeignKey("pools.id"))
    item: Mapped[str] = mapped_column(String(63))
    supplier: Mapped[str | None] = mapped_column(String(63))  # position
    quantity: Mapped[int]  # proposed, then ordered
    received: Mapped[int] = mapped_column(default=0)  # of it, so far
    state: Mapped[ReplenishmentState] = mapped_column(String(16), default=ReplenishmentState.OPEN)
    opened_at: Mapped[datetime]
    ordered_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]
    by: Mapped[str] = mapped_column(String(200))  # who ordered or received, last
    version: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        # One at a time for an item: it is asked for once, however often it is used.
        Index(
            "uq_replenishments_running", "pool_id", "item", unique=True,
            postgresql_where=text("state <> 'received'"), sqlite_where=text("state <> 'received'"),
        ),
    )  # fmt: skip


class ReservationState(StrEnum):
    HELD = "held"  # taken out of the pools
    RELEASED = "released"  # given back


class Reservation(Base):
    """All that one request took, together."""

    __tablename__ = "reservations"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    ref: Mapped[str] = mapped_column(String(64), index=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)  # the same again: the same reservation
    state: Mapped[ReservationState] = mapped_column(String(16), default=ReservationState.HELD)
    exercise: Mapped[bool]
    reserved_at: Mapped[datetime]
    until: Mapped[datetime]
    released_at: Mapped[datetime | None]
    by: Mapped[str] = mapped_column(String(200))
    asked: Mapped[list[Any]]  # the request, as it was
    decision_id: Mapped[str | None] = mapped_column(String(26), index=True)  # asks whether it is extended
    version: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        # What is held now, whatever it is for.
        Index(
            "ix_reservations_held", "ref",
            postgresql_where=text("state = 'held'"), sqlite_where=text("state = 'held'"),
        ),
    )  # fmt: skip


class ReservationLine(Base):
    __tablename__ = "reservation_lines"

    reservation_id: Mapped[str] = mapped_column(ForeignKey("reservations.id"), primary_key=True)
    unit_id: Mapped[str] = mapped_column(ForeignKey("units.id"), primary_key=True)
    quantity: Mapped[int]
    pool_id: Mapped[str] = mapped_column(String(63))  # where it came from: not always the pool first asked
    person_id: Mapped[str | None] = mapped_column(String(26))
    held: Mapped[bool] = mapped_column(default=True)

    __table_args__ = (
        # One person is in one place at a time, however many pools list them.
        Index(
            "uq_reservation_lines_person", "person_id", unique=True,
            postgresql_where=text("held and person_id is not null"),
            sqlite_where=text("held and person_id is not null"),
        ),
        # How much of a unit is held, counted from the lines.
        Index("ix_reservation_lines_held", "unit_id", postgresql_where=text("held"), sqlite_where=text("held = 1")),
    )  # fmt: skip


class PreemptionState(StrEnum):
    PROPOSED = "proposed"  # somebody is asked
    CARRIED_OUT = "carried_out"  # taken and reserved, together
    REFUSED = "refused"  # whoever commands said no
    VOID = "void"  # things had changed by the time of the answer; nothing was taken


class Preemption(Base):
    """What would be taken from whom, for what is graver: a conflict, and how it was decided (EP-4.2.4)."""

    __tablename__ = "preemptions"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    ref: Mapped[str] = mapped_column(String(64), index=True)  # what it is for
    key: Mapped[str] = mapped_column(String(200))  # of the reservation it would become
    step: Mapped[str | None] = mapped_column(String(26))  # that is short, and goes on when it is carried out
    asked: Mapped[list[Any]]
    until: Mapped[datetime]
    takings: Mapped[list[Any]]  # of which reservations, how many of which unit
    state: Mapped[PreemptionState] = mapped_column(String(16), default=PreemptionState.PROPOSED)
    decision_id: Mapped[str | None] = mapped_column(String(26), index=True)
    proposed_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(String(200))
