"""What is held for incidents: leases that end, and taking from one for a graver one by decision (EP-4.2.4, EP-6)."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select

from app.errors import NotFound
from app.incidents import decisions, record, timeline
from app.incidents.tables import OPEN_STATES, Incident, Status
from app.playbooks import runner
from app.reactions.context import Happened, is_open
from app.resources import leases, preemption, reservation
from app.resources.document import Ask
from app.resources.tables import Preemption, Reservation, ReservationState
from app.wording import localised, say

_TIME_TO_DECIDE: Final = timedelta(minutes=15)


async def keep_time(happened: Happened) -> None:
    """It was reserved, or extended: its end and the reminder before it fall due."""
    held = await reservation.reservation(happened.session, happened.payload["reservation_id"])
    await leases.arm(happened.session, held, at=happened.at)


async def note_extension(happened: Happened) -> None:
    if (incident := await _incident(happened)) is not None:
        timeline.append(
            happened.session,
            incident,
            "reservation.extended",
            actor=happened.payload["by"],
            at=happened.at,
            until=happened.payload["until"],
        )


async def note_release(happened: Happened) -> None:
    """Somebody gave it back by hand; what the plan gives back is said by what it ends with."""
    by = happened.payload["by"]
    if by == "plan" or (incident := await _incident(happened)) is None or not is_open(incident):
        return
    held = await reservation.reservation(happened.session, happened.payload["reservation_id"])
    things = await _things(happened, held)
    timeline.append(
        happened.session, incident, "reservation.released", actor=by, at=happened.at, things=things
    )


async def tell_who_holds_it(happened: Happened) -> None:
    """Something that is held does not work any more: the incident's record and its commander say so."""
    incident = await _incident(happened)
    if incident is None or not is_open(incident):
        return
    title, by = happened.payload["title"], happened.payload["by"]
    timeline.append(happened.session, incident, "reservation.failed", actor=by, at=happened.at, title=title)
    await happened.tell(incident, "reservation_failed", await happened.commander(incident), title=title)


async def ask_whether_to_extend(happened: Happened) -> None:
    """Its end is near: whoever commands says whether it is still needed."""
    incident = await _incident(happened)
    held = await leases.still(happened.session, happened.payload)
    if incident is None or held is None or not is_open(incident):
        return
    things = await _things(happened, held)
    asked = await decisions.ask(
        happened.session, incident, kind="lease", options=["extend", "give_back"], due_at=held.until, at=happened.at,
        question=localised(say("flow.lease.question", things=things, until=held.until)),
        positions=await happened.commander(incident),
    )  # fmt: skip
    held.decision_id = asked.id


async def end_lease(happened: Happened) -> None:
    """Back to the pool; what a running incident holds is late first, and its commander hears so."""
    incident = await _incident(happened)
    held = await leases.still(happened.session, happened.payload)
    if held is None:
        return
    if incident is None or not is_open(incident):
        await reservation.release_key(happened.session, held.key, by="plan", at=happened.at)
        return
    things = await _things(happened, held)
    timeline.append(
        happened.session, incident, "reservation.late", actor="plan", at=happened.at, things=things
    )
    to = await happened.commander(incident)
    await happened.tell(incident, "lease_late", to, things=things, back_at=held.until + leases.GRACE)


async def give_back_late(happened: Happened) -> None:
    """Nobody extended it."""
    incident = await _incident(happened)
    held = await leases.still(happened.session, happened.payload)
    if held is None:
        return
    things = await _things(happened, held)
    await reservation.release_key(happened.session, held.key, by="plan", at=happened.at)
    if incident is not None and is_open(incident):
        timeline.append(
            happened.session, incident, "reservation.returned", actor="plan", at=happened.at, things=things
        )
        await happened.tell(incident, "lease_returned", await happened.commander(incident), things=things)
        await _withdraw_question(happened, held)


async def follow_decision(happened: Happened) -> None:
    """The commander said whether a lease goes on, or whether something is taken from another incident."""
    said = happened.payload
    if said["of"] == "lease":
        await _settle_lease(happened, said["decision_id"], extend=said["choice"] == "extend", by=said["by"])
    elif said["of"] == "preemption":
        await _settle_preemption(happened, said["decision_id"], take=said["choice"] == "take", by=said["by"])


async def look_for_less_grave(happened: Happened) -> None:
    """The pools are short for a step: what less grave incidents hold may be taken, if the commander says so."""
    incident, wanted = await happened.incident(), happened.payload
    if not is_open(incident) or incident.status != Status.ACTUAL:  # an exercise takes nothing from anybody
        return
    less_grave = (
        select(Incident.id)
        .where(
            Incident.state.in_(OPEN_STATES), Incident.level > incident.level, Incident.status == Status.ACTUAL
        )
        .order_by(Incident.level.desc(), Incident.id.desc())
    )
    proposed = await preemption.propose(
        happened.session, ref=incident.id, key=wanted["key"], ask=[Ask.model_validate(one) for one in wanted["ask"]],
        until=datetime.fromisoformat(wanted["until"]), step=wanted["step"], at=happened.at,
        gives_way=list(await happened.session.scalars(less_grave)),
    )  # fmt: skip
    if proposed is None and wanted["step"] is None:  # somebody asked by hand, and waits for an answer
        timeline.append(happened.session, incident, "preemption.impossible", actor="plan", at=happened.at)
        await happened.tell(incident, "preemption_impossible", await happened.commander(incident))
    if proposed is not None:
        takings = await _takings(happened, proposed.takings)
        asked = await decisions.ask(
            happened.session, incident, kind="preemption", options=["take", "leave"], due_at=happened.at + _TIME_TO_DECIDE,
            question=localised(say("flow.preemption.question", takings=takings)),
            positions=await happened.commander(incident), at=happened.at,
        )  # fmt: skip
        proposed.decision_id = asked.id


async def tell_who_lost(happened: Happened) -> None:
    """An incident gave way to a graver one: its timeline says so, and its commander hears it."""
    incident = await happened.incident()
    said = happened.payload
    graver = await record.found(happened.session, said["for"])
    things = [_thing(one) for one in said["takings"]]
    timeline.append(
        happened.session,
        incident,
        "reservation.preempted",
        actor=said["by"],
        at=happened.at,
        things=things,
        graver=graver.number,
    )
    to = await happened.commander(incident)
    await happened.tell(incident, "preempted", to, things=things, graver=graver.number, by=said["by"])


async def _settle_lease(happened: Happened, decision_id: str, *, extend: bool, by: str) -> None:
    held = await leases.of_decision(happened.session, decision_id)
    if held is None or held.state != ReservationState.HELD:
        return
    if extend:
        longer = max(held.until, happened.at) + (held.until - held.reserved_at)
        until = min(longer, happened.at + leases.LONGEST)
        await leases.extend(happened.session, held.id, until, by=by, at=happened.at)
    else:
        await reservation.release_key(happened.session, held.key, by=by, at=happened.at)


async def _settle_preemption(happened: Happened, decision_id: str, *, take: bool, by: str) -> None:
    incident = await happened.incident()
    proposed = await preemption.of_decision(happened.session, decision_id)
    if proposed is None:
        return
    if not take:
        preemption.refuse(proposed, by=by, at=happened.at)
        return
    if await _still_gives_way(happened, incident, proposed):
        done = await preemption.carry_out(happened.session, proposed, by=by, at=happened.at)
    else:
        preemption.drop(proposed, by=by, at=happened.at)
        done = False
    things = await _takings(happened, proposed.takings)
    timeline.append(
        happened.session,
        incident,
        "preemption.carried_out" if done else "preemption.void",
        actor=by,
        at=happened.at,
        things=things,
    )
    if not done:
        await happened.tell(incident, "preemption_void", await happened.commander(incident))
    elif proposed.step is not None:
        await runner.decided(
            happened.session, incident, proposed.step, of="shortage", choice="retry", by=by, at=happened.at
        )


async def _still_gives_way(happened: Happened, incident: Incident, proposed: Preemption) -> bool:
    """Whether this incident is still real, running and graver than all it would take from; those stay locked until the commit."""
    if not is_open(incident) or incident.status != Status.ACTUAL:
        return False
    for ref in sorted({one.ref for one in preemption.takings_of(proposed)}):
        other = await record.locked(happened.session, ref)
        if not is_open(other) or other.status != Status.ACTUAL or other.level <= incident.level:
            return False
    return True


async def _withdraw_question(happened: Happened, held: Reservation) -> None:
    if held.decision_id is not None:
        await decisions.withdraw_one(happened.session, held.decision_id)


async def _incident(happened: Happened) -> Incident | None:
    """What it is held for, locked; none: something else."""
    try:
        return await happened.incident()
    except NotFound:
        return None


async def _things(happened: Happened, held: Reservation) -> list[Any]:
    lines = (await reservation.lines_of(happened.session, [held]))[held.id]
    return [_thing({"quantity": line.quantity, "title": line.title}) for line in lines]


async def _takings(happened: Happened, takings: list[Any]) -> list[Any]:
    refs = {one["ref"] for one in takings}
    rows = await happened.session.scalars(select(Incident).where(Incident.id.in_(refs)))
    known = {one.id: one for one in rows}
    return [
        say(
            "flow.preemption.taking", quantity=one["quantity"], title=one["title"], number=known[one["ref"]].number,
            level=known[one["ref"]].level,
        )
        for one in takings if one["ref"] in known
    ]  # fmt: skip


def _thing(one: Any) -> Any:
    return say("flow.thing", quantity=one["quantity"], title=one["title"])
