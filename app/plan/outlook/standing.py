"""The organisation as it stands in the database, reckoned over the days to come, and a plan checked with it.

Only reads.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.away import TooBusy
from app.db import Database
from app.errors import TooMany
from app.people import contact_rules, holders, rota
from app.people import tables as people_tables
from app.people.tables import ContactPoint
from app.plan import reading, revisions
from app.plan.document import PlanDocument
from app.plan.outlook import report
from app.plan.outlook.report import Report
from app.plan.outlook.snapshot import USABLE, Absent, Away, Lot, Person, Post, Snapshot, stretch_of
from app.plan.outlook.written import Source
from app.resources.tables import Reservation, ReservationLine, Unit, UnitState
from app.turns import Turns
from app.wording import say


@dataclass(frozen=True)
class Looked:
    """The check of a plan."""

    revision_id: str | None
    """None: it is not stored."""
    report: Report
    source: Source


async def look_ahead(session: AsyncSession, *, at: datetime, days: int, channels: frozenset[str]) -> Looked:
    """Check the plan in force with everybody and everything there is; `channels`: those that are set up."""
    revision_id, document = await revisions.in_force(session)
    text = (await revisions.found(session, revision_id)).source
    begins = _whole_minute(at)
    known = await _over(session, begins, days, channels=channels)
    looked, source = await asyncio.to_thread(_looked, document, known, begins, days, text)
    return Looked(revision_id, looked, source)


async def look_at(
    db: Database, text: str, *, file: str, at: datetime, days: int, channels: frozenset[str], organisation: bool = True
) -> Looked:  # fmt: skip
    """Check a plan that is not stored, with everybody and everything there is, or alone; no session is open while it reckons.

    Raises `BadPlan` if it cannot be read.
    """
    begins = _whole_minute(at)
    document = await asyncio.to_thread(reading.read, text, file=file)
    known: Snapshot | None = None
    if organisation:
        async with db.request(writing=False) as session:
            known = await _over(session, begins, days, channels=channels)
    looked, source = await asyncio.to_thread(_looked, document, known, begins, days, text, file)
    return Looked(None, looked, source)


@asynccontextmanager
async def alone(turns: Turns) -> AsyncIterator[None]:
    """One check at a time in a process: the second is told to come again, so that people are told of incidents meanwhile."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(turns.one())
        except TooBusy as error:
            raise TooMany(say("plan.report.busy"), headers={"Retry-After": "10"}) from error
        yield


def _whole_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


async def _over(session: AsyncSession, begins: datetime, days: int, *, channels: frozenset[str]) -> Snapshot:
    ends = begins + timedelta(days=days) + report.BEYOND
    return await snapshot(session, begins=begins, ends=ends, channels=channels)


def _looked(
    document: PlanDocument, known: Snapshot | None, begins: datetime, days: int, text: str, file: str = "plan.yaml"
) -> tuple[Report, Source]:  # fmt: skip
    return report.look(document, known, since=begins, days=days), Source(file, reading.lines(text))


async def snapshot(
    session: AsyncSession, *, begins: datetime, ends: datetime, channels: frozenset[str] = USABLE
) -> Snapshot:
    """Everybody, whoever is called when, and what the pools hold; what is lent comes back when its lease ends."""
    staff, away = await holders.everybody(session, begins, ends)
    contacts: dict[str, list[str]] = defaultdict(list)
    for point in await session.scalars(
        select(ContactPoint)
        .where(ContactPoint.person_id.is_not(None))
        .order_by(ContactPoint.person_id, ContactPoint.rank)
    ):
        contacts[str(point.person_id)].append(point.channel)
    held = await _held(session)
    people = {
        one.id: Person(
            one.name, tuple(contacts[one.id]), _skills(one),
            (*(Away(each.begins, each.ends, Absent(each.why)) for each in away[one.id]), *held.get(one.id, ())),
            tuple(rota.quiet_spells(quiet, begins, ends)) if (quiet := holders.quiet_of(one)) else (),
            contact_rules.read(one.contact_rules or ()),
        )
        for one in staff
    }  # fmt: skip
    posts = {
        position: Post(post.assigned, tuple(stretch_of(one) for one in rota.called(post, begins, ends)))
        for position, post in (await holders.posts(session, since=begins, until=ends)).items()
    }
    return Snapshot(people, posts, await _lots(session), channels)


def _skills(person: people_tables.Person) -> dict[str, datetime | None]:
    """Each with the moment it lapses: the certificate that lasts longest counts, to the end of its last day in UTC."""
    found: dict[str, datetime | None] = dict.fromkeys(person.skills)
    lasts: dict[str, date] = {}
    for one in person.certificates:
        last = date.fromisoformat(one["expires_on"])
        lasts[one["skill"]] = max(last, lasts.get(one["skill"], last))
    for skill, last in lasts.items():
        found[skill] = datetime.combine(last + timedelta(days=1), time(), UTC)
    return found


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
