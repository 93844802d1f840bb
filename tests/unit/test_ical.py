"""Calendars read and written (RFC 5545)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from icalendar import Calendar

from app.errors import Malformed, TooLarge, WrongShape
from app.people import ical
from app.people.ical import Entry

BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def calendar(*lines: str, uid: str = "1") -> bytes:
    head = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Test//EN",
        "BEGIN:VEVENT",
        f"UID:{uid}",
        "SUMMARY:Lin",
    ]
    return "\r\n".join([*head, "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT", "END:VCALENDAR", ""]).encode()  # fmt: skip


def spans(body: bytes) -> list[tuple[str, timedelta]]:
    found = ical.read(body, zone=BERLIN, at=AT)
    return [(f"{one.begins:%m-%d %H:%M}", one.ends - one.begins) for one in found]


@pytest.mark.parametrize(
    ("lines", "begins", "lasts"),
    [
        (("DTSTART:20260310T080000Z", "DTEND:20260310T090000Z"), "03-10 08:00", HOUR),
        (("DTSTART:20260310T080000", "DTEND:20260310T090000"), "03-10 07:00", HOUR),
        (("DTSTART;TZID=Asia/Shanghai:20260310T080000", "DURATION:PT90M"), "03-10 00:00", 1.5 * HOUR),
        (("DTSTART;VALUE=DATE:20260310",), "03-09 23:00", 24 * HOUR),
        # The day the clocks go forward has 23 hours, the day they go back 25.
        (("DTSTART;VALUE=DATE:20260329", "DTEND;VALUE=DATE:20260330"), "03-28 23:00", 23 * HOUR),
        (("DTSTART;VALUE=DATE:20261025", "DTEND;VALUE=DATE:20261026"), "10-24 22:00", 25 * HOUR),
    ],
)
def test_the_time_of_an_event_is_read_in_its_zone_or_the_one_given(
    lines: tuple[str, ...], begins: str, lasts: timedelta
) -> None:
    assert spans(calendar(*lines)) == [(begins, lasts)]


def test_a_recurring_event_keeps_to_the_clock_on_the_wall_and_leaves_out_what_it_leaves_out() -> None:
    body = calendar(
        "DTSTART;TZID=Europe/Berlin:20260323T090000", "DTEND;TZID=Europe/Berlin:20260323T100000",
        "RRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20260420T070000Z", "EXDATE;TZID=Europe/Berlin:20260406T090000",
    )  # fmt: skip
    assert [begins for begins, _ in spans(body)] == [
        "03-23 08:00",
        "03-30 07:00",
        "04-13 07:00",
        "04-20 07:00",
    ]


def test_an_occurrence_that_was_moved_stands_where_it_was_moved_to() -> None:
    one = calendar("DTSTART:20260310T080000Z", "DTEND:20260310T090000Z", "RRULE:FREQ=DAILY;COUNT=3").decode()
    moved = calendar(
        "DTSTART:20260311T150000Z", "DTEND:20260311T160000Z", "RECURRENCE-ID:20260311T080000Z"
    ).decode()
    both = one.replace("END:VCALENDAR\r\n", "") + moved[moved.index("BEGIN:VEVENT") :]
    assert [begins for begins, _ in spans(both.encode())] == ["03-10 08:00", "03-11 15:00", "03-12 08:00"]


def test_what_never_ends_is_spelt_out_a_year_ahead() -> None:
    found = spans(
        calendar("DTSTART:20200101T080000Z", "DTEND:20200101T090000Z", "RRULE:FREQ=WEEKLY;BYDAY=WE")
    )
    assert len(found) == 52


def test_what_is_over_or_cancelled_is_left_out() -> None:
    assert spans(calendar("DTSTART:20260210T080000Z", "DTEND:20260210T090000Z")) == []
    assert spans(calendar("DTSTART:20260310T080000Z", "DTEND:20260310T090000Z", "STATUS:CANCELLED")) == []


@pytest.mark.parametrize("body", [b"", b"name,mail\nLin,x\n", b"\xff\xfe", b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n"])  # fmt: skip
def test_what_is_no_calendar_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        ical.read(body, zone=BERLIN, at=AT)


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("DTSTART:20260310T080000Z", "DTEND:20260310T070000Z"),
        ("DTSTART:20260310T080000Z", "DTEND;VALUE=DATE:20260311"),
        ("DTSTART:soon",),
        ("DTSTART:20260310T080000Z", "DURATION:PT1S", "RRULE:FREQ=SECONDLY"),
        ("DTSTART:20260310T080000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;BYMINUTE=1,2,3"),
        ("DTSTART:20260310T080000Z", "DURATION:PT1H", "RRULE:nonsense"),
        ("DTSTART:20260310T080000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;INTERVAL=0;BYMONTH=5"),
        ("DTSTART:20260310T080000Z", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;BYDAY=2MO"),
        ("DTSTART:00010101T080000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY"),
    ],
)
def test_an_event_that_cannot_be_understood_is_named_and_nothing_is_taken_in(lines: tuple[str, ...]) -> None:
    with pytest.raises((WrongShape, Malformed)):
        ical.read(calendar(*lines), zone=BERLIN, at=AT)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;INTERVAL=3;BYMONTH=3,5", "FREQ=DAILY;BYMONTHDAY=-1,13", "FREQ=WEEKLY",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=SU",
        "FREQ=MONTHLY", "FREQ=MONTHLY;BYDAY=2TU,-1FR", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1,2",
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "FREQ=MONTHLY;INTERVAL=5;BYMONTHDAY=30", "FREQ=YEARLY",
        "FREQ=YEARLY;BYDAY=20MO,-1SU",
        "FREQ=YEARLY;BYMONTH=3,10;BYDAY=-1SU", "FREQ=YEARLY;BYMONTH=4,7", "FREQ=YEARLY;BYMONTHDAY=1", "FREQ=DAILY;COUNT=800",
        "FREQ=YEARLY;INTERVAL=2;BYDAY=TH;BYSETPOS=4,-4", "FREQ=WEEKLY;INTERVAL=3;UNTIL=20260901",
    ],
)  # fmt: skip
def test_the_days_of_a_rule_are_those_an_independent_reckoning_gives(rule: str) -> None:
    first = datetime(2024, 2, 29, tzinfo=UTC).replace(tzinfo=None)
    end = AT.replace(tzinfo=None) + ical.AHEAD
    own = ical.read(calendar("DTSTART;VALUE=DATE:20240229", f"RRULE:{rule}"), zone=ZoneInfo("UTC"), at=AT)
    known = rrulestr(rule, dtstart=first).between(AT.replace(tzinfo=None), end, inc=True)
    assert [one.begins.replace(tzinfo=None) for one in own] == known


def test_a_rule_that_never_comes_true_is_done_with_at_once() -> None:
    for rule in ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=6"):
        assert spans(calendar("DTSTART:20260310T080000Z", "DURATION:PT1H", f"RRULE:{rule}")) == []


def test_times_without_a_zone_end_by_the_clock_on_the_wall() -> None:
    [(_, length)] = spans(calendar("DTSTART:20260328T090000", "DTEND:20260330T090000"))
    assert length == timedelta(hours=47)


def test_too_large_and_too_many_are_refused() -> None:
    with pytest.raises(TooLarge):
        ical.read(b"x" * (ical.MAX_BYTES + 1), zone=BERLIN, at=AT)
    daily = calendar("DTSTART:20260310T080000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY").decode()
    events = daily[daily.index("BEGIN:VEVENT") : daily.index("END:VCALENDAR")]
    with pytest.raises(WrongShape):
        ical.read(daily.replace(events, events * 4).encode(), zone=BERLIN, at=AT)


def test_what_is_written_is_read_back_by_others_with_times_in_utc_and_names_escaped() -> None:
    entry = Entry("duty-1@muster", AT + HOUR, AT + 2 * HOUR, "Duty; lead, night\nshift: 王芳")
    written = ical.write("Turns: 值班", [entry], at=AT)
    assert b"\r\nDTSTART:20260301T010000Z\r\n" in written
    assert all(len(line) <= 75 for line in written.split(b"\r\n"))
    calendar = Calendar.from_ical(written.decode())
    assert isinstance(calendar, Calendar)
    [event] = calendar.walk("VEVENT")
    assert (str(event["UID"]), str(event["SUMMARY"])) == (entry.uid, entry.summary)
    assert [begins for begins, _ in spans(written)] == ["03-01 01:00"]
