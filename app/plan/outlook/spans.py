"""Sets of moments as intervals. Pure.

A moment is a whole number of microseconds since 1970, an interval goes from its first moment up to, not
including, its last, and a set is a sorted tuple of intervals that neither touch nor overlap.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

Interval = tuple[int, int]
Spans = tuple[Interval, ...]

NONE: Final[Spans] = ()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)


def moment(at: datetime) -> int:
    return (at - _EPOCH) // _TICK


def ticks(span: timedelta) -> int:
    return span // _TICK


def at(moment: int) -> datetime:
    return _EPOCH + moment * _TICK


def span(ticks: int) -> timedelta:
    return ticks * _TICK


def union(*parts: Iterable[Interval]) -> Spans:
    """All moments of all of them; the parts may be in any order."""
    found: list[Interval] = []
    for begins, ends in sorted(one for part in parts for one in part if one[0] < one[1]):
        if found and begins <= found[-1][1]:
            if ends > found[-1][1]:
                found[-1] = (found[-1][0], ends)
        else:
            found.append((begins, ends))
    return tuple(found)


def common(one: Sequence[Interval], other: Sequence[Interval]) -> Spans:
    """The moments of both."""
    return tuple(_common(one, other))


def without(one: Sequence[Interval], other: Sequence[Interval]) -> Spans:
    """The moments of the first that are not of the second."""
    found: list[Interval] = []
    place = 0
    for begins, ends in one:
        while place < len(other) and other[place][1] <= begins:
            place += 1
        following = place
        while following < len(other) and other[following][0] < ends:
            if other[following][0] > begins:
                found.append((begins, other[following][0]))
            begins = max(begins, other[following][1])
            following += 1
        if begins < ends:
            found.append((begins, ends))
    return tuple(found)


def shifted(spans: Sequence[Interval], by: int) -> Spans:
    return tuple((begins + by, ends + by) for begins, ends in spans)


def _common(one: Sequence[Interval], other: Sequence[Interval]) -> Iterator[Interval]:
    first = second = 0
    while first < len(one) and second < len(other):
        begins, ends = max(one[first][0], other[second][0]), min(one[first][1], other[second][1])
        if begins < ends:
            yield begins, ends
        if one[first][1] < other[second][1]:
            first += 1
        else:
            second += 1
