"""The organisation as it stands: departments and positions from the plan, people from whoever manages them.

Holds what can be done to it. Each change of people tells the rest of the service (`people.changed`) in the
caller's transaction. It never says who is to be called: `holders` does.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypedDict
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import NotFound, Refused, Stale, WrongShape
from app.ids import new_id
from app.people import contact_points
from app.people.contact_points import Check
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
from app.vocabulary import Layer, Localised
from app.wording import LANGUAGES, Wording, say

CHANGED: Final = "people.changed"
REF: Final = "organisation"
_NO_ZONES: Final = frozenset({"localtime", "posixrules", "Factory"})
_ECHOED: Final = 40  # characters of somebody else's text repeated in a refusal


class DepartmentPart(Protocol):
    """A department as the plan writes it."""

    @property
    def title(self) -> Localised: ...
    @property
    def layer(self) -> Layer: ...


class PositionPart(DepartmentPart, Protocol):
    """A position as the plan writes it."""

    @property
    def department(self) -> str: ...
    @property
    def duties(self) -> Sequence[Localised]: ...


class Said(TypedDict, total=False):
    """What is said of a person; what is left out stays as it was."""

    name: str
    staff_number: str | None
    department: str | None
    positions: Sequence[str]
    language: str | None
    skills: Sequence[str]
    certificates: Sequence[Mapping[str, Any]]  # skill, number, expires_on as ISO text
    quiet_hours: Mapping[str, Any] | None  # begins, ends, time_zone
    contact_rules: Sequence[Mapping[str, Any]]  # order, levels, hours, wait, steps_down_after
    availability: Availability
    contacts: Sequence[tuple[str, str]]  # channel and address, the first tried first


@dataclass(frozen=True)
class Known:
    """What a person can be given: the organisation's own slugs, and the channels' judgement of addresses."""

    departments: frozenset[str]
    positions: frozenset[str]
    check: Check


@dataclass(frozen=True)
class PersonView:
    """A person with what belongs to them; addresses are masked."""

    person: Person
    positions: Sequence[str]
    contacts: Sequence[ContactPoint]


# ── departments and positions ─────────────────────────────────────────────────────────────────────────────


async def adopt(
    session: AsyncSession,
    departments: Mapping[str, DepartmentPart],
    positions: Mapping[str, PositionPart],
) -> None:
    """Make the plan's departments and positions the organisation's, when the plan is put in force.

    What the plan no longer names is kept: people hold it until somebody moves them.
    """
    for slug, part in departments.items():
        await session.merge(Department(id=slug, title=part.title.model_dump(), layer=part.layer))
    await session.flush()
    for slug, post in positions.items():
        duties = [duty.model_dump() for duty in post.duties]
        await session.merge(
            Position(
                id=slug,
                title=post.title.model_dump(),
                layer=post.layer,
                department_id=post.department,
                duties=duties,
            )
        )
    await session.flush()


async def add_department(session: AsyncSession, slug: str, *, title: Localised, layer: Layer) -> Department:
    """Add a department the plan does not name, such as a partner's."""
    if await session.get(Department, slug) is not None:
        raise Refused(say("people.department.exists", id=slug))
    department = Department(id=slug, title=title.model_dump(), layer=layer)
    session.add(department)
    await session.flush()
    return department


async def departments(session: AsyncSession) -> list[Department]:
    return list(await session.scalars(select(Department).order_by(Department.id)))


async def positions(session: AsyncSession) -> list[Position]:
    return list(await session.scalars(select(Position).order_by(Position.id)))


# ── people ────────────────────────────────────────────────────────────────────────────────────────────────


async def add_person(
    session: AsyncSession, vault: Vault, said: Said, *, check: Check, at: datetime
) -> Person:
    """Add somebody to the organisation, or refuse with every mistake."""
    _refuse(mistakes(said, await known(session, check)))
    await _staff_number_is_free(session, said.get("staff_number"))
    try:
        [person] = await put_new(session, vault, [said], at=at)
    except IntegrityError as error:  # another request took the staff number between the look and the write
        raise _taken(said.get("staff_number") or "–") from error
    tell(session, at=at, person_id=person.id)
    return person


async def change_person(
    session: AsyncSession, vault: Vault, person_id: str, said: Said, *, check: Check, at: datetime,
    expected: int | None = None,
) -> Person:  # fmt: skip
    """Set what is said of the person and leave the rest; `expected` is the version the caller saw."""
    person = await _locked(session, person_id, expected)
    _refuse(mistakes(said, await known(session, check)))
    if said.get("staff_number") not in {None, person.staff_number}:
        await _staff_number_is_free(session, said.get("staff_number"))
    try:
        await apply(session, vault, person, said, at=at)
    except IntegrityError as error:
        raise _taken(said.get("staff_number") or "–") from error
    tell_of(session, person, at=at)
    return person


async def leave(
    session: AsyncSession, person_id: str, *, at: datetime, expected: int | None = None
) -> Person:
    """They are no longer with the centre: kept for the record, never called again. Repeatable."""
    person = await _locked(session, person_id, expected)
    if person.left_at is None:
        person.left_at = at
        person.version += 1
        tell_of(session, person, at=at)
    return person


async def person(session: AsyncSession, person_id: str) -> Person:
    """The person, or `NotFound`."""
    found = await session.get(Person, person_id)
    if found is None:
        raise NotFound(say("people.no_such_person"))
    return found


def listing(*, department: str | None = None, position: str | None = None, left: bool = False) -> Select[Any]:
    """The people of a department or position; those who left only when asked for."""
    query = select(Person)
    if not left:
        query = query.where(Person.left_at.is_(None))
    if department is not None:
        query = query.where(Person.department_id == department)
    if position is not None:
        holders = select(Assignment.person_id).where(Assignment.position_id == position)
        query = query.where(Person.id.in_(holders))
    return query


async def described(session: AsyncSession, people: Iterable[Person]) -> list[PersonView]:
    """Each with positions and contact points, in three queries however many they are."""
    people = list(people)
    ids = [one.id for one in people]
    held: dict[str, list[str]] = {one: [] for one in ids}
    reached: dict[str, list[ContactPoint]] = {one: [] for one in ids}
    for row in await session.scalars(
        select(Assignment).where(Assignment.person_id.in_(ids)).order_by(Assignment.position_id)
    ):
        held[row.person_id].append(row.position_id)
    for point in await session.scalars(
        select(ContactPoint).where(ContactPoint.person_id.in_(ids)).order_by(ContactPoint.rank)
    ):
        reached[str(point.person_id)].append(point)
    return [PersonView(one, held[one.id], reached[one.id]) for one in people]


# ── what imports share with single changes ────────────────────────────────────────────────────────────────


async def known(session: AsyncSession, check: Check) -> Known:
    """What people may be given at this moment."""
    return Known(
        frozenset(await session.scalars(select(Department.id))),
        frozenset(await session.scalars(select(Position.id))),
        check,
    )


def mistakes(said: Said, known: Known) -> list[tuple[str, Wording]]:
    """Everything wrong with what is said, each with the field it is said in."""
    found: list[tuple[str, Wording]] = []
    if (department := said.get("department")) is not None and department not in known.departments:
        found.append(("department", say("people.no_such_department", id=echoed(department))))
    found += [
        ("positions", say("people.no_such_position", id=echoed(position)))
        for position in said.get("positions", ())
        if position not in known.positions
    ]
    if (language := said.get("language")) is not None and language not in LANGUAGES:
        found.append(("language", say("people.no_such_language", id=echoed(language), known=list(LANGUAGES))))
    quiet = said.get("quiet_hours")
    if quiet is not None and not is_zone(quiet["time_zone"]):
        found.append(("quiet_hours", say("people.roster.zone", zone=echoed(quiet["time_zone"]))))
    if quiet is not None and quiet["begins"] == quiet["ends"]:
        found.append(("quiet_hours", say("people.quiet_all_day")))  # levels 3 and 4 would wait for ever
    for index, rule in enumerate(said.get("contact_rules", ())):
        hours = rule.get("hours")
        if hours is not None and not is_zone(hours["time_zone"]):
            zone = echoed(hours["time_zone"])
            found.append((f"contact_rules.{index}", say("people.roster.zone", zone=zone)))
    contacts = said.get("contacts", ())
    if len(contacts) > contact_points.MOST:
        found.append(("contacts", say("people.contact.too_many", limit=contact_points.MOST)))
    for index, (channel, address) in enumerate(contacts):
        if (problem := _why_not(channel, address, known.check)) is not None:
            found.append((f"contacts.{index}", problem))
        elif (channel, address) in contacts[:index]:
            found.append((f"contacts.{index}", say("people.contact.twice")))
    return found


async def put_new(
    session: AsyncSession, vault: Vault, everybody: Sequence[Said], *, at: datetime
) -> list[Person]:
    """New people with all that is said; what is said has been judged before."""
    people = [_new(said, at) for said in everybody]
    session.add_all(people)
    await session.flush()  # people before what refers to them
    for person, said in zip(people, everybody, strict=True):
        slugs = _once_each(said.get("positions", ()))
        session.add_all(Assignment(person_id=person.id, position_id=slug, since=at) for slug in slugs)
        contact_points.add(session, vault, person.id, said.get("contacts", ()), at=at)
    await session.flush()
    return people


async def apply(session: AsyncSession, vault: Vault, person: Person, said: Said, *, at: datetime) -> None:
    """Write what is said onto somebody known; what is said has been judged before."""
    for field, column, shaped in _COLUMNS:
        if field in said:
            setattr(person, column, shaped(said[field]))  # type: ignore[literal-required]
    if "availability" in said:
        make_available(session, person, said["availability"], at=at)
    if "positions" in said:
        await _assign(session, person, _once_each(said["positions"]), at=at)
    if "contacts" in said:
        await contact_points.replace(session, vault, person.id, said["contacts"], at=at)
    person.version += 1
    await session.flush()


def make_available(
    session: AsyncSession, person: Person, to: Availability, *, at: datetime, by: str = ""
) -> None:
    """From now on they are available so; how they were until now is kept for who asks about the past."""
    if person.availability == to:
        return
    if person.availability != Availability.ON_DUTY and (
        person.available_since is None or person.available_since < at
    ):
        session.add(
            Absence(
                id=new_id(at), person_id=person.id, kind=person.availability, begins=person.available_since, ends=at,
                state=AbsenceState.APPROVED, uid=None, asked_at=at, asked_by=by, answered_at=at, answered_by=by, version=1,
            )
        )  # fmt: skip
    person.availability, person.available_since = to, at


def tell_of(session: AsyncSession, person: Person, *, at: datetime) -> None:
    """Say that somebody is no longer as they were; and if they cannot be called, that whoever calls them passes them over."""
    away = person.availability not in REACHABLE or person.left_at is not None
    tell(session, at=at, person_id=person.id, unavailable=away)


def tell(session: AsyncSession, *, at: datetime, **payload: Any) -> None:
    """Say that the people are no longer as they were."""
    outbox.put(session, CHANGED, payload, ref=REF, at=at)


def echoed(text: str) -> str:
    """Somebody else's text, short, printable, and no formula wherever the refusal is pasted."""
    plain = "".join(c if c.isprintable() else "�" for c in text[:_ECHOED]) + (
        "…" if len(text) > _ECHOED else ""
    )
    return f"'{plain}" if plain[:1] in {"=", "+", "-", "@"} else plain


def _new(said: Said, at: datetime) -> Person:
    return Person(
        id=new_id(at),
        name=said["name"],
        staff_number=said.get("staff_number"),
        department_id=said.get("department"),
        language=said.get("language"),
        availability=said.get("availability", Availability.ON_DUTY),
        available_since=None,
        certificates=list(said.get("certificates", ())),
        quiet_hours=said.get("quiet_hours"),
        contact_rules=list(said.get("contact_rules", ())),
        skills=_once_each(said.get("skills", ())),
        left_at=None,
        created_at=at,
        version=1,
    )


def _as_is(value: Any) -> Any:
    return value


def _once_each(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


_COLUMNS: Final[Sequence[tuple[str, str, Callable[[Any], Any]]]] = (
    ("name", "name", _as_is),
    ("staff_number", "staff_number", _as_is),
    ("department", "department_id", _as_is),
    ("language", "language", _as_is),
    ("skills", "skills", _once_each),
    ("certificates", "certificates", list),
    ("quiet_hours", "quiet_hours", _as_is),
    ("contact_rules", "contact_rules", list),
)


async def _assign(session: AsyncSession, person: Person, slugs: Sequence[str], *, at: datetime) -> None:
    """Give somebody these positions and no others; what they held until now is kept for who asks about the past."""
    had = list(await session.scalars(select(Assignment).where(Assignment.person_id == person.id)))
    for one in had:
        if one.position_id not in slugs:
            session.add(
                FormerAssignment(
                    id=new_id(at), person_id=person.id, position_id=one.position_id, since=one.since, until=at
                )
            )
            await session.delete(one)
    known = {one.position_id for one in had}
    session.add_all(
        Assignment(person_id=person.id, position_id=slug, since=at) for slug in slugs if slug not in known
    )


def is_zone(name: str) -> bool:
    """Whether it is a time zone of the IANA's list; a file that stands beside them, as for the machine's own, is none."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return name not in _NO_ZONES


def _why_not(channel: str, address: str, check: Check) -> Wording | None:
    if channel not in contact_points.CHANNELS:
        return contact_points.shape_problem(channel, address)
    # The mask needs a well-formed address; the channel's own judgement comes on top.
    return contact_points.shape_problem(channel, address) or check(channel, address)


def _refuse(found: Sequence[tuple[str, Wording]]) -> None:
    if found:
        errors = [{"path": path, "message": message} for path, message in found]
        raise WrongShape(say("people.mistakes", count=len(found)), errors=errors)


async def _staff_number_is_free(session: AsyncSession, staff_number: str | None) -> None:
    if staff_number is None:
        return
    if await session.scalar(select(Person.id).where(Person.staff_number == staff_number)) is not None:
        raise _taken(staff_number)


def _taken(staff_number: str) -> Refused:
    return Refused(say("people.staff_number_taken", number=echoed(staff_number)))


async def _locked(session: AsyncSession, person_id: str, expected: int | None) -> Person:
    """The person, theirs alone to change until the commit."""
    found = await session.get(Person, person_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise NotFound(say("people.no_such_person"))
    if expected is not None and expected != found.version:
        raise Stale(say("people.stale"), current_version=found.version)
    return found
