"""Parties outside over HTTP: the register, what they are asked, and the page their links open.

That page needs no sign-in: the mark in its address is the right, to one request and to nothing else.
"""

from typing import Annotated, Any, cast

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from app.access.edge import Edge, Here, IfMatch, Language, Now, Session, Who, problems
from app.access.paging import Page, Paging, paged
from app.errors import NotFound, Refused, Stale, TooLarge, UnsupportedMedia
from app.incidents import authority, record
from app.levels import matrix
from app.notify.page import HEADERS
from app.parties import importing, page, register, requests
from app.parties.register import Said
from app.parties.requests import Card, NoLongerOpen, Wanted
from app.parties.schemas import (
    AddParty,
    AnswerForParty,
    AskParty,
    ChangeParty,
    PartiesImported,
    PartyRead,
    PartyRequestRead,
    PartyRequests,
)
from app.parties.tables import Party, PartyKind, PartyRequest
from app.people.contact_points import shape_problem
from app.wording import say

router = APIRouter(route_class=Edge)
Id = Annotated[str, Path(max_length=64)]
_CSV_BODY = {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}
_FORM = {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}}


@router.get("/api/v1/parties", responses=problems(), tags=["parties"])
async def list_parties(
    session: Session, part: Paging, kind: PartyKind | None = None, retired: bool = False
) -> Page[PartyRead]:
    """Parties outside that may be asked; with `retired=true` those that may not any more."""
    query = register.listing(kind=kind, retired=retired)
    found, following = await paged(session, query, Party.id, part)
    contacts = await register.contacts_of(session, [one.id for one in found])
    return Page(items=[PartyRead.of(one, contacts[one.id]) for one in found], next=following)


@router.post("/api/v1/parties", status_code=201, responses=problems(Refused), tags=["parties"])
async def add_party(new: AddParty, session: Session, here: Here, now: Now) -> PartyRead:
    """Add a party outside."""
    said = _said(new.model_dump(exclude={"id"}))
    return await _read(
        session, await register.add(session, here.vault, new.id, said, check=shape_problem, at=now)
    )


@router.post(
    "/api/v1/parties/import",
    responses=problems(TooLarge, UnsupportedMedia),
    openapi_extra={"requestBody": _CSV_BODY},
    tags=["parties"],
)
async def import_parties(request: Request, session: Session, here: Here, now: Now) -> PartiesImported:
    """Take in parties from a CSV file: all, or none and every mistake by its line."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/csv":
        raise UnsupportedMedia(say("people.csv.media"))
    done = await importing.import_parties(
        session, here.vault, await request.body(), check=shape_problem, at=now
    )
    return PartiesImported(created=done.created, updated=done.updated)


@router.get("/api/v1/parties/{party_id}", responses=problems(NotFound), tags=["parties"])
async def read_party(party_id: Id, session: Session, response: Response) -> PartyRead:
    """One party."""
    return await _read(session, await register.found(session, party_id), response)


@router.patch("/api/v1/parties/{party_id}", responses=problems(NotFound, Stale), tags=["parties"])
async def change_party(
    party_id: Id, change: ChangeParty, session: Session, here: Here, now: Now, version: IfMatch, response: Response
) -> PartyRead:  # fmt: skip
    """Change what is given; a list takes the place of the one there was."""
    party = await register.change(
        session, here.vault, party_id, _said(change.model_dump(exclude_unset=True)), check=shape_problem, at=now,
        expected=version,
    )  # fmt: skip
    return await _read(session, party, response)


@router.post("/api/v1/parties/{party_id}/retire", responses=problems(NotFound, Stale), tags=["parties"])
async def retire_party(
    party_id: Id, session: Session, now: Now, version: IfMatch, response: Response
) -> PartyRead:
    """It is asked no more, and kept for the record."""
    return await _read(session, await register.retire(session, party_id, at=now, expected=version), response)


@router.get("/api/v1/incidents/{incident_id}/party-requests", responses=problems(NotFound), tags=["parties"])
async def list_requests(incident_id: str, session: Session, who: Who) -> PartyRequests:
    """What parties outside were told of an incident and asked for, and what they said."""
    incident = await authority.seen(session, who, incident_id)
    found = await requests.of_incident(session, incident.id)
    return PartyRequests(items=[await _request(session, one) for one in found])


@router.post(
    "/api/v1/incidents/{incident_id}/party-requests",
    status_code=201,
    responses=problems(NotFound, Refused),
    tags=["parties"],
)
async def ask_party(
    incident_id: str, asked: AskParty, session: Session, who: Who, now: Now
) -> PartyRequestRead:
    """Share a text with a party outside and ask it for support (EP-2.4). Whoever asks answers for what is shared."""
    incident = await record.locked(session, incident_id)
    within = (await matrix.of(session, incident.plan_revision)).levels[incident.level].party_answers_within
    wanted = Wanted(
        party=asked.party, text={"zh": asked.text, "en": asked.text}, ask=asked.ask, level=asked.level,
        subject={"zh": asked.subject, "en": asked.subject} if asked.subject else None,
    )  # fmt: skip
    made = await requests.ask(session, incident, wanted, within=within, by=who.name, at=now)
    return await _request(session, made)


@router.post(
    "/api/v1/party-requests/{request_id}/answers",
    status_code=201,
    responses=problems(NotFound, NoLongerOpen),
    tags=["parties"],
)
async def answer_for_party(
    request_id: Id, said: AnswerForParty, session: Session, who: Who, now: Now
) -> PartyRequestRead:
    """Take down what a party said on the telephone."""
    request = await requests.found(session, request_id)
    party = await register.found(session, request.party_id)
    given = requests.Said(
        does=said.does, by=f"{said.by} ({party.name})"[:200] if said.by else party.name, via="api", noted_by=who.name,
        note=said.note, ready_at=said.ready_at, quantities=said.committed,
    )  # fmt: skip
    await requests.answer(session, request, given, at=now)
    return await _request(session, request)


@router.post(
    "/api/v1/party-requests/{request_id}/withdraw", responses=problems(NotFound, Stale), tags=["parties"]
)
async def withdraw_request(
    request_id: Id, session: Session, who: Who, now: Now, version: IfMatch
) -> PartyRequestRead:
    """Ask no more: from now on the links of this request open nothing."""
    return await _request(
        session, await requests.withdraw(session, request_id, by=who.name, at=now, expected=version)
    )


@router.get(
    "/p/{message_id}/{page_mark}", response_class=HTMLResponse, responses=problems(NotFound), tags=["parties"]
)
async def show(
    message_id: str, page_mark: str, request: Request, session: Session, here: Here, language: Language
) -> HTMLResponse:
    """What was shared with a party, and what it said so far; changes nothing, because mail scanners open links."""
    card = await requests.opened(session, here.vault, message_id, page_mark)
    return await _page(session, card, language, thanks=False)


@router.post(
    "/p/{message_id}/{page_mark}",
    response_class=HTMLResponse,
    responses=problems(NotFound, NoLongerOpen),
    openapi_extra={"requestBody": _FORM},
    tags=["parties"],
)
async def take(
    message_id: str, page_mark: str, request: Request, session: Session, here: Here, now: Now, language: Language
) -> HTMLResponse:  # fmt: skip
    """A party answers: it has it, estimates, commits, or cannot."""
    card = await requests.opened(session, here.vault, message_id, page_mark)
    async with request.form(max_files=0, max_fields=200) as form:
        said = page.read({name: str(value) for name, value in form.items()}, card, at=now)
    await requests.answer(session, card.request, said, at=now)
    return await _page(
        session, await requests.opened(session, here.vault, message_id, page_mark), language, thanks=True
    )


async def _page(session: Session, card: Card, language: str, *, thanks: bool) -> HTMLResponse:
    incident = await record.found(session, card.request.incident_id)
    zone = (await matrix.of(session, incident.plan_revision)).zone
    return HTMLResponse(page.draw(card, language, zone, thanks=thanks), headers=HEADERS)


async def _read(session: Session, party: Party, response: Response | None = None) -> PartyRead:
    if response is not None:
        response.headers["ETag"] = f'"{party.version}"'
    return PartyRead.of(party, (await register.contacts_of(session, [party.id]))[party.id])


async def _request(session: Session, one: PartyRequest) -> PartyRequestRead:
    said = (await requests.answers_to(session, [one.id]))[one.id]
    return PartyRequestRead.of(one, await register.found(session, one.party_id), said)


def _said(given: dict[str, Any]) -> Said:
    if "contacts" in given:
        given["contacts"] = [(one["name"], one["channel"], one["address"]) for one in given["contacts"]]
    return cast(Said, given)
