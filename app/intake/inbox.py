"""The inbox: what a source sent, kept as it came, and its signals on their way to be judged.

One transaction, committed before the sender hears that we have it. What cannot be understood is kept too,
with the reason, for people to look at. Credentials inside a body are taken out before it is kept. Judges
nothing: that is `correlation`.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import Select, Table, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from app import outbox
from app.errors import Forbidden, NotFound, Problem
from app.ids import new_id
from app.intake import admission, enrolment, mails, ourselves
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
_REMOVED: Final = "[removed]"
_IS_PLAIN: Final = re.compile(
    r"[A-Za-z0-9._~-]+"
)  # neither JSON nor a form has to write these in another way


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
        # A secret may be a part of another one: the longer goes first.
        return sorted({secret for secret in found if secret}, key=lambda secret: (-len(secret), secret))


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
            told.asking.shown.body if told.body is None else told.body,
            told.content_type,
            told.document,
            told.secrets(kept_as.kind),
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


def _without(body: bytes, content_type: str | None, document: Any, secrets: Sequence[str]) -> bytes:
    """The body as it came, but for the secrets. Where one may be written with escapes, it is looked for among the values instead of
    among the bytes, and the values are what is kept: JSON, which is read first whatever the content type says."""
    if document is not None and mails.CONTENT_TYPE not in (content_type or "").lower():
        may_be_hidden = (
            b"\\u" in body or b"%" in body or not all(_IS_PLAIN.fullmatch(secret) for secret in secrets)
        )
        if may_be_hidden and (cleaned := _cleaned(document, secrets)) != document:
            return json.dumps(cleaned, ensure_ascii=False).encode("utf-8", "backslashreplace")
    for secret in secrets:
        body = body.replace(secret.encode("utf-8", "replace"), _REMOVED.encode())
    return body


def _cleaned(value: Any, secrets: Sequence[str]) -> Any:
    match value:
        case str():
            for secret in secrets:
                value = value.replace(secret, _REMOVED)
            return value
        case dict():
            return {_cleaned(name, secrets): _cleaned(member, secrets) for name, member in value.items()}
        case list():
            return [_cleaned(member, secrets) for member in value]
        case _:
            return value
