"""What people read, in their language.

Holds the message catalogues (`app/locales/<language>/*.po`) and the one way to use them: a `Wording` is a value,
a key with its parameters, that travels through rows and exceptions and is turned into text at the last moment, in the
reader's language. No other module writes a sentence for a user.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path
from typing import Any, Final

from babel.messages.pofile import read_po

LANGUAGES: Final = ("zh-Hans", "zh-Hant", "en")
DEFAULT_LANGUAGE: Final = "zh-Hans"
_LOCALES = Path(__file__).parent / "locales"
_MOMENT: Final = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d:\d\d$")
_CLOCK: Final = "%Y-%m-%d %H:%M"
_SENTENCE_ENDS: Final = ("。", ".", "！", "!")


@dataclass(frozen=True)
class Wording:
    """A sentence not yet spoken: catalogue key and parameters (strings, numbers, moments, durations, or further wordings)."""

    key: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return render(self, "en")


def say(key: str, **params: Any) -> Wording:
    """A `Wording`, written the short way."""
    return Wording(key, params)


def spoken_span(span: timedelta) -> Wording:
    """A duration in words: its two largest units."""
    total = int(span.total_seconds())
    parts = [
        ("days", total // 86400),
        ("hours", total // 3600 % 24),
        ("minutes", total // 60 % 60),
        ("seconds", total % 60),
    ]
    words = [say(f"span.{unit}", number=number) for unit, number in parts if number]
    if not words:
        return say("span.minutes", number=0)
    return words[0] if len(words) == 1 else say("span.two", first=words[0], second=words[1])


def render(wording: Wording, language: str, zone: tzinfo = UTC) -> str:
    """The sentence in `language`, its times on the clocks of `zone`; a key without an entry is returned as it is."""
    pattern = catalogue(language).get(wording.key)
    if pattern is None:
        return wording.key
    values = {name: _spoken(value, language, zone) for name, value in wording.params.items()}
    return pattern.format_map(_Blank(values))


def localised(wording: Wording, zone: tzinfo = UTC) -> dict[str, str]:
    """The sentence in every language at once, shaped like the plan's own texts."""
    return {
        "zh": render(wording, "zh-Hans", zone),
        "en": render(wording, "en", zone),
        "zh_hant": render(wording, "zh-Hant", zone),
    }


def kept(wording: Wording) -> dict[str, Any]:
    """The wording as a JSON column holds it; `restored` and `spoken` give it back."""
    return {"key": wording.key, "params": {name: _storable(value) for name, value in wording.params.items()}}


def restored(stored: Mapping[str, Any]) -> Wording:
    """The wording that was kept in a row."""
    return Wording(stored["key"], stored["params"])


def spoken(stored: Mapping[str, Any] | None, language: str) -> str | None:
    """The sentence of a wording that was kept in a row; nothing where nothing was kept."""
    return render(restored(stored), language) if stored else None


def known(key: str) -> bool:
    """Whether the catalogues have this key."""
    return key in catalogue("en")


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All messages of one language, every room's file together."""
    messages: dict[str, str] = {}
    for path in sorted((_LOCALES / language.replace("-", "_")).glob("*.po")):
        with path.open("rb") as source:
            for message in read_po(source):
                if message.id and message.string:
                    messages[str(message.id)] = str(message.string)
    return messages


def negotiate(accept_language: str | None, default: str = DEFAULT_LANGUAGE) -> str:
    """The best of our languages for an `Accept-Language` header (RFC 9110, 12.5.4)."""
    wanted: list[tuple[float, str]] = []
    for part in (accept_language or "")[:1000].split(","):
        tag, _, weight = part.strip().partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            quality = 0.0
        wanted.append((quality, tag.strip().lower()))
    for _, tag in sorted((w for w in wanted if w[0] > 0), key=lambda w: -w[0]):
        if (match := _our_tag(tag)) is not None:
            return match
    return default


def _our_tag(tag: str) -> str | None:
    primary, *rest = tag.replace("_", "-").split("-")
    if primary == "en":
        return "en"
    if primary != "zh":
        return None
    return "zh-Hant" if {"hant", "tw", "hk", "mo"} & set(rest) else "zh-Hans"


def _spoken(value: Any, language: str, zone: tzinfo) -> Any:
    match value:
        case Wording():
            return render(value, language, zone)
        case {"key": str(key), "params": dict(params)}:
            return render(Wording(key, params), language, zone)
        case {"zh": str(zh), "en": str(en)}:
            return en if language == "en" else value.get("zh_hant") or zh if language == "zh-Hant" else zh
        case datetime():
            return clock(value, zone)
        case timedelta():
            return render(spoken_span(value), language, zone)
        case str() if _MOMENT.match(value):
            return _moment(value, zone)
        case list() | tuple():
            return _in_a_row([str(_spoken(inner, language, zone)) for inner in value], language)
        case None:
            return "–"
        case _:
            return value


def clock(moment: datetime, zone: tzinfo) -> str:
    """Date and time as the clocks of a zone show it; UTC is said, the zone people live in is not."""
    return f"{moment.astimezone(zone):{_CLOCK}}" + (" UTC" if zone is UTC else "")


def _in_a_row(texts: list[str], language: str) -> str:
    """Words are listed, whole sentences follow each other."""
    if texts and all(text.endswith(_SENTENCE_ENDS) for text in texts):
        return (" " if language == "en" else "").join(texts)
    return (", " if language == "en" else "、").join(texts)


def _moment(text: str, zone: tzinfo) -> str:
    """A moment that was kept in a row, as JSON has it; what somebody typed and only looks like one stays as it is."""
    try:
        return clock(datetime.fromisoformat(text), zone)
    except (ValueError, OverflowError):
        return text


def _storable(value: Any) -> Any:
    match value:
        case Wording():
            return kept(value)
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return value.isoformat()
        case timedelta():
            return kept(spoken_span(value))
        case Mapping():
            return {str(name): _storable(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_storable(inner) for inner in value]
        case _:
            return str(value)


class _Blank(dict[str, Any]):
    """A missing parameter shows as a dash: a message with a hole is better than no message at three in the morning."""

    def __missing__(self, key: str) -> str:
        return "–"
