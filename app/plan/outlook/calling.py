"""Who is called for a position, stretch after stretch, from turns and leave, as `people.holders` answers it (OR-1). Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from app.plan.outlook.snapshot import Absent, Away, Stretch


class Turn(NamedTuple):
    """Whose turn it is from `begins` up to `ends`, and who is asked when they are away, in that order."""

    begins: datetime
    ends: datetime
    order: tuple[str, ...]


def called(
    assigned: Sequence[str], turns: Sequence[Turn], away: Mapping[str, Sequence[Away]], *, begins: datetime, ends: datetime
) -> tuple[Stretch, ...]:  # fmt: skip
    """From `begins` up to `ends`: the first in turn who can be called, else all who are assigned and can.

    The turns are in order and do not overlap; who has one and does not hold the position is passed over.
    """
    concerned = {*assigned, *(person for turn in turns for person in turn.order)}
    edges = {begins, ends}
    for turn in turns:
        edges.update((turn.begins, turn.ends))
    for person in concerned:
        for one in away.get(person, ()):
            edges.update(edge for edge in (one.begins, one.ends) if edge is not None)
    found: list[Stretch] = []
    place = 0
    for since, until in pairwise(sorted(edge for edge in edges if begins <= edge <= ends)):
        while place < len(turns) and turns[place].ends <= since:
            place += 1
        here = turns[place].order if place < len(turns) and turns[place].begins <= since else ()
        people, skipped = _decided(assigned, here, away, since)
        if found and (found[-1].people, found[-1].skipped) == (people, skipped):
            found[-1] = Stretch(found[-1].begins, until, people, skipped)
        else:
            found.append(Stretch(since, until, people, skipped))
    return tuple(found)


def _decided(
    assigned: Sequence[str], order: Sequence[str], away: Mapping[str, Sequence[Away]], at: datetime
) -> tuple[tuple[str, ...], tuple[tuple[str, Absent], ...]]:
    skipped: dict[str, Absent] = {}
    for person in order:
        why = _why_not(away.get(person, ()), at) or (None if person in assigned else Absent.NOT_ASSIGNED)
        if why is None:
            return (person,), tuple(skipped.items())
        skipped[person] = why
    people = []
    for person in assigned:
        if (why := _why_not(away.get(person, ()), at)) is None:
            people.append(person)
        else:
            skipped.setdefault(person, why)
    return tuple(people), tuple(skipped.items())


def _why_not(spells: Sequence[Away], at: datetime) -> Absent | None:
    for one in spells:
        if (one.begins is None or one.begins <= at) and (one.ends is None or at < one.ends):
            return one.why
    return None
