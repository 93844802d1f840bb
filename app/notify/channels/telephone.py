"""A text or a call to a telephone, through whichever provider the operator has an account with.

Both are one request; `Gateway` says with which account, `providers` how the request of each provider looks, is signed and
is answered. A short message is cut so that its link stays whole; a call reads the message out, twice, and has no link. To
one number go five messages within ten minutes: beyond that the next contact point is better, and providers shut numbers
that are called more often.
"""

import re
from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from typing import ClassVar, Final
from urllib.parse import urlsplit

from app.notify.channel import DeliveryError, Message, Receipt, as_told, shortened
from app.notify.channels import answer, providers
from app.notify.channels.chat import DEADLINE, posted
from app.notify.channels.pace import Pace
from app.notify.channels.providers import Gateway, Ready
from app.outgoing import Outgoing, Reply
from app.wording import Wording, say

_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")  # E.164
_PACE: Final = (5, timedelta(minutes=10))
_MOST_UNITS: Final = 335  # five parts of a long message with Chinese in it
_MOST_SPOKEN: Final = 400
_MOST_OF_SUBJECT: Final = 35  # what providers allow a variable of a template
_UNITS: Final = "utf-16-be"


class _Telephone(ABC):
    """What a text and a call have in common."""

    name: ClassVar[str]

    def __init__(self, outgoing: Outgoing, gateway: Gateway, *, deadline: timedelta = DEADLINE) -> None:
        self._outgoing = outgoing
        self._gateway = gateway
        self._ready: Ready = providers.ready(gateway, self.name)
        self._deadline = deadline
        self._pace = Pace(*_PACE)

    def address_problem(self, to: str) -> Wording | None:
        return None if _NUMBER.fullmatch(to) else say("channel.telephone.bad_number")

    def mask(self, to: str) -> str:
        return f"…{to[-2:]}" if _NUMBER.fullmatch(to) else "…"

    async def send(self, to: str, message: Message) -> Receipt:
        """Hand the message to the provider, or raise `DeliveryError`; beyond the number's pace only with what is
        grave."""
        if problem := self.address_problem(to):
            raise DeliveryError(problem, permanent=True)
        wait = self._pace.take(to, at=self._outgoing.clock.now(), grave=message.is_grave)
        if wait is not None and not message.is_grave:
            raise DeliveryError(say("channel.pace", times=_PACE[0]), retry_after=wait, untried=True)
        told = as_told(message)
        values = {
            "to": to, "number": told.number, "level": str(told.level), "link": told.link or "",
            "path": urlsplit(told.link).path.lstrip("/") if told.link else "", "key": told.key,
            "subject": shortened(told.subject, _MOST_OF_SUBJECT, unit=_UNITS), "text": self._said(told),
            "status": "Exercise" if told.exercise else "Actual", "language": told.language,
            "code": told.asked.code if told.asked else "", "keys_to": self._keys_to(told),
        }  # fmt: skip
        post = self._ready.written(self._gateway, values, told.sent_at)
        return await posted(
            self._outgoing, post, deadline=self._deadline, judge=self._judged, at=told.sent_at
        )

    @abstractmethod
    def _said(self, told: Message) -> str: ...

    def _keys_to(self, told: Message) -> str:
        """Where the keys pressed during a call go: an address that names the message, and is signed when it is called."""
        base, found, _ = (told.link or "").rpartition("/a/")
        is_asked = bool(found) and told.asked is not None and self._gateway.answers and self.name == "voice"
        return f"{base}/callbacks/voice?of={told.asked.button}" if is_asked and told.asked else ""

    def _judged(self, reply: Reply, at: datetime) -> Receipt:
        if self._ready.codes is None:
            return answer.by_status(reply, at)
        return answer.by_code(reply, at, self._ready.codes)


class SmsChannel(_Telephone):
    """A short message to a number."""

    name: ClassVar[str] = "sms"

    def _said(self, told: Message) -> str:
        hint = f"\n{told.asked.hint}" if told.asked and self._gateway.answers else ""
        link = f"{hint}\n{told.link}" if told.link else hint
        room = _MOST_UNITS - len(link.encode(_UNITS)) // 2
        return shortened(f"{told.subject}\n{told.text}", max(room, 0), unit=_UNITS) + link


class VoiceChannel(_Telephone):
    """A call to a number; what was taken is the order to call, not the ear that listens."""

    name: ClassVar[str] = "voice"

    def _said(self, told: Message) -> str:
        hint = f"\n{told.asked.keys_hint}" if self._keys_to(told) and told.asked else ""
        room = _MOST_SPOKEN - len(hint.encode(_UNITS)) // 2
        return shortened(f"{told.subject}\n{told.text}", room, unit=_UNITS) + hint
