"""A signal: one message from monitoring in our own words, whoever sent it.

Holds the value every source parser returns, its bounds, and the exception for what cannot be read. A signal
is a claim, not an incident: which incident it belongs to, and how grave it is, is decided elsewhere.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from app.wording import Wording, say

KEY_LENGTH: Final = 255
TITLE_LENGTH: Final = 300
TEXT_LENGTH: Final = 10_000
VALUE_LENGTH: Final = 2_000
NAME_LENGTH: Final = 200
PAIRS: Final = 100  # labels, annotations or facts of one signal
LINKS: Final = 20

_TIMES: Final = ("started_at", "ended_at")

Scalar = str | int | float | bool


class SignalState(StrEnum):
    PROBLEM = "problem"  # something is wrong, or still wrong
    RECOVERED = "recovered"  # what was wrong is right again
    ACKED = "acked"  # somebody on the sender's side has taken it
    INFO = "info"  # worth keeping, asks for nothing


class NotUnderstood(Exception):
    """An authenticated body that cannot be understood: to be kept, shown and answered 400.

    `errors` lists each mistake where the format tells several apart.
    """

    def __init__(self, detail: Wording, *, errors: Sequence[Wording] = ()) -> None:
        super().__init__(detail.key)
        self.detail = detail
        self.errors = tuple(errors)


def wrong_kind(where: str, wanted: str, got: Any) -> Wording:
    """The words for a value that is of another JSON kind than it should be."""
    return say("source.wrong_kind", where=where, wanted=wanted, got=kind_of_json(got))


def unknown_word(where: str, word: str, known: Iterable[str]) -> Wording:
    return say("source.unknown_word", where=where, word=word[:40], known=list(known))


def kind_of_json(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


@dataclass(frozen=True, slots=True)
class Signal:
    """What one sender says about one problem; harmless once made: bounded, a one-line title, times in UTC."""

    dedup_key: str  # which problem, unique within its source
    occurrence: str  # which time it happened (a start time, or another mark); "" when the sender has none
    state: SignalState
    title: str
    text: str = ""
    level_hint: int | None = None  # 1 gravest … 4; what the sender thinks, the matrix decides
    type_hint: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)  # JSON scalars that grading rules may look at
    links: tuple[str, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None
    note: str | None = None  # a remark of the sender about this message, in the sender's own words

    def __post_init__(self) -> None:
        key = fit(self.dedup_key, KEY_LENGTH)
        bounded: dict[str, Any] = {
            "dedup_key": key,
            "occurrence": fit(self.occurrence, KEY_LENGTH),
            "title": cut(_one_line(self.title) or _one_line(key) or "–", TITLE_LENGTH),
            "text": cut(_printable(self.text).strip(), TEXT_LENGTH),
            "level_hint": self.level_hint if self.level_hint in {1, 2, 3, 4} else None,
            "type_hint": cut(_one_line(self.type_hint or ""), NAME_LENGTH) or None,
            "labels": _texts(self.labels),
            "annotations": _texts(self.annotations),
            "facts": _scalars(self.facts),
            "links": tuple(dict.fromkeys(link for link in self.links if _is_link(link)))[:LINKS],
            "started_at": _utc(self.started_at),
            "ended_at": _utc(self.ended_at),
            "note": cut(_printable(self.note or "").strip(), VALUE_LENGTH) or None,
        }
        for name, value in bounded.items():
            object.__setattr__(self, name, value)


_FIELDS: Final = tuple(one.name for one in fields(Signal))


def packed(signal: Signal) -> dict[str, Any]:
    """The signal as JSON, for a row."""
    times = {name: moment.isoformat() if (moment := getattr(signal, name)) else None for name in _TIMES}
    said = {name: getattr(signal, name) for name in _FIELDS}
    return {**said, **times, "links": list(signal.links)}


def unpacked(kept: Mapping[str, Any]) -> Signal:
    """The signal that `packed` made into JSON."""
    times = {name: datetime.fromisoformat(kept[name]) if kept[name] else None for name in _TIMES}
    return Signal(**{**kept, **times, "state": SignalState(kept["state"]), "links": tuple(kept["links"])})


def cut(text: str, length: int) -> str:
    """The text, shortened so that one sees it was."""
    return text if len(text) <= length else text[: length - 1] + "…"


def fit(key: str, length: int) -> str:
    """An identifier within `length`: a long one keeps its beginning and a digest, so two keys stay two."""
    clean = _printable(key).strip()
    if len(clean) <= length:
        return clean
    digest = hashlib.sha256(clean.encode("utf-8", "replace")).hexdigest()
    return f"{clean[: length - len(digest) - 1]}~{digest}"


def _one_line(text: str) -> str:
    # A title becomes the subject of a mail: a line break in it would be somebody else's header.
    return " ".join(_printable(text).split())


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c for c in text if c in "\n\t" or not (c < " " or c == "\x7f"))


def _texts(pairs: Mapping[str, str]) -> dict[str, str]:
    kept = list(pairs.items())[:PAIRS]
    return {cut(_one_line(name), NAME_LENGTH): cut(_printable(value), VALUE_LENGTH) for name, value in kept}


def _scalars(pairs: Mapping[str, Any]) -> dict[str, Scalar | None]:
    kept = [(n, v) for n, v in pairs.items() if v is None or isinstance(v, Scalar)][:PAIRS]
    return {
        cut(_one_line(n), NAME_LENGTH): cut(_printable(v), VALUE_LENGTH) if isinstance(v, str) else v
        for n, v in kept
    }


def _is_link(link: str) -> bool:
    # Links are shown to people to click on: no javascript:, no file:, nothing that is not a page.
    return (
        link.lower().startswith(("http://", "https://")) and len(link) <= VALUE_LENGTH and link.isprintable()
    )


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError("a signal needs aware times")
    return moment.astimezone(UTC)
