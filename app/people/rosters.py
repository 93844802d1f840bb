"""Whose turn it is: people in turn at a position, handing over at a wall-clock time in a zone.

`on_shift` is pure arithmetic. A shift begins when the clock on the wall shows the handover time, whatever
daylight saving did in between: every moment from the first shift on belongs to exactly one shift.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound, Stale, WrongShape
from app.ids import new_id
from app.people import organisation
from app.people.tables import Assignment, Person, Position, Roster
from app.wording import Wording, say


@dataclass(frozen=True)
class Rota:
    """A roster as arithmetic needs it."""

    time_zone: str
    starts_on: date  # the first shift begins on this day
    handover: time  # wall clock of the zone
    days_per_shift: int
    participants: tuple[str, ...]  # in turn


@dataclass(frozen=True)
class Shift:
    """From `begins` on, up to but not including `ends`."""

    number: int
    person_id: str
    begins: datetime
    ends: datetime


def on_shift(rota: Rota, at: datetime) -> str | None:
    """Whose turn it is at a moment; nobody's before the first shift."""
    shift = shift_at(rota, at)
    return shift.person_id if shift else None


def shift_at(rota: Rota, at: datetime) -> Shift | None:
    """The shift a moment falls in."""
    if not rota.participants:
        return None
    days = (at.astimezone(ZoneInfo(rota.time_zone)).date() - rota.starts_on).days
    guess = days // rota.days_per_shift
    # The day alone may be one shift off: before the handover, or where a zone skipped or repeated a day.
    # Going down, the first that has begun is the right one, also where a skipped day left an empty shift.
    for number in range(guess + 2, guess - 3, -1):
        if number >= 0 and _begin(rota, number) <= at:
            return Shift(
                number,
                rota.participants[number % len(rota.participants)],
                _begin(rota, number),
                _begin(rota, number + 1),
            )
    return None


def in_turn(rota: Rota, at: datetime) -> tuple[str, ...]:
    """Everybody of the rota, the one on shift first and the others in the order of their turns."""
    shift = shift_at(rota, at)
    if shift is None:
        return ()
    first = shift.number % len(rota.participants)
    return rota.participants[first:] + rota.participants[:first]


def rota_of(roster: Roster) -> Rota:
    return Rota(
        roster.time_zone, roster.starts_on, time.fromisoformat(roster.handover), roster.days_per_shift,
        tuple(roster.participants),
    )  # fmt: skip


async def write(
    session: AsyncSession, position: str, rota: Rota, *, at: datetime, expected: int | None = None
) -> Roster:
    """Give a position its roster, in place of the one it had; `expected` is the version the caller saw."""
    if errors := await _mistakes(session, position, rota):
        listed = [{"path": path, "message": message} for path, message in errors]
        raise WrongShape(say("people.mistakes", count=len(errors)), errors=listed)
    # The position's row is the lock: two first rosters of one position cannot both find none.
    await session.get(Position, position, with_for_update=True, populate_existing=True)
    found = await session.scalar(select(Roster).where(Roster.position_id == position))
    if expected is not None and expected != (found.version if found else 0):
        raise Stale(say("people.stale"), current_version=found.version if found else 0)
    roster = found or Roster(id=new_id(at), position_id=position, version=0)
    roster.time_zone, roster.starts_on = rota.time_zone, rota.starts_on
    roster.handover, roster.days_per_shift = f"{rota.handover:%H:%M}", rota.days_per_shift
    roster.participants = list(rota.participants)
    roster.version += 1
    session.add(roster)
    await session.flush()
    organisation.tell(session, at=at, position=position)
    return roster


async def rosters(session: AsyncSession) -> list[Roster]:
    return list(await session.scalars(select(Roster).order_by(Roster.position_id)))


async def roster_of(session: AsyncSession, position: str) -> Roster | None:
    """The position's roster; most have none."""
    found: Roster | None = await session.scalar(select(Roster).where(Roster.position_id == position))
    return found


async def _mistakes(session: AsyncSession, position: str, rota: Rota) -> list[tuple[str, Wording]]:
    if await session.get(Position, position) is None:
        raise NotFound(say("people.no_such_position", id=organisation.echoed(position)))
    holders = set(
        await session.scalars(
            select(Person.id)
            .join(Assignment, Assignment.person_id == Person.id)
            .where(Assignment.position_id == position, Person.left_at.is_(None))
        )
    )
    found = [
        (f"participants.{index}", say("people.roster.not_a_holder"))
        for index, one in enumerate(rota.participants)
        if one not in holders
    ]
    if not _is_zone(rota.time_zone):
        found.append(("time_zone", say("people.roster.zone", zone=organisation.echoed(rota.time_zone))))
    return found


def _begin(rota: Rota, number: int) -> datetime:
    day = rota.starts_on + timedelta(days=number * rota.days_per_shift)
    # A time the clock skips is taken with the offset from before (fold 0), one it shows twice at its first.
    return datetime.combine(day, rota.handover, ZoneInfo(rota.time_zone)).astimezone(UTC)


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return False
    return True


def shifts(rota: Rota, *, since: datetime, until: datetime) -> Sequence[Shift]:
    """Every shift that touches the span, in order."""
    found: list[Shift] = []
    moment = max(since, _begin(rota, 0))
    while moment < until and (shift := shift_at(rota, moment)) is not None:
        found.append(shift)
        moment = shift.ends
    return found
