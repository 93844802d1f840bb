"""Whose turn it is, as exact intervals (EP-2, OR-1). Pure: plain data in, intervals out, no sampling.

For whoever reckons with rosters (the check of the plan, the on-call answer, calendars, handovers):

- `holders(roster, start, end, away)`: the span from `start` up to, not including, `end`, cut at each handover and wherever
  else the answer changes: each stretch a tuple that begins `(begins, ends, person)`, `person` being `None` where nobody is.
- `called(post, start, end)`: the same for a position: the roster's one, else everybody assigned who can be called.
- `holders.posts(session, since, until)` of this room gives all positions of the database as `Post`.
- `quiet_until(quiet, at)` and `quiet_spells(quiet, start, end)`: somebody's quiet hours.

Stretches join without gap or overlap, moments are UTC, people are ids. What is written in wall-clock time (turns,
restrictions, quiet hours) is turned into moments as RFC 5545 does: a time the clocks skip is read with the offset
before the gap, of one they pass twice the first is meant.

Who holds a roster at a moment, the first of these who is not away:

1. whoever an override names, the one made last first; a swap only where the turn has come to the one who gives it away;
2. the rotations from the top, each while it is in force and its restrictions let it: the one whose turn it is, then the
   others in the order of their turns.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

_DAY: Final = timedelta(days=1)
_EARLIER: Final = timedelta(days=2)  # a zone may have skipped or repeated a whole day
EVERY_DAY: Final = frozenset(range(1, 8))


class Why(StrEnum):
    """By what somebody holds a position."""

    TURN = "turn"  # their turn in the rotation
    STAND_IN = "stand_in"  # the turn came to them, because whoever had it is away
    OVERRIDE = "override"  # they were put in for this time
    SWAP = "swap"  # they took over the turn of somebody who gave it to them
    ASSIGNED = "assigned"  # they hold it; no roster says otherwise


class Absent(StrEnum):
    """Why somebody is passed over."""

    LEAVE = "leave"
    ILL = "ill"
    LEFT = "left"  # no longer with the centre
    NOT_ASSIGNED = "not_assigned"  # on the roster, but the position is not theirs any more


@dataclass(frozen=True)
class Window:
    """A restriction: a rotation counts from `begins` to `ends` on the wall, on the days it begins on."""

    begins: time
    ends: time  # at or before `begins`: of the next day
    weekdays: frozenset[int] = EVERY_DAY  # 1 is Monday


@dataclass(frozen=True)
class Rotation:
    """One layer of a roster: people in turn."""

    time_zone: str
    starts_on: date  # the first turn begins on this day
    handover: time  # by the clock on the wall
    length: timedelta  # of a turn, by the clock on the wall: a day has 24 hours also when the clocks change
    participants: tuple[str, ...]  # in turn; who stands there twice has two turns in a round
    windows: tuple[Window, ...] = ()  # none: always
    name: str = ""
    since: datetime | None = None  # in force from here, where it took the place of another
    until: datetime | None = None  # and up to here, where another took its place


@dataclass(frozen=True)
class Override:
    """Somebody is put in for a time."""

    begins: datetime
    ends: datetime
    person: str
    instead_of: str | None = None  # given: only while the turn is theirs (a swap)


@dataclass(frozen=True)
class Roster:
    """Rotations, the upper before the lower, and overrides, the later made after the earlier."""

    rotations: tuple[Rotation, ...]
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True)
class Away:
    """Somebody cannot be called from `begins` (none: ever since) up to `ends` (none: for good)."""

    begins: datetime | None
    ends: datetime | None
    why: Absent


Aways = Mapping[str, Sequence[Away]]


@dataclass(frozen=True)
class Post:
    """A position as plain data."""

    assigned: tuple[str, ...]  # in staff order
    roster: Roster | None = None
    away: Aways | None = None


class Skipped(NamedTuple):
    """Somebody whose place it was, and why they are passed over."""

    person: str
    why: Absent


class Stretch(NamedTuple):
    """Who holds a roster for a time."""

    begins: datetime
    ends: datetime
    person: str | None
    why: Why | None = None
    rotation: str | None = None  # the name of the layer it comes from; none for an override
    instead_of: str | None = None  # whose turn it would be
    turn: int | None = None  # its number in that layer
    skipped: tuple[Skipped, ...] = ()


class Called(NamedTuple):
    """Who is called for a position for a time."""

    begins: datetime
    ends: datetime
    people: tuple[str, ...]  # one by the roster, or all who are assigned
    why: Why | None = None
    rotation: str | None = None
    instead_of: str | None = None
    turn: int | None = None
    skipped: tuple[Skipped, ...] = ()


class Turn(NamedTuple):
    """From `begins` up to, not including, `ends`; `number` counts from the first."""

    begins: datetime
    ends: datetime
    number: int


@dataclass(frozen=True)
class Quiet:
    """Hours of the wall clock in which somebody is not told what can wait."""

    begins: time
    ends: time
    time_zone: str


_S = TypeVar("_S", Stretch, Called)


# ── the answers ───────────────────────────────────────────────────────────────────────────────────────────


def holders(roster: Roster, start: datetime, end: datetime, away: Aways | None = None) -> list[Stretch]:
    """Who holds the roster from `start` up to `end`."""
    return _joined(_stretches(roster, start, end, away or {}, ()))


def called(post: Post, start: datetime, end: datetime) -> list[Called]:
    """Who is called for the position from `start` up to `end`: the roster's one, else all who are assigned and not away."""
    away = post.away or {}
    pieces = _stretches(post.roster or Roster(()), start, end, away, post.assigned)
    return _joined(
        Called(one.begins, one.ends, (one.person,), *one[3:])
        if one.person is not None
        else _all_assigned(post, away, one)
        for one in pieces
    )


def turns(rotation: Rotation, start: datetime, end: datetime) -> list[Turn]:
    """Every turn that touches the span, in order, whole, restrictions aside; one of no length is left out."""
    if not rotation.participants or start >= end:
        return []
    zone = ZoneInfo(rotation.time_zone)
    first = datetime.combine(rotation.starts_on, rotation.handover)
    passed = start.astimezone(zone).replace(tzinfo=None) - first - _EARLIER
    number = max(passed // rotation.length, 0)
    begins = _begin(first + number * rotation.length, rotation.length, zone)
    found: list[Turn] = []
    while begins < end:
        ends = _begin(first + (number + 1) * rotation.length, rotation.length, zone)
        if ends > start and ends > begins:
            found.append(Turn(begins, ends, number))
        begins, number = ends, number + 1
    return found


def whose(rotation: Rotation, turn: Turn) -> str:
    """Whose turn it is."""
    return rotation.participants[turn.number % len(rotation.participants)]


def quiet_spells(quiet: Quiet, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Somebody's quiet hours between two moments, in order."""
    window = Window(quiet.begins, quiet.ends)
    return [
        (max(begins, start), min(ends, end))
        for begins, ends in _open((window,), ZoneInfo(quiet.time_zone), start, end)
        if begins < end and ends > start
    ]


def quiet_until(quiet: Quiet, at: datetime) -> datetime | None:
    """When the quiet hours a moment falls in are over; `None` when it falls in none."""
    window = Window(quiet.begins, quiet.ends)
    zone = ZoneInfo(quiet.time_zone)
    return next((ends for begins, ends in _open((window,), zone, at, at) if begins <= at < ends), None)


def why_away(spells: Sequence[Away], at: datetime) -> Absent | None:
    """Why somebody with these absences cannot be called at a moment; `None` when they can."""
    for one in spells:
        if (one.begins is None or one.begins <= at) and (one.ends is None or one.ends > at):
            return one.why
    return None


# ── reckoning ─────────────────────────────────────────────────────────────────────────────────────────────


class _Spell(NamedTuple):
    """A turn, or the part of one that the rotation's restrictions leave."""

    begins: datetime
    ends: datetime
    number: int


def _stretches(
    roster: Roster, start: datetime, end: datetime, away: Aways, also: Iterable[str]
) -> Iterator[Stretch]:
    """The stretches between any two moments at which something changes."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    if start >= end:
        return
    spells = [_spells(rotation, start, end) for rotation in roster.rotations]
    overrides = [one for one in roster.overrides if one.begins < end and one.ends > start]
    places = [0] * len(spells)
    for begins, ends in _pieces(roster, spells, overrides, away, also, start, end):
        turn: list[tuple[Rotation, int]] = []
        for index, row in enumerate(spells):
            while places[index] < len(row) and row[places[index]].ends <= begins:
                places[index] += 1
            if places[index] < len(row) and row[places[index]].begins <= begins:
                turn.append((roster.rotations[index], row[places[index]].number))
        put_in = [one for one in overrides if one.begins <= begins and one.ends >= ends]
        yield _decided(begins, ends, turn, put_in, away)


def _pieces(
    roster: Roster, spells: Sequence[Sequence[_Spell]], overrides: Sequence[Override], away: Aways, also: Iterable[str],
    start: datetime, end: datetime,
) -> Iterator[tuple[datetime, datetime]]:  # fmt: skip
    edges = {start, end}
    for row in spells:
        for spell in row:
            edges.update(spell[:2])
    for one in overrides:
        edges.update((one.begins.astimezone(UTC), one.ends.astimezone(UTC)))
    concerned = {person for rotation in roster.rotations for person in rotation.participants}
    concerned.update(also, (one.person for one in overrides))
    for person in concerned:
        for spell_away in away.get(person, ()):
            edges.update(
                edge.astimezone(UTC) for edge in (spell_away.begins, spell_away.ends) if edge is not None
            )
    inside = sorted(edge for edge in edges if start <= edge <= end)
    return pairwise(inside)


def _decided(
    begins: datetime, ends: datetime, turn: Sequence[tuple[Rotation, int]], put_in: Sequence[Override], away: Aways
) -> Stretch:  # fmt: skip
    natural = _in_turn(*turn[0])[0] if turn else None
    skipped: dict[str, Skipped] = {}

    def free(person: str) -> bool:
        if person in skipped:
            return False
        if (why := why_away(away.get(person, ()), begins)) is not None:
            skipped[person] = Skipped(person, why)
            return False
        return True

    chosen: list[Override] = []
    holder = natural
    for one in put_in:
        if one.instead_of in {None, holder}:
            chosen.append(one)
            holder = one.person
    for one in reversed(chosen):
        if free(one.person):
            why = Why.OVERRIDE if one.instead_of is None else Why.SWAP
            instead = natural if natural != one.person else None
            return Stretch(begins, ends, one.person, why, None, instead, None, tuple(skipped.values()))
    for rotation, number in turn:
        for person in _in_turn(rotation, number):
            if free(person):
                mine = person == natural
                why, instead = (Why.TURN, None) if mine else (Why.STAND_IN, natural)
                passed = tuple(skipped.values())
                return Stretch(begins, ends, person, why, rotation.name, instead, number, passed)
    return Stretch(begins, ends, None, None, None, natural, None, tuple(skipped.values()))


def _in_turn(rotation: Rotation, number: int) -> tuple[str, ...]:
    first = number % len(rotation.participants)
    return rotation.participants[first:] + rotation.participants[:first]


def _all_assigned(post: Post, away: Aways, stretch: Stretch) -> Called:
    skipped = {one.person: one for one in stretch.skipped}
    people: list[str] = []
    for person in post.assigned:
        if (why := why_away(away.get(person, ()), stretch.begins)) is None:
            people.append(person)
        elif why is not Absent.NOT_ASSIGNED:
            skipped.setdefault(person, Skipped(person, why))
    why_called = Why.ASSIGNED if people else None
    passed = tuple(skipped.values())
    return Called(stretch.begins, stretch.ends, tuple(people), why_called, None, None, None, passed)


def _spells(rotation: Rotation, start: datetime, end: datetime) -> list[_Spell]:
    """What of the rotation's turns counts within the span, in order."""
    start = max(start, rotation.since) if rotation.since else start
    end = min(end, rotation.until) if rotation.until else end
    mine = turns(rotation, start, end)
    zone = ZoneInfo(rotation.time_zone)
    allowed = _open(rotation.windows, zone, start, end) if rotation.windows else [(start, end)]
    found: list[_Spell] = []
    ends_of_allowed = [ends for _, ends in allowed]
    for turn in mine:
        for begins, ends in allowed[bisect_right(ends_of_allowed, turn.begins) :]:
            if begins >= turn.ends:
                break
            spell = _Spell(max(begins, turn.begins, start), min(ends, turn.ends, end), turn.number)
            if spell.begins < spell.ends:
                found.append(spell)
    return found


def _open(
    windows: Sequence[Window], zone: ZoneInfo, start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """The windows' intervals around a span, in order; what touches or overlaps is one."""
    day, last = start.astimezone(zone).date() - _EARLIER, end.astimezone(zone).date() + _DAY
    each: list[tuple[datetime, datetime]] = []
    while day <= last:
        for window in windows:
            if day.isoweekday() in window.weekdays:
                until = day if window.ends > window.begins else day + _DAY
                begins = _moment(datetime.combine(day, window.begins), zone)
                ends = _moment(datetime.combine(until, window.ends), zone)
                if begins < ends:
                    each.append((begins, ends))
        day += _DAY
    found: list[tuple[datetime, datetime]] = []
    for begins, ends in sorted(each):
        if found and begins <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], ends))
        else:
            found.append((begins, ends))
    return found


def _begin(wall: datetime, length: timedelta, zone: ZoneInfo) -> datetime:
    """When the turn begins that the wall says begins then.

    Where a zone skipped more than a turn, the turns it skipped have no length: one never begins after the next.
    """
    moment = begins = _moment(wall, zone)
    while moment.astimezone(zone).replace(tzinfo=None) != wall:
        wall += length
        moment = _moment(wall, zone)
        begins = min(begins, moment)
    return begins


def _moment(wall: datetime, zone: ZoneInfo) -> datetime:
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)


def _joined(pieces: Iterable[_S]) -> list[_S]:
    """Neighbours that say the same are one."""
    found: list[_S] = []
    for piece in pieces:
        if found and found[-1][2:] == piece[2:]:
            found[-1] = found[-1]._replace(ends=piece.ends)
        else:
            found.append(piece)
    return found
