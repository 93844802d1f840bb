"""Any JSON, with a mapping where the field names are not the usual ones.

Without a mapping:

    {"title": "IVR down", "id": "srv01/ivr", "status": "firing", "severity": "critical",
     "type": "system_outage", "started_at": "2026-11-22T10:00:00+08:00", "labels": {"site": "hz"},
     "facts": {"callers": 412}}

With one, each field a JSON pointer (RFC 6901) or an expression that sees `body`:

    {"title": "{{ body.host }}: {{ body.event.name }}", "dedup_key": "/event/id", "state": "/event/value",
     "states": {"1": "problem", "0": "recovered"}, "levels": {"5": 1, "4": 2},
     "facts": {"callers": "/opdata/callers"}}

A list is several signals. A field the mapping names is read there and nowhere else, but a title or key that
is missing there is looked for under the usual names, because an emergency must not be lost for want of a
caption. Without any key the title is the key: the same words are the same problem. A state in words we do not
know is not guessed; in a list it refuses not the others, but is taken for a problem that says so.
"""

import collections.abc
from collections.abc import Mapping as Words
from functools import lru_cache
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app import expressions
from app.intake import reading
from app.intake.recognition import looks_like
from app.intake.signals import NotUnderstood, Signal, SignalState, unknown_word, wrong_kind
from app.wording import say

MAX_SIGNALS: Final = 1_000

_TITLES: Final = ("title", "summary", "message", "name")
_KEYS: Final = ("dedup_key", "alias", "id", "fingerprint")
_STATES: Final = ("status", "state")
_LEVELS: Final = ("level", "severity", "priority")
_TEXTS: Final = ("text", "description", "details")
_STARTS: Final = ("started_at", "startsAt", "starts_at")
_ENDS: Final = ("ended_at", "endsAt", "ends_at")
_LINKS: Final = ("url", "link", "href")


def _checked(source: str) -> str:
    if not _is_pointer(source):
        if "{{" not in source:
            raise ValueError(str(say("source.generic.pointer", source=source[:80])))
        _compiled(source)
    return source


# `/a/b` is a pointer, and the empty pointer is the whole body; a text with holes may begin with a slash too.
def _is_pointer(source: str) -> bool:
    return "{{" not in source and (source == "" or source.startswith("/"))


@lru_cache(maxsize=1_024)
def _compiled(source: str) -> expressions.Value:
    return expressions.value_of(source)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:  # each of them, by what is wrong with the name
        raise ValueError(str(say("source.generic.zone", zone=name[:80]))) from error
    return name


Place = Annotated[str, Field(max_length=4_000), AfterValidator(_checked)]
Places = Annotated[dict[str, Place], Field(max_length=100)]


class Mapping(BaseModel):
    """Where a source keeps what we want to know: JSON pointers or `{{ expressions }}` over `body`.

    `states`, `levels` and `zone` hold for every kind of source; places only for bodies that are not of its kind's format.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Place | None = None
    text: Place | None = None
    dedup_key: Place | None = None
    state: Place | None = None
    occurrence: Place | None = None
    level: Place | None = None
    type: Place | None = None
    started_at: Place | None = None
    labels: Place | Places | None = None  # one place that holds an object, or a place for each name
    facts: Place | Places | None = None
    states: dict[str, SignalState] = Field(default_factory=dict)  # this sender's words, before the usual ones
    levels: dict[str, Annotated[int, Field(ge=1, le=4)]] = Field(default_factory=dict)
    zone: Annotated[str, Field(max_length=64), AfterValidator(_known_zone)] | None = (
        None  # of times without an offset
    )

    @property
    def says_where(self) -> bool:
        """Whether it names a place in a body, and so can read one that is not of the kind's format."""
        return any(
            getattr(self, name) is not None
            for name in type(self).model_fields
            if name not in {"states", "levels", "zone"}
        )


def another_format(kind: str, body: Any, mapping: Mapping | None) -> list[Signal]:
    """A body that is not of its source's format: read where the mapping says, or `NotUnderstood` with whose it looks like."""
    if mapping is not None and mapping.says_where:
        return parse(body, mapping=mapping)
    raise NotUnderstood(say("source.not_of_this_kind", kind=kind, looks_like=looks_like(body) or "?"))


def level_of(value: Any, mapping: Mapping | None, words: Words[str, int] = reading.LEVEL_WORDS) -> int | None:
    """The level a sender's word hints at: this source's own words before the usual ones of its kind."""
    word = reading.text(value)
    own = mapping.levels.get(word) if mapping is not None and mapping.levels else None
    return own or words.get(word.casefold())


def parse(body: Any, *, mapping: Mapping | None = None) -> list[Signal]:
    """The signals of a JSON object, or of a list of them."""
    several = body if isinstance(body, list) else [body]
    if len(several) > MAX_SIGNALS:
        raise NotUnderstood(say("source.generic.too_many", limit=MAX_SIGNALS))
    alone = len(several) == 1
    return [_signal(one, mapping or Mapping(), f"/{index}", alone=alone) for index, one in enumerate(several)]


def _signal(body: Any, mapping: Mapping, where: str, *, alone: bool) -> Signal:
    if not isinstance(body, dict):
        raise NotUnderstood(wrong_kind(where, "object", body))
    usual_key = reading.first_text(*_under(body, _KEYS))
    title = reading.first_text(_at(mapping.title, body), *_under(body, _TITLES))
    key = reading.first_text(_at(mapping.dedup_key, body), usual_key, title)
    if not key:
        raise NotUnderstood(say("source.generic.nothing_to_say", where=where))
    start = _first(mapping.started_at, body, (*_STARTS, "timestamp", "time"))
    zone = mapping.zone
    state, odd = _state(_first(mapping.state, body, _STATES), mapping, where, alone=alone)
    return Signal(
        dedup_key=key,
        occurrence=_occurrence(body, mapping),
        state=state,
        title=title,
        text=reading.text(_first(mapping.text, body, _TEXTS)),
        level_hint=level_of(_first(mapping.level, body, _LEVELS), mapping),
        type_hint=reading.text(_first(mapping.type, body, ("type", "incident_type"))) or None,
        labels=reading.texts(_object(mapping.labels, body, ("labels", "tags"))),
        facts=reading.scalars(_object(mapping.facts, body, ("facts", "custom_details", "details"))),
        links=reading.links(*_under(body, _LINKS), *_members(body.get("links"))),
        started_at=reading.moment(start, zone),
        ended_at=reading.moment(_first(None, body, _ENDS), zone),
        note=reading.first_text(odd, body.get("note")) or None,
    )


def _occurrence(body: dict[str, Any], mapping: Mapping) -> str:
    """What tells this time from the last. A `timestamp` may be the time of sending, so it does not count."""
    found = _first(mapping.occurrence, body, ("occurrence", *_STARTS))
    when = reading.moment(found, mapping.zone)
    return when.isoformat() if when and isinstance(found, str) else reading.text(found)


def _state(value: Any, mapping: Mapping, where: str, *, alone: bool) -> tuple[SignalState, str]:
    """The state, and a remark about one that nobody knows."""
    word = reading.text(value)
    if value is None or word == "":
        return SignalState.PROBLEM, ""
    found = mapping.states.get(word) or reading.STATE_WORDS.get(word.casefold())
    if found is not None:
        return found, ""
    if alone:
        raise NotUnderstood(unknown_word(f"{where}/state", word, [*mapping.states, *reading.STATE_WORDS]))
    return SignalState.PROBLEM, f"state={word}"


def _first(place: str | None, body: dict[str, Any], usual: tuple[str, ...]) -> Any:
    if place is not None:
        return _at(place, body)
    return next((value for value in _under(body, usual) if value is not None), None)


def _under(body: dict[str, Any], names: tuple[str, ...]) -> list[Any]:
    return [body.get(name) for name in names]


def _members(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _object(places: str | dict[str, str] | None, body: dict[str, Any], usual: tuple[str, ...]) -> Any:
    if isinstance(places, dict):
        return {name: _at(place, body) for name, place in places.items()}
    if places is not None:
        return _at(places, body)
    found = (value for value in _under(body, usual) if isinstance(value, collections.abc.Mapping))
    return next(found, None)


def _at(place: str | None, body: Any) -> Any:
    if place is None:
        return None
    return _pointed(place, body) if _is_pointer(place) else _compiled(place).evaluate({"body": body})


def _pointed(pointer: str, body: Any) -> Any:
    """What an RFC 6901 pointer points at, `None` where it points at nothing."""
    value = body
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdigit() and len(name) <= 6:
            value = value[int(name)] if int(name) < len(value) else None
        else:
            return None
    return value
