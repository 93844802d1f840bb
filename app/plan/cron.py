"""Five fields of cron, as recurring duties of the plan are written: when they would fire.

Holds the reading and the counting of days. It must never wait, and knows no time zone: the fields are
wall-clock time of the plan's own zone. Day of week: 0 and 7 are Sunday; when both day fields are given,
either is enough.
"""

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

_FIELDS: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_TERM: Final = re.compile(r"(?:(\*)|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?")


class BadCron(ValueError):
    """This is not a calendar of five fields."""


@dataclass(frozen=True)
class Cron:
    """A calendar of firings."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int] | None  # None: any
    months: frozenset[int]
    weekdays: frozenset[int] | None  # ISO: 1 is Monday; None: any

    def falls_on(self, day: date) -> bool:
        """Whether it fires on this day."""
        if day.month not in self.months:
            return False
        by_day = self.days is not None and day.day in self.days
        by_weekday = self.weekdays is not None and day.isoweekday() in self.weekdays
        return by_day or by_weekday or (self.days is None and self.weekdays is None)

    def days_in(self, year: int) -> list[date]:
        """The days of the year on which it fires."""
        return [day for day in _days_of(year) if self.falls_on(day)]


def parse(source: str) -> Cron:
    """Read `minute hour day month weekday`, or raise `BadCron`."""
    fields = source.split()
    if len(fields) != len(_FIELDS):
        raise BadCron(source)
    sets = [_field(text, low, high) for text, (low, high) in zip(fields, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = sets
    return Cron(
        minutes=minutes,
        hours=hours,
        days=None if fields[2] == "*" else days,
        months=months,
        weekdays=None if fields[4] == "*" else frozenset(day or 7 for day in weekdays),
    )


def _field(text: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for term in text.split(","):
        match = _TERM.fullmatch(term)
        if match is None:
            raise BadCron(term)
        star, first, last, step = match.groups()
        begin = low if star else int(first)
        end = high if star or (step and not last) else int(last or first)
        if not low <= begin <= end <= high or step == "0" or (step and not int(step)):
            raise BadCron(term)
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(found)


def _days_of(year: int) -> Iterator[date]:
    for month in range(1, 13):
        for day in range(1, monthrange(year, month)[1] + 1):
            yield date(year, month, day)
