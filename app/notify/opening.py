"""Links to a page of another room: whoever has the message may open that page, and nothing else.

The mark in the address is made from the secret key and the message's id. It stands in no row and no log, so nobody can read
a link out of either.
"""

from app.vault import Vault


def link(vault: Vault, base_url: str, page: str, delivery_id: str) -> str:
    """The address of `page` (the first part of its path) for whoever has the message."""
    return f"{base_url.rstrip('/')}/{page}/{delivery_id}/{vault.sign(_purpose(page), delivery_id)}"


def is_ours(vault: Vault, page: str, delivery_id: str, mark: str) -> bool:
    """Whether the mark is one we made; asked before the id ever reaches the database."""
    return vault.verify(_purpose(page), delivery_id, mark)


def _purpose(page: str) -> str:
    return f"open:{page}"
