"""Figures of a measurement, and how they are told: percentiles, and the middle of several runs with their spread."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Latency:
    """Milliseconds from the request to the message."""

    n: int
    p50_ms: float
    p99_ms: float

    @staticmethod
    def of(seconds: Sequence[float]) -> "Latency":
        return Latency(len(seconds), _ms(percentile(seconds, 0.50)), _ms(percentile(seconds, 0.99)))


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def middle(runs: Sequence[Latency]) -> dict[str, Any]:
    """The median of each figure, with the lowest and the highest."""
    told: dict[str, Any] = {"runs": len(runs), "n": runs[0].n}
    for name in ("p50_ms", "p99_ms"):
        told[name] = spread([asdict(run)[name] for run in runs])
    return told


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": round(statistics.median(values), 2), "low": min(values), "high": max(values)}


def told_spread(figures: Mapping[str, float]) -> str:
    """A spread as the page tells it: the median, with the lowest and the highest in brackets."""
    return f"{figures['median']:g} ({figures['low']:g}–{figures['high']:g})"


def line(benchmark: str, database: str, **told: Any) -> Mapping[str, Any]:
    """One line of output, printed at once."""
    said = {"benchmark": benchmark, "database": database, **told}
    print(json.dumps(said), flush=True)
    return said


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
