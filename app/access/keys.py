"""Keys: made, shown once, known again (architecture part 7).

A key reads `mst_<id>_<secret>_<check>`: eight characters anybody may see, forty-three nobody may, and a checksum that tells a
typing mistake from a wrong key. What is stored is a SHA-256: with 256 bits of chance in it, a slow hash would add nothing.
"""

import hashlib
import hmac
import secrets
import string
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.tables import Key, Role
from app.errors import NotFound
from app.wording import say

_BASE62 = string.digits + string.ascii_letters
_USED_TO_THE = timedelta(minutes=1)


@dataclass(frozen=True)
class Principal:
    """Who is asking."""

    name: str
    role: Role
    key_id: str
    person_id: str | None = None
    source_id: str | None = None

    @property
    def leads(self) -> bool:
        """Whether they belong to the leadership layer (EP-2.1)."""
        return self.role is Role.LEADERSHIP


async def issue(
    session: AsyncSession, *, name: str, role: Role, by: str, at: datetime,
    person_id: str | None = None, source_id: str | None = None, expires_at: datetime | None = None,
) -> tuple[Key, str]:  # fmt: skip
    """Make a key. The second value is the key itself, and this is the only time anybody sees it."""
    public = _chance(8)
    body = f"mst_{public}_{_chance(43)}"
    shown = f"{body}_{_check(body)}"
    key = Key(
        id=public, name=name, role=role, digest=_digest(shown), person_id=person_id, source_id=source_id,
        created_at=at, created_by=by, expires_at=expires_at,
    )  # fmt: skip
    session.add(key)
    await session.flush()
    return key, shown


async def recognise(session: AsyncSession, shown: str, *, at: datetime) -> Principal | None:
    """Whose key this is, or `None`: unknown, mistyped, expired and revoked are the same to the one who asks."""
    public = _public_part(shown)
    key = await session.get(Key, public) if public is not None else None
    if key is None or not opens(key, shown, at):
        return None
    session.info["key"] = key  # kept from being forgotten, and read again, before its use is noted
    return principal_of(key)


def public_parts(shown: Collection[str]) -> dict[str, str]:
    """The readable part of each that may be a key."""
    return {one: public for one in shown if (public := _public_part(one)) is not None}


def _public_part(shown: str) -> str | None:
    """The readable part of what may be a key; what has the wrong form or checksum never reaches the database."""
    parts = shown.split("_")
    if len(parts) != 4 or parts[0] != "mst" or not (shown.isascii() and shown.isprintable()):
        return None
    return parts[1] if _check(shown.rpartition("_")[0]) == parts[3] else None


def opens(key: Key, shown: str, at: datetime) -> bool:
    """Whether that is the key, whole, and still good."""
    return hmac.compare_digest(key.digest, _digest(shown)) and is_live(key, at)


def is_live(key: Key, at: datetime) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > at)


def principal_of(key: Key) -> Principal:
    return Principal(key.name, Role(key.role), key.id, key.person_id, key.source_id)


async def note_use(session: AsyncSession, who: Principal, *, at: datetime) -> None:
    """Remember that the key is in use, to the minute, in the transaction of what it was used for."""
    key = await session.get(Key, who.key_id)
    if key is not None:
        used(key, at=at)


def used(key: Key, *, at: datetime) -> None:
    """Remember it, to the minute."""
    if key.last_used_at is None or at - key.last_used_at >= _USED_TO_THE:
        key.last_used_at = at


async def revoke(session: AsyncSession, key_id: str, *, at: datetime) -> Key:
    """From the commit on, the key opens nothing. Repeatable."""
    key = await session.get(Key, key_id)
    if key is None:
        raise NotFound(say("access.no_such_key", id=key_id))
    key.revoked_at = key.revoked_at or at
    return key


async def every_key(session: AsyncSession) -> list[Key]:
    return list(await session.scalars(select(Key).order_by(Key.created_at.desc(), Key.id)))


def _chance(length: int) -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(length))


def _check(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def _digest(shown: str) -> str:
    return hashlib.sha256(shown.encode()).hexdigest()
