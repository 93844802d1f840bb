"""Maintenance windows (OM-2): while work is done on something, what monitoring says of it is kept, and nobody is called.

Set with a reason, ended early, extended, withdrawn; who did it and why is kept with each. What still burns when a window is
over is judged as if it had just been said. A window holds nothing of level 1 unless it says so. A problem that has an incident
already goes on as before, but for its return, which calls nobody while the window holds.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import NotFound, Refused, Stale, WrongShape
from app.ids import new_id
from app.incidents.tables import Status
from app.intake import inbox, ourselves
from app.intake.routed import Taken
from app.intake.signals import Signal
from app.intake.tables import MaintenanceWindow, Problem, Repeats, Source
from app.intake.times import Time, Times
from app.levels import matrix
from app.wording import say

TOPIC: Final = "window.ended"
LONGEST: Final = timedelta(days=31)
_EVERY: Final[Mapping[str, timedelta]] = {
    Repeats.DAILY: timedelta(days=1),
    Repeats.WEEKLY: timedelta(days=7),
}
_LOOK_AGAIN: Final = timedelta(minutes=1)  # for what was being judged at the moment of its end
_RELEASED_AT_ONCE: Final = 500


class WindowEvent(StrEnum):
    """What can be done to a window."""

    END = "end"  # this time is over now
    EXTEND = "extend"  # this time, or the next, ends otherwise
    WITHDRAW = "withdraw"  # it is over now and never holds again


class WindowIsOver(Refused, slug="window-is-over"):
    """That is not possible with this window now; `allowed` says what is."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A window as somebody wants it."""

    title: str
    reason: str
    begins_at: datetime
    ends_at: datetime
    repeats: Repeats | None = None
    until: datetime | None = None
    sources: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    types: Sequence[str] = ()
    departments: Sequence[str] = ()
    holds_gravest: bool = False


async def put_up(session: AsyncSession, asked: Asked, *, by: str, at: datetime) -> MaintenanceWindow:
    """Set a window. Raises `WrongShape` where it has no sensible times, or names nothing, or what there is not."""
    _, levels = await matrix.in_force(session)
    known = set(await session.scalars(select(Source.slug).where(Source.slug.in_(asked.sources))))
    departments = {kind.department for kind in levels.types.values()} | {
        rule.department for rule in levels.routing
    }
    _must_be_known("sources", asked.sources, known)
    _must_be_known("types", asked.types, levels.types)
    _must_be_known("departments", asked.departments, {one for one in departments if one})
    if not (asked.sources or asked.labels or asked.types or asked.departments):
        raise WrongShape(say("windows.names_nothing"), errors=[{"path": "sources"}])
    _must_have_times(asked, at)
    window = MaintenanceWindow(
        id=new_id(at), title=asked.title, reason=asked.reason, begins_at=asked.begins_at, ends_at=asked.ends_at,
        repeats=asked.repeats, until=asked.until if asked.repeats else None, zone=levels.time_zone,
        sources=list(asked.sources), labels=dict(asked.labels), types=list(asked.types),
        departments=list(asked.departments), holds_gravest=asked.holds_gravest, set_by=by, set_at=at, version=1,
        changes=[_change("set", by, at, asked.reason, asked.ends_at)],
    )  # fmt: skip
    window.over_at = times(window).over_at
    session.add(window)
    await session.flush()
    await _arm(session, window, at)
    return window


async def move(
    session: AsyncSession, window_id: str, event: WindowEvent, *, by: str, at: datetime, reason: str,
    ends_at: datetime | None = None, version: int | None = None,
) -> MaintenanceWindow:  # fmt: skip
    """End, extend or withdraw it.

    1. Under its lock, from the version that was seen.
    2. Only what is possible now: what is over stays over, and only what holds can be ended.
    3. What was held is looked at in the same transaction's message.
    """
    window = await found(session, window_id, lock=True)
    Stale.unless(version, window.version)
    if event not in allowed(window, at):
        raise WindowIsOver(say(f"windows.cannot.{event}"), allowed=allowed(window, at))
    match event:
        case WindowEvent.WITHDRAW:
            window.over_at = ends = at
        case WindowEvent.END:
            ends = at
            _change_time(window, at, ends)
        case WindowEvent.EXTEND:
            ends = _new_end(window, ends_at, at)
            _change_time(window, at, ends)
    window.changes = [*window.changes, _change(event, by, at, reason, ends)]
    window.version += 1
    await session.flush()
    if event is WindowEvent.EXTEND:
        await _arm(session, window, at)
    else:
        outbox.put(session, TOPIC, {"window_id": window.id, "again": False}, ref=_ref(window), at=at)
    return window


def allowed(window: MaintenanceWindow, at: datetime) -> list[WindowEvent]:
    if is_over(window, at):
        return []
    return [event for event in WindowEvent if event is not WindowEvent.END or holds_now(window, at)]


def is_over(window: MaintenanceWindow, at: datetime) -> bool:
    return window.over_at is not None and window.over_at <= at


def holds_now(window: MaintenanceWindow, at: datetime) -> Time | None:
    """The time over which it holds at this moment."""
    return None if is_over(window, at) else times(window).at(at)


def current(window: MaintenanceWindow, at: datetime) -> Time | None:
    """That time, or the next one."""
    return None if is_over(window, at) else times(window).current(at)


def times(window: MaintenanceWindow) -> Times:
    changed = None
    if window.changed_from is not None and window.changed_to is not None:
        changed = (window.changed_from, window.changed_to)
    every = _EVERY[window.repeats] if window.repeats else None
    return Times(window.begins_at, window.ends_at, every, window.until, window.zone, changed)


# ── what it holds ─────────────────────────────────────────────────────────────────────────────────────────


async def holding(session: AsyncSession, *, at: datetime) -> list[MaintenanceWindow]:
    """Those that hold at this moment, the oldest first."""
    rows = await session.scalars(every(over=False, at=at).order_by(MaintenanceWindow.id))
    return [row for row in rows if holds_now(row, at)]


def holder(windows: Iterable[MaintenanceWindow], taken: Taken, signal: Signal) -> MaintenanceWindow | None:
    """The first of these that covers the signal, and may hold it; the product's own tests are not work on anything."""
    if taken.alarm.status == Status.TEST:
        return None
    return next(
        (
            one
            for one in windows
            if _covers(one, taken, signal) and (one.holds_gravest or not taken.is_gravest)
        ),
        None,
    )


def _covers(window: MaintenanceWindow, taken: Taken, signal: Signal) -> bool:
    said_by = {taken.alarm.source}
    if taken.alarm.source == ourselves.WATCH_SLUG:
        said_by.add(signal.labels.get(ourselves.SILENT))  # that a source is silent is its own affair
    return (
        (not window.sources or not said_by.isdisjoint(window.sources))
        and all(signal.labels.get(name) == value for name, value in window.labels.items())
        and (not window.types or taken.type in window.types)
        and (not window.departments or taken.department in window.departments)
    )


async def look(session: AsyncSession, window_id: str, *, again: bool, at: datetime) -> None:
    """The reaction to its end: let what it still holds be judged again, unless it holds on.

    What was being judged at that very moment is found when it looks `again` a little later. A window that repeats is looked at
    when its next time ends.
    """
    window = await found(session, window_id, lock=True)
    if (time := holds_now(window, at)) is not None:
        await _arm_at(session, window, time[1])
        return
    query = select(Problem).where(Problem.window_id == window.id).order_by(Problem.id)
    problems = list(await session.scalars(query.limit(_RELEASED_AT_ONCE).with_for_update(skip_locked=True)))
    told = [
        (inbox.ref_of(one.source_id, one.dedup_key), {**one.held, "held_by": window.id})
        for one in problems
        if one.held is not None
    ]
    await inbox.send(session, told, at=at)
    for one in problems:
        one.window_id = None
    if len(problems) == _RELEASED_AT_ONCE:
        outbox.put(session, TOPIC, {"window_id": window.id, "again": again}, ref=_ref(window), at=at)
    elif not again:
        await _arm_at(session, window, at + _LOOK_AGAIN, again=True)
    await _arm(session, window, at)


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────


def every(*, over: bool | None, at: datetime) -> Select[Any]:
    """All of them, those that are over, or those that are not."""
    query = select(MaintenanceWindow)
    is_past: ColumnElement[bool] = MaintenanceWindow.over_at <= at
    if over is None:
        return query
    return query.where(
        is_past if over else or_(MaintenanceWindow.over_at.is_(None), MaintenanceWindow.over_at > at)
    )


async def found(session: AsyncSession, window_id: str, *, lock: bool = False) -> MaintenanceWindow:
    """Raises `NotFound`."""
    query = select(MaintenanceWindow).where(MaintenanceWindow.id == window_id)
    window = await session.scalar(query.with_for_update() if lock else query)
    if window is None:
        raise NotFound(say("windows.not_found", id=window_id[:26]))
    return window


async def held(session: AsyncSession, window: MaintenanceWindow, *, most: int) -> list[Problem]:
    """The problems it holds, the oldest first."""
    query = select(Problem).where(Problem.window_id == window.id)
    return list(await session.scalars(query.order_by(Problem.first_seen_at, Problem.id).limit(most)))


async def numbers_held(session: AsyncSession, windows: Collection[MaintenanceWindow]) -> dict[str, int]:
    """How many problems each of these holds."""
    query = select(Problem.window_id, func.count()).where(Problem.window_id.in_([one.id for one in windows]))
    counted = {str(name): number for name, number in await session.execute(query.group_by(Problem.window_id))}
    return {one.id: counted.get(one.id, 0) for one in windows}


# ── its times ─────────────────────────────────────────────────────────────────────────────────────────────


def _must_be_known(path: str, named: Sequence[str], known: Collection[str]) -> None:
    for name in named:
        if name not in known:
            raise WrongShape(say(f"windows.unknown.{path}", name=name[:63]), errors=[{"path": path}])


def _must_have_times(asked: Asked, at: datetime) -> None:
    lasts = asked.ends_at - asked.begins_at
    if lasts <= timedelta(0) or asked.ends_at <= at:
        raise WrongShape(say("windows.ends_before"), errors=[{"path": "ends_at"}])
    if lasts > LONGEST:
        raise WrongShape(say("windows.too_long", longest=LONGEST), errors=[{"path": "ends_at"}])
    if asked.repeats is not None and lasts > _EVERY[asked.repeats]:
        raise WrongShape(say("windows.overlaps"), errors=[{"path": "ends_at"}])
    if asked.until is not None and asked.until < asked.begins_at:
        raise WrongShape(say("windows.until_before"), errors=[{"path": "until"}])


def _new_end(window: MaintenanceWindow, ends_at: datetime | None, at: datetime) -> datetime:
    time = current(window, at)
    if ends_at is None or time is None or ends_at <= max(at, time[0]):
        raise WrongShape(say("windows.ends_before"), errors=[{"path": "ends_at"}])
    if ends_at - time[0] > LONGEST:
        raise WrongShape(say("windows.too_long", longest=LONGEST), errors=[{"path": "ends_at"}])
    if window.repeats and ends_at - time[0] > _EVERY[window.repeats]:
        raise WrongShape(say("windows.overlaps"), errors=[{"path": "ends_at"}])
    return ends_at


def _change_time(window: MaintenanceWindow, at: datetime, ends: datetime) -> None:
    """Let the time that holds now, or the next one, end then."""
    time = current(window, at)
    assert time is not None  # whoever asks knows that it is not over
    window.changed_from, window.changed_to = time[0], ends
    window.over_at = times(window).over_at


async def _arm(session: AsyncSession, window: MaintenanceWindow, at: datetime) -> None:
    ends = None if is_over(window, at) else times(window).next_end(at)
    if ends is not None:
        await _arm_at(session, window, ends)


async def _arm_at(
    session: AsyncSession, window: MaintenanceWindow, due_at: datetime, *, again: bool = False
) -> None:
    key = f"window:{window.id}:{due_at.isoformat()}:{'again' if again else 'end'}"
    payload = {"window_id": window.id, "again": again}
    await outbox.arm(session, TOPIC, payload, ref=_ref(window), key=key, due_at=due_at)


def _ref(window: MaintenanceWindow) -> str:
    return f"window:{window.id}"


def _change(event: str, by: str, at: datetime, reason: str, ends_at: datetime) -> dict[str, Any]:
    return {
        "event": event,
        "by": by,
        "at": at.isoformat(),
        "reason": reason,
        "ends_at": ends_at.isoformat(),
    }
