"""One of the two places where the world is touched: a message is claimed, sent, and what came of it recorded.

Claiming and recording are short transactions; nothing is open while a channel works. A delivery belongs to
one sender until its lease ends; if the sender dies, the next one sends again under the same key. So a message
is sent at least once, and with no fault exactly once. Channels know nothing of attempts, this module nothing
of HTTP or mail.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, cast

from sqlalchemy import Row, Table, case, insert, literal_column, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.db import inline
from app.notify import attachments, chain, pipeline
from app.notify.channel import SELF, Attachment, Channel, DeliveryError
from app.notify.claimed import Claimed, compose
from app.notify.receivers import Receiver
from app.notify.tables import Attempt, Delivery, DeliveryState, Notice, Round, RoundState
from app.people import holders
from app.people.holders import Contact
from app.vault import Vault
from app.wording import Wording, kept, say

MAX_ATTEMPTS: Final = 5
# The first pause, and each is three times the one before: for the two grave levels 5 s to 2 min, else 30 s to
# 14 min.
_FIRST_PAUSE: Final = {True: timedelta(seconds=5), False: timedelta(seconds=30)}
_GROWTH: Final = 3
LEVELS: Final = (1, 2, 3, 4)  # the gravest first
GRAVE: Final = (1, 2)  # the levels that wait for nobody
# How often a message may find its destination left alone before it is given up; each time it waits for the cooling to end.
MAX_UNTRIED: Final = 20
MAX_UNTRIED_GRAVE: Final = 3  # then the next contact point or rung, which waits for nobody
# What was taken longer ago is looked at once more before it is sent: its chain may have been answered meanwhile.
FRESH: Final = timedelta(milliseconds=500)
# A receiver may ask for patience, but not for more than this.
_LONGEST_PAUSE: Final = timedelta(minutes=15)
_DUE_STATES: Final = (DeliveryState.PENDING, DeliveryState.SENDING)
_ATTEMPTS: Final = cast(Table, Attempt.__table__)


class Result(StrEnum):
    SENT = "sent"  # the channel took it
    RETRY = "retry"  # it did not, and may next time
    FAILED = "failed"  # it did not, and never will
    UNTRIED = "untried"  # it was not asked to: its destination is left alone for a while, or the message is not ours any more


@dataclass(frozen=True)
class Outcome:
    """What came of one attempt."""

    result: Result
    detail: str | None = None  # the channel's own words
    reason: Wording | None = None  # why not
    retry_after: timedelta | None = None


@dataclass(frozen=True)
class Look:
    """Of which levels something is due, and when the next will be if nothing happens until then."""

    levels: Sequence[int]
    next: datetime | None


async def look(session: AsyncSession, *, at: datetime) -> Look:
    """Locks nothing, and costs what is due, not what is pending."""
    firsts = (
        select(Delivery.not_before)
        .where(Delivery.state.in_(inline(_DUE_STATES)), Delivery.level == literal_column(str(level)))
        .order_by(Delivery.not_before)
        .limit(1)
        .scalar_subquery()
        for level in LEVELS
    )
    found = (await session.execute(select(*firsts))).one()
    later = [moment for moment in found if moment is not None and moment > at]
    due = [level for level, moment in zip(LEVELS, found, strict=True) if moment is not None and moment <= at]
    return Look(due, min(later, default=None))


async def claim(
    session: AsyncSession,
    *,
    vault: Vault,
    at: datetime,
    lease: timedelta,
    limit: int,
    levels: Sequence[int] = LEVELS,
) -> list[Claimed]:
    """Take up to `limit` due messages of `levels`, the gravest level first; while the lease lasts they are nobody else's.

    1. Lock what is due and no other sender holds: pending ones, and those whose sender's lease has ended.
    2. Drop what must not be sent any more, because its round is over.
    3. Raise the fence of the rest, and write down the attempts before they are made; each with one statement for all.
    """
    rows: list[Row[Any]] = []
    for level in levels:
        if len(rows) < limit:
            rows += (await session.execute(_due(at, level, limit - len(rows)))).all()
    await _drop_over(session, [row for row in rows if _is_over(row)])
    ready = [row for row in rows if not _is_over(row)]
    if not ready:
        return []
    await session.execute(
        update(Delivery)
        .where(Delivery.id.in_([row.id for row in ready]))
        .values(state=DeliveryState.SENDING, attempts=Delivery.attempts + 1, not_before=at + lease)
        .execution_options(synchronize_session=False)
    )
    await session.execute(insert(_ATTEMPTS), [
        {"delivery_id": row.id, "number": row.attempts + 1, "started_at": at, "outcome": "sending"} for row in ready
    ])  # fmt: skip
    sealed = await holders.sealed_addresses(session, {row.contact_id for row in ready if row.contact_id})
    addresses = {contact_id: _unsealed(vault, text) for contact_id, text in sealed.items()}
    carried = {
        row.id: row.attached for row in ready if row.channel in attachments.CARRIED_BY and row.attached
    }
    bodies = await attachments.read(session, carried.values())
    return [
        _claimed(row, addresses, attachments.joined(carried.get(row.id, ()), bodies), at=at) for row in ready
    ]


async def extend(
    session: AsyncSession, fences: Sequence[tuple[str, int]], *, until: datetime
) -> Sequence[tuple[str, int]]:
    """Keep what is still ours of what we are sending; gives those that are."""
    kept_ = await session.execute(
        update(Delivery)
        .where(Delivery.state == DeliveryState.SENDING)
        .where(tuple_(Delivery.id, Delivery.attempts).in_(fences))
        .values(not_before=until)
        .returning(Delivery.id, Delivery.attempts)
        .execution_options(synchronize_session=False)
    )
    return [(row.id, row.attempts) for row in kept_]


async def still_wanted(
    session: AsyncSession, claimed: Sequence[Claimed], *, at: datetime
) -> Sequence[Claimed]:
    """Of messages taken a while ago, those that may still be sent: ours yet, and their rounds not over. One whose round is
    over is dropped here, as it would have been at the claim."""
    fences = sorted((one.delivery_id, one.attempt) for one in claimed)
    found: Sequence[Any] = (
        await session.execute(
            select(Delivery.id, Round.state.label("round_state"), Round.acknowledged_by)
            .outerjoin(Round, Round.id == Delivery.round_id)
            .where(tuple_(Delivery.id, Delivery.attempts).in_(fences))
            .where(Delivery.state == DeliveryState.SENDING)
            .order_by(Delivery.id)
            .with_for_update(of=Delivery)
        )
    ).all()
    await _drop_over(session, [row for row in found if _is_over(row)])
    ours = {row.id for row in found if not _is_over(row)}
    if lost := [one for one in claimed if one.delivery_id not in ours]:
        await _close_attempts(session, [(one, Outcome(Result.UNTRIED)) for one in lost], at=at)
    return [one for one in claimed if one.delivery_id in ours]


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
    message = await attachments.with_files_drawn(message)
    try:
        receipt = await channel.send(claimed.address, message)
    except DeliveryError as error:
        result = Result.FAILED if error.permanent else Result.UNTRIED if error.untried else Result.RETRY
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
    if outcome.result is Result.SENT:
        return bool(await record_sent(session, [(claimed, outcome)], at=at))
    await _close_attempts(session, [(claimed, outcome)], at=at)
    delivery = await _still_ours(session, claimed)
    if delivery is None:
        return False
    reason = outcome.reason or say("notify.unexpected", kind="")
    pause = _pause(delivery, claimed, outcome)
    if pause is None:
        await _give_up(session, delivery, reason, at=at)
    else:
        delivery.state = DeliveryState.PENDING
        delivery.reason = kept(reason)
        delivery.not_before = at + pause
        await session.flush()
        if delivery.level in GRAVE:
            # It may come late, or not at all: the next way is not kept waiting for it.
            await chain.try_next_contact(session, delivery, at=at)
    await session.flush()
    return True


async def record_sent(
    session: AsyncSession, results: Sequence[tuple[Claimed, Outcome]], *, at: datetime
) -> Sequence[str]:
    """Write down what was sent, all in two statements; gives the ids of those that counted. Fenced like `record`."""
    await _close_attempts(session, results, at=at)
    fences = sorted((claimed.delivery_id, claimed.attempt) for claimed, _ in results)
    # The receiver may have answered before the channel's receipt came back: answered it stays.
    counted = await session.scalars(
        update(Delivery)
        .where(tuple_(Delivery.id, Delivery.attempts).in_(fences))
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
    return counted.all()


def backoff(attempts: int, retry_after: timedelta | None, *, level: int, key: str) -> timedelta | None:
    """How long to wait after the `attempts`-th attempt failed; `None`: no more.

    Up to a fifth longer or shorter by the delivery's key, so that what failed together does not come back
    together.
    """
    if attempts >= MAX_ATTEMPTS:
        return None
    jitter = 0.8 + 0.4 * _chance(f"{key}:{attempts}")
    pause: timedelta = _FIRST_PAUSE[level in GRAVE] * _GROWTH ** (attempts - 1) * jitter
    return min(max(pause, retry_after or timedelta()), _LONGEST_PAUSE)


def _due(at: datetime, level: int, limit: int) -> Any:
    # One level at a time: the index then gives the oldest first, and what is pending costs nothing.
    return (
        select(
            Delivery.id, Delivery.attempts, Delivery.untried, Delivery.channel, Delivery.contact_id, Delivery.language,
            Delivery.asks, Delivery.opens, Delivery.ref, Notice.number, Notice.level, Notice.exercise, Notice.kind,
            Notice.subject, Notice.text, Notice.page, Notice.attached, Round.state.label("round_state"), Round.acknowledged_by,
            Round.code,
        )
        .join(Notice, Notice.id == Delivery.notice_id)
        .outerjoin(Round, Round.id == Delivery.round_id)
        .where(Delivery.state.in_(inline(_DUE_STATES)), Delivery.not_before <= at, Delivery.level == level)
        .order_by(Delivery.not_before, Delivery.id)
        .limit(limit)
        .with_for_update(of=Delivery, skip_locked=True)
    )  # fmt: skip


def _is_over(row: Row[Any]) -> bool:
    return row.round_state is not None and row.round_state != RoundState.CALLING


async def _drop_over(session: AsyncSession, rows: Sequence[Row[Any]]) -> None:
    """Decide against messages, locked, whose rounds are over."""
    if not rows:
        return
    why = {row.id: _why_over(row) for row in rows}
    dropped = select(Delivery).where(Delivery.id.in_(why)).execution_options(populate_existing=True)
    for one in await session.scalars(dropped):
        pipeline.drop(one, why[one.id])
    await session.flush()


def _why_over(row: Row[Any]) -> Wording:
    if row.round_state == RoundState.ACKNOWLEDGED:
        return say("notify.acknowledged_by", by=row.acknowledged_by)
    return say(f"notify.round_{row.round_state}")


def _claimed(
    row: Row[Any], addresses: Mapping[str, str | Wording], files: tuple[Attachment, ...], *, at: datetime
) -> Claimed:
    address = _address(row, addresses)
    return Claimed(
        delivery_id=row.id,
        attempt=row.attempts + 1,
        untried=row.untried,
        at=at,
        channel=row.channel,
        address=address if isinstance(address, str) else None,
        unreadable=None if isinstance(address, str) else address,
        language=row.language,
        asks=row.asks,
        opens=row.opens,
        ref=row.ref,
        number=row.number,
        level=row.level,
        exercise=row.exercise,
        kind=row.kind,
        subject=row.subject,
        text=row.text,
        page=row.page,
        attachments=files,
        code=row.code,
    )


def _address(row: Row[Any], addresses: Mapping[str, str | Wording]) -> str | Wording:
    """The address, or why it is not to be used."""
    # Each of its senders died at it. It is handed out once more to be recorded as failed, and not to be sent.
    if row.attempts + 1 - row.untried > MAX_ATTEMPTS:
        return say("notify.senders_died", attempts=MAX_ATTEMPTS)
    if row.channel == SELF:
        return SELF
    found = addresses.get(row.contact_id or "")
    return say("people.no_such_contact") if found is None else found  # a log has an address of no letters


def _unsealed(vault: Vault, sealed: str) -> str | Wording:
    """One bad contact point must not hold up the rest of a batch."""
    try:
        return vault.unseal(sealed)
    except ValueError:
        return say("notify.sealed")


def _pause(delivery: Delivery, claimed: Claimed, outcome: Outcome) -> timedelta | None:
    """How long until the next attempt; none: no more. What was not tried is not held against the message."""
    if outcome.result is Result.RETRY:
        tried = claimed.attempt - claimed.untried
        return backoff(tried, outcome.retry_after, level=claimed.level, key=claimed.delivery_id)
    if outcome.result is not Result.UNTRIED:
        return None
    delivery.untried += 1
    most = MAX_UNTRIED_GRAVE if delivery.level in GRAVE else MAX_UNTRIED
    if delivery.untried > most or (delivery.level in GRAVE and delivery.further):
        return None  # somebody else, or the person's next contact point, is better than waiting
    # Spread, so that those that were turned away together do not all come at the moment the cooling ends.
    return (outcome.retry_after or timedelta(seconds=1)) * (
        1 + 0.5 * _chance(f"{claimed.delivery_id}:{claimed.attempt}")
    )


def _chance(text: str) -> float:
    """From 0 to 1, by chance, and the same for the same text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=2).digest(), "big") / 0xFFFF


async def _close_attempts(
    session: AsyncSession, results: Sequence[tuple[Claimed, Outcome]], *, at: datetime
) -> None:
    """Note how attempts ended, whoever holds the messages by now."""
    by_end: dict[tuple[str, str | None], list[tuple[str, int]]] = {}
    for claimed, outcome in results:
        detail = outcome.detail or (str(outcome.reason) if outcome.reason else None)
        by_end.setdefault((outcome.result.value, detail), []).append((claimed.delivery_id, claimed.attempt))
    for (outcome_said, detail), fences in by_end.items():
        await session.execute(
            update(Attempt)
            .where(tuple_(Attempt.delivery_id, Attempt.number).in_(sorted(fences)))
            .where(Attempt.outcome == "sending")
            .values(outcome=outcome_said, ended_at=at, detail=detail)
            .execution_options(synchronize_session=False)
        )


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
        notice,
        who,
        contacts[0],
        further=contacts[1:],
        asks=failed.asks,
        opens=failed.opens,
        not_before=at,
        at=at,
    )
    return bool(await pipeline.submit(session, [following], at=at))
