"""Lists the same way everywhere: `{"items": [...], "next": cursor | null}`, newest first, at most 200 at a time."""

import base64
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Malformed
from app.wording import say

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    items: list[T]
    next: str | None
    """Give it as `?cursor=` for what follows; null at the end."""


@dataclass(frozen=True)
class Slice:
    """Which part of a list is asked for."""

    limit: int
    after: str | None


def _slice(
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
) -> Slice:
    if cursor is None:
        return Slice(limit, None)
    try:
        after = base64.urlsafe_b64decode(cursor.encode()).decode()
    except ValueError as error:
        raise Malformed(say("access.cursor")) from error
    if not after.isprintable():
        raise Malformed(say("access.cursor"))
    return Slice(limit, after)


Paging = Annotated[Slice, Depends(_slice)]


async def paged(
    session: AsyncSession, query: Select[Any], column: Any, part: Slice
) -> tuple[list[Any], str | None]:
    """The rows of one page, newest first by a unique, sortable text column, and the cursor of the next."""
    if part.after is not None:
        query = query.where(column < part.after)
    rows = list(await session.scalars(query.order_by(column.desc()).limit(part.limit + 1)))
    if len(rows) <= part.limit:
        return rows, None
    last = getattr(rows[part.limit - 1], column.key)
    return rows[: part.limit], base64.urlsafe_b64encode(str(last).encode()).decode()
