"""What a JSON value from outside means: a text, a moment, a level, a few facts.

Senders disagree on types (numbers as strings, times as seconds or as text); these functions take any JSON
value and answer with ours, or with nothing. None of them raises.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.intake.signals import SignalState

LEVEL_WORDS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("critical", "crit", "fatal", "emergency", "disaster", "page", "p1", "sev1", "1"), 1),
    **dict.fromkeys(("error", "err", "high", "major", "p2", "sev2", "2"), 2),
    **dict.fromkeys(("warning", "warn", "average", "medium", "moderate", "p3", "sev3", "3"), 3),
    **dict.fromkeys(
        ("info", "information", "informational", "notice", "minor", "low", "p4", "p5", "sev4", "4"), 4
    ),
}

_P, _R = SignalState.PROBLEM, SignalState.RECOVERED
STATE_WORDS: Final[Mapping[str, SignalState]] = {
    **dict.fromkeys(
        ("problem", "firing", "alerting", "alert", "alarm", "trigger", "triggered", "open", "opened"), _P
    ),
    **dict.fromkeys(
        ("active", "down", "critical", "crit", "error", "warning", "warn", "failed", "failing"), _P
    ),
    **dict.fromkeys(
        ("ok", "resolved", "resolve", "recovered", "recovery", "up", "closed", "close", "cleared"), _R
    ),
    **dict.fromkeys(("clear", "normal", "healthy", "fixed", "inactive"), _R),
    **dict.fromkeys(("acked", "ack", "acknowledged", "acknowledge"), SignalState.ACKED),
    **dict.fromkeys(("info", "information", "informational", "notice"), SignalState.INFO),
}

_MILLISECONDS_FROM: Final = 100_000_000_000  # as seconds the year 5138: more is milliseconds


def text(value: Any) -> str:
    """A string or number as text; anything else is no text."""
    match value:
        case str():
            return value.strip()
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            return ""


def first_text(*values: Any) -> str:
    return next((found for value in values if (found := text(value))), "")


def moment(value: Any, zone: str | None = None) -> datetime | None:
    """An RFC 3339 time or a count of seconds or milliseconds since 1970.

    A time without an offset is meant in `zone` (an IANA name that exists), and no moment where that is not known. Year 1 is
    how Go writes "not yet".
    """
    try:
        match value:
            case bool():
                return None
            case int() | float() if math.isfinite(value):
                return datetime.fromtimestamp(value / 1000 if value >= _MILLISECONDS_FROM else value, UTC)
            case str():
                found = datetime.fromisoformat(value.strip())
                if found.tzinfo is None and zone is not None:
                    found = found.replace(tzinfo=ZoneInfo(zone))
                return None if found.tzinfo is None or found.year <= 1 else found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        pass  # outside the calendar, or not a time at all: both mean that we were told none
    return None


def seconds(value: Any) -> datetime | None:
    """A count of seconds or milliseconds since 1970 that may travel as text; nought is how many write "never"."""
    count = number_or_text(value.strip()) if isinstance(value, str) else value
    return moment(count) if isinstance(count, int | float) and count > 0 else None


def level(value: Any, words: Mapping[str, int] = LEVEL_WORDS) -> int | None:
    return words.get(text(value).casefold())


def texts(value: Any) -> dict[str, str]:
    """The members of an object that can be labels."""
    if not isinstance(value, Mapping):
        return {}
    return {str(name): text(member) for name, member in value.items() if text(member)}


def scalars(value: Any) -> dict[str, Any]:
    """The members of an object that can be facts."""
    if not isinstance(value, Mapping):
        return {}
    return {
        str(name): member for name, member in value.items() if isinstance(member, str | int | float | bool)
    }


def number_or_text(value: str) -> int | float | str:
    """A measured value that travelled as text; what is no plain number stays text."""
    for kind in (int, float):
        try:
            number = kind(value)
        except ValueError:
            continue
        return number if math.isfinite(number) and abs(number) < 2**63 else value
    return value


def links(*values: Any) -> tuple[str, ...]:
    return tuple(_links(values))


def _links(values: Iterable[Any]) -> Iterable[str]:
    for value in values:
        match value:
            case str():
                yield value.strip()
            case {"href": str(href)} | {"url": str(href)} | {"src": str(href)}:
                yield href.strip()
