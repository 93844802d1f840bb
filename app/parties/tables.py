"""Parties outside, how they are reached, what they were asked and what they said."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base

_OPEN = text("state = 'open'")


class PartyKind(StrEnum):
    """What a party is to the centre (EP-2.4)."""

    DEPARTMENT = "department"  # of the same organisation, outside the centre: finance, HR, legal
    SUPPLIER = "supplier"  # sells or repairs
    PARTNER = "partner"  # works with the centre: outsourcing, carriers


class Party(Base):
    __tablename__ = "parties"

    id: Mapped[str] = mapped_column(String(63), primary_key=True)  # the slug plans name it by
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[PartyKind] = mapped_column(String(16))
    owner: Mapped[str] = mapped_column(String(63))  # position of ours that owns the contract
    contract: Mapped[str | None] = mapped_column(String(200))  # its number, or where it lies
    language: Mapped[str | None] = mapped_column(String(8))
    may_be_asked: Mapped[list[Any]]  # of {id, title, unit, pool, item}
    created_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]  # is asked no more; kept for the record
    version: Mapped[int] = mapped_column(default=1)


class PartyContact(Base):
    """Somebody at a party; its address is the contact point of the same id."""

    __tablename__ = "party_contacts"

    id: Mapped[str] = mapped_column(ForeignKey("contact_points.id"), primary_key=True)
    party_id: Mapped[str] = mapped_column(ForeignKey("parties.id"))
    rank: Mapped[int]  # 1 is told first
    name: Mapped[str] = mapped_column(String(200))
    channel: Mapped[str] = mapped_column(String(32))
    address_masked: Mapped[str] = mapped_column(String(200))

    __table_args__ = (UniqueConstraint("party_id", "rank"),)


class RequestState(StrEnum):
    OPEN = "open"  # told, and nobody there has answered
    ANSWERED = "answered"  # they have it; what they said stands in the answers
    DECLINED = "declined"  # they cannot
    WITHHELD = "withheld"  # a drill: nobody outside was told
    WITHDRAWN = "withdrawn"  # no longer asked, or the incident has ended: the links open nothing


class PartyRequest(Base):
    """What one party was told of an incident and asked for: all it may see."""

    __tablename__ = "party_requests"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    party_id: Mapped[str] = mapped_column(ForeignKey("parties.id"))
    subject: Mapped[dict[str, Any]]  # Localised; shared
    text: Mapped[dict[str, Any]]  # Localised; shared
    asked: Mapped[list[Any]]  # of {id, title, unit, quantity}; shared. With {pool, item}: kept
    level: Mapped[int]  # how urgent it is to them, 1 is the gravest; shared
    state: Mapped[RequestState] = mapped_column(String(16), default=RequestState.OPEN)
    within: Mapped[int]  # seconds a contact has to answer before the next is told
    rung: Mapped[int] = mapped_column(default=0)  # rank of the last contact told
    asked_at: Mapped[datetime]
    asked_by: Mapped[str] = mapped_column(String(200))
    owner_told_at: Mapped[datetime | None]  # nobody there answered: the contract owner heard so
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        # Who has not answered yet.
        Index("ix_party_requests_open", "incident_id", postgresql_where=_OPEN, sqlite_where=_OPEN),
    )


class Does(StrEnum):
    """What a party says to a request."""

    ACKNOWLEDGE = "acknowledge"  # they have it
    ESTIMATE = "estimate"  # what they will do, and by when
    COMMIT = "commit"  # so many of what was asked
    DECLINE = "decline"  # they cannot


class PartyAnswer(Base):
    """One thing a party said; what it says later stands beside it."""

    __tablename__ = "party_answers"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    request_id: Mapped[str] = mapped_column(ForeignKey("party_requests.id"), index=True)
    does: Mapped[Does] = mapped_column(String(16))
    by: Mapped[str] = mapped_column(String(200))
    via: Mapped[str] = mapped_column(String(16))  # link, api, console
    at: Mapped[datetime]
    ready_at: Mapped[datetime | None]  # estimate: by when
    note: Mapped[str | None] = mapped_column(Text)
    committed: Mapped[list[Any]]  # of {id, title, unit, quantity, held}; held: of it, reserved in our pools
