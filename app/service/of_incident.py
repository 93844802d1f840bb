"""What strangers hold about one incident: who was told, what is held. Their rooms know a reference only; here it is looked up."""

from fastapi import APIRouter

from app.access.edge import Edge, Language, Session, Who, problems
from app.access.paging import Page, Paging
from app.errors import NotFound
from app.incidents import authority
from app.notify import delivery_log
from app.notify.schemas import NoticeRead
from app.resources import reservation
from app.resources.schemas import HeldRead

router = APIRouter(prefix="/api/v1", route_class=Edge)


@router.get("/incidents/{incident_id}/notices", responses=problems(NotFound), tags=["notices"])
async def notices(
    incident_id: str, session: Session, who: Who, language: Language, part: Paging
) -> Page[NoticeRead]:
    """Everything that was told about an incident: to whom, by what, when, with what outcome, and why not."""
    incident = await authority.seen(session, who, incident_id)
    found, cursor = await delivery_log.notices(session, incident.id, part)
    return Page(items=[NoticeRead.of(one, language) for one in found], next=cursor)


@router.get("/incidents/{incident_id}/reservations", responses=problems(NotFound), tags=["resources"])
async def reservations(incident_id: str, session: Session, who: Who) -> Page[HeldRead]:
    """What is held for an incident, from which pool, until when."""
    incident = await authority.seen(session, who, incident_id)
    held = await reservation.held_by(session, incident.id)
    return Page(items=[HeldRead.of(line) for line in held], next=None)
