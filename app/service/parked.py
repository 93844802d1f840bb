"""What was set aside, over the API: listed, and tried again by command (architecture, guarantee 9)."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from app.access.edge import Edge, Language, Now, Session, Who, problems
from app.access.paging import Page, Paging
from app.errors import NotFound, Refused
from app.watch import set_aside
from app.watch.set_aside import Kind, SetAside
from app.wording import Wording, render

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["service"])


class IncidentNamed(BaseModel):
    id: str
    number: str
    title: str


class ParkedRead(BaseModel):
    """One thing that was set aside."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    kind: Kind
    at: datetime | None
    what: str
    """The topic, the channel, the step's name, or the source's name, by kind."""
    ref: str
    reason: str | None
    attempts: int
    incident: IncidentNamed | None
    """What it is about, where that is an incident."""
    may_retry: bool
    """False for a step: it is tried again by answering the question on its incident."""

    @classmethod
    def of(cls, one: SetAside, language: str) -> "ParkedRead":
        reason = render(one.reason, language) if isinstance(one.reason, Wording) else one.reason
        named = (
            IncidentNamed(**dict(zip(("id", "number", "title"), one.incident, strict=True)))
            if one.incident
            else None
        )
        return cls(
            id=one.id, kind=one.kind, at=one.at, what=one.what, ref=one.ref, reason=reason, attempts=one.attempts,
            incident=named, may_retry=one.may_retry,
        )  # fmt: skip


@router.get("/parked", responses=problems())
async def list_parked(
    session: Session, language: Language, part: Paging, kind: Kind | None = None
) -> Page[ParkedRead]:
    """What was set aside: kind by kind, the newest of each first; `?kind=` asks for one."""
    found, cursor = await set_aside.listed(session, part, kind=kind)
    return Page(items=[ParkedRead.of(one, language) for one in found], next=cursor)


@router.post("/parked/{parked_id}/retry", status_code=202, responses=problems(NotFound, Refused))
async def retry(parked_id: str, session: Session, who: Who, now: Now, language: Language) -> ParkedRead:
    """Try again: a reaction from its first attempt, a delivery by the same contact point, a body by its source's mapping of now."""
    return ParkedRead.of(await set_aside.retry(session, parked_id, by=who.name, at=now), language)
