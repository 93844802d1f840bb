"""When the recurring duties of the plan fall due: wall-clock time of its zone, exact over a change of clocks.

Pure. Reads the five fields of cron as `app.plan.cron` does, so what the check counted is what is fired.
APScheduler's own reading of them counts weekdays from Monday, wants both day fields to hold where cron wants
either, and fires twice when the clocks go back.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger

from app.plan import cron
from app.plan.cron import Cron
from app.plan.document import RecurringDuty

_FURTHEST: Final = timedelta(days=366 * 9)  # a 29 February comes back within eight years, or nine around 2100
_DAY: Final = timedelta(days=1)


def occurrences_between(
    duty: RecurringDuty, zone: ZoneInfo, start: datetime, end: datetime, *, most: int | None = None
) -> list[datetime]:
    """The moments after `start` and up to `end` at which it falls due, in order; no more than `most`."""
    return list(islice(_occurrences(cron.parse(duty.cron), zone, start, end), most))


class Calendar(BaseTrigger):  # type: ignore[misc]
    """The same moments as a trigger, for the scheduler that ticks the engine."""

    def __init__(self, duty: RecurringDuty, zone: ZoneInfo) -> None:
        self._cron = cron.parse(duty.cron)
        self._zone = zone

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        after = now - timedelta(microseconds=1) if previous is None else max(previous, now - _DAY)
        return next(_occurrences(self._cron, self._zone, after, after + _FURTHEST), None)

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError("a calendar is made from the plan at each start; it is never kept")


def _occurrences(fields: Cron, zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Each once: of a wall-clock time that the clocks pass twice, the first; one they jump over, after it."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    day, last = start.astimezone(zone).date() - _DAY, end.astimezone(zone).date() + _DAY
    latest = start
    while day <= last:
        for moment in _moments_of(fields, day, zone):
            if latest < moment <= end:
                latest = moment
                yield moment
        day += _DAY


def _moments_of(fields: Cron, day: date, zone: ZoneInfo) -> list[datetime]:
    if not fields.falls_on(day):
        return []
    wall = (datetime.combine(day, time(hour, minute)) for hour in fields.hours for minute in fields.minutes)
    return sorted({_in_utc(moment, zone) for moment in wall})


def _in_utc(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment of a wall-clock time; one inside a gap is read with the offset before the gap."""
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
