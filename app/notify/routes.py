"""The record of who was told, over HTTP, and the one-time links people answer by.

The link's page needs no sign-in: its mark is the right, to this one message and to nothing else.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from app.access.edge import Edge, Here, Language, Now, Session, Who, problems
from app.access.paging import Page, Paging, paged
from app.errors import NotFound
from app.notify import acknowledgement, answers, delivery_log, page, trying
from app.notify.acknowledgement import Card, Standing
from app.notify.answers import Came
from app.notify.replies import LONGEST, Reply
from app.notify.schemas import AnswerRead, DeliveryRead
from app.notify.tables import Answer, AnswerState, Deed, DeliveryState
from app.people import organisation
from app.people.discretion import must_be_theirs
from app.wording import Wording

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


@router.get("/api/v1/answers", responses=problems(), tags=["acknowledge"])
async def list_answers(
    session: Session, language: Language, part: Paging, state: AnswerState | None = None,
    ref: Annotated[str | None, Query(max_length=64)] = None,
) -> Page[AnswerRead]:  # fmt: skip
    """What people answered, newest first: late ones, strangers' and those with a wrong signature included; `?ref=` of one
    incident."""
    found, cursor = await paged(session, answers.listing(state=state, ref=ref), Answer.id, part)
    return Page(items=[AnswerRead.of(one, language) for one in found], next=cursor)


@router.get("/a/page.css", include_in_schema=False)
async def style() -> Response:
    return PlainTextResponse(page.STYLE, headers={"Cache-Control": "max-age=3600"}, media_type="text/css")


@router.get(
    "/a/{delivery_id}/{mark}", response_class=HTMLResponse, responses=problems(NotFound), tags=["acknowledge"]
)
async def show(delivery_id: str, mark: str, session: Session, here: Here, language: Language) -> HTMLResponse:
    """What the message was about and who has it; changes nothing, because mail scanners open links."""
    return await _page(session, await acknowledgement.card(session, here.vault, delivery_id, mark), language)


@router.post(
    "/a/{delivery_id}/{mark}", response_class=HTMLResponse, responses=problems(NotFound), tags=["acknowledge"]
)
async def answer(
    delivery_id: str, mark: str, request: Request, session: Session, here: Here, now: Now, language: Language
) -> HTMLResponse:
    """Whoever the message was for has it, and the chain is called no further; or, by the field `answer`, `cannot`, and the next
    is told at once; or `add`, and whoever `whom` names is called as well."""
    delivery = await acknowledgement.linked(session, here.vault, delivery_id, mark)
    async with request.form(max_files=0, max_fields=8, max_part_size=4096) as form:
        said = {name: str(value)[:LONGEST] for name, value in form.items()}
    deed = next((one for one in Deed if one == said.get("answer")), Deed.TAKE)
    reply = Reply(deed, names=(said.get("whom", ""),))
    came = Came(acknowledgement.BY_LINK, None, "", now)
    verdict = await answers.by_delivery(session, delivery, reply, came)
    shown = await acknowledgement.card(session, here.vault, delivery_id, mark)
    return await _page(session, shown, language, said=None if deed is Deed.TAKE else verdict.says)


async def _page(session: Session, card: Card, language: str, *, said: Wording | None = None) -> HTMLResponse:
    theirs = card.standing is Standing.OPEN or (
        card.standing is Standing.TAKEN and card.by == card.delivery.person_name
    )
    may_add = theirs and card.delivery.round_id is not None
    titles = {one.id: one.title for one in await organisation.positions(session)} if may_add else {}
    drawn = page.draw(card, page.language_of(card, language), others=titles, said=said)
    return HTMLResponse(drawn, headers=page.HEADERS)
