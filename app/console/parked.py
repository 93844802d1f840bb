"""The page of what was set aside, with a button to try each again."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.edge import Edge, Now, Session, Who
from app.access.paging import Paging, Slice
from app.console.forms import posted
from app.console.pages import draw, go, in_local_time
from app.watch import set_aside

router = APIRouter(route_class=Edge, include_in_schema=False)


@router.api_route("/parked", methods=["GET", "HEAD"])
async def show_parked(request: Request, session: Session, part: Paging) -> Response:
    return await _page(request, session, part)


@router.post("/parked/{parked_id}/retry")
async def retry(
    parked_id: Annotated[str, Path(max_length=64)], request: Request, session: Session, who: Who, now: Now
) -> Response:
    async def again(session: AsyncSession) -> Response:
        return await _page(request, session, Slice(50, None))

    await posted(request, again, here="/parked")
    await set_aside.retry(session, parked_id, by=who.name, at=now)
    return go("/parked?done=retried")


async def _page(request: Request, session: AsyncSession, part: Slice) -> Response:
    await in_local_time(request, session)
    items, cursor = await set_aside.listed(session, part)
    return draw(request, "parked.html", items=items, next=cursor)
