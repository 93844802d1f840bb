"""Somebody has it: the answer that stops a chain, over the API or by the one-time link of a message.

Holds what an answer changes, the link, and what the page behind it shows. An answer belongs to the rounds
that are calling when it is given: a new occurrence or a graver level calls again. Looking at the page changes
nothing, because mail scanners open every link.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import NotFound
from app.notify import chain
from app.notify.channel import Asked
from app.notify.tables import Delivery, DeliveryState, Notice, Round, RoundState
from app.vault import Vault
from app.wording import Wording, render, say

BY_LINK = "link"
_PURPOSE = "acknowledge"


class Standing(StrEnum):
    """What there is to do about a message."""

    OPEN = "open"  # nobody has it; the button is shown
    TAKEN = "taken"  # somebody has it
    OVER = "over"  # replaced by a newer call, or what it was about has ended


@dataclass(frozen=True)
class Card:
    """What the page behind a link shows."""

    delivery: Delivery
    notice: Notice
    standing: Standing
    by: str | None
    at: datetime | None


async def acknowledge(
    session: AsyncSession, *, ref: str, by: str, via: str, at: datetime, delivery_id: str | None = None,
    begun_by: datetime | None = None, is_news: bool = False,
) -> list[Round]:  # fmt: skip
    """Stop every chain that is calling about `ref`; returns the rounds this answer ended.

    `begun_by`: when the answer was given, where that was earlier; it is no answer to a call that began after it. `is_news`: the
    rest of the service has not heard of it yet.

    A second answer changes nothing and returns nothing; `answered` says who was first. In the caller's
    transaction:

    1. Each calling round is locked and ended, its messages not yet sent dropped with the name, its timers
       withdrawn.
    2. The message that was answered is marked.
    3. An answer to a message is told to the rest of the service; whoever answers over the API has told it already.
    """
    found = await chain.calling(session, ref)
    ended = [one for one in found if begun_by is None or one.started_at <= begun_by]
    for answered_round in ended:
        await chain.end(
            session, answered_round, RoundState.ACKNOWLEDGED, say("notify.acknowledged_by", by=by), at=at
        )
        answered_round.acknowledged_by = by
        answered_round.via = via
        if is_news:
            said = {"round_id": answered_round.id, "by": by, "via": via, "delivery_id": delivery_id}
            outbox.put(session, "round.acknowledged", said, ref=ref, at=at)
    if ended and delivery_id is not None:
        await _mark(session, delivery_id)
    await session.flush()
    return ended


async def answered(session: AsyncSession, ref: str) -> Round | None:
    """The latest round about `ref` that somebody answered: who has it, since when."""
    found: Round | None = await session.scalar(
        select(Round)
        .where(Round.ref == ref, Round.state == RoundState.ACKNOWLEDGED)
        .order_by(Round.ended_at.desc(), Round.id.desc())
        .limit(1)
    )
    return found


async def stop(session: AsyncSession, *, ref: str, reason: Wording, at: datetime) -> list[Round]:
    """Call nobody about `ref` any more: what it was about has ended."""
    ended = list(await chain.calling(session, ref))
    for withdrawn in ended:
        await chain.end(session, withdrawn, RoundState.WITHDRAWN, reason, at=at)
    await session.flush()
    return ended


def mark_of(vault: Vault, delivery_id: str) -> str:
    """What proves that whoever shows it has the message."""
    return vault.sign(_PURPOSE, delivery_id)


def link(vault: Vault, base_url: str, delivery_id: str) -> str:
    """The address that lets whoever has the message answer it, and nothing else."""
    return f"{base_url.rstrip('/')}/a/{delivery_id}/{mark_of(vault, delivery_id)}"


def asked(vault: Vault, delivery_id: str, code: str | None, language: str) -> Asked | None:
    """How a message of the call with that code is answered without its link; of none, where it belongs to no call."""
    if not code:
        return None
    return Asked(
        code=code, button=f"{delivery_id}.{mark_of(vault, delivery_id)}",
        cannot_label=render(say("notify.cannot_do_it"), language),
        hint=render(say("notify.answer_by_code", code=code), language),
        keys_hint=render(say("notify.answer_by_key"), language),
    )  # fmt: skip


async def card(session: AsyncSession, vault: Vault, delivery_id: str, mark: str) -> Card:
    """What the link leads to. Raises `NotFound` for one we did not make."""
    delivery = await linked(session, vault, delivery_id, mark)
    notice = await session.get_one(Notice, delivery.notice_id)
    if delivery.round_id is None:
        taken = delivery.state == DeliveryState.ACKNOWLEDGED
        return Card(delivery, notice, Standing.TAKEN if taken else Standing.OPEN, delivery.person_name, None)
    asked = await session.get_one(Round, delivery.round_id)
    standing = {RoundState.CALLING: Standing.OPEN, RoundState.ACKNOWLEDGED: Standing.TAKEN}
    return Card(
        delivery, notice, standing.get(asked.state, Standing.OVER), asked.acknowledged_by, asked.ended_at
    )


async def linked(session: AsyncSession, vault: Vault, delivery_id: str, mark: str) -> Delivery:
    """The message a link or a button belongs to. Raises `NotFound` for one we did not make."""
    # The mark first: only ids of our own making ever reach the database.
    found = await session.get(Delivery, delivery_id) if vault.verify(_PURPOSE, delivery_id, mark) else None
    if found is None or not found.asks:
        raise NotFound(say("notify.no_such_link"))
    return found


async def answer_notice(
    session: AsyncSession, delivery: Delivery, *, by: str, via: str, at: datetime
) -> None:
    """A one-off notice that asked: its receiver has seen it, and the rest of the service hears so once."""
    if await _mark(session, delivery.id):
        said = {"notice_id": delivery.notice_id, "delivery_id": delivery.id, "by": by, "via": via}
        outbox.put(session, "notice.acknowledged", said, ref=delivery.ref, at=at)


async def _mark(session: AsyncSession, delivery_id: str) -> bool:
    # Its sender may still be waiting for the far side's receipt; it finds the row answered and leaves it so.
    marked = await session.scalar(
        update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.state != DeliveryState.ACKNOWLEDGED)
        .values(state=DeliveryState.ACKNOWLEDGED)
        .returning(Delivery.id)
    )
    return marked is not None
