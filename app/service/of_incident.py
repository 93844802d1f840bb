"""What strangers hold about one incident: who was told, what is held and reserved by hand.

Their rooms know a reference only; here it is looked up, and whether the incident it names is still open.
"""

import re
from typing import Final

from fastapi import APIRouter

from app import outbox
from app.access.edge import Edge, Language, Now, Session, Who, problems
from app.access.paging import Page, Paging
from app.errors import NotFound, Refused
from app.ids import new_id
from app.incidents import authority, lifecycle, record, timeline
from app.incidents.tables import OPEN_STATES, Incident, State, Status
from app.notify import delivery_log
from app.notify.schemas import NoticeRead
from app.resources import preemption, reservation
from app.resources.schemas import HeldRead, PreemptionWanted, RequestUnits, ReservationRead, WantPreemption
from app.wording import say

router = APIRouter(prefix="/api/v1", route_class=Edge)
_LIKE_A_NUMBER: Final = re.compile(r"^INC-", re.IGNORECASE)


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


@router.post(
    "/reservations",
    status_code=201,
    response_model=ReservationRead,
    responses=problems(NotFound, Refused),
    tags=["resources"],
)
async def reserve(new: RequestUnits, session: Session, who: Who, now: Now) -> ReservationRead:
    """Reserve all that is asked for, or nothing: a shortage is 409 and says what there is."""
    incident = await _open_one(session, new.ref)
    ref = new.ref if incident is None else incident.id
    exercise = new.exercise if incident is None else incident.status != Status.ACTUAL
    made = await reservation.reserve_or_refuse(
        session, ref=ref, key=f"hand:{ref}:{new.key or new_id(now)}", ask=new.ask, until=new.until,
        by=who.name, exercise=exercise, at=now,
    )  # fmt: skip
    lines = (await reservation.lines_of(session, [made]))[made.id]
    if incident is not None and made.reserved_at == now:  # else it is the one an earlier call made
        things = [say("flow.thing", quantity=line.quantity, title=line.title) for line in lines]
        timeline.append(session, incident, "reservation.made", actor=who.name, at=now, things=things)
    return ReservationRead.of(made, lines)


@router.post(
    "/incidents/{incident_id}/preemptions",
    status_code=202,
    response_model=PreemptionWanted,
    responses=problems(NotFound, Refused),
    tags=["resources"],
)
async def want_preemption(
    incident_id: str, new: WantPreemption, session: Session, who: Who, now: Now
) -> PreemptionWanted:
    """Where the pools are short, ask the commander whether to take it from less grave incidents.

    The question comes if those hold enough (`GET /api/v1/preemptions`), else the timeline says that they do not; nothing is taken
    before the answer.
    """
    incident = await _open_one(session, (await authority.seen(session, who, incident_id)).id)
    assert incident is not None
    ref = incident.id
    if incident.status != Status.ACTUAL:
        raise Refused(say("resources.exercise_takes_nothing"))
    await reservation.refuse_unknown(session, new.ask)
    if (asked := await preemption.open_for(session, ref, new.ask)) is not None:
        raise Refused(say("resources.preemption_asked"), preemption=asked.id, decision=asked.decision_id)
    key = f"hand:{ref}:{new_id(now)}"
    wanted = {
        "incident_id": ref, "step": None, "key": key, "ask": [one.model_dump(mode="json") for one in new.ask],
        "until": new.until.isoformat(),
    }  # fmt: skip
    if new.until <= now:
        raise Refused(say("resources.until_is_past"))
    outbox.put(session, "reservation.short", wanted, ref=ref, at=now)
    return PreemptionWanted(incident_id=ref, key=key)


async def _open_one(session: Session, named: str) -> Incident | None:
    """The incident named by id or number; none: what is named so is something else, a meeting for instance.

    It stays locked: one that ends at the same moment gives back what was taken for it before. What looks like the number of an
    incident and is none is refused: a slip of the finger takes nothing.
    """
    try:
        incident = await record.locked(session, named)
    except NotFound:
        if _LIKE_A_NUMBER.match(named):
            raise
        return None
    if incident.state not in OPEN_STATES:
        raise Refused(
            say("incidents.over"), state=incident.state, allowed=lifecycle.allowed(State(incident.state))
        )
    return incident
