"""An organisation file made into rows, as the check of the plan reads it: people, rosters, leave and what is in store.

Nobody has an address: who can be told by a channel gets one that leads nowhere.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.keys import Principal
from app.access.tables import Role
from app.people import absences, organisation, rosters
from app.people.absences import Planned
from app.people.organisation import Said
from app.people.rota import Rotation
from app.people.tables import Availability
from app.plan.document import PlanDocument
from app.plan.outlook import organisation_file
from app.plan.outlook.organisation_file import OrganisationFile, Staff, written_rules
from app.resources.tables import Unit
from app.vault import Vault

_DAY: Final = timedelta(days=1)
_FOR_GOOD: Final = timedelta(days=3 * 365)  # no simulation lasts longer
_BY: Final = Principal("simulation", Role.MANAGEMENT, "simulation")


async def move_in(
    session: AsyncSession, vault: Vault, file: OrganisationFile, plan: PlanDocument, *, at: datetime
) -> None:
    """Everybody of the file, on an organisation whose positions and pools are the plan's.

    Stock is there as it is at this moment: what is lent out then, or too old, is not.
    """
    zone = plan.grading().zone
    said = [_said(number, staff, zone) for number, staff in enumerate(file.people.values())]
    people = await organisation.put_new(session, vault, said, at=at)
    ids = {name: person.id for name, person in zip(file.people, people, strict=True)}
    for name, staff in file.people.items():
        for kind, planned in _away(staff, zone, at):
            await absences.take_in(session, ids[name], kind, [planned], who=_BY, at=at)
    for position, roster in file.rosters.items():
        rotation = Rotation(
            roster.time_zone or plan.plan.time_zone, roster.starts_on, time.fromisoformat(roster.handover),
            roster.days_per_shift * _DAY, tuple(ids[name] for name in roster.participants),
        )  # fmt: skip
        await rosters.write(session, position, [rotation], at=at)
    for (pool, item), number in _stock(file, plan, at).items():
        unit = await session.scalar(select(Unit).where(Unit.pool_id == pool, Unit.name == item))
        if unit is not None:
            unit.on_hand = number
    organisation.tell(session, at=at, created=len(people), updated=0)
    await session.flush()


def _said(number: int, staff: Staff, zone: ZoneInfo) -> Said:
    quiet = staff.quiet
    return Said(
        name=staff.name, staff_number=f"{number:06}", department=None, positions=staff.positions, language=None,
        skills=[skill for skill, last in staff.skills.items() if last is None],
        certificates=[
            {"skill": skill, "number": None, "expires_on": last.isoformat()}
            for skill, last in staff.skills.items()
            if last is not None
        ],
        quiet_hours=None
        if quiet is None
        else {"begins": quiet.begins, "ends": quiet.ends, "time_zone": zone.key},
        contact_rules=written_rules(staff, zone.key),
        contacts=[(channel, f"{channel} {number}") for channel in staff.contacts],
    )  # fmt: skip


def _away(staff: Staff, zone: ZoneInfo, at: datetime) -> Iterator[tuple[Availability, Planned]]:
    for number, one in enumerate(staff.leave):
        begins, ends = _midnight(one.first, zone), _midnight(one.last + _DAY, zone)
        yield Availability(one.why), Planned(f"leave {number}", begins, ends)
    if staff.left is not None:
        begins = _midnight(staff.left, zone)
        yield Availability.LEAVE, Planned("left", begins, max(begins, at) + _FOR_GOOD)


def _stock(file: OrganisationFile, plan: PlanDocument, at: datetime) -> Mapping[tuple[str, str], int]:
    """How many there are of what the file names."""
    named = {(one.pool, one.item): 0 for one in file.stock}
    there = organisation_file.snapshot(file, plan, begins=at, ends=at + _DAY)
    for lot in there.lots or ():
        is_there = (lot.begins is None or lot.begins <= at) and (lot.ends is None or at < lot.ends)
        if (lot.pool, lot.name) in named and is_there:
            named[lot.pool, lot.name] += lot.quantity
    return named


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
