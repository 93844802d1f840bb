"""The world around the service: channels and another system that write down what reached them, and fail by the seed."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from app.notify.channel import DeliveryError, Message, Receipt
from app.outgoing import CallFailed, FailureKind, Outgoing, Reply
from app.wording import Wording, say
from tests.faults.history import History
from tests.faults.seams import Seams

_FROZEN = [False]  # one sender at a time, whichever channel it is in


@dataclass
class Receiver:
    """A channel. What it takes is in the history before anybody can die of it; `faulty`: it fails now and then."""

    name: str
    history: History
    seams: Seams
    chance: random.Random
    now: Any
    faulty: bool = True
    take_over: Callable[[], Awaitable[None]] | None = None

    def address_problem(self, to: str) -> Wording | None:
        return None

    def mask(self, to: str) -> str:
        return f"{to[:1]}…"

    async def send(self, to: str, message: Message) -> Receipt:
        self.seams.reached("send.before")
        fate = self.chance.random() if self.faulty else 1.0
        outcome = (
            "broke" if fate < 0.03 else "refused" if fate < 0.06 else "later" if fate < 0.15 else "taken"
        )
        freezes = self.faulty and self.take_over is not None and self.chance.random() < 0.05
        if freezes and self.chance.random() < 0.5:
            outcome = "refused"  # what is held up so long is mostly given up
        self.history.note(
            "send", key=message.key, to=to, outcome=outcome, at=self.now().isoformat(), link=message.link,
            ref=message.ref,
        )  # fmt: skip
        self.seams.reached("send.after")
        if freezes:
            await self._freeze(message.key)
        match outcome:
            case "broke":
                raise RuntimeError("the channel broke")
            case "refused":
                raise DeliveryError(say("channel.log.unwritable"), permanent=True)
            case "later":
                raise DeliveryError(
                    say("channel.log.unwritable"), retry_after=timedelta(seconds=self.chance.randrange(20))
                )
        return Receipt("taken")

    async def _freeze(self, key: str) -> None:
        """The sender is held up past its lease, and another engine does what it held; then it goes on as if nothing were."""
        if _FROZEN[0] or self.take_over is None:
            return
        _FROZEN[0] = True
        self.history.note("frozen", key=key)
        try:
            await self.take_over()
        finally:
            self.history.note("thawed", key=key)
            _FROZEN[0] = False


class FarSide(Outgoing):
    """The system that steps call."""

    def __init__(self, history: History, seams: Seams, chance: random.Random, *, faulty: bool) -> None:
        self._told, self._seams, self._chance, self._faulty = history, seams, chance, faulty

    def apart(self) -> Outgoing:
        return self  # there is nothing here that could be used up

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, **_more: Any
    ) -> Reply:
        self._seams.reached("call.before")
        failing = self._faulty and self._chance.random() < 0.2
        self._told.note(
            "call", key=(headers or {}).get("Idempotency-Key"), outcome="later" if failing else "taken"
        )
        self._seams.reached("call.after")
        if failing:
            raise CallFailed(FailureKind.TIMEOUT, "far.example")
        return Reply(200, {}, b"{}")
