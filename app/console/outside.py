"""The page of parties outside, and the forms by which an incident shares something with one of them (EP-2.4)."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.edge import Edge, Here, Now, Session, Who
from app.access.keys import Principal
from app.console.forms import Form, posted, shaped
from app.console.pages import draw, go, in_local_time
from app.console.routes import incident_page
from app.errors import NotFound
from app.incidents import record
from app.levels import matrix
from app.parties import importing, register, requests
from app.parties.requests import Wanted
from app.parties.schemas import AskParty
from app.parties.tables import Party
from app.people import contact_points, organisation
from app.wording import say

router = APIRouter(route_class=Edge, include_in_schema=False)
_MOST_SHOWN: Final = 500
Id = Annotated[str, Path(max_length=64)]


@router.api_route("/parties", methods=["GET", "HEAD"])
async def show_parties(request: Request, session: Session) -> Response:
    return await _list(request, session)


@router.post("/parties/import")
async def import_parties(request: Request, session: Session, here: Here, now: Now) -> Response:
    """Parties from a file: all of them, or none and every mistake by its line."""

    async def again(session: AsyncSession) -> Response:
        return await _list(request, session)

    form = await posted(request, again, here="/parties")
    check = contact_points.shape_problem
    await importing.import_parties(session, here.vault, form.file, check=check, at=now)
    return go("/parties?done=imported")


@router.post("/incidents/{incident_id}/party-requests")
async def ask_party(incident_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    """Share a text with a party, and ask for what was marked."""
    form = await _posted(request, who, incident_id)
    ask = {
        name.removeprefix("many_"): many
        for name in form.fields
        if name.startswith("many_") and (many := form.whole(name))
    }
    said = {"party": form.one("party") or "", "text": form.one("text") or "", "ask": ask}
    asked = shaped(AskParty, {**said, "subject": form.one("subject")})
    incident = await record.locked(session, incident_id)
    within = (await matrix.of(session, incident.plan_revision)).levels[incident.level].party_answers_within
    wanted = Wanted(
        party=asked.party, text={"zh": asked.text, "en": asked.text}, ask=asked.ask,
        subject={"zh": asked.subject, "en": asked.subject} if asked.subject else None,
    )  # fmt: skip
    await requests.ask(session, incident, wanted, within=within, by=who.name, at=now)
    return go(f"/incidents/{incident.id}#parties")


@router.post("/incidents/{incident_id}/party-requests/{request_id}/withdraw")
async def withdraw_request(
    incident_id: Id, request_id: Id, request: Request, session: Session, who: Who, now: Now
) -> Response:
    await _posted(request, who, incident_id)
    incident = await record.found(session, incident_id)
    if (await requests.found(session, request_id)).incident_id != incident.id:
        raise NotFound(say("parties.no_such_request", id=request_id))
    await requests.withdraw(session, request_id, by=who.name, at=now)
    return go(f"/incidents/{incident.id}#parties")


async def _posted(request: Request, who: Principal, incident_id: str) -> Form:
    async def again(session: AsyncSession) -> Response:
        return await incident_page(request, session, who, incident_id)

    return await posted(request, again, here=f"/incidents/{incident_id}")


async def _list(request: Request, session: AsyncSession) -> Response:
    await in_local_time(request, session)
    found = list(await session.scalars(register.listing().order_by(Party.kind, Party.id).limit(_MOST_SHOWN)))
    return draw(
        request, "parties.html", parties=found, contacts=await register.contacts_of(session, [one.id for one in found]),
        positions={one.id: one.title for one in await organisation.positions(session)},
    )  # fmt: skip
