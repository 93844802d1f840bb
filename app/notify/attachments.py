"""Files that go with a notice: kept once by what they hold, carried by mail; every other channel carries the link alone."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Refused
from app.notify.channel import Attachment
from app.notify.tables import AttachedFile
from app.wording import say

MOST_BYTES: Final = 5_000_000
"""Of all files of a notice together: a third is added on the way, and many mail servers take ten million."""
CARRIED_BY: Final = frozenset({"mail"})
"""The channels that can hand over a file; for the others none is read."""


async def keep(session: AsyncSession, files: Sequence[Attachment]) -> list[dict[str, str]]:
    """Keep the files and give what a notice says of them; the same bytes are kept once. `Refused` above `MOST_BYTES`."""
    size = sum(len(one.body) for one in files)
    if size > MOST_BYTES:
        raise Refused(
            say("notify.attachments_too_large", size=size // 1000, most=MOST_BYTES // 1000), most=MOST_BYTES
        )
    upsert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    named = []
    for one in files:
        digest = hashlib.sha256(one.body).hexdigest()
        await session.execute(
            upsert(AttachedFile).values(digest=digest, body=one.body).on_conflict_do_nothing()
        )
        named.append({"name": one.name, "media_type": one.media_type, "digest": digest})
    return named


async def read(session: AsyncSession, notices: Iterable[Sequence[Mapping[str, Any]]]) -> Mapping[str, bytes]:
    """The bytes of what notices say of their files, by digest, each once however many messages carry it."""
    wanted = {one["digest"] for attached in notices for one in attached}
    if not wanted:
        return {}
    rows = await session.execute(
        select(AttachedFile.digest, AttachedFile.body).where(AttachedFile.digest.in_(sorted(wanted)))
    )
    return {row.digest: row.body for row in rows}


def joined(attached: Sequence[Mapping[str, Any]], bodies: Mapping[str, bytes]) -> tuple[Attachment, ...]:
    """What a notice says of its files, with their bytes."""
    return tuple(
        Attachment(one["name"], one["media_type"], bodies[one["digest"]])
        for one in attached
        if one["digest"] in bodies
    )
