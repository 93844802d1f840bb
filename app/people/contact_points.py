"""How people are reached: the channel, the address sealed at rest, and the mask that is shown.

Addresses come in once and leave by `holders.address` only, for a delivery. Nothing here sends, and no refusal
repeats an address.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple, get_args
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.ids import new_id
from app.people.tables import ContactPoint, Person
from app.vault import Vault
from app.vocabulary import ChannelName
from app.wording import Wording, say

CHANNELS: Final[tuple[str, ...]] = get_args(ChannelName)
MOST: Final = 20
"""Contact points one person may have."""
_LONGEST: Final = 2000
_MAIL: Final = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")  # E.164
_IN_A_CHAT: Final = re.compile(
    r"[a-z][a-z0-9_]{0,62}(?:/[^\s/<>&]{1,128})?"
)  # a group of the settings, and whom of it to call

Check = Callable[[str, str], Wording | None]
"""Why a channel (first) cannot use an address (second), or `None`."""


class Owner(NamedTuple):
    """Somebody, and the contact point they were found by."""

    person_id: str
    name: str
    language: str | None
    contact_id: str
    channel: str
    masked: str


def shape_problem(channel: str, address: str) -> Wording | None:
    """What can be said of an address by looking at it; the channels themselves know more."""
    if channel not in CHANNELS:
        return say("people.contact.channel", known=list(CHANNELS))
    if len(address) > _LONGEST or "\0" in address or not address.isprintable():
        return say("people.contact.address", channel=channel)
    match channel:
        case "mail":
            well_formed = _MAIL.fullmatch(address) is not None and ".." not in address
        case "webhook":
            well_formed = _is_web_address(address)
        case "sms" | "voice":
            well_formed = _NUMBER.fullmatch(address) is not None
        case "ntfy":
            well_formed = "/" in address and _IN_A_CHAT.fullmatch(address) is not None
        case _ if channel != "log":
            well_formed = _IN_A_CHAT.fullmatch(address) is not None
        case _:
            well_formed = True
    return None if well_formed else say("people.contact.address", channel=channel)


def masked(channel: str, address: str) -> str:
    """The address as it may be shown: enough to recognise, too little to use."""
    match channel:
        case "mail":
            local, _, domain = address.partition("@")
            return f"{local[:1]}…@{domain}"[:200]
        case "webhook":
            # Path, query and user part often carry the receiver's token.
            parts = urlsplit(address)
            port = f":{parts.port}" if parts.port else ""
            return f"{parts.scheme}://{parts.hostname}{port}/…"[:200]
        case "sms" | "voice":
            return f"…{address[-2:]}"
        case _ if channel != "log":
            group, slash, _ = address.partition("/")
            return f"{group}/…" if slash else group
        case _:
            return channel


async def replace(
    session: AsyncSession, vault: Vault, person_id: str, wanted: Sequence[tuple[str, str]], *, at: datetime
) -> None:
    """Give the person these contact points, tried in this order; one they had already keeps its id."""
    rows = await session.scalars(
        select(ContactPoint).where(ContactPoint.person_id == person_id).order_by(ContactPoint.rank)
    )
    had = {(row.channel, _unsealed(vault, row)): row for row in rows}
    if list(had) == list(wanted):
        return
    for row in had.values():
        row.rank = -row.rank  # out of the way: a rank is unique within the person at every moment
    await session.flush()
    for contact, row in had.items():
        if contact not in wanted:
            await session.delete(row)
    for rank, (channel, address) in enumerate(wanted, start=1):
        if (kept := had.get((channel, address))) is not None:
            kept.rank = rank
        else:
            session.add(_sealed(vault, person_id, channel, address, rank=rank, at=at))
    await session.flush()


def add(
    session: AsyncSession, vault: Vault, person_id: str, wanted: Sequence[tuple[str, str]], *, at: datetime
) -> None:
    """Give somebody new their contact points."""
    session.add_all(
        _sealed(vault, person_id, channel, address, rank=rank, at=at)
        for rank, (channel, address) in enumerate(wanted, start=1)
    )


async def owners(
    session: AsyncSession, vault: Vault, channels: Sequence[str], address: str
) -> Sequence[Owner]:
    """Whose contact point an address is, on any of these channels; nobody's, where it is a stranger's or of somebody who left.

    Addresses are sealed each time anew, so none can be looked up: what has the same mask is opened and compared.
    """
    masks = {masked(channel, address) for channel in channels}
    query = (
        select(ContactPoint, Person.id, Person.name, Person.language)
        .join(Person, Person.id == ContactPoint.person_id)
        .where(
            ContactPoint.channel.in_(channels),
            ContactPoint.address_masked.in_(masks),
            Person.left_at.is_(None),
        )
        .order_by(ContactPoint.rank, ContactPoint.id)
    )
    found: dict[str, Owner] = {}
    for row, person_id, name, language in await session.execute(query):
        if _unsealed(vault, row).casefold() == address.casefold():
            owner = Owner(person_id, name, language, row.id, row.channel, row.address_masked)
            found.setdefault(person_id, owner)
    return list(found.values())


def outside(vault: Vault, channel: str, address: str, *, rank: int, at: datetime) -> ContactPoint:
    """A contact point of somebody who is none of our people."""
    return _sealed(vault, None, channel, address, rank=rank, at=at)


def _sealed(
    vault: Vault, person_id: str | None, channel: str, address: str, *, rank: int, at: datetime
) -> ContactPoint:
    return ContactPoint(
        id=new_id(at), person_id=person_id, rank=rank, channel=channel,
        address_sealed=vault.seal(address), address_masked=masked(channel, address),
    )  # fmt: skip


def _unsealed(vault: Vault, row: ContactPoint) -> str:
    try:
        return vault.unseal(row.address_sealed)
    except ValueError:
        return row.id  # sealed under a key that is lost: equal to no address, so it is replaced


def _is_web_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        return False
