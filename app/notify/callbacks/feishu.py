"""A button of a card in Feishu (or Lark), or a word to its robot: encrypted and signed where the app has an encrypt key.

    X-Lark-Signature: SHA-256(timestamp + nonce + encrypt key + body)
    {"encrypt": "base64(iv + AES-256-CBC(…))"}          the key is the SHA-256 of the encrypt key

`secret` is the encrypt key, `token` the verification token; one of them at least is set, and each that is set must be right. The
address is proven by a challenge, which is not signed and holds nothing. Feishu waits three seconds and shows what it is answered
to a button.
"""

import base64
import hashlib
import json
from typing import Any, Final

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

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
from app.notify.replies import Reply
from app.notify.tables import Deed

_DEEDS: Final = {str(deed): deed for deed in (Deed.TAKE, Deed.CANNOT)}


def read(incoming: Incoming, secrets: Secrets) -> Understood:
    """The challenge, a button, or a message to the robot."""
    key, token = secrets.secret.get_secret_value(), secrets.token.get_secret_value()
    found = document(incoming.body)
    if key:
        found = document(_opened(text_at(found, "encrypt"), key))
    if token and not same(text_at(found, "header", "token") or text_at(found, "token"), token):
        raise Forged
    if not (key or token):
        raise Forged
    if text_at(found, "type") == "url_verification":
        challenge = text_at(found, "challenge")
        return Understood((), lambda _: as_json({"challenge": challenge}))
    if key:
        _must_be_signed(incoming, key)
    event = found.get("event")
    came = text_at(found, "header", "event_id") or fingerprint(incoming.body)
    if text_at(found, "header", "event_type") == "im.message.receive_v1":
        return Understood(_message(incoming, event, came), lambda _: as_json({}))
    return Understood(_pressed(incoming, event, came), _toast, is_heard=True)


def _pressed(incoming: Incoming, event: Any, came: str) -> list[Given]:
    action = event.get("action") if isinstance(event, dict) else None
    name = text_at(action, "value", "answer")
    if name not in _DEEDS:
        return []
    accounts = [text_at(event, "operator", one) for one in ("open_id", "user_id")]
    addresses = [f"{incoming.group}/{one}" for one in accounts if one]
    return [Given(addresses, Reply(_DEEDS[name]), name, f"feishu:{came}", text_at(action, "value", "of"))]


def _message(incoming: Incoming, event: Any, came: str) -> list[Given]:
    try:
        words = text_at(json.loads(text_at(event, "message", "content")), "text")
    except (ValueError, RecursionError):
        return []
    accounts = [text_at(event, "sender", "sender_id", one) for one in ("open_id", "user_id")]
    addresses = [f"{incoming.group}/{one}" for one in accounts if one]
    return [Given(addresses, replies.read(words), words, f"feishu:{came}")]


def _must_be_signed(incoming: Incoming, key: str) -> None:
    stamp = incoming.headers.get("x-lark-request-timestamp", "")
    nonce = incoming.headers.get("x-lark-request-nonce", "")
    signed = (stamp + nonce + key).encode("utf-8", "replace") + incoming.body
    if not same(incoming.headers.get("x-lark-signature", ""), hashlib.sha256(signed).hexdigest()):
        raise Forged
    must_be_recent(stamp, incoming.at)


def _opened(sealed: str, key: str) -> bytes:
    try:
        raw = base64.b64decode(sealed, validate=True)
        cipher = Cipher(algorithms.AES(hashlib.sha256(key.encode()).digest()), modes.CBC(raw[:16]))
        opener = cipher.decryptor()
        padded = opener.update(raw[16:]) + opener.finalize()
        unpadder = padding.PKCS7(128).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        raise Forged from error  # sealed under another key


def _toast(words: str) -> Said:
    return as_json({"toast": {"type": "info", "content": words}} if words else {})
