"""Duties of the calendar, handovers, and what stands on shelves: whom they concern hears of them (EP-6.2, EP-8, EP-9.2)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.incidents import record
from app.incidents.tables import Incident, Status
from app.levels import matrix
from app.notify import pipeline, receivers
from app.notify.pipeline import News
from app.people import holders
from app.plan import due, revisions
from app.plan.tables import Reason
from app.reactions.context import Happened
from app.readiness import daily_health, handovers
from app.resources import checks, expiry, ledger
from app.reviews import improvements
from app.reviews.tables import Review
from app.wording import Wording, localised, restored, say

_MOST_NAMED: Final = 40


async def tell_owner(happened: Happened) -> None:
    await _tell(happened, "duty_due")


async def tell_owner_again(happened: Happened) -> None:
    await _tell(happened, "duty_overdue")


async def chase_improvement(happened: Happened) -> None:
    """Its day has passed; its owner hears so, again each week until it is done."""
    if (
        await improvements.chase(happened.session, happened.payload["improvement_id"], at=happened.at)
        is not None
    ):
        await _tell(happened, "improvement_overdue")


async def ask_replenishment(happened: Happened) -> None:
    """The pool's owner and the supplier hear how many are wanted (EP-6.2)."""
    supplier = happened.payload.get("supplier")
    await _tell(happened, "stock_low", [supplier] if supplier is not None else [])


async def ask_for_a_look(happened: Happened) -> None:
    """A stocktake or a check is due; its owner hears so, unless somebody looked meanwhile."""
    if await checks.still_due(happened.session, happened.topic, happened.payload, at=happened.at):
        await _tell(happened, "stocktake_due" if happened.topic == checks.STOCKTAKE_DUE else "check_due")


async def tell_expiry(happened: Happened) -> None:
    """Of a batch that is about to expire, or has, there is some left; what may no longer be used may have to be asked for anew."""
    said = happened.payload
    if (left := await expiry.left_of(happened.session, said["unit_id"])) == 0:
        return
    if happened.topic == expiry.EXPIRED:
        await ledger.look_again(happened.session, said["pool_id"], said["item"], at=happened.at)
    await _tell(
        happened, "stock_expired" if happened.topic == expiry.EXPIRED else "stock_expiring", left=left
    )


async def tell_handover(happened: Happened) -> None:
    """Both who had the duty and who has it now hear so, the latter whatever the hour, with what is open."""
    said, session = happened.payload, happened.session
    if happened.at - datetime.fromisoformat(said["at"]) > handovers.LATEST:
        return  # the engine was away, or held: whoever has the duty knows by now
    position = said["position"]
    names = await holders.names(session, [one for one in (said["from_id"], said["to_id"]) if one])
    query = record.search(open_=True).where(Incident.status == Status.ACTUAL).order_by(Incident.id).limit(20)
    still_open = [incident.number for incident in await session.scalars(query)]
    words: dict[str, Any] = {
        "position": (await holders.titles(session, [position]))[0],
        "at": said["at"],
        "before": names.get(said["from_id"], say("flow.handover.nobody")),
        "after": names.get(said["to_id"], say("flow.handover.nobody")),
        "open": still_open or say("flow.handover.nothing"),
    }
    revision_id, _ = await matrix.in_force(session)
    zone = ZoneInfo((await revisions.document_of(session, revision_id)).plan.time_zone)
    people = [
        await receivers.somebody(session, one, position=position, woken=one == said["to_id"])
        for one in (said["to_id"], said["from_id"])
        if one in names
    ]
    await pipeline.tell_people(
        session,
        News(
            ref=happened.ref,
            kind="handover",
            level=4,
            subject=localised(say("flow.handover.subject", **words), zone),
            text=localised(say("flow.handover.text", **words), zone),
        ),
        people=people,
        at=happened.at,
    )


async def tell_check_ins(happened: Happened) -> None:
    """Those the plan names hear who is ill, away and not heard of, and what is left of each pool (EO-1, EO-2)."""
    standing = await revisions.current(happened.session)
    plan = await revisions.document_of(happened.session, standing.id) if standing is not None else None
    if plan is None or plan.organisation.check_ins is None:
        return
    day = await daily_health.of(happened.session, plan, at=happened.at)
    named = {name: _names(getattr(day, name)) for name in ("ill", "leave", "remote", "missing")}
    pools: list[Wording] = []
    for one in day.pools:
        short = "flow.check_ins.short" if one.available[0] < one.minimum else "flow.check_ins.pool"
        pools.append(say(short, title=one.title.model_dump(), number=one.available[0], minimum=one.minimum))
    words: dict[str, Any] = {"well": day.well, **named, "pools": pools or say("flow.check_ins.none")}
    counts = {"day": happened.payload["day"], "ill": len(day.ill), "missing": len(day.missing)}
    zone = ZoneInfo(plan.plan.time_zone)
    await pipeline.tell(
        happened.session,
        News(
            ref=happened.ref,
            kind="check_ins",
            level=4,
            subject=localised(say("flow.check_ins.subject", **counts), zone),
            text=localised(say("flow.check_ins.text", **words), zone),
        ),
        positions=plan.organisation.check_ins.tell,
        at=happened.at,
    )


def _names(people: Mapping[str, str]) -> Wording | list[Any]:
    """The names, as many as a message bears; none is said too."""
    some: list[Any] = list(people.values())[:_MOST_NAMED]
    if len(people) > _MOST_NAMED:
        some.append(say("flow.check_ins.more", number=len(people) - _MOST_NAMED))
    return some or say("flow.check_ins.none")


async def remind_of_revision(happened: Happened) -> None:
    """The plan is due for revision: whoever the plan names where nothing else says whom hears of it, with the reason."""
    reminded = await due.remind(happened.session, happened.payload["due_id"], at=happened.at)
    standing = await revisions.current(happened.session)
    if reminded is None or standing is None:
        return
    plan = await revisions.document_of(happened.session, standing.id)
    zone = ZoneInfo(plan.plan.time_zone)
    said = {"reason": say(f"reason.{reminded.reason}"), "what": restored(reminded.said)}
    await pipeline.tell(
        happened.session,
        News(
            ref=happened.ref,
            kind="revision_due",
            level=4,
            subject=localised(say("flow.revision_due.subject", **said), zone),
            text=localised(say("flow.revision_due.text", **said), zone),
        ),
        positions=[plan.organisation.default_position],
        at=happened.at,
    )


async def note_found_wanting(happened: Happened) -> None:
    """A published review puts a cause down to the plan: it is due for revision (ST-4)."""
    incident = await happened.incident()
    review = await happened.session.get(Review, incident.id)
    if review is not None and incident.status == Status.ACTUAL and due.blames_the_plan(review.causes):
        said = say("due.found_wanting", number=incident.number, title=incident.title)
        key = f"found_wanting:{incident.id}:{incident.occurrence}"
        await due.note(happened.session, Reason.FOUND_WANTING, said, key=key, by="plan", at=happened.at)


async def _tell(happened: Happened, what: str, besides: Sequence[str] = (), **more: Any) -> None:
    said: dict[str, Any] = {**happened.payload, **more}
    positions: Sequence[str] = [said["owner"], *besides]
    if not (await holders.answer(happened.session, said["owner"], at=happened.at)).holders:
        standing = await revisions.current(happened.session)
        if (
            standing is not None
        ):  # nobody holds the owner's post: whoever the plan names where nothing else says whom
            plan = await revisions.document_of(happened.session, standing.id)
            positions = [*positions, plan.organisation.default_position]
    await pipeline.tell(
        happened.session,
        News(
            ref=happened.ref,
            kind=what,
            level=4,
            subject=localised(say(f"flow.{what}.subject", **said)),
            text=localised(say(f"flow.{what}.text", **said)),
        ),
        positions=positions,
        at=happened.at,
    )
