"""A signed webhook in the form of Standard Webhooks, for robots, gateways and programs of the house.

    POST <address>
    webhook-id: 01JD…                the key of the delivery, the same on every attempt
    webhook-timestamp: 1795400000    seconds
    webhook-signature: v1,mK0… v1,x8Q…

    {"type": "notice.page", "timestamp": "2026-11-23T02:00:00Z",
     "data": {"number": "INC-2026-0007", "level": 1, "status": "Actual", "subject": "…", "text": "…",
              "link": "https://…", …}}

Each active secret gives one signature, so that a receiver can move to the next secret without missing a
message. Nothing leaves unsigned.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from app.notify.channel import DeliveryError, Message, Receipt, as_told
from app.notify.channels import answer
from app.outgoing import CallFailed, Outgoing, Reply
from app.wording import Wording, say

DEADLINE: Final = timedelta(seconds=10)


class WebhookChannel:
    """A POST with a signature; any 2xx status is a receipt."""

    name: ClassVar[str] = "webhook"

    def __init__(
        self,
        outgoing: Outgoing,
        *,
        secrets_for: Callable[[str], Sequence[bytes]],
        deadline: timedelta = DEADLINE,
    ) -> None:
        self._outgoing = outgoing
        self._secrets_for = secrets_for
        self._deadline = deadline

    def address_problem(self, to: str) -> Wording | None:
        return self._outgoing.problem_with(to)

    def mask(self, to: str) -> str:
        # Path and query often carry the receiver's token.
        if self._outgoing.problem_with(to) is not None:
            return "…"
        parts = urlsplit(to)
        return f"{parts.scheme}://{parts.netloc}/…"

    async def send(self, to: str, message: Message) -> Receipt:
        secrets = self._secrets_for(to)
        if not secrets:
            raise DeliveryError(say("channel.webhook.unsigned"), permanent=True)
        body = _body(as_told(message))
        headers = {
            "content-type": "application/json",
            **signature_headers(message.key, message.sent_at, body, secrets),
        }
        try:
            reply = await self._outgoing.request(
                "POST", to, headers=headers, content=body, deadline=self._deadline
            )
        except CallFailed as error:
            if error.status is None:
                raise DeliveryError.from_call(error) from error
            # The answer's body was no good, but we only need its first line: a 2xx is not to be sent again.
            reply = Reply(error.status, {}, b"")
        return answer.by_status(reply, message.sent_at)


def signature_headers(key: str, at: datetime, body: bytes, secrets: Sequence[bytes]) -> Mapping[str, str]:
    """The three headers of Standard Webhooks, one signature for each active secret."""
    timestamp = str(int(at.timestamp()))
    signed = f"{key}.{timestamp}.".encode() + body
    digests = (hmac.new(secret, signed, hashlib.sha256).digest() for secret in secrets)
    return {
        "webhook-id": key,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }


def _body(message: Message) -> bytes:
    content: dict[str, Any] = {
        "type": message.kind,
        "timestamp": message.sent_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": {
            "ref": message.ref,
            "number": message.number,
            "level": message.level,
            "status": "Exercise" if message.exercise else "Actual",
            "exercise": message.exercise,
            "language": message.language,
            "subject": message.subject,
            "text": message.text,
            "link": message.link,
            "link_label": message.link_label,
            "extra": dict(message.extra),
        },
    }
    return json.dumps(content, allow_nan=False).encode()
