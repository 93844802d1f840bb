"""What every callback has in common: the request as it came, what was read out of it, and how the sender wants to be answered.

A reader is a pure function from `Incoming` to `Understood`. It believes nothing before the signature holds, raises `Forged` where
it does not, and `Unreadable` for what is signed and has another form than documented.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import SecretStr

from app.notify.replies import Reply

WITHIN: Final = timedelta(minutes=5)
"""How old a signed moment may be, or how far ahead of our clock."""


class Forged(Exception):
    """The signature is missing, wrong, or of another time."""


class Unreadable(Exception):
    """Signed, and not of the form the service documents."""


@dataclass(frozen=True)
class Secrets:
    """What a service signs with, as the settings have it; which of them it needs is the service's business."""

    secret: SecretStr
    token: SecretStr = field(default_factory=lambda: SecretStr(""))
    receiver: str = ""


@dataclass(frozen=True)
class Incoming:
    """The request; `url` is the address as the sender was given it, from the base address of the settings on."""

    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    at: datetime
    group: str = ""  # of a chat: its name in the settings


@dataclass(frozen=True)
class Given:
    """One answer: from whom, in which words, and, of a button, to which message."""

    addresses: Sequence[str]  # each a contact point the sender may be known by
    reply: Reply | None
    words: str
    token: str  # the same for the same answer
    button: str = ""  # `delivery.mark`


@dataclass(frozen=True)
class Said:
    """An answer over HTTP."""

    content: bytes
    media_type: str = "application/json"


@dataclass(frozen=True)
class Understood:
    """What was read. `speak` makes the answer that the service wants from the words for the person, or from none; `is_heard`: those
    words reach the person that way."""

    given: Sequence[Given]
    speak: Callable[[str], Said]
    is_heard: bool = False


def as_json(content: Any) -> Said:
    return Said(json.dumps(content, ensure_ascii=False).encode())


def same(shown: str, right: str) -> bool:
    """Compared in constant time; an empty secret opens nothing."""
    return bool(right) and hmac.compare_digest(shown.encode("utf-8", "replace"), right.encode())


def must_be_recent(seconds: str, at: datetime, within: timedelta = WITHIN) -> None:
    """Raises `Forged` for a moment, in seconds since 1970, that is not of now."""
    try:
        moment = datetime.fromtimestamp(float(seconds), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Forged from error
    if abs(at - moment) > within:
        raise Forged


def document(body: bytes | str) -> dict[str, Any]:
    """A JSON object, or `Unreadable`."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable from error
    if not isinstance(found, dict):
        raise Unreadable
    return found


def text_at(found: Any, *path: str) -> str:
    """The text or number at a path; empty where there is none."""
    for step in path:
        found = found.get(step) if isinstance(found, dict) else None
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""


def fingerprint(*parts: bytes | str) -> str:
    """Stands for a message that bears no id of its own."""
    joined = b"\0".join(part.encode("utf-8", "replace") if isinstance(part, str) else part for part in parts)
    return hashlib.sha256(joined).hexdigest()[:40]
