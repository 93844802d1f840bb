"""What comes back from a telephone: a short message, or a key pressed during a call.

    Twilio    POST From=+86…&Body=1+4821&MessageSid=SM…         signed: X-Twilio-Signature over the address and all fields
    Aliyun    POST [{"phone_number": "138…", "content": "1 4821", "sequence_id": …}]     no signature: `?key=`
    Tencent   POST {"mobile": "138…", "nationcode": "86", "text": "1 4821", "time": …}   no signature: `?key=`

The two Chinese providers sign nothing, so that the address given to them bears a key. Twilio's signature bears no moment: what came
before is known by its id. A call of Twilio's says in its address which message it read out; of the others' the number that was
called is known.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from app.notify import replies
from app.notify.callbacks.coming import (
    Forged,
    Given,
    Incoming,
    Said,
    Secrets,
    Understood,
    Unreadable,
    as_json,
    document,
    fingerprint,
    same,
    text_at,
)

_MOST: Final = 50  # answers in one request
_XML: Final = "application/xml"


def twilio(incoming: Incoming, secrets: Secrets) -> Understood:
    """A message, or the keys of a call."""
    fields = dict(parse_qsl(incoming.body.decode("utf-8", "replace"), keep_blank_values=True))
    signed = incoming.url + "".join(name + fields[name] for name in sorted(fields))
    digest = hmac.new(secrets.secret.get_secret_value().encode(), signed.encode(), hashlib.sha1).digest()
    if not same(incoming.headers.get("x-twilio-signature", ""), base64.b64encode(digest).decode()):
        raise Forged
    if "Digits" in fields or "CallSid" in fields:
        pressed = fields.get("Digits", "")
        token = f"twilio:{fields.get('CallSid', '')}:{pressed}"
        button = incoming.query.get("of", "")
        given = Given((fields.get("To", ""),), replies.of_key(pressed), pressed, token, button)
        return Understood((given,), _spoken, is_heard=True)
    words = fields.get("Body", "")
    token = f"twilio:{fields.get('MessageSid', '') or fingerprint(incoming.body)}"
    given = Given((fields.get("From", ""),), replies.read(words), words, token)
    return Understood((given,), _texted, is_heard=True)


def aliyun(incoming: Incoming, secrets: Secrets) -> Understood:
    """Messages that came up (SmsUp), or reports of calls, of which those with a key count."""
    _must_show_key(incoming, secrets)
    try:
        found = json.loads(incoming.body)
    except (ValueError, RecursionError) as error:
        raise Unreadable from error
    entries = [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, dict)]
    given = [one for entry in entries[:_MOST] if (one := _aliyun_entry(entry)) is not None]
    return Understood(given, lambda _: as_json({"code": 0, "msg": "OK"}))


def _aliyun_entry(entry: Mapping[str, Any]) -> Given | None:
    if pressed := text_at(entry, "dtmf"):
        token = f"aliyun:{text_at(entry, 'call_id')}:{pressed}"
        return Given(_numbers(text_at(entry, "callee")), replies.of_key(pressed), pressed, token)
    if not (number := text_at(entry, "phone_number")):
        return None
    words = text_at(entry, "content")
    came = text_at(entry, "sequence_id") or fingerprint(number, text_at(entry, "send_time"), words)
    return Given(_numbers(number), replies.read(words), words, f"aliyun:{came}")


def tencent(incoming: Incoming, secrets: Secrets) -> Understood:
    """A message that came up, or the key of a call."""
    _must_show_key(incoming, secrets)
    found = document(incoming.body)
    call = found.get("voicekey_callback")
    entry = call if isinstance(call, dict) else found
    numbers = _numbers(text_at(entry, "mobile"), text_at(entry, "nationcode"))
    if call is not None:
        words = text_at(entry, "keypress")
        token, reply = f"tencent:{text_at(entry, 'callid')}:{words}", replies.of_key(words)
    else:
        words = text_at(entry, "text")
        token = f"tencent:{fingerprint(*numbers, text_at(entry, 'time'), words)}"
        reply = replies.read(words)
    given = (Given(numbers, reply, words, token),) if words else ()
    return Understood(given, lambda _: as_json({"result": 0, "errmsg": "OK"}))


def _must_show_key(incoming: Incoming, secrets: Secrets) -> None:
    if not same(incoming.query.get("key", ""), secrets.secret.get_secret_value()):
        raise Forged


def _numbers(number: str, country: str = "") -> tuple[str, ...]:
    """As contact points have it: with its country; one without is of the mainland."""
    digits = number.removeprefix("+").removeprefix("00")
    if number.startswith(("+", "00")):
        return (f"+{digits}",)
    if country and not digits.startswith(country):
        return (f"+{country}{digits}",)
    return (f"+86{digits}",) if len(digits) == 11 and digits.startswith("1") else (f"+{digits}",)


def _texted(words: str) -> Said:
    inner = f"<Message>{escape(words)}</Message>" if words else ""
    return Said(f"<Response>{inner}</Response>".encode(), _XML)


def _spoken(words: str) -> Said:
    tongue = "zh-CN" if any("\u4e00" <= one <= "\u9fff" for one in words) else "en-US"
    inner = f'<Say language="{tongue}">{escape(words)}</Say>' if words else ""
    return Said(f"<Response>{inner}</Response>".encode(), _XML)
