"""What is said of two plans: sentences, each about a place, and which places have theirs. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from app.notify.document import DEPARTMENT_HEAD
from app.plan.document import PlanDocument
from app.wording import Wording, say


class Group(StrEnum):
    """What a difference is about, in the order of the plan."""

    PLAN = "plan"  # its head and its general parts
    ORGANISATION = "organisation"  # departments and positions
    LEVEL = "level"  # one level, its reporting chain included
    RISK = "risk"  # the risk matrix
    TYPE = "type"  # one incident type
    COMMAND_POST = "command_post"  # one template
    POOL = "pool"  # one pool
    PLAYBOOK = "playbook"  # one playbook
    TRAINING = "training"  # drills, training, recurring duties


@dataclass(frozen=True)
class Difference:
    """One thing the new plan says otherwise."""

    group: Group
    subject: str
    """The number of a level, the id of a type, playbook, pool or command post; empty for a part there is one of."""
    said: Wording
    weakens: bool
    """Something is promised later, or less of it, or no longer."""


@dataclass(frozen=True)
class Place:
    """What sentences are about, and where in the document it stands."""

    group: Group
    subject: str
    said: Wording
    path: str


@dataclass
class Notes:
    old: PlanDocument
    new: PlanDocument
    found: list[Difference] = field(default_factory=list)
    said: set[str] = field(default_factory=set)  # paths that have their sentence

    def note(self, place: Place, key: str, *covers: str, weakens: bool = False, **params: Any) -> None:
        """Say something of a place; `covers` are the paths within it that need no other sentence."""
        self.found.append(Difference(place.group, place.subject, say(key, at=place.said, **params), weakens))
        self.said.update(f"{place.path}.{one}" if one else place.path for one in covers)

    def span(
        self, place: Place, key: str, path: str, was: timedelta | None, now: timedelta | None, *, longer_weakens: bool = True
    ) -> None:  # fmt: skip
        """A time limit: longer weakens it, and so does having none any more."""
        if was != now:
            weaker = now is None if was is None or now is None else (now > was) is longer_weakens
            self.note(
                place,
                key,
                path,
                weakens=weaker and was is not None,
                was=limit(was),
                now=limit(now),
            )

    def number(self, place: Place, key: str, path: str, was: int, now: int, **params: Any) -> None:
        """So many of something: fewer weakens it."""
        if was != now:
            self.note(place, key, path, weakens=now < was, was=was, now=now, **params)

    def value(
        self, place: Place, key: str, path: str, was: Any, now: Any, *, weakens: bool = False,
        tell: Any = lambda value: value,
    ) -> None:  # fmt: skip
        if was != now:
            self.note(place, key, path, weakens=weakens, was=tell(was), now=tell(now))

    def position(self, name: str | None) -> Any:
        """What people call a position, in the new plan or else the old."""
        if name == DEPARTMENT_HEAD:
            return say("diff.department_head")
        for plan in (self.new, self.old):
            if name is not None and (found := plan.organisation.positions.get(name)) is not None:
                return found.title.model_dump()
        return name

    def positions(self, names: Collection[str]) -> list[Any]:
        return [self.position(name) for name in names] or [say("diff.nobody")]

    def title(self, part: str, name: str | None) -> Any:
        """What people call a playbook, a type, a pool or a command post."""
        for plan in (self.new, self.old):
            if name is not None and (found := getattr(plan, part).get(name)) is not None:
                return found.title.model_dump()
        return name


def limit(span: timedelta | None) -> timedelta | Wording:
    """A limit of time as a sentence takes it."""
    return say("diff.span.none") if span is None else span


def entries(notes: Notes, group: Group, part: str) -> list[str]:
    """Say which entries came and went; give those that stand in both plans."""
    old, new = getattr(notes.old, part), getattr(notes.new, part)
    for name in [one for one in new if one not in old]:
        notes.note(place_of(notes, group, part, name), "diff.entry_added", "")
    for name in [one for one in old if one not in new]:
        notes.note(place_of(notes, group, part, name), "diff.entry_removed", "", weakens=True)
    return [name for name in new if name in old]


def place_of(notes: Notes, group: Group, part: str, name: str) -> Place:
    return Place(group, name, say(f"diff.at.{group}", title=notes.title(part, name)), f"{part}.{name}")


def department(notes: Notes, name: str) -> Any:
    for plan in (notes.new, notes.old):
        if (found := plan.organisation.departments.get(name)) is not None:
            return found.title.model_dump()
    return name
