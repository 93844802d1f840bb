"""Two sources of our own: the product says through the inbox what it noticed about itself, as any monitoring would.

Their ids are fixed, so any replica may make them; their slugs hold a colon, so nobody can enrol, address or disable them.
"""

from datetime import datetime
from typing import Final

from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.intake.tables import Source

SELF_TEST: Final = "0" * 26
"""Says synthetic problems: what comes of them has the status Test, is told to nobody and counted nowhere."""
WATCH: Final = "0" * 25 + "1"
"""Says what is really wrong with the product's surroundings, such as a source that fell silent."""
OURS: Final = (SELF_TEST, WATCH)
WATCH_SLUG: Final = "muster:watch"
SILENT: Final = "silent_source"
"""The label by which the watch names the source that fell silent."""
_SLUGS: Final = {SELF_TEST: "muster:self-test", WATCH: WATCH_SLUG}


async def source(session: AsyncSession, which: str, *, at: datetime) -> Source:
    """One of the two, made where it is missing."""
    found = await session.get(Source, which)
    if found is not None:
        return found
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    values = {"id": which, "slug": _SLUGS[which], "kind": "generic", "name": "Muster", "created_at": at}
    values |= {"default_type": "other"}
    await session.execute(insert(Source).values(values).on_conflict_do_nothing(index_elements=["id"]))
    return await session.get_one(Source, which)
