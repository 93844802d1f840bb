"""Maintenance windows over HTTP."""

from datetime import datetime
from typing import Final

from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.edge import Edge, IfMatch, Now, Session, Who, problems
from app.access.paging import Page, Paging, paged
from app.errors import NotFound, Stale
from app.intake import windows
from app.intake.tables import MaintenanceWindow
from app.intake.window_schemas import MoveWindow, SetWindow, WindowDetail, WindowRead
from app.intake.windows import WindowIsOver

router = APIRouter(prefix="/api/v1/maintenance", route_class=Edge, tags=["intake"])
_MOST_PROBLEMS: Final = 200


@router.get("", responses=problems())
async def list_windows(
    session: Session, part: Paging, now: Now, over: bool | None = None
) -> Page[WindowRead]:
    """Maintenance windows, newest first; `?over=false`: those that hold, or will."""
    rows, following = await paged(session, windows.every(over=over, at=now), MaintenanceWindow.id, part)
    held = await windows.numbers_held(session, rows)
    return Page(items=[WindowRead.of(row, held[row.id], now) for row in rows], next=following)


@router.post("", status_code=201, responses=problems())
async def set_window(
    asked: SetWindow, session: Session, who: Who, now: Now, response: Response
) -> WindowDetail:
    """Hold what monitoring says of something while it is worked on (OM-2): kept and shown, and nobody is called.

    What still burns when the window is over is judged then, as if it had just been said.
    """
    window = await windows.put_up(session, asked.asked(now), by=who.name, at=now)
    response.headers["Location"] = f"/api/v1/maintenance/{window.id}"
    return await _detail(session, window, now, response)


@router.get("/{window_id}", responses=problems(NotFound))
async def read_window(window_id: str, session: Session, now: Now, response: Response) -> WindowDetail:
    """One window, what it holds, and what was done to it."""
    return await _detail(session, await windows.found(session, window_id), now, response)


@router.post("/{window_id}/transitions", status_code=201, responses=problems(NotFound, WindowIsOver, Stale))
async def move_window(
    window_id: str,
    asked: MoveWindow,
    session: Session,
    who: Who,
    now: Now,
    version: IfMatch,
    response: Response,
) -> WindowDetail:
    """End this time early, let it end later, or withdraw the window."""
    window = await windows.move(
        session, window_id, asked.event, by=who.name, at=now, reason=asked.reason, ends_at=asked.ends_at,
        version=version,
    )  # fmt: skip
    return await _detail(session, window, now, response)


async def _detail(
    session: AsyncSession, window: MaintenanceWindow, now: datetime, response: Response
) -> WindowDetail:
    response.headers["ETag"] = f'"{window.version}"'
    held = (await windows.numbers_held(session, [window]))[window.id]
    return WindowDetail.whole(window, await windows.held(session, window, most=_MOST_PROBLEMS), held, now)
