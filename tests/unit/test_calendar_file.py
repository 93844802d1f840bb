"""A meeting as calendars read it: the same thing by its UID, each change with a higher number."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from icalendar import Calendar

from app.meetings.calendar_file import Invitation, written

AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
ONE = Invitation(
    uid="01ABC@muster", sequence=0, title="Second look; 指挥部会议", starts_at=AT + timedelta(hours=1),
    lasts=timedelta(minutes=45), place="Room 2, https://meet.example/42", link="https://meet.example/42", organiser="Ada",
    organiser_address="muster@centre.example", guests=["Lin", 'Ben "the head"'],
)  # fmt: skip


def test_an_invitation_is_a_request_with_time_place_and_who() -> None:
    calendar: Any = Calendar.from_ical(written(ONE, at=AT))
    [event] = calendar.walk("VEVENT")
    assert (str(calendar["METHOD"]), str(event["UID"]), int(event["SEQUENCE"])) == (
        "REQUEST",
        "01ABC@muster",
        0,
    )
    assert (event["DTSTART"].dt, event["DTEND"].dt) == (AT + timedelta(hours=1), AT + timedelta(minutes=105))
    assert (str(event["SUMMARY"]), str(event["LOCATION"])) == (ONE.title, ONE.place)
    assert event["ORGANIZER"].params["CN"] == "Ada"
    assert [one.params["CN"].replace("'", '"') for one in event["ATTENDEE"]] == ["Lin", 'Ben "the head"']
    assert "@" not in "".join(str(one) for one in event["ATTENDEE"])  # no address of anybody's
    assert ONE.media_type == "text/calendar; method=REQUEST; charset=utf-8"


def test_a_cancellation_takes_the_same_one_out() -> None:
    gone = replace(ONE, sequence=2, cancelled=True)
    calendar: Any = Calendar.from_ical(written(gone, at=AT))
    [event] = calendar.walk("VEVENT")
    assert (str(calendar["METHOD"]), str(event["STATUS"]), int(event["SEQUENCE"])) == (
        "CANCEL",
        "CANCELLED",
        2,
    )
    assert str(event["UID"]) == "01ABC@muster"
    assert "method=CANCEL" in gone.media_type
