"""Who may post to a source: the holder of its own key, or whoever can sign with its secret.

Every other caller gets the same 401, whether the source exists or not and whose key it was, so that nobody
learns by trying which sources there are. Nothing of what was shown is logged or kept.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access import keys
from app.access.tables import Key, Role
from app.errors import Forbidden, Problem, Unauthenticated
from app.intake import enrolment
from app.intake.kinds import KINDS
from app.intake.tables import Source
from app.vault import Vault
from app.wording import say

_SEEN_TO_THE: Final = timedelta(minutes=1)
_NOBODY: Final = (None, None)
# Made once: making it takes as long as asking it.
_OF_KEYS: Final = (
    select(Key, Source)
    .join(Source, Source.id == Key.source_id)
    .where(Key.id.in_(bindparam("keys", expanding=True)), Key.role == Role.INGEST)
)


@dataclass(frozen=True, repr=False)
class Shown:
    """What a request shows of itself: a key, or the headers of a signature over the body; and where it comes from."""

    key: str | None
    headers: Mapping[str, str]
    body: bytes
    address: str | None = None


@dataclass(frozen=True, repr=False)
class Asking:
    """A caller before a source: the one the address names, or the one of a kind whose key was shown."""

    shown: Shown
    slug: str | None = None
    kind: str | None = None


async def admit_all(
    session: AsyncSession, asking: Sequence[Asking], *, vault: Vault, at: datetime
) -> list[Source | Problem]:
    """For each caller the source it may post to, or the refusal, in their order.

    Keys and sources are read in the caller's transaction, with one question for all keys and one for all signatures: what was
    revoked or disabled a moment ago is refused, and nothing is remembered from one group to the next.
    """
    held = await _held(session, {one.shown.key for one in asking if one.shown.key is not None}, at)
    signed = {one.slug for one in asking if one.slug is not None and one.shown.key is None}
    by_slug = await _of_slugs(session, {slug for slug in signed if enrolment.may_be_slug(slug)})
    return [_admitted(one, held, by_slug, vault, at) for one in asking]


async def _held(session: AsyncSession, shown: Collection[str], at: datetime) -> dict[str, tuple[Key, Source]]:
    """Those among what was shown that open a source."""
    named = keys.public_parts(shown)
    if not named:
        return {}
    rows = await session.execute(_OF_KEYS, {"keys": sorted(set(named.values()))})
    known = {key.id: (key, source) for key, source in rows}
    return {
        one: known[public]
        for one, public in named.items()
        if public in known and keys.opens(known[public][0], one, at)
    }


async def _of_slugs(session: AsyncSession, slugs: Collection[str]) -> dict[str, Source]:
    if not slugs:
        return {}
    return {
        one.slug: one for one in await session.scalars(select(Source).where(Source.slug.in_(sorted(slugs))))
    }


def _admitted(
    asking: Asking, held: Mapping[str, tuple[Key, Source]], by_slug: Mapping[str, Source], vault: Vault, at: datetime
) -> Source | Problem:  # fmt: skip
    shown = asking.shown
    key, source = held.get(shown.key, _NOBODY) if shown.key is not None else _NOBODY
    if asking.slug is None:
        if source is None:
            return Unauthenticated(say("intake.routing_key"))
        if source.kind != asking.kind:
            return Forbidden(say("intake.other_kind", kind=source.kind, slug=source.slug))
    elif shown.key is None:
        source = by_slug.get(asking.slug)
        if source is None or not _is_signed(source, shown, vault, at):
            return not_admitted()
    elif source is None or source.slug != asking.slug or _is_signed_wrongly(source, shown, vault, at):
        return not_admitted()
    if source.addresses is not None and not _is_among(shown.address, source.addresses):
        return Forbidden(say("intake.address", slug=source.slug))
    if source.disabled_at is not None:
        return Forbidden(say("intake.disabled", slug=source.slug))
    if key is not None:
        keys.used(key, at=at)
    # To the minute: in a storm the groups of several processes must not wait for each other at this row.
    if source.last_seen_at is None or at - source.last_seen_at >= _SEEN_TO_THE:
        source.last_seen_at = at
    return source


def not_admitted() -> Unauthenticated:
    return Unauthenticated(
        say("intake.not_admitted"), headers={"WWW-Authenticate": 'Bearer, Basic realm="intake"'}
    )


def _is_signed(source: Source, shown: Shown, vault: Vault, at: datetime) -> bool:
    """Whether the body bears a signature of this source, as its kind signs."""
    scheme = KINDS[source.kind].signed
    if source.signing_sealed is None or not scheme.is_shown(shown.headers):
        return False
    secret = scheme.secret_bytes(vault.unseal(source.signing_sealed))
    return scheme.is_right(secret, shown.headers, shown.body, at)


def _is_signed_wrongly(source: Source, shown: Shown, vault: Vault, at: datetime) -> bool:
    """Whether it bears a signature beside its key that a secret of ours does not confirm."""
    if source.signing_sealed is None or not KINDS[source.kind].signed.is_shown(shown.headers):
        return False
    return not _is_signed(source, shown, vault, at)


def _is_among(address: str | None, networks: Sequence[str]) -> bool:
    try:
        found = ip_address(address or "")
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found in ip_network(network) for network in networks)
