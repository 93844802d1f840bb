"""The record of who was told, over HTTP, and the one-time links people answer by.

The link's page needs no sign-in: its mark is the right, to this one message and to nothing else.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from app.access.edge import Edge, Here, Language, Now, Session, Who, problems
from app.access.paging import Page, Paging
from app.errors import NotFound
from app.notify import acknowledgement, delivery_log, page, trying
from app.notify.acknowledgement import Card
from app.notify.schemas import DeliveryRead
from app.notify.tables import DeliveryState
from app.people.discretion import must_be_theirs

router = APIRouter(route_class=Edge)


@router.get("/api/v1/deliveries", responses=problems(), tags=["notices"])
async def deliveries(
    session: Session, language: Language, part: Paging, state: Annotated[DeliveryState | None, Query()] = None
) -> Page[DeliveryRead]:
    """Deliveries of every incident, for whoever operates the service; `?state=failed` for those set aside."""
    found, cursor = await delivery_log.deliveries(session, state, part)
    return Page(items=[DeliveryRead.of(one, language) for one in found], next=cursor)


@router.post(
    "/api/v1/people/{person_id}/contacts/{contact_id}/test",
    status_code=202,
    responses=problems(NotFound),
    tags=["people"],
)
async def try_contact(
    person_id: str, contact_id: str, session: Session, who: Who, now: Now, language: Language
) -> DeliveryRead:
    """Send a test message by one's own contact point, or as a manager; `GET /api/v1/deliveries/{id}` says what came of it."""
    must_be_theirs(who, person_id)
    delivery = await trying.try_contact(session, person_id, contact_id, at=now)
    return DeliveryRead.of(await delivery_log.delivery(session, delivery.id), language)


@router.get("/api/v1/deliveries/{delivery_id}", responses=problems(NotFound), tags=["notices"])
async def delivery(delivery_id: str, session: Session, language: Language) -> DeliveryRead:
    """One delivery, with each attempt."""
    return DeliveryRead.of(await delivery_log.delivery(session, delivery_id), language)


@router.get("/a/page.css", include_in_schema=False)
async def style() -> Response:
    return PlainTextResponse(page.STYLE, headers={"Cache-Control": "max-age=3600"}, media_type="text/css")


@router.get(
    "/a/{delivery_id}/{mark}", response_class=HTMLResponse, responses=problems(NotFound), tags=["acknowledge"]
)
async def show(delivery_id: str, mark: str, session: Session, here: Here, language: Language) -> HTMLResponse:
    """What the message was about and who has it; changes nothing, because mail scanners open links."""
    return _page(await acknowledgement.card(session, here.vault, delivery_id, mark), language)


@router.post(
    "/a/{delivery_id}/{mark}", response_class=HTMLResponse, responses=problems(NotFound), tags=["acknowledge"]
)
async def take(
    delivery_id: str, mark: str, session: Session, here: Here, now: Now, language: Language
) -> HTMLResponse:
    """Whoever the message was for has it; the chain is called no further."""
    return _page(await acknowledgement.take(session, here.vault, delivery_id, mark, at=now), language)


def _page(card: Card, language: str) -> HTMLResponse:
    return HTMLResponse(page.draw(card, page.language_of(card, language)), headers=page.HEADERS)
