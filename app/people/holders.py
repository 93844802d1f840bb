"""Who holds a position at a moment, how they are reached, and who was passed over and why (OR-1, EP-5.2).

The roster decides where there is one, otherwise everybody who is assigned and can be called. Only reads.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.people import rosters
from app.people.tables import (
    REACHABLE,
    Assignment,
    Availability,
    ContactPoint,
    Department,
    Person,
    Position,
    Roster,
)
from app.vault import Vault
from app.vocabulary import Layer
from app.wording import Wording, say


class Why(StrEnum):
    """By what somebody holds a position."""

    ROSTER = "roster"  # it is their turn, or the turn came to them
    ASSIGNED = "assigned"  # they hold it, and there is no roster


class Contact(NamedTuple):
    """One way to reach somebody, the address masked."""

    contact_id: str
    channel: str
    masked: str


@dataclass(frozen=True)
class Holder:
    """Somebody who holds a position at a moment and can be called."""

    person_id: str
    name: str
    language: str | None
    contacts: tuple[Contact, ...]  # the first is tried first
    why: Why


@dataclass(frozen=True)
class PassedOver:
    """Somebody who would have been called, and why they are not."""

    person_id: str
    name: str
    why: Wording


@dataclass(frozen=True)
class Answer:
    """Who is called for a position, who is not, and until when that is so if nothing changes."""

    holders: tuple[Holder, ...]
    passed_over: tuple[PassedOver, ...]
    until: datetime | None  # the next handover; without a roster there is none


async def holders(session: AsyncSession, position: str, *, at: datetime) -> list[Holder]:
    """Who is called for a position, in order: the one whose turn it is, else all who are assigned."""
    return list((await answer(session, position, at=at)).holders)


async def passed_over(session: AsyncSession, position: str, *, at: datetime) -> list[PassedOver]:
    """Who was not called for a position although it is theirs, and why."""
    return list((await answer(session, position, at=at)).passed_over)


async def answer(session: AsyncSession, position: str, *, at: datetime) -> Answer:
    """Decide who is called.

    1. With a roster: the one on shift; unavailable, the next in turn, once round.
    2. Without one, before its first day, or with nobody of it to be had: all available assigned, in staff
       order.
    """
    assigned = await _assigned(session, position)
    roster = await rosters.roster_of(session, position)
    turn = rosters.in_turn(rosters.rota_of(roster), at) if roster else ()
    by_id = {person.id: person for person in assigned}
    by_id |= {person.id: person for person in await _by_id(session, set(turn) - by_id.keys())}

    skipped: dict[str, PassedOver] = {}
    for one in dict.fromkeys(turn):
        if (person := by_id.get(one)) is None:
            continue
        # Who no longer holds the position has no turn, even if the roster has not heard.
        why = _why_not(person, at) or (None if person in assigned else say("people.passed.not_assigned"))
        if why is None:
            contacts = await _contacts(session, [person.id])
            return Answer(
                (_holder(person, contacts, Why.ROSTER),), tuple(skipped.values()), _until(roster, at)
            )
        skipped[one] = PassedOver(person.id, person.name, why)

    called: list[Person] = []
    for person in assigned:
        if (why := _why_not(person, at)) is None:
            called.append(person)
        else:
            skipped.setdefault(person.id, PassedOver(person.id, person.name, why))
    contacts = await _contacts(session, [person.id for person in called])
    found = tuple(_holder(person, contacts, Why.ASSIGNED) for person in called)
    return Answer(found, tuple(skipped.values()), _until(roster, at))


async def picture(
    session: AsyncSession, *, at: datetime, position: str | None = None
) -> list[tuple[Position, Answer]]:
    """Every position, or the one asked for, with who is called for it."""
    query = select(Position).order_by(Position.id)
    if position is not None:
        query = query.where(Position.id == position)
    posts = list(await session.scalars(query))
    if position is not None and not posts:
        raise NotFound(say("people.no_such_position", id=position))
    return [(post, await answer(session, post.id, at=at)) for post in posts]


async def address(session: AsyncSession, vault: Vault, contact_id: str) -> str:
    """The address itself, for the moment of sending. Never log it."""
    point = await session.get(ContactPoint, contact_id)
    if point is None:
        raise NotFound(say("people.no_such_contact"))
    return vault.unseal(point.address_sealed)


async def sealed_addresses(session: AsyncSession, contact_ids: Iterable[str]) -> Mapping[str, str]:
    """The addresses of many contact points at once, still sealed; one that is gone is missing."""
    wanted = list(contact_ids)
    query = select(ContactPoint.id, ContactPoint.address_sealed).where(ContactPoint.id.in_(wanted))
    return {row.id: row.address_sealed for row in await session.execute(query)} if wanted else {}


async def anyone(session: AsyncSession) -> bool:
    """Whether there is any person at all who has a contact point; without one nobody can be told anything."""
    query = (
        select(ContactPoint.id)
        .join(Person, Person.id == ContactPoint.person_id)
        .where(Person.left_at.is_(None))
        .limit(1)
    )
    return await session.scalar(query) is not None


async def holds(session: AsyncSession, person_id: str, position: str, at: datetime) -> bool:
    """Whether the position is theirs, on duty or not: what they may decide does not end with the shift."""
    assignment = await session.get(Assignment, (person_id, position))
    person = await session.get(Person, person_id) if assignment else None
    return person is not None and not _has_left(person, at)


async def layer_of_position(session: AsyncSession, position: str) -> Layer:
    """The layer that decides what its holders may do."""
    found = await session.get(Position, position)
    if found is None:
        raise NotFound(say("people.no_such_position", id=position))
    return Layer(found.layer)


async def members(session: AsyncSession, positions: Iterable[str], *, at: datetime) -> Mapping[str, str]:
    """Everybody who holds one of the positions, on duty or not: name by person id, in staff order."""
    holding = select(Assignment.person_id).where(Assignment.position_id.in_(list(positions)))
    query = select(Person).where(Person.id.in_(holding))
    found = sorted(await session.scalars(query), key=_staff_order)
    return {person.id: person.name for person in found if not _has_left(person, at)}


async def available(
    session: AsyncSession, person_ids: Iterable[str], *, at: datetime
) -> Mapping[str, frozenset[str]]:
    """Those who can be called on now, with their skills, in staff order."""
    found = sorted(await _by_id(session, person_ids), key=_staff_order)
    return {person.id: frozenset(person.skills) for person in found if _why_not(person, at) is None}


async def titles(session: AsyncSession, positions: Iterable[str]) -> list[Any]:
    """What people call these positions, in every language; one that is not known keeps its id."""
    wanted = list(positions)
    query = select(Position.id, Position.title).where(Position.id.in_(wanted))
    known = {row.id: row.title for row in await session.execute(query)}
    return [known.get(position, position) for position in wanted]


async def department_title(session: AsyncSession, department: str) -> Any:
    """What people call this department, in every language; one that is not known keeps its id."""
    found = await session.get(Department, department)
    return found.title if found else department


async def names(session: AsyncSession, person_ids: Iterable[str]) -> Mapping[str, str]:
    return {person.id: person.name for person in await _by_id(session, person_ids)}


async def _assigned(session: AsyncSession, position: str) -> list[Person]:
    query = (
        select(Person)
        .join(Assignment, Assignment.person_id == Person.id)
        .where(Assignment.position_id == position)
    )
    return sorted(await session.scalars(query), key=_staff_order)


async def _by_id(session: AsyncSession, person_ids: Iterable[str]) -> list[Person]:
    wanted = list(person_ids)
    return list(await session.scalars(select(Person).where(Person.id.in_(wanted)))) if wanted else []


async def _contacts(session: AsyncSession, person_ids: Sequence[str]) -> Mapping[str, list[Contact]]:
    found: dict[str, list[Contact]] = {one: [] for one in person_ids}
    query = select(ContactPoint).where(ContactPoint.person_id.in_(person_ids)).order_by(ContactPoint.rank)
    for point in await session.scalars(query):
        found[point.person_id].append(Contact(point.id, point.channel, point.address_masked))
    return found


def _staff_order(person: Person) -> tuple[bool, str, str]:
    """In Python, because databases do not sort text alike."""
    return person.staff_number is None, person.staff_number or "", person.id


def _has_left(person: Person, at: datetime) -> bool:
    return person.left_at is not None and person.left_at <= at


def _why_not(person: Person, at: datetime) -> Wording | None:
    if _has_left(person, at):
        return say("people.passed.left")
    if person.availability in REACHABLE:
        return None
    return say("people.passed.ill" if person.availability == Availability.ILL else "people.passed.leave")


def _holder(person: Person, contacts: Mapping[str, Sequence[Contact]], why: Why) -> Holder:
    return Holder(person.id, person.name, person.language, tuple(contacts[person.id]), why)


def _until(roster: Roster | None, at: datetime) -> datetime | None:
    shift = rosters.shift_at(rosters.rota_of(roster), at) if roster else None
    return shift.ends if shift else None
