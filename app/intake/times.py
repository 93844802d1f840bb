"""When a maintenance window holds: once, or each day or week by the clocks of the centre. Pure.

A window that repeats keeps its hour on the wall, whatever summer time does to it; each time lasts as long as the first. One of
its times may have been ended early or extended: that one alone ends otherwise.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

Time = tuple[datetime, datetime]  # begin and end; the end is no longer part of it


@dataclass(frozen=True)
class Times:
    begins_at: datetime
    ends_at: datetime
    every: timedelta | None = None
    """Whole days; none: once."""
    until: datetime | None = None
    """No time begins later."""
    zone: str = "UTC"
    changed: Time | None = None
    """The begin of the time that was changed, and its end instead."""

    def at(self, moment: datetime) -> Time | None:
        """The time that holds at this moment."""
        return next((time for time in self._around(moment) if time[0] <= moment < time[1]), None)

    def next_end(self, moment: datetime) -> datetime | None:
        """When the time that holds at this moment, or the next one, ends; none: it never holds again."""
        return next((end for begin, end in self._around(moment) if end > moment and begin < end), None)

    def current(self, moment: datetime) -> Time | None:
        """The time that holds at this moment, or the next one."""
        return next((time for time in self._around(moment) if time[1] > moment), None)

    @property
    def over_at(self) -> datetime | None:
        """The end of the last time; none: there is no last one."""
        if self.every is None:
            return self._time(0)[1]
        if self.until is None:
            return None
        last = max((self.until - self.begins_at) // self.every - 1, 0)
        ends = [self._time(number) for number in range(last, last + 3)]
        return max([end for begin, end in ends if begin <= self.until], default=self._time(0)[1])

    def _around(self, moment: datetime) -> Iterator[Time]:
        """The times from before the moment to after it, in order."""
        if self.every is None:
            yield self._time(0)
            return
        nearest = max((moment - self.begins_at) // self.every, 0)
        for number in range(max(nearest - 2, 0), nearest + 3):
            time = self._time(number)
            if self.until is None or time[0] <= self.until:
                yield time

    def _time(self, number: int) -> Time:
        begin = self.begins_at
        if self.every is not None and number:
            wall = begin.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None) + self.every * number
            begin = wall.replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)
        if self.changed is not None and self.changed[0] == begin:
            return self.changed
        return begin, begin + (self.ends_at - self.begins_at)
