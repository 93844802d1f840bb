"""The rosters of positions, and who is put in or swaps turns; kept here, reckoned in `rota`.

A roster is never changed in place: the new one takes its place from now on, so what was asked of the past is answered as it was.
Each change tells the rest of the service (`people.changed`) in the caller's transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound, Refused, Stale, WrongShape
from app.ids import new_id
from app.people import organisation, rota
from app.people.rota import Rotation, Window
from app.people.tables import Assignment, Override, Person, Position, Roster
from app.wording import Wording, say

LONGEST_OVERRIDE: Final = timedelta(days=366)
_HOUR: Final = timedelta(hours=1)


async def write(
    session: AsyncSession,
    position: str,
    rotations: Sequence[Rotation],
    *,
    at: datetime,
    expected: int | None = None,
) -> Roster:
    """Give a position its roster, from now on in place of the one it had; `expected` is the version the caller saw."""
    if errors := await _mistakes(session, position, rotations):
        listed = [{"path": path, "message": message} for path, message in errors]
        raise WrongShape(say("people.mistakes", count=len(errors)), errors=listed)
    latest = await _latest(session, position, expected)
    if latest is not None and latest.replaced_at is None:
        latest.replaced_at = at
        await session.flush()  # one is in force, at every moment
    roster = Roster(
        id=new_id(at), position_id=position, version=(latest.version if latest else 0) + 1,
        rotations=[_stored(one) for one in rotations], written_at=at, replaced_at=None,
    )  # fmt: skip
    session.add(roster)
    await session.flush()
    organisation.tell(session, at=at, position=position)
    return roster


async def end(session: AsyncSession, position: str, *, at: datetime, expected: int | None = None) -> Roster:
    """From now on the position has no roster: all who are assigned are called. Repeatable."""
    latest = await _latest(session, position, expected)
    if latest is None:
        raise NotFound(say("people.roster.none", id=organisation.echoed(position)))
    if latest.replaced_at is None:
        latest.replaced_at = at
        organisation.tell(session, at=at, position=position)
    return latest


async def rosters(session: AsyncSession) -> list[Roster]:
    """The rosters in force, by position."""
    query = select(Roster).where(Roster.replaced_at.is_(None)).order_by(Roster.position_id)
    return list(await session.scalars(query))


async def roster_of(session: AsyncSession, position: str) -> Roster:
    """The roster in force, or `NotFound`."""
    query = select(Roster).where(Roster.position_id == position, Roster.replaced_at.is_(None))
    found: Roster | None = await session.scalar(query)
    if found is None:
        raise NotFound(say("people.roster.none", id=organisation.echoed(position)))
    return found


async def reckoned(
    session: AsyncSession, position: str, *, since: datetime, until: datetime, history: bool = True
) -> rota.Roster | None:
    """The position's roster between two moments, as `rota` reckons with it; most have none.

    Without `history` only the one in force is looked at: `since` is not in the past.
    """
    query = select(Roster).where(Roster.position_id == position).order_by(Roster.version.desc())
    in_force = Roster.replaced_at.is_(None)
    query = query.where(or_(in_force, Roster.replaced_at > since) if history else in_force)
    written = list(await session.scalars(query))
    if not written:
        return None
    put_in = await session.scalars(
        overrides(position, since=since).where(Override.begins < until).order_by(Override.id)
    )
    return _as_data(written, put_in)


async def all_reckoned(session: AsyncSession, *, since: datetime, until: datetime) -> dict[str, rota.Roster]:
    """Every roster in force, from the present `since` to `until`, by position."""
    counts = select(Override).where(Override.withdrawn_at.is_(None), Override.ends > since)
    put_in: dict[str, list[Override]] = {}
    for one in await session.scalars(counts.where(Override.begins < until).order_by(Override.id)):
        put_in.setdefault(one.position_id, []).append(one)
    return {
        roster.position_id: _as_data([roster], put_in.get(roster.position_id, ()))
        for roster in await rosters(session)
    }


def _as_data(written: Iterable[Roster], put_in: Iterable[Override]) -> rota.Roster:
    return rota.Roster(
        tuple(rotation for one in written for rotation in rotations_of(one)),
        tuple(  # what was before it was made, it does not change
            rota.Override(max(one.begins, one.made_at), one.ends, one.person_id, one.instead_of)
            for one in put_in
        ),
    )


def rotations_of(roster: Roster) -> list[Rotation]:
    """The rotations of a stored roster, the upper first, each from when it was written to when it was replaced."""
    since = roster.written_at if roster.version > 1 else None
    return [
        Rotation(
            time_zone=kept["time_zone"], starts_on=date.fromisoformat(kept["starts_on"]),
            handover=time.fromisoformat(kept["handover"]), length=kept["hours"] * _HOUR,
            participants=tuple(kept["participants"]), windows=tuple(_window(one) for one in kept["windows"]),
            name=kept["name"], since=since, until=roster.replaced_at,
        )
        for kept in roster.rotations
    ]  # fmt: skip


# ── overrides ─────────────────────────────────────────────────────────────────────────────────────────────


async def put_in(
    session: AsyncSession, position: str, person_id: str, *, begins: datetime, ends: datetime, by: str, at: datetime,
    instead_of: str | None = None, swap_id: str | None = None, uid: str | None = None,
) -> Override:  # fmt: skip
    """Put somebody in for a time; the one put in last counts."""
    if begins >= ends or ends - begins > LONGEST_OVERRIDE:
        raise WrongShape(say("people.span", days=LONGEST_OVERRIDE.days))
    if ends <= at:
        raise Refused(say("people.override.past"))
    await roster_of(session, position)
    person = await organisation.person(session, person_id)
    if person.left_at is not None:
        raise Refused(say("people.left", name=person.name))
    override = Override(
        id=new_id(at), position_id=position, person_id=person_id, begins=begins, ends=ends, instead_of=instead_of,
        swap_id=swap_id, uid=uid, made_at=at, made_by=by, withdrawn_at=None,
    )  # fmt: skip
    session.add(override)
    await session.flush()
    organisation.tell(session, at=at, position=position)
    return override


async def withdraw(session: AsyncSession, override_id: str, *, at: datetime) -> Override:
    """Take an override back. One that has begun ends now; one that is over stays. Repeatable."""
    override = await session.get(Override, override_id, with_for_update=True, populate_existing=True)
    if override is None:
        raise NotFound(say("people.override.none"))
    if override.withdrawn_at is None and override.ends > at:
        if override.begins < at:
            override.ends = at
        else:
            override.withdrawn_at = at
        organisation.tell(session, at=at, position=override.position_id)
    return override


def overrides(position: str, *, since: datetime) -> Any:
    """Overrides of a position that count and end after a moment."""
    return select(Override).where(
        Override.position_id == position, Override.withdrawn_at.is_(None), Override.ends > since
    )


# ── what is written ───────────────────────────────────────────────────────────────────────────────────────


async def _latest(session: AsyncSession, position: str, expected: int | None) -> Roster | None:
    # The position's row is the lock: two first rosters of one position cannot both find none.
    if await session.get(Position, position, with_for_update=True, populate_existing=True) is None:
        raise NotFound(say("people.no_such_position", id=organisation.echoed(position)))
    query = select(Roster).where(Roster.position_id == position).order_by(Roster.version.desc()).limit(1)
    found: Roster | None = await session.scalar(query.execution_options(populate_existing=True))
    version = found.version if found else 0
    if expected is not None and expected != version:
        raise Stale(say("people.stale"), current_version=version)
    return found


async def _mistakes(
    session: AsyncSession, position: str, rotations: Sequence[Rotation]
) -> list[tuple[str, Wording]]:
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
        (f"rotations.{layer}.participants.{index}", say("people.roster.not_a_holder"))
        for layer, rotation in enumerate(rotations)
        for index, one in enumerate(rotation.participants)
        if one not in holders
    ]
    zones = dict.fromkeys(rotation.time_zone for rotation in rotations)
    return found + [
        ("time_zone", say("people.roster.zone", zone=organisation.echoed(zone)))
        for zone in zones
        if not organisation.is_zone(zone)
    ]


def _stored(rotation: Rotation) -> dict[str, Any]:
    return {
        "name": rotation.name, "time_zone": rotation.time_zone, "starts_on": rotation.starts_on.isoformat(),
        "handover": f"{rotation.handover:%H:%M}", "hours": rotation.length // _HOUR,
        "participants": list(rotation.participants),
        "windows": [
            {"begins": f"{one.begins:%H:%M}", "ends": f"{one.ends:%H:%M}", "weekdays": sorted(one.weekdays)}
            for one in rotation.windows
        ],
    }  # fmt: skip


def _window(kept: Mapping[str, Any]) -> Window:
    weekdays: Iterable[int] = kept["weekdays"]
    return Window(time.fromisoformat(kept["begins"]), time.fromisoformat(kept["ends"]), frozenset(weekdays))
