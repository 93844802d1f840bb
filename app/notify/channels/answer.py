"""What an answer over HTTP means for the message: taken, worth another try, or refused for good.

Many services say 200 to everything and put what really happened into the JSON below it; `Codes` knows where and how. The
words of the far side are never repeated, they may hold an address or a token: only its status or its code, and no more of
that than a code has.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from app.notify.channel import DeliveryError, Receipt
from app.outgoing import Reply, retry_after
from app.wording import say

_AGAIN: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
_CODE: Final = re.compile(r"-?[A-Za-z0-9_.]{1,64}")


@dataclass(frozen=True)
class Codes:
    """Where a service's JSON says how it went, and which of its words are not the end."""

    at: tuple[str, ...]
    """Paths such as `Response.Error.Code`; the first that leads somewhere counts."""
    good: frozenset[str]
    taken_at: str = ""
    """A path where anything at all means that it was taken."""
    again: frozenset[str] = frozenset()
    """Trouble of its own: the same message may be tried again."""
    too_many: frozenset[str] = frozenset()
    """It was asked too often, and takes nothing for `pause`."""
    pause: timedelta = timedelta(minutes=1)


def by_status(reply: Reply, at: datetime) -> Receipt:
    """A 2xx status is a receipt; other than that, overload and trouble of the far side are worth another try."""
    if 200 <= reply.status < 300:
        return Receipt(str(reply.status))
    again = reply.status >= 500 or reply.status in _AGAIN
    raise DeliveryError(
        say("channel.webhook.status", status=reply.status),
        permanent=not again,
        retry_after=retry_after(reply.headers, at=at) if again else None,
    )


def by_code(reply: Reply, at: datetime, codes: Codes) -> Receipt:
    """What the JSON says where there is one, whatever the status; where there is none, the status.

    A good status over a body without a code is no receipt: a proxy's friendly page must not count as told.
    """
    said = _code(reply.body, codes.at)
    if said is None and codes.taken_at and _code(reply.body, (codes.taken_at,)) is not None:
        return by_status(reply, at)
    if said is None:
        by_status(reply, at)
        raise DeliveryError(say("channel.answer.unreadable", status=reply.status))
    if said in codes.good and reply.status < 300:
        return Receipt(said)
    asked_for = retry_after(reply.headers, at=at)
    refused = say("channel.answer.code", code=said if _CODE.fullmatch(said) else "…")
    if said in codes.too_many or reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        raise DeliveryError(refused, retry_after=asked_for or codes.pause)
    again = said in codes.again or reply.status >= 500
    raise DeliveryError(refused, permanent=not again, retry_after=asked_for if again else None)


def _code(body: bytes, paths: tuple[str, ...]) -> str | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    for path in paths:
        found = _at(document, path)
        if found is not None and not isinstance(found, dict | list):
            return str(found)
    return None


def _at(document: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(document, Mapping):
            document = document.get(step)
        elif isinstance(document, list) and step.isdigit() and int(step) < len(document):
            document = document[int(step)]
        else:
            return None
    return document
