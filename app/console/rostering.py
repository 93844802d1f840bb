"""The page of rosters: who is on call now, and the coming week."""

from datetime import timedelta
from typing import Final

from fastapi import APIRouter, Request, Response

from app.access.edge import Edge, Now, Session, Who
from app.console.pages import draw, in_local_time
from app.people import discretion, holders, organisation, rosters
from app.people.holders import PassedOver
from app.wording import Wording

router = APIRouter(route_class=Edge, include_in_schema=False)
_WEEK: Final = timedelta(days=7)


@router.api_route("/rosters", methods=["GET", "HEAD"])
async def show_rosters(request: Request, session: Session, who: Who, now: Now) -> Response:
    await in_local_time(request, session)
    titles = {one.id: one.title for one in await organisation.positions(session)}
    coming = [
        (
            titles[one.position_id],
            await holders.calendar(session, one.position_id, now, now + _WEEK, at=now),
        )
        for one in await rosters.rosters(session)
    ]
    now_on_call = await holders.picture(session, at=now)

    def why_away(one: PassedOver) -> Wording:
        return discretion.told(one.absent, one.person_id, who)

    return draw(request, "rosters.html", now_on_call=now_on_call, coming=coming, why_away=why_away)
