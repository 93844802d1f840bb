"""Somebody's own page: how they are reached, which way is tried first and when, and a test of each way."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.edge import Edge, Here, Now, Session, Who
from app.access.keys import Principal
from app.access.rights import MANAGES
from app.console.forms import Form, posted, shaped
from app.console.pages import draw, go, in_local_time
from app.errors import Forbidden
from app.notify import delivery_log, trying
from app.people import contact_points, organisation
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


@router.post("/people/{person_id}/reaching")
async def change_reaching(
    person_id: Id, request: Request, session: Session, here: Here, now: Now, who: Who
) -> Response:
    """Quiet hours and rules as the form has them; anybody may change their own."""
    form = await _posted(request, person_id)
    _may_change(who, person_id)
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
    _may_change(who, person_id)
    await trying.try_contact(session, person_id, contact_id, at=now)
    return go(f"/people/{person_id}?done=tried")


def _may_change(who: Principal, person_id: str) -> None:
    if who.role not in MANAGES and who.person_id != person_id:
        raise Forbidden(say("people.reaching.not_yours"))


def _quiet(form: Form) -> dict[str, Any] | None:
    begins, ends = form.one("quiet_begins"), form.one("quiet_ends")
    if begins is None and ends is None:
        return None
    return {"begins": begins or "", "ends": ends or "", "time_zone": form.one("time_zone") or ""}


def _rules(form: Form) -> list[dict[str, Any]]:
    """A row that names no channel is no rule."""
    found: list[dict[str, Any]] = []
    for row in range(len(form.many("row"))):
        order = [one for one in form.many(f"order_{row}") if one]
        if not order:
            continue
        begins, ends = form.one(f"begins_{row}"), form.one(f"ends_{row}")
        zone, wait = form.one("time_zone") or "", form.whole(f"wait_{row}")
        hours = {"begins": begins or "", "ends": ends or "", "time_zone": zone} if begins or ends else None
        found.append(
            {
                "order": list(dict.fromkeys(order)), "levels": form.many(f"levels_{row}"), "hours": hours,
                "wait": f"{wait}m" if wait is not None else None, "steps_down_after": form.whole(f"steps_down_{row}"),
            }
        )  # fmt: skip
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
        "minutes": None,
        "steps_down_after": None,
    }
    rules = [
        {
            **blank,
            **rule,
            "minutes": int(parse_span(rule["wait"]).total_seconds()) // 60 if rule.get("wait") else None,
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
