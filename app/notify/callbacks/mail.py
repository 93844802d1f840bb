"""The reply to a mail of ours, as the MTA pipes it on: RFC 5322, whole.

    POST /callbacks/mail?key=…      Content-Type: message/rfc822

    Subject: Re: [INC-2026-0042] … [#01M8…-9f3c…]
    1

The subject still bears the mark of the message it answers, which is a right like that of its link. The first line of the text
that is not quoted is the answer. What a machine wrote (an out-of-office note, a bounce) answers nothing.
"""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Final

from app.notify import replies
from app.notify.callbacks.coming import Forged, Given, Incoming, Said, Secrets, Understood, fingerprint, same
from app.notify.replies import LONGEST

_MARK: Final = re.compile(r"\[#([0-9A-Z]{26})-([\w-]{32})\]")
_QUOTED: Final = re.compile(r"^\s*(?:>|-{2,}|_{5,}|On .{0,200} wrote:|在.{0,100}写道)")


def mark(delivery_id: str, proof: str) -> str:
    """What the subject of a mail bears, so that the reply to it is known."""
    return f"[#{delivery_id}-{proof}]"


def read(incoming: Incoming, secrets: Secrets) -> Understood:
    """The one answer of a mail, or none."""
    if not same(incoming.query.get("key", ""), secrets.secret.get_secret_value()):
        raise Forged
    message = message_from_bytes(incoming.body, policy=policy.default)
    found = _MARK.search(" ".join(str(message.get("subject", "")).split()))
    if _is_of_a_machine(message):
        return Understood((), lambda _: Said(b"{}"))
    words = _first_line(message)
    sender = parseaddr(str(message.get("from", "")))[1]
    came = str(message.get("message-id", "")) or fingerprint(incoming.body)
    button = f"{found[1]}.{found[2]}" if found else ""
    given = Given((sender,), replies.read(words), words, f"mail:{fingerprint(came)}", button)
    return Understood((given,), lambda _: Said(b"{}"))


def _first_line(message: EmailMessage) -> str:
    try:
        part = message.get_body(("plain", "html"))
        text = str(part.get_content()) if part is not None else ""
    except (LookupError, ValueError, AttributeError):
        text = ""
    if "<" in text and ">" in text:
        text = re.sub(r"<[^>]*>", " ", text)
    lines = (line.strip() for line in text.splitlines())
    for line in lines:
        if _QUOTED.match(line):
            return ""
        if line:
            return line[:LONGEST]
    return ""


def _is_of_a_machine(message: EmailMessage) -> bool:
    automatic = str(message.get("auto-submitted", "no")).casefold() != "no"
    bulk = str(message.get("precedence", "")).casefold() in {"bulk", "auto_reply", "junk", "list"}
    bounce = "mailer-daemon" in str(message.get("from", "")).casefold() or "x-autoreply" in message
    return automatic or bulk or bounce
