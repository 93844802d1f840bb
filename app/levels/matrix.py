"""The response matrix in force, and the one each running incident was activated under."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Unavailable
from app.levels.document import Levels
from app.levels.tables import Matrix
from app.wording import say

# A revision's matrix never changes, so what was read once may be kept; the newest few are all that is asked for.
_READ: dict[str, Levels] = {}
_KEEP = 32


async def adopt(session: AsyncSession, revision_id: str, levels: Levels, *, at: datetime) -> None:
    """Put the matrix of a plan revision in force."""
    await session.execute(update(Matrix).where(Matrix.in_force).values(in_force=False))
    document = levels.model_dump(mode="json", by_alias=True)
    await session.merge(Matrix(revision_id=revision_id, document=document, adopted_at=at, in_force=True))
    await session.flush()


async def in_force(session: AsyncSession) -> tuple[str, Levels]:
    """The revision in force and its matrix."""
    revision_id = await session.scalar(select(Matrix.revision_id).where(Matrix.in_force))
    if revision_id is None:
        raise Unavailable(say("levels.no_plan"))
    return revision_id, await of(session, revision_id)


async def of(session: AsyncSession, revision_id: str) -> Levels:
    """The matrix as that revision has it."""
    if (known := _READ.get(revision_id)) is not None:
        return known
    row = await session.get_one(Matrix, revision_id)
    levels = Levels.model_validate(row.document)
    if len(_READ) >= _KEEP:
        _READ.clear()
    _READ[revision_id] = levels
    return levels
