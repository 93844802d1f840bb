"""How senders sign a body with a secret they share with us: as Standard Webhooks has it, as Grafana does, as Sentry does.

A scheme says whether a request bears its mark, and whether the mark is right. Comparing takes the same time wherever it differs.
"""

import base64
import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from app.errors import WrongShape
from app.wording import say

SIGNED_WITHIN: Final = timedelta(minutes=5)  # either side of now
_SECRET_BYTES: Final = range(24, 65)  # what the Standard Webhooks format asks of a secret
_TEXT_BYTES: Final = range(8, 257)  # of a secret that is taken as it is typed
_MARK: Final = "whsec_"


class Scheme(ABC):
    """One way of signing."""

    header: str  # that bears the signature, in lower case

    def is_shown(self, headers: Mapping[str, str]) -> bool:
        return self.header in headers

    @abstractmethod
    def secret_bytes(self, secret: str) -> bytes:
        """The bytes of a secret as people write it, or `WrongShape`."""

    @abstractmethod
    def is_right(self, secret: bytes, headers: Mapping[str, str], body: bytes, at: datetime) -> bool:
        """Whether these headers sign this body, about now where the scheme tells the time."""


class StandardWebhooks(Scheme):
    """`webhook-id`, `webhook-timestamp`, `webhook-signature`; the secret is `whsec_` and base64."""

    header = "webhook-signature"

    def secret_bytes(self, secret: str) -> bytes:
        try:
            found = base64.b64decode(secret.removeprefix(_MARK), validate=True)
        except ValueError:
            found = b""
        if len(found) not in _SECRET_BYTES:
            raise WrongShape(say("intake.signing_secret"), errors=[{"path": "signing_secret"}])
        return found

    def is_right(self, secret: bytes, headers: Mapping[str, str], body: bytes, at: datetime) -> bool:
        message, sent, signatures = (
            headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature")
        )
        if not message or not _is_about_now(sent, at):
            return False
        content = f"{message}.{sent}.".encode("latin-1") + body
        wanted = base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest())
        for version, _, mark in (one.partition(",") for one in signatures.split(" ")[:8]):
            if version == "v1" and hmac.compare_digest(wanted, mark.encode("latin-1")):
                return True
        return False


class Hex(Scheme):
    """The HMAC-SHA256 of the body in hexadecimal digits; with a header for the time, of `time:body`. The secret is any text."""

    def __init__(self, header: str, *, time_header: str | None = None) -> None:
        self.header = header
        self._time_header = time_header

    def secret_bytes(self, secret: str) -> bytes:
        found = secret.encode()
        if len(found) not in _TEXT_BYTES:
            raise WrongShape(say("intake.signing_text"), errors=[{"path": "signing_secret"}])
        return found

    def is_right(self, secret: bytes, headers: Mapping[str, str], body: bytes, at: datetime) -> bool:
        sent = headers.get(self._time_header) if self._time_header else None
        if sent is not None and not _is_about_now(sent, at):
            return False
        content = body if sent is None else f"{sent}:".encode("latin-1") + body
        wanted = hmac.new(secret, content, hashlib.sha256).hexdigest()
        return hmac.compare_digest(
            wanted.encode(), headers.get(self.header, "").strip().lower().encode("latin-1", "replace")
        )


def _is_about_now(sent: str, at: datetime) -> bool:
    if not (sent.isascii() and sent.isdigit()) or len(sent) > 11:
        return False
    return abs(at - datetime.fromtimestamp(int(sent), UTC)) <= SIGNED_WITHIN


STANDARD: Final = StandardWebhooks()
GRAFANA: Final = Hex("x-grafana-alerting-signature", time_header="x-grafana-alerting-timestamp")
SENTRY: Final = Hex("sentry-hook-signature")
