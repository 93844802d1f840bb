"""One of the two places where the world is touched: a message is claimed, sent, and what came of it recorded.

Claiming and recording are short transactions; nothing is open while a channel works. A delivery belongs to
one sender until its lease ends; if the sender dies, the next one sends again under the same key. So a message
is sent at least once, and with no fault exactly once. Channels know nothing of attempts, this module nothing
of HTTP or mail.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, case, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.db import inline
from app.errors import Problem
from app.notify import acknowledgement, chain, pipeline
from app.notify.channel import SELF, Channel, DeliveryError, Message
from app.notify.languages import in_language
from app.notify.receivers import Receiver
from app.notify.tables import Attempt, Delivery, DeliveryState, Notice, Round, RoundState
from app.people import holders
from app.people.holders import Contact
from app.vault import Vault
from app.wording import Wording, kept, render, say

MAX_ATTEMPTS: Final = 5
# The first pause, and each is three times the one before: for the two grave levels 5 s to 2 min, else 30 s to
# 14 min.
_FIRST_PAUSE: Final = {True: timedelta(seconds=5), False: timedelta(seconds=30)}
_GROWTH: Final = 3
GRAVE: Final = (1, 2)  # the levels that wait for nobody
# A receiver may ask for patience, but not for more than this.
_LONGEST_PAUSE: Final = timedelta(minutes=15)
_DUE_STATES: Final = (DeliveryState.PENDING, DeliveryState.SENDING)


@dataclass(frozen=True)
class Claimed:
    """One message to send now, with all it takes to send it.

    `attempt` is the fence its result is recorded under.
    """

    delivery_id: str
    attempt: int
    at: datetime
    channel: str
    address: str | None = field(repr=False)  # none: it cannot be read; `unreadable` says why
    unreadable: Wording | None
    language: str | None
    asks: bool
    ref: str
    number: str
    level: int
    exercise: bool
    kind: str
    subject: Mapping[str, Any] = field(repr=False)
    text: Mapping[str, Any] = field(repr=False)


class Result(StrEnum):
    SENT = "sent"  # the channel took it
    RETRY = "retry"  # it did not, and may next time
    FAILED = "failed"  # it did not, and never will


@dataclass(frozen=True)
class Outcome:
    """What came of one attempt."""

    result: Result
    detail: str | None = None  # the channel's own words
    reason: Wording | None = None  # why not
    retry_after: timedelta | None = None


async def is_due(session: AsyncSession, *, at: datetime, least_level: int | None = None) -> bool:
    """Whether there is anything to claim; a look that locks nothing and costs what is due, not what is pending."""
    due = select(Delivery.id).where(*_claimable(at, least_level))
    return await session.scalar(due.limit(1)) is not None


async def claim(
    session: AsyncSession,
    *,
    vault: Vault,
    at: datetime,
    lease: timedelta,
    limit: int,
    least_level: int | None = None,
) -> list[Claimed]:
    """Take up to `limit` due messages, the gravest level first and none less grave than `least_level`; while the
    lease lasts they are nobody else's.

    1. Lock what is due and no other sender holds: pending ones, and those whose sender's lease has ended.
    2. Drop what must not be sent any more, because its round is over.
    3. Raise the fence of the rest, and write down the attempt before it is made.
    """
    rows = (await session.execute(_due(at, limit, least_level))).all()
    ready: list[tuple[Delivery, Notice]] = []
    for delivery, notice, called in rows:
        if called is not None and called.state != RoundState.CALLING:
            pipeline.drop(delivery, _why_over(called))
        else:
            ready.append((delivery, notice))
    for delivery, _ in ready:
        delivery.state = DeliveryState.SENDING
        delivery.attempts += 1
        delivery.not_before = at + lease
        session.add(
            Attempt(delivery_id=delivery.id, number=delivery.attempts, started_at=at, outcome="sending")
        )
    await session.flush()
    return [await _claimed(session, vault, delivery, notice, at=at) for delivery, notice in ready]


async def send(
    claimed: Claimed,
    channels: Mapping[str, Channel],
    *,
    vault: Vault,
    base_url: str,
    default_language: str,
) -> Outcome:
    """Hand one message to its channel.

    No transaction is open, and a channel's refusal is a result, not an error.
    """
    if claimed.address is None:
        return Outcome(Result.FAILED, reason=claimed.unreadable)
    channel = channels.get(claimed.channel)
    if channel is None:
        return Outcome(Result.FAILED, reason=say("notify.no_channel", channel=claimed.channel))
    message = compose(claimed, vault=vault, base_url=base_url, default_language=default_language)
    try:
        receipt = await channel.send(claimed.address, message)
    except DeliveryError as error:
        result = Result.FAILED if error.permanent else Result.RETRY
        return Outcome(result, reason=error.wording, retry_after=error.retry_after)
    return Outcome(Result.SENT, detail=receipt.detail)


def unexpected(error: BaseException) -> Outcome:
    """What to record when a channel broke instead of refusing.

    The kind of error alone, its text may hold an address.
    """
    return Outcome(Result.RETRY, reason=say("notify.unexpected", kind=type(error).__name__))


async def record(session: AsyncSession, claimed: Claimed, outcome: Outcome, *, at: datetime) -> bool:
    """Write down what came of an attempt; says whether it counted.

    Fenced by the attempt: a sender that lost its lease must not overwrite the next one's result. Its attempt
    is noted, for the record of copies sent, and nothing else changes.
    """
    await _close_attempt(session, claimed, outcome, at=at)
    if outcome.result is Result.SENT:
        return await _sent(session, claimed, at=at)
    delivery = await _still_ours(session, claimed)
    if delivery is None:
        return False
    reason = outcome.reason or say("notify.unexpected", kind="")
    pause = None
    if outcome.result is Result.RETRY:
        pause = backoff(claimed.attempt, outcome.retry_after, level=claimed.level, key=claimed.delivery_id)
    if pause is None:
        await _give_up(session, delivery, reason, at=at)
    else:
        delivery.state = DeliveryState.PENDING
        delivery.reason = kept(reason)
        delivery.not_before = at + pause
    await session.flush()
    return True


def compose(claimed: Claimed, *, vault: Vault, base_url: str, default_language: str) -> Message:
    """The message in its receiver's language; the same key on each attempt."""
    language = claimed.language or default_language
    return Message(
        subject=in_language(claimed.subject, language),
        text=in_language(claimed.text, language),
        language=language,
        link=acknowledgement.link(vault, base_url, claimed.delivery_id) if claimed.asks else None,
        link_label=render(say("notify.take_it"), language),
        key=claimed.delivery_id,
        sent_at=claimed.at,
        ref=claimed.ref,
        number=claimed.number,
        level=claimed.level,
        exercise=claimed.exercise,
        kind=claimed.kind,
    )


def backoff(attempts: int, retry_after: timedelta | None, *, level: int, key: str) -> timedelta | None:
    """How long to wait after the `attempts`-th attempt failed; `None`: no more.

    Up to a fifth longer or shorter by the delivery's key, so that what failed together does not come back
    together.
    """
    if attempts >= MAX_ATTEMPTS:
        return None
    chance = int.from_bytes(hashlib.blake2b(f"{key}:{attempts}".encode(), digest_size=2).digest(), "big")
    pause: timedelta = (
        _FIRST_PAUSE[level in GRAVE] * _GROWTH ** (attempts - 1) * (0.8 + 0.4 * chance / 0xFFFF)
    )
    return min(max(pause, retry_after or timedelta()), _LONGEST_PAUSE)


def _claimable(at: datetime, least_level: int | None) -> list[ColumnElement[bool]]:
    conditions = [Delivery.state.in_(inline(_DUE_STATES)), Delivery.not_before <= at]
    return conditions if least_level is None else [*conditions, Delivery.level <= least_level]


def _due(at: datetime, limit: int, least_level: int | None) -> Any:
    return (
        select(Delivery, Notice, Round)
        .join(Notice, Notice.id == Delivery.notice_id)
        .outerjoin(Round, Round.id == Delivery.round_id)
        .where(*_claimable(at, least_level))
        .order_by(Delivery.level, Delivery.not_before, Delivery.id)
        .limit(limit)
        .with_for_update(of=Delivery, skip_locked=True)
        .execution_options(populate_existing=True)
    )


def _why_over(called: Round) -> Wording:
    if called.state == RoundState.ACKNOWLEDGED:
        return say("notify.acknowledged_by", by=called.acknowledged_by)
    return say(f"notify.round_{called.state}")


async def _claimed(
    session: AsyncSession, vault: Vault, delivery: Delivery, notice: Notice, *, at: datetime
) -> Claimed:
    address, unreadable = await _address(session, vault, delivery)
    return Claimed(
        delivery_id=delivery.id,
        attempt=delivery.attempts,
        at=at,
        channel=delivery.channel,
        address=address,
        unreadable=unreadable,
        language=delivery.language,
        asks=delivery.asks,
        ref=delivery.ref,
        number=notice.number,
        level=notice.level,
        exercise=notice.exercise,
        kind=notice.kind,
        subject=notice.subject,
        text=notice.text,
    )


async def _address(
    session: AsyncSession, vault: Vault, delivery: Delivery
) -> tuple[str | None, Wording | None]:
    """The address, or why it is not to be used.

    One bad contact point must not hold up the rest of a batch.
    """
    # Each of its senders died at it. It is handed out once more to be recorded as failed, and not to be sent.
    if delivery.attempts > MAX_ATTEMPTS:
        return None, say("notify.senders_died", attempts=MAX_ATTEMPTS)
    if delivery.channel == SELF:
        return SELF, None
    try:
        return await holders.address(session, vault, delivery.contact_id or ""), None
    except Problem as problem:
        return None, problem.detail
    except ValueError:
        return None, say("notify.sealed")


async def _close_attempt(session: AsyncSession, claimed: Claimed, outcome: Outcome, *, at: datetime) -> None:
    await session.execute(
        update(Attempt)
        .where(Attempt.delivery_id == claimed.delivery_id, Attempt.number == claimed.attempt)
        .where(Attempt.outcome == "sending")
        .values(
            outcome=outcome.result.value,
            ended_at=at,
            detail=outcome.detail or (outcome.reason and str(outcome.reason)),
        )
    )


async def _sent(session: AsyncSession, claimed: Claimed, *, at: datetime) -> bool:
    # The receiver may have answered before the channel's receipt came back: answered it stays.
    counted = await session.scalar(
        update(Delivery)
        .where(Delivery.id == claimed.delivery_id, Delivery.attempts == claimed.attempt)
        .where(Delivery.state.in_((DeliveryState.SENDING, DeliveryState.ACKNOWLEDGED)))
        .values(
            sent_at=at,
            reason=None,
            state=case(
                (Delivery.state == DeliveryState.SENDING, DeliveryState.SENT.value), else_=Delivery.state
            ),
        )
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    return counted is not None


async def _still_ours(session: AsyncSession, claimed: Claimed) -> Delivery | None:
    """The delivery, locked, unless somebody else has it by now.

    The round before the delivery, in the order an answer takes them: otherwise the two would wait for each
    other.
    """
    round_id = await session.scalar(select(Delivery.round_id).where(Delivery.id == claimed.delivery_id))
    if round_id is not None:
        await chain.locked(session, round_id)
    found: Delivery | None = await session.scalar(
        select(Delivery)
        .where(Delivery.id == claimed.delivery_id)
        .where(Delivery.attempts == claimed.attempt, Delivery.state == DeliveryState.SENDING)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return found


async def _give_up(session: AsyncSession, delivery: Delivery, reason: Wording, *, at: datetime) -> None:
    """Set the message aside, shown with its reason, and turn to the person's next contact point or the next
    person.
    """
    delivery.state = DeliveryState.FAILED
    delivery.reason = kept(reason)
    await session.flush()
    if delivery.round_id is not None:
        called = await session.get_one(Round, delivery.round_id)
        if called.state != RoundState.CALLING or await chain.after_failure(session, delivery, at=at):
            return
    elif delivery.further and await _try_further(session, delivery, at=at):
        return
    dead = {
        "delivery_id": delivery.id,
        "notice_id": delivery.notice_id,
        "round_id": delivery.round_id,
        "position": delivery.position,
        "person": delivery.person_name,
        "channel": delivery.channel,
        "reason": kept(reason),
    }
    outbox.put(session, "delivery.dead", dead, ref=delivery.ref, at=at)


async def _try_further(session: AsyncSession, failed: Delivery, *, at: datetime) -> bool:
    """A one-off notice goes to the person's next contact point."""
    contacts = [Contact(*parts) for parts in failed.further]
    who = Receiver(failed.position, failed.person_id, failed.person_name, failed.language, contacts)
    notice = await session.get_one(Notice, failed.notice_id)
    following = pipeline.draft(
        notice, who, contacts[0], further=contacts[1:], asks=failed.asks, not_before=at, at=at
    )
    return bool(await pipeline.submit(session, [following], at=at))
