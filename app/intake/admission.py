"""Who may post to a source: the holder of its own key, or whoever can sign with its secret.

Every other caller gets the same 401, whether the source exists or not and whose key it was, so that nobody
learns by trying which sources there are. Nothing of what was shown is logged or kept.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.access import keys
from app.access.tables import Role
from app.errors import Forbidden, Unauthenticated
from app.intake import enrolment
from app.intake.tables import Source
from app.vault import Vault
from app.wording import say

SIGNED_WITHIN: Final = timedelta(minutes=5)  # either side of now
_SEEN_TO_THE: Final = timedelta(minutes=1)


@dataclass(frozen=True, repr=False)
class Shown:
    """What a request shows of itself: a key, or the three headers of a signature over the body."""

    key: str | None
    headers: Mapping[str, str]
    body: bytes


async def admit(session: AsyncSession, slug: str, shown: Shown, *, vault: Vault, at: datetime) -> Source:
    """The source addressed, if the caller may post to it.

    Raises `Unauthenticated`, or `Forbidden` when the source is disabled.
    """
    source = await enrolment.named(session, slug)
    if shown.key is not None:
        owned = await source_of_key(session, shown.key, at=at)
        admitted = source is not None and owned is not None and owned.id == source.id
    else:
        admitted = source is not None and _is_signed(source, shown, vault, at)
    if source is None or not admitted:
        raise not_admitted()
    return enabled(source, at=at)


async def admit_to(session: AsyncSession, kind: str, key: str | None, *, at: datetime) -> Source:
    """The source of this key, where the address says the kind and the body holds the key."""
    source = await source_of_key(session, key, at=at) if key else None
    if source is None:
        raise Unauthenticated(say("intake.routing_key"))
    if source.kind != kind:
        raise Forbidden(say("intake.other_kind", kind=source.kind, slug=source.slug))
    return enabled(source, at=at)


async def source_of_key(session: AsyncSession, key: str, *, at: datetime) -> Source | None:
    """The source whose ingest key this is."""
    who = await keys.recognise(session, key, at=at)
    if who is None or who.role is not Role.INGEST or who.source_id is None:
        return None
    await keys.note_use(session, who, at=at)
    return await session.get(Source, who.source_id)


def enabled(source: Source, *, at: datetime) -> Source:
    """The source, seen just now, unless it is disabled."""
    if source.disabled_at is not None:
        raise Forbidden(say("intake.disabled", slug=source.slug))
    # To the minute: in a storm the requests of one source must not wait for each other at its row.
    if source.last_seen_at is None or at - source.last_seen_at >= _SEEN_TO_THE:
        source.last_seen_at = at
    return source


def not_admitted() -> Unauthenticated:
    return Unauthenticated(
        say("intake.not_admitted"), headers={"WWW-Authenticate": 'Bearer, Basic realm="intake"'}
    )


def _is_signed(source: Source, shown: Shown, vault: Vault, at: datetime) -> bool:
    """Whether the body bears a Standard Webhooks signature of this source, made about now."""
    message, sent, signatures = (
        shown.headers.get(f"webhook-{part}", "") for part in ("id", "timestamp", "signature")
    )
    if (
        source.signing_sealed is None
        or not message
        or not (sent.isascii() and sent.isdigit())
        or len(sent) > 11
    ):
        return False
    if abs(at - datetime.fromtimestamp(int(sent), UTC)) > SIGNED_WITHIN:
        return False
    secret = enrolment.secret_bytes(vault.unseal(source.signing_sealed))
    content = f"{message}.{sent}.".encode("latin-1") + shown.body
    wanted = base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest())
    for version, _, mark in (one.partition(",") for one in signatures.split(" ")[:8]):
        if version == "v1" and hmac.compare_digest(wanted, mark.encode("latin-1")):
            return True
    return False
