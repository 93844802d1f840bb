"""A word to the robot of a DingTalk group, `@robot 1 4821`: signed with the robot's secret over the moment.

    timestamp: 1795400000000
    sign: base64(HMAC-SHA256(secret, "<timestamp>\\n<secret>"))

The body is not signed, so that what came before is known by its `msgId`. The answer is said in the group. The buttons of our cards
type these words for whoever presses them.
"""

import base64
import hashlib
import hmac
from datetime import timedelta
from typing import Final

from app.notify import replies
from app.notify.callbacks.coming import (
    Forged,
    Given,
    Incoming,
    Said,
    Secrets,
    Understood,
    as_json,
    document,
    fingerprint,
    must_be_recent,
    same,
    text_at,
)

_WITHIN: Final = timedelta(hours=1)  # the service's own rule


def read(incoming: Incoming, secrets: Secrets) -> Understood:
    """What somebody said to the robot."""
    stamp, secret = incoming.headers.get("timestamp", ""), secrets.secret.get_secret_value()
    digest = hmac.new(
        secret.encode(), f"{stamp}\n{secret}".encode("utf-8", "replace"), hashlib.sha256
    ).digest()
    if not secret or not same(incoming.headers.get("sign", ""), base64.b64encode(digest).decode()):
        raise Forged
    must_be_recent(f"{stamp[:-3]}.{stamp[-3:]}", incoming.at, _WITHIN)
    found = document(incoming.body)
    words = text_at(found, "text", "content")
    accounts = [text_at(found, name) for name in ("senderStaffId", "senderId")]
    addresses = [f"{incoming.group}/{account}" for account in accounts if account]
    token = f"dingtalk:{text_at(found, 'msgId') or fingerprint(incoming.body)}"
    return Understood((Given(addresses, replies.read(words), words, token),), _in_group, is_heard=True)


def _in_group(words: str) -> Said:
    return as_json({"msgtype": "text", "text": {"content": words}} if words else {})
