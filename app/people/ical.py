"""Calendars in and out (RFC 5545). Pure: bytes to spans of time, spans of time to bytes.

Read: events, recurring ones spelt out up to a year ahead, all-day ones in the zone given, cancelled ones left out. Written: one
event for each stretch of a roster, in UTC, with an id that stays the same. No address of anybody is written.
"""

from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event

from app.errors import Malformed, TooLarge, WrongShape
from app.wording import Wording, say

MAX_BYTES: Final = 1024 * 1024
MOST: Final = 1000  # spans of one calendar
AHEAD: Final = timedelta(days=366)
"""How far recurring events are spelt out."""
_DAY: Final = timedelta(days=1)
_REFRESH: Final = timedelta(hours=1)
_RECURS: Final = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_UNDERSTOOD: Final = frozenset(
    {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYMONTH", "BYMONTHDAY", "BYDAY", "BYSETPOS", "WKST"}
)
_WEEK: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_SEARCHED: Final = timedelta(days=400 * 366)  # of all rules together, the past included
_LONGEST_UID: Final = 200


@dataclass(frozen=True)
class Entry:
    """One time of one event."""

    uid: str
    begins: datetime
    ends: datetime
    summary: str


def read(body: bytes, *, zone: ZoneInfo, at: datetime) -> list[Entry]:
    """What the calendar says from `at` on, in order; `zone` is for times that name none.

    Refuses what is no calendar, and names every event that cannot be understood: nothing is taken in then.
    """
    if len(body) > MAX_BYTES:
        raise TooLarge(say("people.ical.too_large", limit=MAX_BYTES), limit=MAX_BYTES)
    try:
        calendar = Calendar.from_ical(body.decode("utf-8-sig"))
        assert isinstance(calendar, Calendar)
        events: list[Any] = [
            one for one in calendar.walk("VEVENT") if str(one.get("STATUS", "")) != "CANCELLED"
        ]
    except (ValueError, KeyError, IndexError, AssertionError, AttributeError, TypeError) as error:
        raise Malformed(say("people.ical.unreadable")) from error
    moved = {
        (str(one.get("UID")), _moment(one["RECURRENCE-ID"].dt, zone))
        for one in events
        if "RECURRENCE-ID" in one
    }
    found: list[Entry] = []
    wrong: list[tuple[str, Wording]] = []
    searched = timedelta()
    for number, event in enumerate(events, start=1):
        try:
            searched += _reach(event, zone, at)
            if len(found) > MOST or searched > _SEARCHED:
                wrong.append(("", say("people.ical.too_many", limit=MOST)))
                break
            found += _entries(event, zone, at, moved)
        except (ValueError, KeyError, AttributeError, TypeError, OverflowError, IndexError):
            wrong.append((f"event.{number}", say("people.ical.event", summary=_summary(event))))
    else:
        if len(found) > MOST:
            wrong.append(("", say("people.ical.too_many", limit=MOST)))
    if wrong:
        errors = [{"path": path, "message": message} for path, message in wrong]
        raise WrongShape(say("people.mistakes", count=len(wrong)), errors=errors)
    return sorted(found, key=lambda one: (one.begins, one.uid))


def write(name: str, entries: Iterable[Entry], *, at: datetime) -> bytes:
    """A calendar of these entries, as programs subscribe to it."""
    calendar = Calendar()
    calendar.add("PRODID", "-//Muster//Rosters//EN")
    calendar.add("VERSION", "2.0")
    calendar.add("CALSCALE", "GREGORIAN")
    calendar.add("METHOD", "PUBLISH")
    calendar.add("NAME", name)
    calendar.add("X-WR-CALNAME", name)
    calendar.add("REFRESH-INTERVAL", _REFRESH, parameters={"VALUE": "DURATION"})
    for entry in entries:
        event = Event()
        event.add("UID", entry.uid)
        event.add("DTSTAMP", at.astimezone(UTC).replace(microsecond=0))
        event.add("DTSTART", entry.begins.astimezone(UTC))
        event.add("DTEND", entry.ends.astimezone(UTC))
        event.add("SUMMARY", entry.summary)
        event.add("TRANSP", "TRANSPARENT")
        calendar.add_component(event)
    written: bytes = calendar.to_ical()
    return written


def _entries(event: Any, zone: ZoneInfo, at: datetime, moved: set[tuple[str, datetime]]) -> Iterator[Entry]:
    uid, start = str(event["UID"]), event["DTSTART"].dt
    if not uid or len(uid) > _LONGEST_UID or not uid.isprintable():
        raise ValueError
    span = _length(event, start, zone)
    recurs = "RRULE" in event and "RECURRENCE-ID" not in event
    for wall in _occurrences(event, start, zone, at) if recurs else (start,):
        begins = _moment(wall, zone)
        # A day of the wall may have 23 hours: days are counted on the wall, hours are not.
        ends = _moment(wall + span, zone) if not isinstance(wall, datetime) else begins + span
        if recurs and (uid, begins) in moved:
            continue
        if ends <= begins:
            raise ValueError
        if ends > at:
            yield Entry(uid, begins, ends, _summary(event))


def _length(event: Any, start: date, zone: ZoneInfo) -> timedelta:
    if "DTEND" in event:
        end = event["DTEND"].dt
        if isinstance(end, datetime) != isinstance(start, datetime):
            raise ValueError
        if isinstance(end, datetime) and isinstance(start, datetime):
            return _moment(end, zone) - _moment(start, zone)
        return timedelta(days=(end - start).days)
    if "DURATION" in event:
        length = event["DURATION"].dt
        if not isinstance(length, timedelta):
            raise ValueError
        return length
    return timedelta(0) if isinstance(start, datetime) else timedelta(days=1)


def _occurrences(event: Any, start: date, zone: ZoneInfo, at: datetime) -> Iterator[date]:
    """The starts of a recurring event on the wall of its zone, up to a year ahead."""
    rule = dict(event["RRULE"])
    mine = (start.tzinfo if isinstance(start, datetime) else None) or zone
    until = _moment(rule["UNTIL"][0], mine, end_of_day=True) if "UNTIL" in rule else None
    last = min(filter(None, (until, at + AHEAD)))
    left_out = {_moment(one.dt, mine) for group in _many(event.get("EXDATE")) for one in group.dts}
    days = _days(rule, start.date() if isinstance(start, datetime) else start, last.date() + _DAY)
    for day in islice(days, int(rule["COUNT"][0]) if "COUNT" in rule else None):
        occurrence = datetime.combine(day, start.time(), mine) if isinstance(start, datetime) else day
        moment = _moment(occurrence, mine)
        if moment > last:
            return
        if moment not in left_out:
            yield occurrence


def _days(rule: Mapping[str, Any], first: date, last: date) -> Iterator[date]:
    """The days a rule gives, up to the last.

    Reckoned here, because `dateutil` looks for the next day until the year 9999: a rule that never comes true, such as the 30th of
    February each year, would hold up the whole service for seconds. This one looks at each day once.
    """
    often, interval = str(rule["FREQ"][0]).upper(), int(rule.get("INTERVAL", [1])[0])
    if often not in _RECURS or interval < 1 or not set(rule) <= _UNDERSTOOD:
        raise ValueError
    months, days = ({int(one) for one in rule.get(name, ())} for name in ("BYMONTH", "BYMONTHDAY"))
    named = [(int(one[:-2] or 0), _WEEK.index(one[-2:])) for one in map(str, rule.get("BYDAY", ()))]
    if any(place for place, _ in named) and often not in {"MONTHLY", "YEARLY"}:
        raise ValueError
    if not days and not named:
        named = [(0, first.weekday())] if often == "WEEKLY" else []
        days = {first.day} if often in {"MONTHLY", "YEARLY"} else set()
        months = months or ({first.month} if often == "YEARLY" else set())
    places = [int(one) for one in rule.get("BYSETPOS", ())]
    for begins, ends in _periods(often, interval, first, _WEEK.index(str(rule.get("WKST", ["MO"])[0]))):
        if begins > last:
            return
        found = []
        for number in range((ends - begins).days):
            day = begins + number * _DAY
            length = monthrange(day.year, day.month)[1]
            if (months and day.month not in months) or (days and not {day.day, day.day - length - 1} & days):
                continue
            of, among = (day.day, length)
            if often == "YEARLY" and not months:
                of, among = day.timetuple().tm_yday, (ends - begins).days
            if (
                not named
                or (0, day.weekday()) in named
                or any(
                    weekday == day.weekday() and place in {(of + 6) // 7, -((among - of) // 7 + 1)}
                    for place, weekday in named
                )
            ):
                found.append(day)
        if places:
            counted = [found[one - (one > 0)] for one in places if 0 < abs(one) <= len(found)]
            found = sorted(set(counted))
        yield from (day for day in found if day >= first)


def _periods(often: str, interval: int, first: date, week_start: int) -> Iterator[tuple[date, date]]:
    """Every so many days, weeks, months or years, from the one of the first day on, each up to, not including, its end."""
    if often in {"DAILY", "WEEKLY"}:
        length = 7 if often == "WEEKLY" else 1
        begins = first - (first.weekday() - week_start) % length * _DAY
        while True:
            yield begins, begins + length * _DAY
            begins += interval * length * _DAY
    length = 12 if often == "YEARLY" else 1
    number = first.year * 12 + (first.month - 1 if length == 1 else 0)
    while True:
        yield _month(number), _month(number + length)
        number += interval * length


def _month(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


def _reach(event: Any, zone: ZoneInfo, at: datetime) -> timedelta:
    """How far a recurring event is searched, from its first time on."""
    if "RRULE" not in event or "RECURRENCE-ID" in event:
        return timedelta()
    return max(at + AHEAD - _moment(event["DTSTART"].dt, zone), timedelta())


def _many(value: Any) -> Sequence[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _moment(value: Any, zone: tzinfo, *, end_of_day: bool = False) -> datetime:
    if not isinstance(value, datetime):
        midnight = datetime.combine(value, time(), zone)
        return (midnight + timedelta(days=1) if end_of_day else midnight).astimezone(UTC)
    return (value if value.tzinfo is not None else value.replace(tzinfo=zone)).astimezone(UTC)


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def _summary(event: Any) -> str:
    text = "".join(one if one.isprintable() else " " for one in str(event.get("SUMMARY", "")))
    return text.strip()[:200]
