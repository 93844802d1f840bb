"""The organisation as arithmetic needs it: who is called for what over which stretches, and what there is. Pure.

Whoever makes a snapshot (from a file, from the database, in a test) reckons rosters and leave into stretches;
nothing here knows how a roster is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from app.people.contact_rules import Rule
from app.people.rota import Called

SILENT: Final = frozenset({"log"})
"""Channels that take a message and tell nobody."""
USABLE: Final = frozenset({"mail", "webhook"})
"""Channels that reach people, where nothing else is said."""


class Absent(StrEnum):
    """Why somebody is not called."""

    LEAVE = "leave"
    ILL = "ill"
    LEFT = "left"  # no longer with the centre
    NOT_ASSIGNED = "not_assigned"  # on the roster, but the position is not theirs any more
    HELD = "held"  # reserved for an incident that is under way


@dataclass(frozen=True)
class Away:
    """Somebody cannot be had from `begins` (none: ever since) up to `ends` (none: for good)."""

    begins: datetime | None
    ends: datetime | None
    why: Absent = Absent.LEAVE


@dataclass(frozen=True)
class Person:
    name: str
    contacts: tuple[str, ...] = ()
    """The channels of their contact points; the first is tried first."""
    skills: Mapping[str, datetime | None] = field(default_factory=dict)
    """Each with the moment it lapses, where it rests on a certificate."""
    away: tuple[Away, ...] = ()
    quiet: tuple[tuple[datetime, datetime], ...] = ()
    """When messages of levels 3 and 4 wait for the end of their quiet hours."""
    rules: tuple[Rule, ...] = ()
    """Which of their contact points is tried first, by level and hour."""


@dataclass(frozen=True)
class Stretch:
    """Who is called for a position for a time, in order, and who is passed over and why."""

    begins: datetime
    ends: datetime
    people: tuple[str, ...]
    skipped: tuple[tuple[str, Absent], ...] = ()


@dataclass(frozen=True)
class Post:
    """A position: who holds it, on duty or not, and who is called, stretch after stretch without a gap."""

    assigned: tuple[str, ...] = ()
    called: tuple[Stretch, ...] = ()


@dataclass(frozen=True)
class Lot:
    """So many of an item, or one asset, that are there for a time (none: from the beginning, to the end)."""

    pool: str
    name: str
    quantity: int
    begins: datetime | None = None
    ends: datetime | None = None


@dataclass(frozen=True)
class Snapshot:
    """All of it. Positions that are missing are held by nobody."""

    people: Mapping[str, Person] = field(default_factory=dict)
    """In the order in which they are taken out of pools: that of their staff numbers."""
    posts: Mapping[str, Post] = field(default_factory=dict)
    lots: tuple[Lot, ...] | None = None
    """None: what the plan says the pools hold when full."""
    channels: frozenset[str] = USABLE
    """Those that are set up; a message by another fails at once, and the next way is tried."""


def stretch_of(called: Called) -> Stretch:
    """Who is called for a time, as the rosters reckon it."""
    skipped = tuple((one.person, Absent(one.why)) for one in called.skipped)
    return Stretch(called.begins, called.ends, called.people, skipped)
