"""Which colour an indicator has (EP-2.5, OM-2). Pure: time is passed in, nothing is remembered but the standing.

A value stands until the next one is told. The colour rises to that of a threshold at which, or beyond which, the value has stood
for the time it must hold; it falls when the value has been back from the threshold, by the margin, for the dwell time. What is
told late changes nothing. Looking oftener gives the same result.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol


class Rule(Protocol):
    """What of an indicator is asked here."""

    @property
    def worse(self) -> str: ...
    @property
    def limits(self) -> Mapping[int, float]: ...
    @property
    def hold(self) -> timedelta: ...
    @property
    def back(self) -> float: ...
    @property
    def dwell(self) -> timedelta: ...


@dataclass(frozen=True)
class Standing:
    """How an indicator stands: its last value, the level its colour warns of, and since when it is where it is."""

    level: int | None = None
    value: float | None = None
    at: datetime | None = None
    beyond: Mapping[int, datetime] = field(default_factory=dict)
    """Of each level whose threshold is reached: since when without a break."""
    clear: Mapping[int, datetime] = field(default_factory=dict)
    """Of each level whose threshold the value has come back from: since when without a break."""


def told(rule: Rule, standing: Standing, value: float, at: datetime) -> Standing:
    """The standing after a value of `at`; one that is no newer than the last changes nothing."""
    if standing.at is not None and at <= standing.at:
        return standing
    standing = passed(rule, standing, at)
    sign = -1.0 if rule.worse == "lower" else 1.0
    beyond, clear = {}, {}
    for level, limit in rule.limits.items():
        distance = sign * (value - limit)
        if distance >= 0:
            beyond[level] = standing.beyond.get(level, at)
        elif distance < -rule.back or rule.back == 0:
            clear[level] = standing.clear.get(level, at)
    return passed(rule, replace(standing, value=value, at=at, beyond=beyond, clear=clear), at)


def passed(rule: Rule, standing: Standing, at: datetime) -> Standing:
    """The standing when time has come to `at` and nothing more was told."""
    while (move := _next(rule, standing)) is not None and (move[0] is None or move[0] <= at):
        standing = replace(standing, level=move[1])
    return standing


def wakes_at(rule: Rule, standing: Standing) -> datetime | None:
    """When the colour changes next if nothing more is told; none: not at all."""
    move = _next(rule, standing)
    return None if move is None else move[0] or standing.at


def _next(rule: Rule, standing: Standing) -> tuple[datetime | None, int | None] | None:
    """The next change of colour: when (none: at once), and the level it leads to."""
    level = standing.level
    if level is not None and level not in rule.limits:
        return None, _milder(rule, standing, level, None)  # the plan has this threshold no longer
    rises = [
        (since + rule.hold, grave) for grave, since in standing.beyond.items()
        if grave in rule.limits and (level is None or grave < level)
    ]  # fmt: skip
    if rises:
        return min(rises)
    if level is not None and (since_clear := standing.clear.get(level)) is not None:
        moment = since_clear + rule.dwell
        return moment, _milder(rule, standing, level, moment)
    return None


def _milder(rule: Rule, standing: Standing, level: int, moment: datetime | None) -> int | None:
    """Where the colour falls to: the gravest of the milder ones that the value has not been back from for long enough."""
    for milder in sorted(one for one in rule.limits if one > level):
        since = standing.clear.get(milder)
        if since is None or moment is None or since + rule.dwell > moment:
            return milder
    return None


def kept(standing: Standing) -> dict[str, Any]:
    """What a row keeps besides value, moment and level."""
    return {
        name: {str(level): since.isoformat() for level, since in getattr(standing, name).items()}
        for name in ("beyond", "clear")
    }


def restored(
    runs: Mapping[str, Any], *, level: int | None, value: float | None, at: datetime | None
) -> Standing:
    """The standing that a row kept."""
    beyond, clear = (
        {int(number): datetime.fromisoformat(since) for number, since in runs.get(name, {}).items()}
        for name in ("beyond", "clear")
    )
    return Standing(level, value, at, beyond, clear)
