"""Whether a condition could ever hold: every case is tried, or the condition is let pass.

Pure. A name weighed against constants only matters by the side of each constant it lies on, so trying the
constants, what lies between them and what lies beyond tries everything. Says "never" only when that is proved.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, product
from math import prod
from typing import Any, Final

from app.expressions import Condition

MOST_CASES: Final = 5_000
MISSING: Final = object()
"""A name that is not there."""

Given = Mapping[str, Sequence[Any]]
"""Names whose values are known beforehand, each with all it could be."""


def can_hold(condition: Condition, given: Given, *, refused: Sequence[Condition] = ()) -> bool:
    """Whether some case makes the condition true and none of `refused`; true where that cannot be told."""
    weighed: dict[str, set[Any]] = {}
    for each in (condition, *refused):
        found = each.weighed()
        if found is None:
            if each is condition:
                return True
            return can_hold(condition, given, refused=[one for one in refused if one.weighed() is not None])
        for name, constants in found.items():
            weighed.setdefault(name, set()).update(constants)
    names = sorted(weighed)
    if any(other.startswith(f"{name}.") for name in names for other in names):
        return True
    cases = [list(given[name]) if name in given else _candidates(weighed[name]) for name in names]
    if prod(len(each) for each in cases) > MOST_CASES:
        return True
    for values in product(*cases):
        scope = _scope(dict(zip(names, values, strict=True)))
        if condition.evaluate(scope) is True and not any(one.evaluate(scope) is True for one in refused):
            return True
    return False


def _candidates(constants: set[Any]) -> list[Any]:
    texts = sorted(one for one in constants if isinstance(one, str))
    # In a set, `true` and 1 are one: with both added, whichever was lost is there again.
    numbers = sorted({0, 1, *(one for one in constants if isinstance(one, (int, float)))})
    return [True, False, None, MISSING, *texts, "\uffff another", *_around(numbers)]


def _around(numbers: Sequence[float]) -> Iterator[float]:
    yield numbers[0] - 1
    yield from numbers
    yield from ((low + high) / 2 for low, high in pairwise(numbers))
    yield numbers[-1] + 1


def _scope(values: Mapping[str, Any]) -> dict[str, Any]:
    scope: dict[str, Any] = {}
    for name, value in values.items():
        if value is MISSING:
            continue
        place = scope
        *above, last = name.split(".")
        for part in above:
            place = place.setdefault(part, {})
        place[last] = value
    return scope
