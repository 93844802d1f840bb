"""The inbox: what a source sent, kept as it came, and its signals on their way to be judged.

One transaction, committed before the sender hears that we have it. What cannot be understood is kept too,
with the reason, for people to look at. Credentials inside a body are taken out before it is kept. Judges
nothing: that is `correlation`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app import door, outbox
from app.errors import Malformed, NotFound
from app.ids import new_id
from app.intake import enrolment, ourselves
from app.intake.signals import NotUnderstood, Signal, packed
from app.intake.tables import Receipt, ReceiptState, Source, Verdict
from app.wording import kept, say

TOPIC: Final = "signal.received"
_REMOVED: Final = b"[removed]"
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


def document_of(body: bytes, content_type: str | None) -> Any:
    """The JSON in a body, whatever its content type says it is. Raises `NotUnderstood`."""
    try:
        return door.parse_json(body, lenient_keys=True)
    except Malformed as error:
        is_form = (content_type or "").lower().startswith(_FORMS)
        raise NotUnderstood(say("intake.form") if is_form else error.detail) from error


def signals_of(source: Source, document: Any) -> list[Signal]:
    """What the source says in it. Raises `NotUnderstood`."""
    kind, mapping = enrolment.reading_of(source)
    return kind.parse(document, mapping=mapping)


async def receive(
    session: AsyncSession,
    source: Source,
    body: bytes,
    signals: Sequence[Signal],
    *,
    content_type: str | None,
    at: datetime,
    secrets: Sequence[str] = (),
) -> Receipt:
    """Keep a body that was understood, and send each of its signals to be judged."""
    receipt = _kept(source, body, content_type, secrets, at)
    receipt.state = ReceiptState.UNDERSTOOD
    receipt.signals = [packed(signal) for signal in signals]
    session.add(receipt)
    _send_to_be_judged(session, receipt, at=at)
    await session.flush()
    return receipt


async def keep_unread(
    session: AsyncSession,
    source: Source,
    body: bytes,
    refusal: NotUnderstood,
    *,
    content_type: str | None,
    at: datetime,
    secrets: Sequence[str] = (),
) -> Receipt:
    """Keep a body that could not be understood, with the reason."""
    receipt = _kept(source, body, content_type, secrets, at)
    receipt.state = ReceiptState.NOT_UNDERSTOOD
    receipt.signals = []
    receipt.error = {**kept(refusal.detail), "errors": [kept(error) for error in refusal.errors]}
    session.add(receipt)
    await session.flush()
    return receipt


async def read_again(session: AsyncSession, source: Source, receipt: Receipt, *, at: datetime) -> None:
    """A body that could not be understood, read by what is known of its source now. Raises `NotUnderstood`."""
    signals = signals_of(source, document_of(receipt.body, receipt.content_type))
    receipt.state, receipt.error = ReceiptState.UNDERSTOOD, None
    receipt.signals = [packed(signal) for signal in signals]
    _send_to_be_judged(session, receipt, at=at)
    await session.flush()


def _send_to_be_judged(session: AsyncSession, receipt: Receipt, *, at: datetime) -> None:
    for position, signal in enumerate(receipt.signals):
        payload = {
            "source_id": receipt.source_id,
            "receipt_id": receipt.id,
            "position": position,
            "signal": signal,
            "received_at": at.isoformat(),
        }
        outbox.put(session, TOPIC, payload, ref=ref_of(receipt.source_id, signal["dedup_key"]), at=at)


def ref_of(source_id: str, dedup_key: str) -> str:
    """Signals about one problem are judged in the order they came; other problems do not wait for them."""
    digest = hashlib.sha256(f"{source_id}:{dedup_key}".encode()).hexdigest()
    return f"problem:{digest[:40]}"


def search(*, state: ReceiptState | None = None, source_id: str | None = None) -> Select[Any]:
    """Receipts without their bodies."""
    query = select(Receipt).options(defer(Receipt.body, raiseload=True))
    query = query.where(Receipt.source_id != ourselves.SELF_TEST)
    if state is not None:
        query = query.where(Receipt.state == state)
    return query if source_id is None else query.where(Receipt.source_id == source_id)


async def found(session: AsyncSession, receipt_id: str) -> Receipt:
    receipt = (
        await session.get(Receipt, receipt_id) if receipt_id.isalnum() and receipt_id.isascii() else None
    )
    if receipt is None:
        raise NotFound(say("intake.no_such_receipt", id=receipt_id[:26]))
    return receipt


async def verdicts(session: AsyncSession, receipt: Receipt) -> Mapping[int, Verdict]:
    """What became of its signals, by position; one that is missing has not been judged yet."""
    rows = await session.scalars(select(Verdict).where(Verdict.receipt_id == receipt.id))
    return {row.position: row for row in rows}


def _kept(
    source: Source, body: bytes, content_type: str | None, secrets: Sequence[str], at: datetime
) -> Receipt:
    return Receipt(
        id=new_id(at),
        source_id=source.id,
        received_at=at,
        content_type=content_type[:200] if content_type else None,
        body=_without(body, secrets),
    )


def _without(body: bytes, secrets: Sequence[str]) -> bytes:
    for secret in secrets:
        plain = secret.encode()
        body = body.replace(plain, _REMOVED) if plain in body else _rewritten(body, secret)
    return body


def _rewritten(body: bytes, secret: str) -> bytes:
    """A key written with JSON escapes is not found among the bytes, only among the values."""
    if b"\\u" not in body and b"\\/" not in body:
        return body
    try:
        document = door.parse_json(body, lenient_keys=True)
    except Malformed:
        return body
    written = json.dumps(document, ensure_ascii=False)
    return written.replace(secret, _REMOVED.decode()).encode() if secret in written else body
