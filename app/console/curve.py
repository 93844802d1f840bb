"""A curve of an indicator as a small SVG: its values as steps, its thresholds as lines, on a scale that holds both. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

WIDTH: Final = 640
HEIGHT: Final = 160
_MOST_POINTS: Final = 320
_AIR: Final = 0.08  # of the height, above and below


@dataclass(frozen=True)
class Line:
    """A threshold: the level its colour warns of, and where it lies."""

    level: int
    y: float
    value: float


@dataclass(frozen=True)
class Curve:
    """What the picture is made of, in its own units."""

    points: str
    lines: Sequence[Line]
    last: tuple[float, float] | None
    width: int = WIDTH
    height: int = HEIGHT


def of(
    values: Sequence[tuple[datetime, float]], limits: Mapping[int, float], *, start: datetime, end: datetime
) -> Curve:
    """The values from `start` until `end`, the oldest first; each stands until the next, the last until the end."""
    heights = [value for _, value in values]
    # Only thresholds that are near: a red one far away would press the curve flat.
    near = _near(heights, limits)
    shown = [*heights, *near.values()] or [0.0]
    low, high = min(shown), max(shown)
    spread = (high - low) or abs(high) or 1.0
    low, high = low - spread * _AIR, high + spread * _AIR

    def x(moment: datetime) -> float:
        share = (moment - start) / (end - start)
        return round(min(max(share, 0.0), 1.0) * WIDTH, 1)

    def y(value: float) -> float:
        return round(HEIGHT - (value - low) / (high - low) * HEIGHT, 1)

    steps: list[tuple[float, float]] = []
    told = _fewer(values)
    for (moment, value), (following, _) in pairwise([*told, (end, 0.0)]):
        steps += [(x(moment), y(value)), (x(following), y(value))]
    return Curve(
        points=" ".join(f"{across},{down}" for across, down in steps),
        lines=[Line(level, y(value), value) for level, value in near.items()],
        last=(x(told[-1][0]), y(told[-1][1])) if told else None,
    )


def _near(heights: Sequence[float], limits: Mapping[int, float]) -> Mapping[int, float]:
    """The thresholds among the values, and the next one on either side."""
    if not heights:
        return limits
    low, high = min(heights), max(heights)
    within = [value for value in limits.values() if low <= value <= high]
    beyond = [min((v for v in limits.values() if v > high), default=None)]
    below = [max((v for v in limits.values() if v < low), default=None)]
    kept = {*within, *beyond, *below}
    return {level: value for level, value in limits.items() if value in kept}


def _fewer(values: Sequence[tuple[datetime, float]]) -> Sequence[tuple[datetime, float]]:
    """No more points than the picture has room for: of each stretch the lowest and the highest, in their order."""
    if len(values) <= _MOST_POINTS:
        return values
    size = -(-len(values) * 2 // _MOST_POINTS)
    kept: list[tuple[datetime, float]] = []
    for begin in range(0, len(values), size):
        stretch = values[begin : begin + size]
        ends = {min(stretch, key=lambda one: one[1]), max(stretch, key=lambda one: one[1])}
        kept += sorted(ends)
    return kept
