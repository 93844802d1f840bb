"""Likelihood and impact from what was recorded, from several people's scores, or from both (EP-3.2).

Pure. Every answer keeps the figures it was taken from. Where a figure lies between two scores, the graver counts.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import fmean, median
from typing import Final

from app.levels.document import Assessing
from app.wording import Wording, say

_YEAR: Final = timedelta(days=365)


@dataclass(frozen=True)
class Case:
    """What was recorded of one incident; `None`: nothing was."""

    loss: float | None = None  # in the currency of the plan
    customers: float | None = None
    minutes: float | None = None  # of outage


@dataclass(frozen=True)
class Measure:
    """One kind of harm over all incidents that recorded it."""

    recorded: int
    mean: float
    most: float
    score: int  # 1 to 5


@dataclass(frozen=True)
class Figures:
    """What the record says of a type of incident over a time."""

    incidents: int
    days: float  # for which incidents were recorded
    per_year: float
    likelihood: int | None
    impact: int | None
    measures: dict[str, Measure]  # by kind of harm: loss, customers, minutes
    lacking: Wording | None  # why it is not enough to judge by


@dataclass(frozen=True)
class Score:
    likelihood: int
    impact: int


@dataclass(frozen=True)
class Spread:
    """How several assessors scored one thing."""

    median: float
    lowest: int
    highest: int


@dataclass(frozen=True)
class Judged:
    likelihood: int
    impact: int


def by_figures(assessing: Assessing, cases: Sequence[Case], *, watched: timedelta) -> Figures:
    """The rate of incidents gives the likelihood; of loss, customers and minutes, the gravest mean gives the impact."""
    per_year = len(cases) * (_YEAR / watched) if watched > timedelta() else 0.0
    measures = {
        name: measure
        for name, steps in (
            ("loss", assessing.loss), ("customers", assessing.customers), ("minutes", assessing.minutes),
        )
        if (measure := _measure(steps, (getattr(case, name) for case in cases))) is not None
    }  # fmt: skip
    lacking = _lacking(assessing, len(cases), watched, measured=bool(measures))
    return Figures(
        incidents=len(cases), days=watched / timedelta(days=1), per_year=per_year,
        likelihood=None if lacking else _score(assessing.per_year, per_year),
        impact=None if lacking else max(measure.score for measure in measures.values()),
        measures=measures, lacking=lacking,
    )  # fmt: skip


def spread(scores: Iterable[int]) -> Spread | None:
    """The median and how far apart they lie; nothing of nobody."""
    found = sorted(scores)
    return Spread(float(median(found)), found[0], found[-1]) if found else None


def by_assessors(scores: Sequence[Score]) -> Judged | None:
    """The median of each, whatever one outlier says."""
    likelihood, impact = (spread(one.likelihood for one in scores), spread(one.impact for one in scores))
    return Judged(_graver(likelihood.median), _graver(impact.median)) if likelihood and impact else None


def combined(assessing: Assessing, figures: Figures, scores: Sequence[Score]) -> Judged | None:
    """A weighted mean of both. Where the figures are not enough, the assessors count alone; without assessors, nothing does."""
    likelihood, impact = (spread(one.likelihood for one in scores), spread(one.impact for one in scores))
    if likelihood is None or impact is None:
        return None
    if figures.likelihood is None or figures.impact is None:
        return by_assessors(scores)
    weight = assessing.weight_of_figures
    return Judged(
        _graver(weight * figures.likelihood + (1 - weight) * likelihood.median),
        _graver(weight * figures.impact + (1 - weight) * impact.median),
    )


def _measure(steps: Sequence[float], values: Iterable[float | None]) -> Measure | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    mean = fmean(known)
    return Measure(len(known), mean, max(known), _score(steps, mean))


def _score(steps: Sequence[float], figure: float) -> int:
    return 1 + bisect_right(steps, figure)


def _graver(value: float) -> int:
    """To the nearest, and from the middle to the graver; what binary fractions lose is not counted."""
    return math.floor(round(value, 6) + 0.5)


def _lacking(assessing: Assessing, incidents: int, watched: timedelta, *, measured: bool) -> Wording | None:
    if watched < assessing.least_watched:
        days, least = watched // timedelta(days=1), assessing.least_watched // timedelta(days=1)
        return say("risks.watched_too_short", days=days, least=least)
    if incidents < assessing.least_incidents:
        return say("risks.too_few_incidents", number=incidents, least=assessing.least_incidents)
    return None if measured else say("risks.no_harm_recorded", number=incidents)
