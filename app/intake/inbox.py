"""The inbox: what a source sent, kept as it came, and its signals on their way to be judged.

One transaction, committed before the sender hears that we have it. What cannot be understood is kept too,
with the reason, for people to look at. Credentials inside a body are taken out before it is kept. Judges
nothing: that is `correlation`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Select, Table, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app import door, outbox
from app.errors import Forbidden, Malformed, NotFound, Problem
from app.ids import new_id
from app.intake import admission, enrolment, ourselves
from app.intake.admission import Asking
from app.intake.envelopes import document_of, standing_alone
from app.intake.kinds import KINDS, Kind
from app.intake.signals import KEY_LENGTH, NotUnderstood, Signal, fit, packed
from app.intake.tables import Receipt, ReceiptState, Source, Verdict
from app.outbox import Urgency
from app.rows import insert_all
from app.vault import Vault
from app.wording import kept, say

_DELIVERED: Final = select(Receipt.source_id, Receipt.delivery, Receipt.id).where(
    Receipt.delivery.in_(bindparam("numbers", expanding=True)), Receipt.state == ReceiptState.UNDERSTOOD
)
TOPIC: Final = "signal.received"
_RECEIPTS: Final = cast(Table, Receipt.__table__)
_REMOVED: Final = b"[removed]"


def signals_of(source: Source, document: Any) -> list[Signal]:
    """What the source says in it. Raises `NotUnderstood`."""
    kind, mapping = enrolment.reading_of(source)
    return kind.parse(document, mapping=mapping)


@dataclass(frozen=True, repr=False)
class Told:
    """One request of a source, read but not yet stored."""

    asking: Asking
    content_type: str | None
    document: Any = None
    refusal: NotUnderstood | None = None  # the body is no document
    body: bytes | None = None  # what is kept, where the request says more than its body
    is_verified: bool = False  # it is signed with a certificate, and that was looked at

    def secrets(self, kind: Kind) -> list[str]:
        """What must not be kept with the body."""
        found = (self.asking.shown.key, routing_key(self.document), *kind.secrets(self.document))
        return [secret for secret in dict.fromkeys(found) if secret]


@dataclass(frozen=True)
class Kept:
    """What is stored of a request, and the signals on their way to be judged; with `refusal`, why there are none."""

    receipt_id: str
    kind: Kind
    signals: Sequence[Signal]
    refusal: NotUnderstood | None = None


def read(asking: Asking, content_type: str | None) -> Told:
    """The request, its body read once. Raises nothing: what cannot be read says so in its `refusal`."""
    body, content_type = standing_alone(asking.shown.body, content_type, asking.shown.headers)
    try:
        return Told(asking, content_type, document_of(body, content_type), body=body)
    except NotUnderstood as refusal:
        return Told(asking, content_type, refusal=refusal, body=body)


def routing_key(document: Any) -> str | None:
    """The key that PagerDuty's events bear inside."""
    key = document.get("routing_key") if isinstance(document, dict) else None
    return key if isinstance(key, str) and key else None


async def keep(
    session: AsyncSession, told: Sequence[Told], *, vault: Vault, at: datetime
) -> list[Kept | Problem]:
    """Store what these requests bring, in their order; a caller who may not gets the refusal, and leaves nothing.

    Four statements for all of them together: keys, sources, receipts, messages; a fifth where a sender numbers its deliveries. What
    was taken in once under its number is answered with that receipt, and no signals.
    """
    sources = await admission.admit_all(session, [one.asking for one in told], vault=vault, at=at)
    answers: list[Kept | Problem] = []
    receipts: list[dict[str, Any]] = []
    told_of: list[tuple[str, Mapping[str, Any]]] = []
    known = await _delivered(session, zip(told, sources, strict=True))
    for one, source in zip(told, sources, strict=True):
        if isinstance(source, Problem):
            answers.append(source)
            continue
        if KINDS[source.kind].is_certified and not one.is_verified:
            answers.append(Forbidden(say("intake.sns.signature")))
            continue
        mark = (source.id, _delivery(one, source))
        if mark in known:
            answers.append(Kept(known[mark], KINDS[source.kind], ()))
            continue
        kept = _understood(one, source, at)
        answers.append(kept)
        if mark[1] and kept.refusal is None:
            known[mark] = kept.receipt_id
        signals = [packed(signal) for signal in kept.signals]
        receipts.append(_receipt(one, source, kept, signals, at))
        told_of.extend(messages(source, kept.receipt_id, signals, at))
    if receipts:
        await insert_all(session, _RECEIPTS, receipts)
        await send(session, told_of, at=at)
    return answers


async def _delivered(
    session: AsyncSession, asked: Iterable[tuple[Told, Source | Problem]]
) -> dict[tuple[str, str], str]:
    """The receipts of those deliveries that were understood before, by source and number."""
    marks = {
        (source.id, mark)
        for one, source in asked
        if isinstance(source, Source) and (mark := _delivery(one, source))
    }
    if not marks:
        return {}
    rows = await session.execute(_DELIVERED, {"numbers": sorted({number for _, number in marks})})
    return {(source_id, delivery or ""): receipt_id for source_id, delivery, receipt_id in rows}


def _delivery(told: Told, source: Source) -> str:
    return fit(KINDS[source.kind].delivery(told.document), KEY_LENGTH)


def _understood(told: Told, source: Source, at: datetime) -> Kept:
    kind = KINDS[source.kind]
    refusal, signals = (None if kind.reads_anything else told.refusal), list[Signal]()
    if refusal is None:
        try:
            signals = signals_of(source, told.document)
        except NotUnderstood as found:
            refusal = found
    return Kept(new_id(at), kind, signals, refusal)


def _receipt(
    told: Told, source: Source, kept_as: Kept, signals: Sequence[Mapping[str, Any]], at: datetime
) -> dict[str, Any]:
    refusal = kept_as.refusal
    error = refusal and {**kept(refusal.detail), "errors": [kept(error) for error in refusal.errors]}
    return {
        "id": kept_as.receipt_id,
        "source_id": source.id,
        "received_at": at,
        "content_type": told.content_type[:200] if told.content_type else None,
        "body": _without(
            told.asking.shown.body if told.body is None else told.body, told.secrets(kept_as.kind)
        ),
        "signals": signals,
        "unjudged": bool(signals),
        "delivery": _delivery(told, source) or None,
        "state": ReceiptState.UNDERSTOOD if refusal is None else ReceiptState.NOT_UNDERSTOOD,
        "error": error,
    }


def messages(
    source: Source, receipt_id: str, signals: Sequence[Mapping[str, Any]], at: datetime
) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """What tells the engine of each signal, with its ref."""
    for position, signal in enumerate(signals):
        payload = {
            "source_id": source.id,
            "receipt_id": receipt_id,
            "position": position,
            "signal": signal,
            "received_at": at.isoformat(),
        }
        yield ref_of(source.id, signal["dedup_key"]), payload


async def send(session: AsyncSession, told: Sequence[tuple[str, Mapping[str, Any]]], *, at: datetime) -> None:
    """Let these `messages` be judged: before all others where the source itself hints at level 1 or 2."""
    for ref, payload in told:
        hint = payload["signal"].get("level_hint")
        if hint is not None and Urgency.of(hint) is Urgency.GRAVE:
            outbox.speaks_of(session, ref, Urgency.HINTED)
    await outbox.put_all(session, TOPIC, told, at=at)


async def say_ourselves(session: AsyncSession, source: Source, signal: Signal, *, at: datetime) -> str:
    """Keep a signal of a source of our own, which sends no body, and send it to be judged; the id of its receipt."""
    said, receipt_id = packed(signal), new_id(at)
    row = {
        "id": receipt_id,
        "source_id": source.id,
        "received_at": at,
        "content_type": None,
        "body": b"{}",
        "signals": [said],
        "unjudged": True,
        "delivery": None,
        "state": ReceiptState.UNDERSTOOD,
        "error": None,
    }
    await insert_all(session, _RECEIPTS, [row])
    await send(session, list(messages(source, receipt_id, [said], at)), at=at)
    return receipt_id


async def read_again(session: AsyncSession, source: Source, receipt: Receipt, *, at: datetime) -> None:
    """A body that could not be understood, read by what is known of its source now. Raises `NotUnderstood`."""
    signals = signals_of(source, document_of(receipt.body, receipt.content_type))
    receipt.state, receipt.error = ReceiptState.UNDERSTOOD, None
    receipt.signals = [packed(signal) for signal in signals]
    receipt.unjudged = bool(signals)
    await session.flush()
    await send(session, list(messages(source, receipt.id, receipt.signals, at)), at=at)


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
