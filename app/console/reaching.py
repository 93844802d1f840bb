"""How people are reached, and what they answered.

Somebody's own page, with which way is tried first and when and a test of each; and the list of answers, those that came to nothing
included.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.edge import Edge, Here, Now, Session, Who
from app.access.paging import Paging, paged
from app.console.forms import Form, posted, shaped
from app.console.pages import draw, go, in_local_time
from app.errors import WrongShape
from app.incidents import record
from app.notify import answers, delivery_log, trying
from app.notify.tables import Answer, AnswerState
from app.people import contact_points, organisation
from app.people.discretion import must_be_theirs
from app.people.organisation import Said
from app.people.schemas import ChangePerson
from app.vocabulary import parse_span
from app.wording import say

router = APIRouter(route_class=Edge, include_in_schema=False)
_SPARE_ROWS: Final = 1
Id = Annotated[str, Path(max_length=64)]


@router.api_route("/people/{person_id}", methods=["GET", "HEAD"])
async def show_person(person_id: Id, request: Request, session: Session) -> Response:
    return await _page(request, session, person_id)


@router.api_route("/answers", methods=["GET", "HEAD"])
async def show_answers(
    request: Request, session: Session, part: Paging, state: AnswerState | None = None
) -> Response:
    """What people answered, newest first."""
    found, cursor = await paged(session, answers.listing(state=state), Answer.id, part)
    about = await record.by_id(session, {one.ref for one in found if one.ref})
    numbers = {name: incident.number for name, incident in about.items()}
    await in_local_time(request, session)
    return draw(
        request,
        "answers.html",
        items=found,
        numbers=numbers,
        next=cursor,
        state=state,
        states=list(AnswerState),
    )


@router.post("/people/{person_id}/reaching")
async def change_reaching(
    person_id: Id, request: Request, session: Session, here: Here, now: Now, who: Who
) -> Response:
    """Quiet hours and rules as the form has them; anybody may change their own."""
    form = await _posted(request, person_id)
    must_be_theirs(who, person_id)
    asked = shaped(ChangePerson, {"quiet_hours": _quiet(form), "contact_rules": _rules(form)})
    said = Said(
        quiet_hours=asked.quiet_hours.model_dump() if asked.quiet_hours else None,
        contact_rules=[rule.model_dump() for rule in asked.contact_rules],
    )
    await organisation.change_person(
        session, here.vault, person_id, said, check=contact_points.shape_problem, at=now, expected=form.whole("version"),
    )  # fmt: skip
    return go(f"/people/{person_id}?done=reaching")


@router.post("/people/{person_id}/contacts/{contact_id}/test")
async def try_contact(
    person_id: Id, contact_id: Id, request: Request, session: Session, now: Now, who: Who
) -> Response:
    await _posted(request, person_id)
    must_be_theirs(who, person_id)
    await trying.try_contact(session, person_id, contact_id, at=now)
    return go(f"/people/{person_id}?done=tried")


def _quiet(form: Form) -> dict[str, Any] | None:
    return _hours(form, "quiet_begins", "quiet_ends", "quiet_zone")


def _hours(form: Form, begins: str, ends: str, zone: str) -> dict[str, Any] | None:
    if form.one(begins) is None and form.one(ends) is None:
        return None
    return {"begins": form.one(begins) or "", "ends": form.one(ends) or "", "time_zone": form.one(zone) or ""}


def _rules(form: Form) -> list[dict[str, Any]]:
    """A row in which nothing is said is no rule; one that says something names a way."""
    found: list[dict[str, Any]] = []
    for row in range(len(form.many("row"))):
        wait, levels = form.whole(f"wait_{row}"), form.many(f"levels_{row}")
        rule = {
            "order": list(dict.fromkeys(one for one in form.many(f"order_{row}") if one)), "levels": levels,
            "hours": _hours(form, f"begins_{row}", f"ends_{row}", f"zone_{row}"),
            "wait": f"{wait}s" if wait is not None else None, "steps_down_after": form.whole(f"steps_down_{row}"),
        }  # fmt: skip
        if rule["order"]:
            found.append(rule)
        elif any(rule.values()):
            no_way = say("console.reaching.no_way", number=row + 1)
            raise WrongShape(no_way, errors=[{"path": f"contact_rules.{row}", "message": no_way}])
    return found


async def _posted(request: Request, person_id: str) -> Form:
    async def again(session: AsyncSession) -> Response:
        return await _page(request, session, person_id)

    return await posted(request, again, here=f"/people/{person_id}")


async def _page(request: Request, session: AsyncSession, person_id: str) -> Response:
    await in_local_time(request, session)
    [view] = await organisation.described(session, [await organisation.person(session, person_id)])
    blank: dict[str, Any] = {
        "order": [],
        "levels": [],
        "hours": None,
        "wait": None,
        "seconds": None,
        "steps_down_after": None,
    }
    rules = [
        {
            **blank,
            **rule,
            "seconds": int(parse_span(rule["wait"]).total_seconds()) if rule.get("wait") else None,
        }
        for rule in view.person.contact_rules or ()
    ]
    # A rule may name a channel they have no contact point on now; saving the form must not lose it.
    channels = list(
        dict.fromkeys(
            [*(point.channel for point in view.contacts), *(one for rule in rules for one in rule["order"])]
        )
    )
    return draw(
        request, "person.html", one=view, person=view.person, rules=rules + [blank] * _SPARE_ROWS, channels=channels,
        tests=await delivery_log.latest_tests(session, person_id),
        positions={one.id: one.title for one in await organisation.positions(session)},
    )  # fmt: skip
