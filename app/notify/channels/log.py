"""The operator's log, the channel of last resort: when nobody else could be told, it is still written here.

Writes what happened and how grave it is to the service's own log. Never a link, which would let any reader of
the log acknowledge, and never an address. The only thing that can fail it is a log that cannot be written.
"""

from typing import ClassVar

import structlog
from structlog.typing import FilteringBoundLogger

from app.notify.channel import DeliveryError, Message, Receipt, as_told
from app.wording import Wording, render, say


class LogChannel:
    """A line `notice` on the log of the service; it takes any address and ignores it."""

    name: ClassVar[str] = "log"

    def __init__(self, log: FilteringBoundLogger | None = None) -> None:
        self._log: FilteringBoundLogger = log or structlog.get_logger("notify")

    def address_problem(self, to: str) -> Wording | None:
        return None

    def mask(self, to: str) -> str:
        return self.name

    async def send(self, to: str, message: Message) -> Receipt:
        told = as_told(message)
        try:
            self._log.warning(
                "notice",
                number=told.number,
                level=told.level,
                exercise=told.exercise,
                subject=_without_link(told.subject, told),
                text=_without_link(told.text, told),
            )
        except (OSError, ValueError) as error:
            # A full disk or a closed stream: nobody would ever read this notice, so it must not count as
            # told.
            raise DeliveryError(say("channel.log.unwritable")) from error
        return Receipt(render(say("channel.log.written"), "en"))


def _without_link(text: str, message: Message) -> str:
    return text.replace(message.link, "…") if message.link else text
