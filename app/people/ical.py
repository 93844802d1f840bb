"""Calendars in and out (RFC 5545). Pure: bytes to spans of time, spans of time to bytes.

Read: events, recurring ones spelt out up to a year ahead, all-day ones in the zone given, cancelled ones left out. Written: one
event for each stretch of a roster, in UTC, with an id that stays the same. No address of anybody is written.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from icalendar import Calendar, Event

from app.errors import Malformed, TooLarge, WrongShape
from app.wording import Wording, say

MAX_BYTES: Final = 1024 * 1024
MOST: Final = 1000  # spans of one calendar
AHEAD: Final = timedelta(days=366)
"""How far recurring events are spelt out."""
_REFRESH: Final = timedelta(hours=1)
_RECURS: Final = frozenset({"DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_MOST_STEPS: Final = 20_000  # of one rule, those before the present included
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
    for number, event in enumerate(events, start=1):
        try:
            found += _entries(event, zone, at, moved)
        except (ValueError, KeyError, AttributeError, TypeError, OverflowError, IndexError):
            wrong.append((f"event.{number}", say("people.ical.event", summary=_summary(event))))
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
    span = _length(event, start)
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


def _length(event: Any, start: date) -> timedelta:
    if "DTEND" in event:
        end = event["DTEND"].dt
        if isinstance(end, datetime) != isinstance(start, datetime):
            raise ValueError
        if isinstance(end, datetime) and isinstance(start, datetime):
            aware = end.tzinfo is not None and start.tzinfo is not None
            return end.astimezone(UTC) - start.astimezone(UTC) if aware else _naive(end) - _naive(start)
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
    if str(rule["FREQ"][0]).upper() not in _RECURS or {"BYHOUR", "BYMINUTE", "BYSECOND"} & set(rule):
        raise ValueError
    mine = (start.tzinfo if isinstance(start, datetime) else None) or zone
    until = _moment(rule.pop("UNTIL")[0], mine, end_of_day=True) if "UNTIL" in rule else None
    last = min(filter(None, (until, at + AHEAD)))
    left_out = {_moment(one.dt, mine) for group in _many(event.get("EXDATE")) for one in group.dts}
    spelt = ";".join(f"{name}={','.join(str(one) for one in values)}" for name, values in rule.items())
    first = start if isinstance(start, datetime) else datetime.combine(start, time())
    for number, wall in enumerate(rrulestr(spelt, dtstart=_naive(first))):
        occurrence: date = wall.replace(tzinfo=mine) if isinstance(start, datetime) else wall.date()
        moment = _moment(occurrence, mine)
        if moment > last:
            return
        if number > _MOST_STEPS:
            raise ValueError
        if moment not in left_out:
            yield occurrence


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
