"""A message that one sender has in hand, and the words it goes out with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.notify import acknowledgement, opening
from app.notify.channel import Attachment, Message
from app.notify.languages import in_language
from app.vault import Vault
from app.wording import Wording, render


@dataclass(frozen=True)
class Claimed:
    """One message to send now, with all it takes to send it.

    `attempt` is the fence its result is recorded under.
    """

    delivery_id: str
    attempt: int
    untried: int  # of the attempts, those that came to nothing because the destination was left alone
    at: datetime
    channel: str
    address: str | None = field(repr=False)  # none: it cannot be read; `unreadable` says why
    unreadable: Wording | None
    language: str | None
    asks: bool
    opens: str | None
    ref: str
    number: str
    level: int
    exercise: bool
    kind: str
    subject: Mapping[str, Any] = field(repr=False)
    text: Mapping[str, Any] = field(repr=False)
    page: str | None = None
    attachments: tuple[Attachment, ...] = field(default=(), repr=False)
    code: str | None = None  # of the call it belongs to


def compose(claimed: Claimed, *, vault: Vault, base_url: str, default_language: str) -> Message:
    """The message in its receiver's language; the same key on each attempt."""
    language = claimed.language or default_language
    link, label = opening.of(claimed, vault, base_url)
    return Message(
        subject=in_language(claimed.subject, language), text=in_language(claimed.text, language), language=language, link=link,
        link_label=render(label, language), key=claimed.delivery_id, sent_at=claimed.at, ref=claimed.ref, number=claimed.number,
        level=claimed.level, exercise=claimed.exercise, kind=claimed.kind, attachments=claimed.attachments,
        asked=acknowledgement.asked(vault, claimed.delivery_id, claimed.code if claimed.asks else None, language),
    )  # fmt: skip
