"""Files that go with a notice: kept once by what they hold, carried by mail; every other channel carries the link alone."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Refused
from app.notify.channel import Attachment, Message
from app.notify.tables import AttachedFile
from app.typeset import pdf
from app.wording import render, say

MOST_BYTES: Final = 5_000_000
"""Of all files of a notice together: a third is added on the way, and many mail servers take ten million."""
CARRIED_BY: Final = frozenset({"mail"})
"""The channels that can hand over a file; for the others none is read."""


# Papers drawn lately, by digest: the same report goes to many people.
_DRAWN: Final[dict[str, bytes]] = {}
_DRAWN_AT_MOST: Final = 8


async def keep(session: AsyncSession, files: Sequence[Attachment]) -> list[dict[str, Any]]:
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
        named.append(
            {"name": one.name, "media_type": one.media_type, "digest": digest, "is_paper": one.is_paper}
        )
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
        Attachment(one["name"], one["media_type"], bodies[one["digest"]], one.get("is_paper", False))
        for one in attached
        if one["digest"] in bodies
    )


async def with_files_drawn(message: Message) -> Message:
    """The message as it leaves, its papers as PDF. One that cannot be drawn keeps nothing back: the message says so and goes."""
    leaving, text = [], message.text
    for one in message.attachments:
        if not one.is_paper:
            leaving.append(one)
            continue
        try:
            leaving.append(replace(one, body=await _drawn_once(one.body), is_paper=False))
        except pdf.Undrawable as undrawable:
            why = say("notify.not_attached", name=one.name, why=undrawable.wording)
            text += "\n\n" + render(why, message.language)
    return replace(message, attachments=tuple(leaving), text=text)


async def _drawn_once(paper: bytes) -> bytes:
    digest = hashlib.sha256(paper).hexdigest()
    if (before := _DRAWN.get(digest)) is not None:
        return before
    made = await pdf.drawn(paper)
    if len(_DRAWN) >= _DRAWN_AT_MOST:
        _DRAWN.pop(next(iter(_DRAWN)), None)
    _DRAWN[digest] = made
    return made
