"""What every way out to a person has in common: the message, the receipt, and the ways it can fail.

A channel hands over one message once. It knows nothing of attempts, order or quiet hours, keeps nothing, and
never puts an address, a link or a credential into an error, a receipt, a repr or a log.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Protocol

from app.outbox import Urgency
from app.outgoing import CallFailed, FailureKind
from app.wording import Wording, render, say

# Nothing is gained by trying these again: the address itself is at fault.
_FAULT_OF_THE_ADDRESS = frozenset({FailureKind.BAD_URL, FailureKind.REFUSED_ADDRESS})


SELF: Final = "self"
"""The channel to our own receiver, of the self-test; it reaches nobody and has no address."""

_BYTES: Final = {"utf-8": 1, "utf-16-be": 2, "utf-32-be": 4}


@dataclass(frozen=True)
class Attachment:
    """A file that goes with a message where the channel can carry one.

    `media_type` may have parameters: `text/calendar; method=REQUEST; charset=utf-8`. With `is_paper` the body is a paper of
    `app.typeset`, drawn as a PDF when the message leaves.
    """

    name: str  # as the receiver sees it: report.pdf
    media_type: str
    body: bytes = field(repr=False)
    is_paper: bool = False


@dataclass(frozen=True)
class Asked:
    """How a message can be answered without its link, where the way it goes brings answers back."""

    code: str  # names the call: typed into a telephone or a group
    button: str = field(repr=False)  # `delivery.mark`: proves that whoever shows it has the message
    cannot_label: str
    hint: str  # "Answer 1 4821 (I have it) or 2 4821 (I cannot)."
    keys_hint: str  # "Press 1 if you have it, 2 if you cannot."


@dataclass(frozen=True)
class Message:
    """What one person is told, written in their language.

    `link` acknowledges without a sign-in, so it is a secret like any other and stays out of the repr; where nothing is asked it
    leads to the page the message is about. `key` is the same on every attempt: it goes with the message wherever the far side can
    tell copies by it. `attachments` go with a mail; a channel that cannot carry them leaves them out and has the link.
    """

    subject: str
    text: str
    language: str
    link: str | None = field(repr=False)
    link_label: str
    key: str
    sent_at: datetime
    ref: str
    number: str
    level: int  # 1 is the gravest
    exercise: bool
    kind: str
    asked: Asked | None = None  # none: it asks for nothing, or by its link alone
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    attachments: tuple[Attachment, ...] = field(default=(), repr=False)

    @property
    def is_grave(self) -> bool:
        return Urgency.of(self.level) is Urgency.GRAVE


@dataclass(frozen=True)
class Receipt:
    """The far side took the message; `detail` is what it said, fit to be shown."""

    detail: str


class DeliveryError(Exception):
    """The message was not taken; whether trying again could help is said by `permanent`. `untried`: nobody was asked."""

    def __init__(
        self,
        wording: Wording,
        *,
        permanent: bool = False,
        retry_after: timedelta | None = None,
        untried: bool = False,
    ) -> None:
        super().__init__(str(wording))
        self.wording = wording
        self.permanent = permanent
        self.retry_after = retry_after
        self.untried = untried

    @classmethod
    def from_call(cls, error: CallFailed) -> "DeliveryError":
        return cls(
            error.wording, permanent=error.kind in _FAULT_OF_THE_ADDRESS, retry_after=error.wait,
            untried=error.kind is FailureKind.COOLING,
        )  # fmt: skip


class Channel(Protocol):
    """One way out to a person."""

    name: ClassVar[str]

    def address_problem(self, to: str) -> Wording | None:
        """Why this channel cannot use `to`, or `None`; asked when an address is entered."""

    def mask(self, to: str) -> str:
        """`to` as it may be shown and logged: enough to recognise, too little to use."""

    async def send(self, to: str, message: Message) -> Receipt:
        """Hand over one message, or raise `DeliveryError`; end within a deadline of the channel's own."""


def as_told(message: Message) -> Message:
    """The message as it leaves: an exercise says so in subject and text, before anything else.

    Every channel sends this and not the bare message, so that no drill is ever taken for an emergency.
    """
    if not message.exercise:
        return message
    return replace(
        message,
        subject=render(say("channel.exercise.subject", subject=message.subject), message.language),
        text=render(say("channel.exercise.text", text=message.text), message.language),
    )


def shortened(text: str, most: int, *, unit: str = "utf-8") -> str:
    """The text within `most` bytes of UTF-8, or characters as another `unit` counts them; what is cut ends in "…"."""
    size = _BYTES[unit]
    written = text.encode(unit, errors="replace")
    if len(written) <= most * size:
        return text
    room = max(most * size - len("…".encode(unit)), 0)
    return written[:room].decode(unit, errors="ignore") + "…"
