"""Who holds a position at a moment, how they are reached, and who was passed over and why (OR-1, EP-5.2).

The roster decides where there is one, otherwise everybody who is assigned and can be called; `rota` reckons, this module gives it
the organisation. Only reads.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.people import contact_rules, discretion, rosters, rota
from app.people.contact_rules import Rule
from app.people.rota import Absent, Away, Called, Post, Quiet, Why
from app.people.tables import (
    REACHABLE,
    Absence,
    AbsenceState,
    Assignment,
    Availability,
    ContactPoint,
    Department,
    FormerAssignment,
    Person,
    Position,
)
from app.vault import Vault
from app.vocabulary import Layer
from app.wording import Wording, say

_AHEAD: Final = (
    timedelta(days=2),
    timedelta(days=14),
    timedelta(days=62),
)  # how far the next change is looked for
_MOMENT: Final = timedelta(microseconds=1)
_AWAY: Final = {Availability.LEAVE: Absent.LEAVE, Availability.ILL: Absent.ILL}


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
    rotation: str | None = None  # the layer of the roster it is their turn in
    instead_of: str | None = None  # the name of whose turn it would be
    availability: Availability = Availability.ON_DUTY
    quiet: Quiet | None = None  # hours in which they are not told what can wait
    rules: tuple[Rule, ...] = ()  # which contact point is tried first, by level and hour


@dataclass(frozen=True)
class PassedOver:
    """Somebody who would have been called, and why they are not."""

    person_id: str
    name: str
    absent: Absent

    @property
    def why(self) -> Wording:
        """In words for anybody's eyes."""
        return discretion.for_the_record(self.absent)


@dataclass(frozen=True)
class Answer:
    """Who is called for a position, who is not, and until when that is so if nothing changes."""

    holders: tuple[Holder, ...]
    passed_over: tuple[PassedOver, ...]
    until: datetime | None  # the next handover or other change; none: not within two months


@dataclass(frozen=True)
class Calendar:
    """Who is called for a position over a time, and the names of all in it."""

    stretches: Sequence[Called]
    names: Mapping[str, str]


@dataclass(frozen=True)
class _Gathered:
    """People with what is known of when they are away, or work remotely (from, to; none: without end)."""

    people: list[Person]
    away: dict[str, list[Away]]
    remote: dict[str, list[tuple[datetime | None, datetime | None]]]


async def holders(session: AsyncSession, position: str, *, at: datetime) -> list[Holder]:
    """Who is called for a position, in order: the one whose turn it is, else all who are assigned."""
    return list((await answer(session, position, at=at)).holders)


async def passed_over(session: AsyncSession, position: str, *, at: datetime) -> list[PassedOver]:
    """Who was not called for a position although it is theirs, and why."""
    return list((await answer(session, position, at=at)).passed_over)


async def answer(session: AsyncSession, position: str, *, at: datetime, history: bool = False) -> Answer:
    """Decide who is called: whoever holds the roster at that moment, as `rota` says.

    Without a roster, before its first day, or with nobody of it to be had: all available assigned, in staff order. With `history`
    a moment of the past is answered as things stood then.
    """
    post, found = await _post(session, position, at, at + _AHEAD[-1], history=history)
    [now] = rota.called(post, at, at + _MOMENT)
    by_id = {one.id: one for one in found.people}
    contacts = await _contacts(session, now.people)
    return Answer(
        tuple(_holder(by_id[one], contacts, now, found, at) for one in now.people),
        tuple(
            PassedOver(one.person, by_id[one.person].name, one.why)
            for one in now.skipped
            if one.person in by_id
        ),
        _next_change(post, at),
    )


async def calendar(
    session: AsyncSession, position: str, start: datetime, end: datetime, *, at: datetime
) -> Calendar:
    """Who is called for a position from `start` up to `end`; what lies before `at`, the present, as it stood then."""
    post, found = await _post(session, position, start, end, history=start < at)
    return Calendar(rota.called(post, start, end), {one.id: one.name for one in found.people})


async def everybody(
    session: AsyncSession, start: datetime, end: datetime
) -> tuple[Sequence[Person], rota.Aways]:
    """Everybody in staff order, and when each of them is away between two moments."""
    found = _gathered(await session.execute(_with_absences(select(Person, Absence), start, end)))
    return sorted(found.people, key=_staff_order), found.away


async def posts(session: AsyncSession, *, since: datetime, until: datetime) -> dict[str, Post]:
    """Every position that anybody holds, from the present `since` to `until`, as `rota.called` takes it; a few queries in all."""
    found = _gathered(await session.execute(_with_absences(select(Person, Absence), since, until)))
    order = [one.id for one in sorted(found.people, key=_staff_order)]
    assigned: dict[str, set[str]] = {}
    for row in await session.scalars(select(Assignment)):
        assigned.setdefault(row.position_id, set()).add(row.person_id)
    known = await rosters.all_reckoned(session, since=since, until=until)
    return {
        position: Post(
            tuple(one for one in order if one in mine),
            known.get(position),
            {
                one: [*found.away[one], *_not_theirs(one, mine, known.get(position))]
                for one in mine | _people_of(known.get(position))
            },
        )
        for position, mine in assigned.items()
    }


async def picture(
    session: AsyncSession, *, at: datetime, position: str | None = None, history: bool = False
) -> list[tuple[Position, Answer]]:
    """Every position, or the one asked for, with who is called for it."""
    query = select(Position).order_by(Position.id)
    if position is not None:
        query = query.where(Position.id == position)
    posts = list(await session.scalars(query))
    if position is not None and not posts:
        raise NotFound(say("people.no_such_position", id=position))
    return [(post, await answer(session, post.id, at=at, history=history)) for post in posts]


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


async def positions_of(session: AsyncSession, person_id: str) -> set[str]:
    """The positions that are somebody's."""
    query = select(Assignment.position_id).where(Assignment.person_id == person_id)
    return set(await session.scalars(query))


async def members(session: AsyncSession, positions: Iterable[str], *, at: datetime) -> Mapping[str, str]:
    """Everybody who holds one of the positions, on duty or not: name by person id, in staff order."""
    holding = select(Assignment.person_id).where(Assignment.position_id.in_(list(positions)))
    query = select(Person).where(Person.id.in_(holding))
    found = sorted(await session.scalars(query), key=_staff_order)
    return {person.id: person.name for person in found if not _has_left(person, at)}


async def available(
    session: AsyncSession, person_ids: Iterable[str], *, at: datetime
) -> Mapping[str, frozenset[str]]:
    """Those who can be called on now, with the skills that count, in staff order."""
    wanted = list(person_ids)
    if not wanted:
        return {}
    query = _with_absences(select(Person, Absence), at, at + _MOMENT).where(Person.id.in_(wanted))
    found = _gathered(await session.execute(query))
    return {
        person.id: skills_of(person, at)
        for person in sorted(found.people, key=_staff_order)
        if rota.why_away(found.away[person.id], at) is None
    }


async def absent(session: AsyncSession, person_id: str, *, at: datetime) -> Absent | None:
    """Why somebody cannot be called at a moment; `None` when they can."""
    query = _with_absences(select(Person, Absence), at, at + _MOMENT).where(Person.id == person_id)
    found = _gathered(await session.execute(query))
    return rota.why_away(found.away[person_id], at) if found.people else Absent.LEFT


def skills_of(person: Person, at: datetime) -> frozenset[str]:
    """The skills that count: one that a certificate stands for only until its last day is over, in UTC (EP-6.1)."""
    today = at.date().isoformat()
    expired = {one["skill"] for one in person.certificates if one["expires_on"] < today}
    held = {one["skill"] for one in person.certificates if one["expires_on"] >= today}
    return frozenset(person.skills) - (expired - held) | held


def quiet_of(person: Person) -> Quiet | None:
    """Their quiet hours, if they have any."""
    if (kept := person.quiet_hours) is None:
        return None
    begins, ends = (time.fromisoformat(kept[name]) for name in ("begins", "ends"))
    return Quiet(begins, ends, kept["time_zone"])


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


async def staff(session: AsyncSession) -> dict[str, str]:
    """Everybody of the centre: name by person id, in staff order."""
    found = await session.scalars(select(Person).where(Person.left_at.is_(None)))
    return {one.id: one.name for one in sorted(found, key=_staff_order)}


async def roll(session: AsyncSession, *, at: datetime) -> dict[str, Availability]:
    """How everybody of the centre is available at a moment, by person id."""
    query = _with_absences(select(Person, Absence), at, at + _MOMENT).where(Person.left_at.is_(None))
    found = _gathered(await session.execute(query))
    kinds = {Absent.LEAVE: Availability.LEAVE, Absent.ILL: Availability.ILL}
    return {
        one.id: kinds[why]
        if (why := rota.why_away(found.away[one.id], at)) in kinds
        else Availability.REMOTE if _is_remote(found, one.id, at) else Availability.ON_DUTY
        for one in found.people
    }  # fmt: skip


async def reachable(session: AsyncSession, person_ids: Collection[str]) -> dict[str, str]:
    """Those of them who have a contact point: name by person id."""
    known = select(ContactPoint.person_id).where(ContactPoint.person_id.in_(person_ids))
    query = select(Person.id, Person.name).where(Person.id.in_(known))
    return {row.id: row.name for row in await session.execute(query)}


async def person_with_contacts(session: AsyncSession, person_id: str) -> tuple[Person, tuple[Contact, ...]]:
    """Somebody, whatever they hold, and the ways to reach them."""
    person = await session.get(Person, person_id)
    if person is None:
        raise NotFound(say("people.no_such_person"))
    return person, tuple((await _contacts(session, [person_id]))[person_id])


# ── the organisation as `rota` reckons with it ────────────────────────────────────────────────────────────


async def _post(
    session: AsyncSession, position: str, since: datetime, until: datetime, *, history: bool
) -> tuple[Post, _Gathered]:
    """The position between two moments, and everybody who comes into it."""
    query = _with_absences(select(Person, Absence, Assignment), since, until)
    rows = list(
        await session.execute(
            query.join(Assignment, Assignment.person_id == Person.id).where(
                Assignment.position_id == position
            )
        )
    )
    found = _gathered(rows)
    people, away = found.people, found.away
    assigned = {one.id for one in people}
    if history:
        assigned |= await _former(session, position, since, until, rows, away)
    roster = await rosters.reckoned(session, position, since=since, until=until, history=history)
    wanted = assigned | _people_of(roster)
    if missing := wanted - {one.id for one in people}:
        query = _with_absences(select(Person, Absence), since, until).where(Person.id.in_(sorted(missing)))
        others = _gathered(await session.execute(query))
        people += others.people
        found.remote.update(others.remote)
        for person in others.people:
            away[person.id] = others.away[person.id] + away.get(person.id, [])
            away[person.id] += _not_theirs(person.id, assigned, roster)
    people.sort(key=_staff_order)
    return Post(tuple(one.id for one in people if one.id in assigned), roster, away), found


async def _former(
    session: AsyncSession, position: str, since: datetime, until: datetime, rows: Sequence[Any],
    away: dict[str, list[Away]],
) -> set[str]:  # fmt: skip
    """Who held the position earlier; whoever it is, and those who hold it now, are away from it when it was not theirs."""
    query = select(FormerAssignment).where(
        FormerAssignment.position_id == position, FormerAssignment.until > since
    )
    former = list(await session.scalars(query.order_by(FormerAssignment.until)))
    held: dict[str, list[tuple[datetime | None, datetime | None]]] = {}
    for one in former:
        held.setdefault(one.person_id, []).append((one.since, one.until))
    for person_id, from_ in {row.Person.id: row.Assignment.since for row in rows}.items():
        held.setdefault(person_id, []).append((from_, None))
    for person_id, spans in held.items():
        gap: datetime | None = None
        for begins, ends in spans:
            if begins is not None and (gap is None or gap < begins):
                away.setdefault(person_id, []).append(Away(gap, begins, Absent.NOT_ASSIGNED))
            gap = ends
        if gap is not None:
            away.setdefault(person_id, []).append(Away(gap, None, Absent.NOT_ASSIGNED))
    return set(held)


def _with_absences(query: Any, since: datetime, until: datetime) -> Any:
    """People, each as often as they have absences (remote work too) that count and touch the span, or once."""
    touches = and_(
        Absence.person_id == Person.id,
        Absence.state == AbsenceState.APPROVED,
        Absence.ends > since,
        or_(Absence.begins.is_(None), Absence.begins < until),
    )
    return query.select_from(Person).outerjoin(Absence, touches)


def _gathered(rows: Iterable[Any]) -> _Gathered:
    people: dict[str, Person] = {}
    found = _Gathered([], {}, {})
    for row in rows:
        person, absence = row[0], row[1]
        if person.id not in people:
            people[person.id] = person
            found.people.append(person)
            found.away[person.id] = _as_it_stands(person)
            found.remote[person.id] = []
            if person.availability == Availability.REMOTE:
                found.remote[person.id].append((person.available_since, None))
        if absence is not None and absence.kind in _AWAY:
            found.away[person.id].append(Away(absence.begins, absence.ends, _AWAY[absence.kind]))
        elif absence is not None:
            found.remote[person.id].append((absence.begins, absence.ends))
    return found


def _as_it_stands(person: Person) -> list[Away]:
    found: list[Away] = []
    if person.left_at is not None:
        found.append(Away(person.left_at, None, Absent.LEFT))
    if person.availability not in REACHABLE:
        found.append(Away(person.available_since, None, _AWAY[person.availability]))
    return found


def _not_theirs(person_id: str, assigned: set[str], roster: rota.Roster | None) -> list[Away]:
    """Who no longer holds the position has no turn, even if the roster has not heard."""
    gone = person_id not in assigned and person_id in _in_turn(roster)
    return [Away(None, None, Absent.NOT_ASSIGNED)] if gone else []


def _in_turn(roster: rota.Roster | None) -> set[str]:
    return {person for rotation in roster.rotations for person in rotation.participants} if roster else set()


def _people_of(roster: rota.Roster | None) -> set[str]:
    return _in_turn(roster) | ({one.person for one in roster.overrides} if roster else set())


def _next_change(post: Post, at: datetime) -> datetime | None:
    for ahead in _AHEAD:
        first = rota.called(post, at, at + ahead)[0]
        if first.ends < at + ahead:
            return first.ends
    return None


def _holder(
    person: Person, contacts: Mapping[str, Sequence[Contact]], now: Called, found: _Gathered, at: datetime
) -> Holder:  # fmt: skip
    assert now.why is not None  # somebody is called
    instead = next((one.name for one in found.people if one.id == now.instead_of), None)
    return Holder(
        person.id, person.name, person.language, tuple(contacts[person.id]), now.why, now.rotation, instead,
        Availability.REMOTE if _is_remote(found, person.id, at) else Availability.ON_DUTY, quiet_of(person),
        contact_rules.read(person.contact_rules or ()),
    )  # fmt: skip


def _is_remote(found: _Gathered, person_id: str, at: datetime) -> bool:
    return any(
        (begins is None or begins <= at) and (ends is None or at < ends)
        for begins, ends in found.remote[person_id]
    )


async def _by_id(session: AsyncSession, person_ids: Iterable[str]) -> list[Person]:
    wanted = list(person_ids)
    return list(await session.scalars(select(Person).where(Person.id.in_(wanted)))) if wanted else []


async def _contacts(session: AsyncSession, person_ids: Sequence[str]) -> Mapping[str, list[Contact]]:
    found: dict[str, list[Contact]] = {one: [] for one in person_ids}
    if not found:
        return found
    query = select(ContactPoint).where(ContactPoint.person_id.in_(person_ids)).order_by(ContactPoint.rank)
    for point in await session.scalars(query):
        found[str(point.person_id)].append(Contact(point.id, point.channel, point.address_masked))
    return found


def _staff_order(person: Person) -> tuple[bool, str, str]:
    """In Python, because databases do not sort text alike."""
    return person.staff_number is None, person.staff_number or "", person.id


def _has_left(person: Person, at: datetime) -> bool:
    return person.left_at is not None and person.left_at <= at
