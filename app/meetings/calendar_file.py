"""A meeting as a file that calendars take up (RFC 5545, RFC 5546): invited, changed, cancelled under one UID.

Pure. Names no address: whoever gets the file is invited by it, and sees the names that are given here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from icalendar import Calendar, Event, vCalAddress, vText

MEDIA_TYPE: Final = "text/calendar; method={method}; charset=utf-8"


@dataclass(frozen=True)
class Invitation:
    """What the file says. A change has the same `uid` and a higher `sequence`."""

    uid: str
    sequence: int
    title: str
    starts_at: datetime
    lasts: timedelta
    place: str  # room and link; none: ""
    link: str | None
    organiser: str  # name
    organiser_address: str  # mail
    guests: Sequence[str]  # names
    cancelled: bool = False

    @property
    def method(self) -> str:
        return "CANCEL" if self.cancelled else "REQUEST"

    @property
    def media_type(self) -> str:
        return MEDIA_TYPE.format(method=self.method)


def written(one: Invitation, *, at: datetime) -> bytes:
    """The file; `at` is when it was written."""
    calendar = Calendar()
    calendar.add("prodid", "-//Muster//EN")
    calendar.add("version", "2.0")
    calendar.add("method", one.method)
    event = Event()
    event.add("uid", one.uid)
    event.add("sequence", one.sequence)
    event.add("dtstamp", at)
    event.add("dtstart", one.starts_at)
    event.add("dtend", one.starts_at + one.lasts)
    event.add("summary", one.title)
    event.add("status", "CANCELLED" if one.cancelled else "CONFIRMED")
    if one.place:
        event.add("location", one.place)
    if one.link:
        event.add("url", one.link)
    event["organizer"] = _named(one.organiser, f"mailto:{one.organiser_address}")
    for number, guest in enumerate(one.guests, start=1):
        # An address of ours would be told to all; a name with a place in the list is enough for a calendar.
        attendee = _named(guest, f"urn:muster:{one.uid.partition('@')[0]}:{number}")
        attendee.params["role"] = vText("REQ-PARTICIPANT")
        event.add("attendee", attendee, encode=False)
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def _named(name: str, address: str) -> vCalAddress:
    who = vCalAddress(address)
    who.params["cn"] = vText(name)
    return who
