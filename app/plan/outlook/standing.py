"""The organisation as it stands in the database, reckoned over the days to come, and the plan in force checked with it.

Only reads.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.people import rosters
from app.people import tables as people_tables
from app.people.tables import Assignment, Availability, ContactPoint, Roster
from app.plan import reading, revisions
from app.plan.document import PlanDocument
from app.plan.outlook import report
from app.plan.outlook.calling import Turn, called
from app.plan.outlook.report import Report
from app.plan.outlook.snapshot import USABLE, Absent, Away, Lot, Person, Post, Snapshot, reaching
from app.plan.outlook.written import Source
from app.resources.tables import Reservation, ReservationLine, Unit, UnitState

_WHY: Final = {Availability.LEAVE: Absent.LEAVE, Availability.ILL: Absent.ILL}


@dataclass(frozen=True)
class Looked:
    """The check of the plan in force."""

    revision_id: str
    report: Report
    source: Source


async def look_ahead(session: AsyncSession, *, at: datetime, days: int, mail: bool) -> Looked:
    """Check the plan in force with everybody and everything there is; `mail`: whether it is set up."""
    revision_id, document = await revisions.in_force(session)
    text = (await revisions.found(session, revision_id)).source
    begins = at.replace(second=0, microsecond=0)
    ends = begins + timedelta(days=days) + report.BEYOND
    known = await snapshot(session, begins=begins, ends=ends, channels=reaching(mail=mail))
    looked, source = await asyncio.to_thread(_looked, document, known, begins, days, text)
    return Looked(revision_id, looked, source)


def _looked(
    document: PlanDocument, known: Snapshot, begins: datetime, days: int, text: str
) -> tuple[Report, Source]:
    return report.look(document, known, since=begins, days=days), Source("plan.yaml", reading.lines(text))


async def snapshot(
    session: AsyncSession, *, begins: datetime, ends: datetime, channels: frozenset[str] = USABLE
) -> Snapshot:
    """Everybody, whoever is called when, and what the pools hold; what is lent comes back when its lease ends."""
    staff = list(await session.scalars(select(people_tables.Person)))
    staff.sort(
        key=lambda one: (one.staff_number is None, one.staff_number or "", one.id)
    )  # as holders orders them
    contacts: dict[str, list[str]] = defaultdict(list)
    for point in await session.scalars(
        select(ContactPoint).order_by(ContactPoint.person_id, ContactPoint.rank)
    ):
        contacts[point.person_id].append(point.channel)
    away = {one.id: tuple(_away(one)) for one in staff}
    held = await _held(session)
    people = {
        one.id: Person(
            one.name,
            tuple(contacts[one.id]),
            dict.fromkeys(one.skills),
            (*away[one.id], *held.get(one.id, ())),
        )
        for one in staff
    }
    return Snapshot(people, await _posts(session, staff, away, begins, ends), await _lots(session), channels)


async def _posts(
    session: AsyncSession, staff: Sequence[people_tables.Person], away: Mapping[str, Sequence[Away]],
    begins: datetime, ends: datetime,
) -> dict[str, Post]:  # fmt: skip
    holders: dict[str, set[str]] = defaultdict(set)
    for row in await session.scalars(select(Assignment)):
        holders[row.position_id].add(row.person_id)
    known = {roster.position_id: roster for roster in await rosters.rosters(session)}
    posts = {}
    for position, mine in holders.items():
        assigned = tuple(one.id for one in staff if one.id in mine)
        turns = _turns(known[position], begins, ends) if position in known else []
        posts[position] = Post(assigned, called(assigned, turns, away, begins=begins, ends=ends))
    return posts


def _turns(roster: Roster, begins: datetime, ends: datetime) -> list[Turn]:
    rota = rosters.rota_of(roster)
    found = []
    for shift in rosters.shifts(rota, since=begins, until=ends):
        first = shift.number % len(rota.participants)
        order = rota.participants[first:] + rota.participants[:first]
        found.append(Turn(max(shift.begins, begins), min(shift.ends, ends), order))
    return found


def _away(person: people_tables.Person) -> Iterator[Away]:
    if person.left_at is not None:
        yield Away(person.left_at, None, Absent.LEFT)
    if person.availability in _WHY:
        yield Away(None, None, _WHY[person.availability])


async def _held(session: AsyncSession) -> dict[str, list[Away]]:
    """Who is reserved, until when: they can still be called, but not sent anywhere else."""
    query = (
        select(ReservationLine.person_id, Reservation.until)
        .join(Reservation, Reservation.id == ReservationLine.reservation_id)
        .where(ReservationLine.held, ReservationLine.person_id.is_not(None), ~Reservation.exercise)
    )
    found: dict[str, list[Away]] = defaultdict(list)
    for person_id, until in await session.execute(query):
        found[str(person_id)].append(Away(None, until, Absent.HELD))
    return found


async def _lots(session: AsyncSession) -> tuple[Lot, ...]:
    lent: dict[str, list[tuple[int, datetime]]] = defaultdict(list)
    query = (
        select(ReservationLine.unit_id, ReservationLine.quantity, Reservation.until)
        .join(Reservation, Reservation.id == ReservationLine.reservation_id)
        .where(ReservationLine.held, ReservationLine.person_id.is_(None), ~Reservation.exercise)
    )
    for unit_id, quantity, until in await session.execute(query):
        lent[unit_id].append((quantity, until))
    found = []
    units = select(Unit).where(Unit.person_id.is_(None), Unit.state == UnitState.READY)
    for unit in await session.scalars(units.order_by(Unit.pool_id, Unit.name)):
        away = sum(quantity for quantity, _ in lent[unit.id])
        found.append(Lot(unit.pool_id, unit.name, unit.on_hand - away))
        found += [Lot(unit.pool_id, unit.name, quantity, until) for quantity, until in lent[unit.id]]
    return tuple(found)
