"""A word to a robot or an app in WeCom, `@robot 1 4821`, or a button of a card: sealed with AES and signed with SHA-1.

    msg_signature = SHA-1(sorted(token, timestamp, nonce, encrypt))
    plain = 16 bytes of chance + length (4, big endian) + message + receiver

`secret` is the EncodingAESKey, `token` the token, `receiver` the id the message is sealed for (of the corporation; empty for a
robot). The address is proven by a sealed word (`echostr`), sent back open. WeCom waits five seconds and tries three times, so that
what came before is known by its `MsgId`. The answer is sealed in the same way.
"""

import base64
import hashlib
import re
import secrets as chance
from html import escape
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from app.notify import replies
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

_BLOCK: Final = 32
_XML: Final = "application/xml"
_BUTTON: Final = re.compile(r"(take|cannot):(.+)")


def read(incoming: Incoming, secrets: Secrets) -> Understood:
    """The word that proves the address, a message, or a button."""
    if sealed := incoming.query.get("echostr"):
        word = _opened(incoming, sealed, secrets)
        return Understood((), lambda _: Said(word.encode(), "text/plain"))
    body = incoming.body.decode("utf-8", "replace")
    as_json = body.lstrip().startswith("{")
    sealed = text_at(document(body), "encrypt") if as_json else _tag(body, "Encrypt")
    plain = _opened(incoming, sealed, secrets)
    who = _tag(plain, "UserId") or _tag(plain, "FromUserName")
    words = _tag(plain, "Content")
    came = _tag(plain, "MsgId") or fingerprint(plain)
    given = Given((f"{incoming.group}/{who}",), replies.read(words), words, f"wecom:{came}")
    if pressed := _BUTTON.fullmatch(_tag(plain, "EventKey")):
        reply = Reply(Deed(pressed[1]))
        given = Given(given.addresses, reply, pressed[1], f"wecom:{fingerprint(plain)}", pressed[2])

    def sealed_answer(said: str) -> Said:
        return _answer(incoming, secrets, said, to=who, of=_tag(plain, "ToUserName"))

    return Understood((given,) if given.words else (), sealed_answer, is_heard=True)


def _opened(incoming: Incoming, sealed: str, secrets: Secrets) -> str:
    query = incoming.query
    right = _signature(secrets, query.get("timestamp", ""), query.get("nonce", ""), sealed)
    if not secrets.token.get_secret_value() or not same(query.get("msg_signature", ""), right):
        raise Forged
    must_be_recent(query.get("timestamp", ""), incoming.at)
    try:
        key = _key(secrets)
        opener = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
        padded = opener.update(base64.b64decode(sealed, validate=True)) + opener.finalize()
        plain = padded[: -padded[-1]]
        length = int.from_bytes(plain[16:20], "big")
        message, receiver = plain[20 : 20 + length].decode(), plain[20 + length :].decode()
    except (ValueError, IndexError) as error:
        raise Forged from error
    if secrets.receiver and not same(receiver, secrets.receiver):
        raise Forged
    return message


def _answer(incoming: Incoming, secrets: Secrets, said: str, *, to: str, of: str) -> Said:
    if not said:
        return Said(b"", "text/plain")
    stamp, nonce = str(int(incoming.at.timestamp())), incoming.query.get("nonce", "")
    inner = (
        f"<xml><ToUserName><![CDATA[{escape(to)}]]></ToUserName><FromUserName><![CDATA[{escape(of)}]]></FromUserName>"
        f"<CreateTime>{stamp}</CreateTime><MsgType><![CDATA[text]]></MsgType>"
        f"<Content><![CDATA[{said.replace(']]>', '')}]]></Content></xml>"
    )
    sealed = seal(inner, secrets, chance.token_bytes(16))
    outer = (
        f"<xml><Encrypt><![CDATA[{sealed}]]></Encrypt>"
        f"<MsgSignature><![CDATA[{_signature(secrets, stamp, nonce, sealed)}]]></MsgSignature>"
        f"<TimeStamp>{stamp}</TimeStamp><Nonce><![CDATA[{escape(nonce)}]]></Nonce></xml>"
    )
    return Said(outer.encode(), _XML)


def seal(message: str, secrets: Secrets, before: bytes) -> str:
    """The message as only the holder of the key can read it; `before`: sixteen bytes of chance."""
    said = message.encode()
    plain = before + len(said).to_bytes(4, "big") + said + secrets.receiver.encode()
    missing = _BLOCK - len(plain) % _BLOCK
    key = _key(secrets)
    sealer = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(sealer.update(plain + bytes([missing]) * missing) + sealer.finalize()).decode()


def _signature(secrets: Secrets, stamp: str, nonce: str, sealed: str) -> str:
    parts = sorted((secrets.token.get_secret_value(), stamp, nonce, sealed))
    return hashlib.sha1("".join(parts).encode("utf-8", "replace")).hexdigest()  # noqa: S324 - what WeCom signs with


def _key(secrets: Secrets) -> bytes:
    return base64.b64decode(secrets.secret.get_secret_value() + "=")


def _tag(text: str, name: str) -> str:
    """What an element holds. No parser of XML touches what a stranger sent: entities are not known here."""
    found = re.search(rf"<{name}>(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))</{name}>", text, re.DOTALL)
    return (found[1] or found[2] or "") if found else ""
