"""Two pairs of eyes: whether what somebody did may be confirmed by whoever is asking now."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.access.keys import Principal
from app.access.tables import Key


async def is_same_hand(session: AsyncSession, who: Principal, key_id: str | None) -> bool:
    """Whether `who` is whoever did it with that key: the very key, or another of the same person."""
    if key_id is None:
        return False
    if who.key_id == key_id:
        return True
    key = await session.get(Key, key_id)
    return key is not None and key.person_id is not None and key.person_id == who.person_id
