"""What other rules would have made of the signals that came last (EP-9.3, OM-2). Pure, but for the reading of them.

Each plan takes the same signals in their order: which raised, which joined what, how grave and of which type. As if nobody had a
hand in any of it, and without maintenance windows: people and work on machines are the same for both. What the preview says of the
rules now is therefore not what really happened, but what is compared is compared alike.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from heapq import heappop, heappush
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app.intake import ourselves, routed, signals
from app.intake.routed import Taken
from app.intake.signals import Signal, SignalState
from app.intake.tables import Receipt, ReceiptState, Source
from app.levels import grading, matrix
from app.levels.document import Levels
from app.wording import Wording, say

USUAL: Final = 500
MOST: Final = 2_000  # signals
_MOST_SHOWN: Final = 200  # differences
_AT_ONCE: Final = 200  # receipts


@dataclass(frozen=True)
class Stored:
    """A signal as it came."""

    receipt_id: str
    position: int
    received_at: datetime
    source: Source
    signal: Signal


class Fate(StrEnum):
    """What becomes of a signal by the rules alone."""

    RAISED = "raised"  # a new incident
    JOINED = "joined"  # a part of one that is open
    REPEATED = "repeated"  # nothing new
    RECURRED = "recurred"  # again, while its incident is open
    FLAPPED = "flapped"  # back before it was quiet for its dwell time
    ENDED = "ended"  # it is over
    NOTHING = "nothing"  # a remark, an answer, an end of what is not known


@dataclass(frozen=True)
class Course:
    """How one signal goes by a plan."""

    fate: Fate
    type: str | None = None
    department: str | None = None
    level: int | None = None
    rule: str | None = None
    incident: int | None = None
    """Which incident it belongs to, counted from 1 in the order they are raised."""
    raised_by: int | None = None
    """The number of the signal that raised that incident, counted from 0: the same by both plans, it is the same incident."""


@dataclass(frozen=True)
class Otherwise:
    """A signal that goes otherwise by the other plan."""

    stored: Stored
    was: Course
    now: Course
    said: tuple[Wording, ...]


@dataclass(frozen=True)
class Preview:
    signals: int
    begins: datetime | None
    ends: datetime | None
    was: Mapping[int, int]
    """Incidents by their level when raised, by the rules in force."""
    now: Mapping[int, int]
    otherwise: Sequence[Otherwise]
    left_out: int
    """Signals that go otherwise beyond those listed."""


async def through(session: AsyncSession, new: Levels, *, last: int) -> Preview:
    """The last stored signals through the rules in force, and through these."""
    _, old = await matrix.in_force(session)
    said = await stored(session, last=last)
    # Beside the event loop: it may be thousands, and the engine has others to tell.
    return await asyncio.to_thread(compare, old, new, said)


async def stored(session: AsyncSession, *, last: int) -> list[Stored]:
    """The newest so many signals that were understood, oldest first."""
    found: list[Stored] = []
    sources = {one.id: one for one in await session.scalars(select(Source))}
    newest: str | None = None
    while len(found) < last:
        query = select(Receipt).options(defer(Receipt.body, raiseload=True)).where(
            Receipt.source_id != ourselves.SELF_TEST, Receipt.state == ReceiptState.UNDERSTOOD
        )  # fmt: skip
        if newest is not None:
            query = query.where(Receipt.id < newest)
        receipts = list(await session.scalars(query.order_by(Receipt.id.desc()).limit(_AT_ONCE)))
        for receipt in receipts:
            newest = receipt.id
            for position, kept in reversed(list(enumerate(receipt.signals))):
                source, signal = sources[receipt.source_id], signals.unpacked(kept)
                found.append(Stored(receipt.id, position, receipt.received_at, source, signal))
        if len(receipts) < _AT_ONCE:
            break
    return found[:last][::-1]


def compare(old: Levels, new: Levels, said: Sequence[Stored]) -> Preview:
    """The signals through both, in the order given, and where they part."""
    was, now = list(courses(old, said)), list(courses(new, said))
    otherwise = [
        Otherwise(one, before, after, tuple(sentences))
        for one, before, after in zip(said, was, now, strict=True)
        if (sentences := list(_told(before, after, old, new)))
    ]
    return Preview(
        len(said), said[0].received_at if said else None, said[-1].received_at if said else None,
        _raised(was), _raised(now), otherwise[:_MOST_SHOWN], max(len(otherwise) - _MOST_SHOWN, 0),
    )  # fmt: skip


# ── one plan ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Incident:
    number: int
    raised_by: int
    level: int
    signals: int = 1
    is_storm: bool = False
    grew_at: datetime | None = None
    wrong: set[tuple[str, str]] = field(default_factory=set)  # problems that are not over


@dataclass
class _Problem:
    incident: _Incident
    taken: Taken
    quiet_at: datetime | None = None  # ended, and over then
    ended: bool = False


def courses(levels: Levels, said: Sequence[Stored]) -> Iterator[Course]:
    """How each signal goes by this plan."""
    problems: dict[tuple[str, str], _Problem] = {}
    incidents: list[_Incident] = []
    groups: dict[str, _Incident] = {}
    quiet: list[tuple[datetime, tuple[str, str]]] = []  # when problems are over, unless they come back
    recent: dict[tuple[str, str], deque[_Incident]] = {}  # by source and type
    for number, one in enumerate(said):
        at, key = one.received_at, (one.source.id, one.signal.dedup_key)
        while quiet and quiet[0][0] <= at:
            moment, other = heappop(quiet)
            if problems[other].quiet_at == moment:
                _end(problems[other], other)
        known = problems.get(key)
        match one.signal.state:
            case SignalState.RECOVERED if known is not None and not known.ended and known.quiet_at is None:
                if dwell := known.taken.route.dwell:
                    known.quiet_at = at + dwell
                    heappush(quiet, (known.quiet_at, key))
                else:
                    _end(known, key)
                yield _course(Fate.ENDED, known)
            case SignalState.PROBLEM if known is not None and not known.ended:
                fate = Fate.REPEATED if known.quiet_at is None else Fate.FLAPPED
                known.quiet_at = None
                yield _course(fate, known)
            case SignalState.PROBLEM if known is not None and known.incident.wrong:
                # Its incident is still open, for the sake of others.
                known.ended = False
                known.incident.wrong.add(key)
                yield _course(Fate.RECURRED, known)
            case SignalState.PROBLEM:
                taken = routed.taken(
                    levels, one.source, one.signal, dedup_key=":".join(key), received_at=at, at=at
                )
                place = (one.source.slug, taken.type)
                found = _group(groups, taken, at) or _storm(recent.get(place, ()), levels, taken, one, at)
                fate = Fate.RAISED if found is None else Fate.JOINED
                if found is None:
                    found = _Incident(len(incidents) + 1, number, taken.graded.level)
                    incidents.append(found)
                    recent.setdefault(place, deque(maxlen=levels.storm.after + 1)).append(found)
                    if taken.route.group is not None:
                        groups[taken.route.group] = found
                else:
                    found.signals += 1
                found.grew_at = at
                found.wrong.add(key)
                problems[key] = _Problem(found, taken)
                yield _course(fate, problems[key])
            case _:
                yield Course(Fate.NOTHING)


def _end(problem: _Problem, key: tuple[str, str]) -> None:
    problem.ended, problem.quiet_at = True, None
    problem.incident.wrong.discard(key)


def _group(groups: Mapping[str, _Incident], taken: Taken, at: datetime) -> _Incident | None:
    rule, key = taken.route.rule, taken.route.group
    if rule is None or rule.group is None or key is None:
        return None
    return _open(groups.get(key), taken, rule.group.within, at)


def _storm(
    recent: Sequence[_Incident] | deque[_Incident], levels: Levels, taken: Taken, one: Stored, at: datetime
) -> _Incident | None:
    if one.source.id in ourselves.OURS:
        return None
    lately = [
        other for other in recent if other.grew_at is not None and other.grew_at > at - levels.storm.within
    ]
    if len(lately) < levels.storm.after and not any(other.is_storm for other in lately):
        return None
    still_open = [other for other in lately if other.wrong]
    gravest = min(still_open, key=lambda other: (other.level, -other.signals), default=None)
    found = _open(gravest, taken, levels.storm.within, at)
    if found is not None:
        found.is_storm = True
    return found


def _open(found: _Incident | None, taken: Taken, within: timedelta, at: datetime) -> _Incident | None:
    """The incident, if it is open and takes this in."""
    if found is None or not found.wrong or found.grew_at is None or found.grew_at <= at - within:
        return None
    return None if grading.is_graver(taken.graded.level, found.level) else found


def _course(fate: Fate, problem: _Problem) -> Course:
    taken, rule = problem.taken, problem.taken.route.rule
    return Course(
        fate, taken.type, taken.department, taken.graded.level, rule.id if rule else None,
        problem.incident.number, problem.incident.raised_by,
    )  # fmt: skip


# ── two of them ───────────────────────────────────────────────────────────────────────────────────────────


def _told(was: Course, now: Course, old: Levels, new: Levels) -> Iterator[Wording]:
    if was.fate != now.fate:
        yield say("preview.fate", was=say(f"preview.fate.{was.fate}"), now=say(f"preview.fate.{now.fate}"))
    # What follows a signal that goes otherwise is told of with that one.
    if not {was.fate, now.fate} & {Fate.RAISED, Fate.JOINED}:
        return
    if was.type != now.type and was.type is not None and now.type is not None:
        titles = (old.types[was.type].title.model_dump(), new.types[now.type].title.model_dump())
        yield say("preview.type", was=titles[0], now=titles[1])
    for name in ("department", "level"):
        before, after = getattr(was, name), getattr(now, name)
        if before != after and before is not None and after is not None:
            yield say(f"preview.{name}", was=before, now=after)
    if was.rule != now.rule:
        yield say("preview.rule", was=was.rule, now=now.rule)
    elif was.fate == now.fate == Fate.JOINED and was.raised_by != now.raised_by:
        yield say("preview.joined_another")


def _raised(courses_: Sequence[Course]) -> dict[int, int]:
    levels = [one.level for one in courses_ if one.fate is Fate.RAISED and one.level is not None]
    return {level: levels.count(level) for level in (1, 2, 3, 4)}
