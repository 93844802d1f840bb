"""Sources: who may send us what they see, enrolled one by one.

A source has a kind (which parser reads it), a key of its own that can post to it and do nothing else, and
perhaps a secret with which it signs instead. A key is shown once, to the one who made it; a second key is how
the first is replaced.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access import keys
from app.access.tables import Key, Role
from app.errors import NotFound, Refused
from app.ids import new_id
from app.intake import ourselves
from app.intake.kinds import KINDS, Kind, kind_named
from app.intake.sources import generic
from app.intake.tables import Source
from app.vault import Vault
from app.wording import say

SLUG: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"


@dataclass(frozen=True)
class Enrolment:
    """What is said of a source when it is made."""

    slug: str
    kind: str
    name: str
    mapping: generic.Mapping | None = None
    default_type: str = "other"
    signing_secret: str | None = None
    expect_every: timedelta | None = None
    addresses: Sequence[str] | None = None  # networks; nothing is taken from elsewhere
    topics: Sequence[str] | None = None  # of SNS


async def enrol(
    session: AsyncSession, said: Enrolment, *, vault: Vault, by: str, at: datetime
) -> tuple[Source, str]:
    """Make a source. The second value is its key, and this is the only time anybody sees it."""
    kind = kind_named(said.kind)
    if await named(session, said.slug) is not None:
        raise Refused(say("intake.slug_taken", slug=said.slug))
    if said.signing_secret is not None:
        kind.signed.secret_bytes(said.signing_secret)
    source = Source(
        id=new_id(at),
        slug=said.slug,
        kind=said.kind,
        name=said.name,
        default_type=said.default_type,
        created_at=at,
        signing_sealed=vault.seal(said.signing_secret) if said.signing_secret else None,
        expect_every=_seconds(said.expect_every),
        addresses=list(said.addresses) if said.addresses is not None else None,
        topics=list(said.topics) if said.topics is not None else None,
    )
    read_by(source, said.mapping)
    session.add(source)
    await session.flush()
    return source, await another_key(session, source, by=by, at=at)


async def another_key(session: AsyncSession, source: Source, *, by: str, at: datetime) -> str:
    """A further key for the same source, valid beside the others until those are revoked."""
    _, shown = await keys.issue(
        session, name=f"source:{source.slug}", role=Role.INGEST, by=by, at=at, source_id=source.id
    )
    return shown


def disable(source: Source, *, at: datetime) -> None:
    """From the commit on nothing of it is taken. Repeatable; what it sent stays."""
    source.disabled_at = source.disabled_at or at


def expect(source: Source, every: timedelta | None) -> None:
    """From now on something is expected of it this often; none: it may be quiet for as long as it likes."""
    source.expect_every = _seconds(every)


def read_by(source: Source, mapping: generic.Mapping | None) -> None:
    """From now on its bodies are read by this mapping; none: as its kind has it."""
    source.mapping = mapping.model_dump(mode="json", exclude_none=True) if mapping else None


def _seconds(every: timedelta | None) -> int | None:
    return int(every.total_seconds()) if every is not None else None


def may_be_slug(slug: str) -> bool:
    return re.fullmatch(SLUG, slug) is not None


async def named(session: AsyncSession, slug: str) -> Source | None:
    """The source of that slug; what cannot be a slug never reaches the database."""
    if not may_be_slug(slug):
        return None
    return await session.scalar(select(Source).where(Source.slug == slug))


async def found(session: AsyncSession, slug: str) -> Source:
    source = await named(session, slug)
    if source is None:
        raise NotFound(say("intake.no_such_source", slug=slug[:63]))
    return source


def listing() -> Select[Any]:
    return select(Source).where(Source.id.not_in(ourselves.OURS))


async def slugs(session: AsyncSession) -> dict[str, str]:
    """The slug of each source, by id."""
    return {row.id: row.slug for row in await session.execute(select(Source.id, Source.slug))}


async def live_keys(
    session: AsyncSession, sources: Sequence[Source], *, at: datetime
) -> dict[str, list[Key]]:
    """The valid keys of each source, by the source's id, oldest first."""
    of: dict[str, list[Key]] = {source.id: [] for source in sources}
    query = select(Key).where(Key.source_id.in_(of)).order_by(Key.created_at, Key.id)
    for key in await session.scalars(query):
        if keys.is_live(key, at):
            of[str(key.source_id)].append(key)
    return of


def reading_of(source: Source) -> tuple[Kind, generic.Mapping | None]:
    """How bodies of this source are read."""
    return KINDS[source.kind], generic.Mapping.model_validate(source.mapping) if source.mapping else None
