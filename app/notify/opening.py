"""Where the link of a message leads: to its acknowledgement, to a page of another room that it alone opens, or to one of ours.

The mark of a page that needs no sign-in is made from the secret key and the message's id. It stands in no row and no log, so
nobody can read a link out of either.
"""

from typing import Protocol

from app.notify import acknowledgement
from app.vault import Vault
from app.wording import Wording, say


class Leading(Protocol):
    """What of a message says where its link leads."""

    @property
    def delivery_id(self) -> str: ...
    @property
    def opens(self) -> str | None: ...
    @property
    def asks(self) -> bool: ...
    @property
    def page(self) -> str | None: ...


def of(message: Leading, vault: Vault, base_url: str) -> tuple[str | None, Wording]:
    """The link of a message, if it has one, and what it is called."""
    if message.opens is not None:
        return link(vault, base_url, message.opens, message.delivery_id), say("notify.open_and_answer")
    if message.asks:
        return acknowledgement.link(vault, base_url, message.delivery_id), say("notify.take_it")
    shown = f"{base_url.rstrip('/')}{message.page}" if message.page is not None else None
    return shown, say("notify.open_page")


def link(vault: Vault, base_url: str, page: str, delivery_id: str) -> str:
    """The address of `page` (the first part of its path) for whoever has the message."""
    return f"{base_url.rstrip('/')}/{page}/{delivery_id}/{vault.sign(_purpose(page), delivery_id)}"


def is_ours(vault: Vault, page: str, delivery_id: str, mark: str) -> bool:
    """Whether the mark is one we made; asked before the id ever reaches the database."""
    return vault.verify(_purpose(page), delivery_id, mark)


def _purpose(page: str) -> str:
    return f"open:{page}"
