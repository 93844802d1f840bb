"""Stand-ins for the outside world, held to the same suites as the real parts."""

from dataclasses import dataclass, field
from typing import ClassVar

from app.notify.channel import DeliveryError, Message, Receipt, as_told
from app.wording import Wording, say


@dataclass(frozen=True)
class Sent:
    """One message as it would have reached `to`."""

    to: str
    message: Message


@dataclass
class FakeChannel:
    """Keeps what it is sent; raises `failure` instead while one is set. An address with a blank is bad."""

    name: ClassVar[str] = "fake"
    sent: list[Sent] = field(default_factory=list)
    failure: DeliveryError | None = None

    def address_problem(self, to: str) -> Wording | None:
        return say("channel.mail.bad_address") if " " in to or not to else None

    def mask(self, to: str) -> str:
        return f"{to[:1]}…"

    async def send(self, to: str, message: Message) -> Receipt:
        if problem := self.address_problem(to):
            raise DeliveryError(problem, permanent=True)
        if self.failure is not None:
            raise self.failure
        self.sent.append(Sent(to, as_told(message)))
        return Receipt("kept")
