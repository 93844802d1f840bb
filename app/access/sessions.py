"""Browser sessions: a key exchanged for a cookie, revocable, forgotten after twelve hours."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.access import keys
from app.access.keys import Principal
from app.access.tables import BrowserSession, Key

LIFETIME: Final = timedelta(hours=12)


def cookie_name(base_url: str) -> str:
    """The cookie's name; over HTTPS one that a browser takes from this very host only."""
    return "__Host-muster_session" if is_secure(base_url) else "muster_session"


def is_secure(base_url: str) -> bool:
    return base_url.startswith("https:")


async def open_session(session: AsyncSession, who: Principal, *, at: datetime) -> str:
    """Sign in; returns the cookie's value, which is stored nowhere but as a hash."""
    token = secrets.token_urlsafe(32)
    session.add(
        BrowserSession(
            digest=_digest(token),
            key_id=who.key_id,
            csrf=secrets.token_urlsafe(24),
            created_at=at,
            expires_at=at + LIFETIME,
        )
    )
    return token


async def known_session(
    session: AsyncSession, token: str, *, at: datetime
) -> tuple[BrowserSession, Principal] | None:
    """The session behind a cookie, while it lasts and its key does."""
    row = await session.get(BrowserSession, _digest(token))
    if row is None or row.ended_at is not None or row.expires_at <= at:
        return None
    key = await session.get(Key, row.key_id)
    if key is None or not keys.is_live(key, at):
        return None
    return row, keys.principal_of(key)


async def end_session(session: AsyncSession, token: str, *, at: datetime) -> None:
    row = await session.get(BrowserSession, _digest(token))
    if row is not None:
        row.ended_at = at


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
