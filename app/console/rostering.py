"""The page of rosters: who is on call now and the coming week, and the forms by which turns, leave and health are told.

Each form does what its twin in the API does. Times are typed by the clock on the wall of the centre.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.edge import Edge, Now, Session, Who
from app.access.keys import Principal
from app.access.rights import MANAGES
from app.console.forms import Form, posted, shaped
from app.console.pages import draw, go, in_local_time
from app.people import absences, check_ins, discretion, holders, organisation, rosters, swaps
from app.people.holders import Calendar, PassedOver
from app.people.roster_schemas import AnswerAbsence, AnswerSwap, AskAbsence, CheckInGiven, ProposeSwap
from app.people.tables import Absence, Health, Swap
from app.plan import revisions
from app.readiness import capacity
from app.vocabulary import Localised
from app.wording import Wording

router = APIRouter(route_class=Edge, include_in_schema=False)
_WEEK: Final = timedelta(days=7)
_HOURS: Final = 12  # of capacity that are shown
Id = Annotated[str, Path(max_length=64)]


@dataclass(frozen=True)
class Coming:
    """The coming week of one roster, and between whom its turns can be swapped."""

    position: str
    title: Localised
    calendar: Calendar
    givers: dict[str, str]
    """Whose turns the reader may offer: name by person id."""
    takers: dict[str, str]


@dataclass(frozen=True)
class Open:
    """What waits for an answer, or is still to come, as far as it is the reader's business."""

    people: dict[str, str]
    """For whom the reader may speak: name by person id."""
    absences: Sequence[Absence]
    swaps: Sequence[Swap]
    names: dict[str, str]


@router.api_route("/rosters", methods=["GET", "HEAD"])
async def show_rosters(request: Request, session: Session, who: Who) -> Response:
    return await _page(request, session, who)


@router.post("/rosters/check-ins")
async def check_in(request: Request, session: Session, who: Who, now: Now) -> Response:
    form = await _posted(request, who)
    asked = shaped(CheckInGiven, {"health": form.one("health") or ""})
    await check_ins.check_in(session, form.one("person_id") or "", asked.health, who=who, at=now)
    return go("/rosters?done=checked_in#own")


@router.post("/rosters/absences")
async def ask_absence(request: Request, session: Session, who: Who, now: Now) -> Response:
    form = await _posted(request, who)
    zone = request.state.zone
    span = {name: form.moment(name, zone) for name in ("begins", "ends")}
    asked = shaped(AskAbsence, {"kind": form.one("kind") or "", **span})
    await absences.ask(
        session, form.one("person_id") or "", asked.kind, begins=asked.begins, ends=asked.ends, who=who, at=now
    )  # fmt: skip
    return go("/rosters?done=absence_asked#own")


@router.post("/rosters/absences/{absence_id}")
async def answer_absence(absence_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    form = await _posted(request, who)
    asked = shaped(AnswerAbsence, {"event": form.one("event") or ""})
    answering = {"approve": absences.approve, "reject": absences.reject, "withdraw": absences.withdraw}
    await answering[asked.event](session, absence_id, who=who, at=now, expected=form.whole("version"))
    return go("/rosters?done=answered#own")


@router.post("/rosters/swaps")
async def propose_swap(request: Request, session: Session, who: Who, now: Now) -> Response:
    form = await _posted(request, who)
    zone = request.state.zone
    span = {name: form.moment(name, zone) for name in ("begins", "ends", "back_begins", "back_ends")}
    people = {name: form.one(name) or "" for name in ("person_id", "with_id")}
    asked = shaped(ProposeSwap, {**people, **span})
    back = (asked.back_begins, asked.back_ends) if asked.back_begins and asked.back_ends else None
    await swaps.propose(
        session, form.one("position") or "", who=who, giver=asked.person_id, span=(asked.begins, asked.ends),
        taker=asked.with_id, back=back, at=now,
    )  # fmt: skip
    return go("/rosters?done=swap_offered#own")


@router.post("/rosters/swaps/{swap_id}")
async def answer_swap(swap_id: Id, request: Request, session: Session, who: Who, now: Now) -> Response:
    form = await _posted(request, who)
    asked = shaped(AnswerSwap, {"event": form.one("event") or ""})
    answering = {"accept": swaps.accept, "decline": swaps.decline, "withdraw": swaps.withdraw}
    await answering[asked.event](session, swap_id, who=who, at=now)
    return go("/rosters?done=answered#own")


async def _posted(request: Request, who: Principal) -> Form:
    async def again(session: AsyncSession) -> Response:
        return await _page(request, session, who)

    form = await posted(request, again, here="/rosters")
    await in_local_time(request, request.state.session)
    return form


async def _page(request: Request, session: AsyncSession, who: Principal) -> Response:
    await in_local_time(request, session)
    now = request.state.now

    def why_away(one: PassedOver) -> Wording:
        return discretion.told(one.absent, one.person_id, who)

    waiting = await _open(session, who, now)
    titles = {one.id: Localised.model_validate(one.title) for one in await organisation.positions(session)}
    coming = []
    for row in await rosters.rosters(session):
        week = await holders.calendar(session, row.position_id, now, now + _WEEK, at=now)
        takers = dict(await holders.members(session, [row.position_id], at=now))
        givers = {person: name for person, name in takers.items() if person in waiting.people}
        coming.append(Coming(row.position_id, titles[row.position_id], week, givers, takers))
    start = now.replace(minute=0, second=0, microsecond=0)
    _, plan = await revisions.in_force(session)
    pools = await capacity.by_hour(session, plan, start=start, hours=_HOURS)
    return draw(
        request, "rosters.html", now_on_call=await holders.picture(session, at=now), coming=coming, open=waiting,
        why_away=why_away, titles=titles, health=list(Health), manages=who.role in MANAGES,
        may_approve=absences.may_approve, pools=pools, hours=[start + n * capacity.HOUR for n in range(_HOURS)],
    )  # fmt: skip


async def _open(session: AsyncSession, who: Principal, now: datetime) -> Open:
    everybody = await holders.staff(session)
    all_of_them = who.role in MANAGES
    people = {one: name for one, name in everybody.items() if all_of_them or one == who.person_id}
    return Open(
        people, await absences.ahead(session, people, at=now), await swaps.offered(session, people, at=now), everybody
    )  # fmt: skip
