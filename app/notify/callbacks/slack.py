"""A button pressed in Slack: `payload` in a form, signed with the app's signing secret over the moment and the body.

    X-Slack-Signature: v0=HMAC-SHA256(secret, "v0:<timestamp>:<body>")

Slack waits three seconds, shows nothing of what it is answered, and does not try again; whoever pressed is told by their contact
point.
"""

import hashlib
import hmac
from urllib.parse import parse_qs

from app.notify.callbacks.coming import (
    Forged,
    Given,
    Incoming,
    Said,
    Secrets,
    Understood,
    document,
    fingerprint,
    must_be_recent,
    same,
    text_at,
)
from app.notify.replies import Reply
from app.notify.tables import Deed


def read(incoming: Incoming, secrets: Secrets) -> Understood:
    """The button of a message of ours; other interactions of the app are none of ours."""
    stamp = incoming.headers.get("x-slack-request-timestamp", "")
    signed = b"v0:" + stamp.encode("utf-8", "replace") + b":" + incoming.body
    digest = hmac.new(secrets.secret.get_secret_value().encode(), signed, hashlib.sha256).hexdigest()
    if not same(incoming.headers.get("x-slack-signature", ""), f"v0={digest}"):
        raise Forged
    must_be_recent(stamp, incoming.at)
    fields = parse_qs(incoming.body.decode("utf-8", "replace"))
    found = document(next(iter(fields.get("payload", [])), ""))
    who = f"{incoming.group}/{text_at(found, 'user', 'id')}"
    actions = found.get("actions")
    given = [
        Given((who,), Reply(Deed(name)), name, f"slack:{came}", text_at(action, "value"))
        for action in (actions if isinstance(actions, list) else [])
        if (name := text_at(action, "action_id")) in (Deed.TAKE, Deed.CANNOT)
        for came in (text_at(found, "trigger_id") or fingerprint(incoming.body),)
    ]
    return Understood(given[:1], lambda _: Said(b""))
