"""Which parties there are, who is told at each in which order, and what each may be asked for (EP-2.4).

Addresses are sealed as those of people are, and leave for a delivery only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypedDict

from sqlalchemy import Select, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound, Refused, Stale, WrongShape
from app.parties.tables import Party, PartyContact, PartyKind
from app.people import contact_points
from app.people.contact_points import Check
from app.people.tables import ContactPoint, Position
from app.resources.tables import Pool
from app.vault import Vault
from app.wording import LANGUAGES, Wording, say

MOST_CONTACTS: Final = 20
PARTNER: Final = "partner"
"""The tier of the pools that a party can commit from."""


class Said(TypedDict, total=False):
    """What is said of a party; what is left out stays as it was."""

    name: str
    kind: PartyKind
    owner: str
    contract: str | None
    language: str | None
    contacts: Sequence[tuple[str, str, str]]  # name, channel and address, the first told first
    may_be_asked: Sequence[Mapping[str, Any]]  # id, title, unit, pool, item


@dataclass(frozen=True)
class Known:
    """What a party may be given."""

    positions: frozenset[str]
    pools: Mapping[str, str]  # tier by id
    check: Check


async def known(session: AsyncSession, check: Check) -> Known:
    pools = {row.id: row.tier for row in await session.scalars(select(Pool))}
    return Known(frozenset(await session.scalars(select(Position.id))), pools, check)


def mistakes(said: Said, known: Known) -> list[tuple[str, Wording]]:
    """What is wrong with it, each with its place."""
    found: list[tuple[str, Wording]] = []
    if (owner := said.get("owner")) is not None and owner not in known.positions:
        found.append(("owner", say("parties.no_such_position", id=owner)))
    if (language := said.get("language")) is not None and language not in LANGUAGES:
        found.append(("language", say("parties.language", known=list(LANGUAGES))))
    for index, (_, channel, address) in enumerate(said.get("contacts", ())):
        if (wrong := known.check(channel, address)) is not None:
            found.append((f"contacts.{index}", wrong))
    if len(said.get("contacts", ())) > MOST_CONTACTS:
        found.append(("contacts", say("parties.too_many_contacts", most=MOST_CONTACTS)))
    names = [one["id"] for one in said.get("may_be_asked", ())]
    for index, one in enumerate(said.get("may_be_asked", ())):
        at = f"may_be_asked.{index}"
        if names.index(one["id"]) != index:
            found.append((f"{at}.id", say("parties.asked_twice", id=one["id"])))
        if (pool := one.get("pool")) is not None and known.pools.get(pool) != PARTNER:
            found.append((f"{at}.pool", say("parties.no_partner_pool", id=pool)))
    return found


async def add(
    session: AsyncSession, vault: Vault, party_id: str, said: Said, *, check: Check, at: datetime
) -> Party:
    """A new party. Raises `Refused` where the id is taken, `WrongShape` with every mistake."""
    if await session.get(Party, party_id) is not None:
        raise Refused(say("parties.exists", id=party_id))
    _refuse(mistakes(said, await known(session, check)))
    return await put(session, vault, party_id, said, at=at)


async def put(session: AsyncSession, vault: Vault, party_id: str, said: Said, *, at: datetime) -> Party:
    """A new party of which everything was judged before."""
    party = Party(id=party_id, name="", may_be_asked=[], created_at=at, retired_at=None, version=0)
    party.contract = party.language = None
    _describe(party, said)
    session.add(party)
    await session.flush()
    await _reach(session, vault, party, said.get("contacts", ()), at=at)
    return party


async def change(
    session: AsyncSession, vault: Vault, party_id: str, said: Said, *, check: Check, at: datetime, expected: int | None
) -> Party:  # fmt: skip
    """Change what is said of a party; a new list of contacts takes the place of the old one."""
    party = await found(session, party_id, for_change=True)
    Stale.unless(expected, party.version)
    _refuse(mistakes(said, await known(session, check)))
    await apply(session, vault, party, said, at=at)
    return party


async def apply(session: AsyncSession, vault: Vault, party: Party, said: Said, *, at: datetime) -> None:
    """The same, judged before."""
    _describe(party, said)
    if "contacts" in said:
        await _reach(session, vault, party, said["contacts"], at=at)


async def retire(session: AsyncSession, party_id: str, *, at: datetime, expected: int | None) -> Party:
    """It is asked no more, and kept for the record. Repeatable."""
    party = await found(session, party_id, for_change=True)
    Stale.unless(expected, party.version)
    if party.retired_at is None:
        party.retired_at, party.version = at, party.version + 1
    return party


async def found(session: AsyncSession, party_id: str, *, for_change: bool = False) -> Party:
    query = select(Party).where(Party.id == party_id)
    party: Party | None = await session.scalar(query.with_for_update() if for_change else query)
    if party is None:
        raise NotFound(say("parties.not_found", id=party_id))
    return party


def listing(*, kind: PartyKind | None = None, retired: bool = False) -> Select[Any]:
    """Parties that may be asked; with `retired`, those that may not any more."""
    query = select(Party).where(Party.retired_at.is_not(None) if retired else Party.retired_at.is_(None))
    return query if kind is None else query.where(Party.kind == kind)


async def contacts_of(session: AsyncSession, parties: Sequence[str]) -> Mapping[str, list[PartyContact]]:
    """The contacts of each, the first told first."""
    found: dict[str, list[PartyContact]] = {one: [] for one in parties}
    query = select(PartyContact).where(PartyContact.party_id.in_(parties)).order_by(PartyContact.rank)
    for row in await session.scalars(query):
        found[row.party_id].append(row)
    return found


def _describe(party: Party, said: Said) -> None:
    for name in ("name", "kind", "owner", "contract", "language"):
        if name in said:
            setattr(party, name, said[name])
    if "may_be_asked" in said:
        party.may_be_asked = [dict(one) for one in said["may_be_asked"]]
    party.version += 1


async def _reach(
    session: AsyncSession, vault: Vault, party: Party, wanted: Sequence[tuple[str, str, str]], *, at: datetime
) -> None:
    gone = list(await session.scalars(select(PartyContact.id).where(PartyContact.party_id == party.id)))
    await session.execute(delete(PartyContact).where(PartyContact.party_id == party.id))
    await session.execute(delete(ContactPoint).where(ContactPoint.id.in_(gone)))
    for rank, (name, channel, address) in enumerate(wanted, start=1):
        point = contact_points.outside(vault, channel, address, rank=rank, at=at)
        session.add(point)
        await session.flush()  # before the contact that refers to it
        session.add(
            PartyContact(
                id=point.id, party_id=party.id, rank=rank, name=name, channel=channel, address_masked=point.address_masked
            )
        )  # fmt: skip
    await session.flush()


def _refuse(found: Sequence[tuple[str, Wording]]) -> None:
    if found:
        errors = [{"in": "body", "path": path, "message": message} for path, message in found]
        raise WrongShape(say("access.shape"), errors=errors)
