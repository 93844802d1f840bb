"""Calling people until somebody answers (EP-4.2.1, EP-5.2)."""

from datetime import datetime

import structlog
from sqlalchemy import select

from app import outbox
from app.errors import NotFound
from app.ids import new_id
from app.incidents import acknowledging, record, timeline, warning
from app.incidents.lifecycle import Event
from app.incidents.tables import Incident, State, Status
from app.incidents.transitions import Command, carry_out
from app.levels import grading, matrix
from app.notify import acknowledgement, answers, chain, digest, pipeline, receivers
from app.notify.answers import Came
from app.notify.document import Chain, Hop
from app.notify.pipeline import News
from app.notify.tables import Deed, Delivery, Round, RoundState
from app.people import discretion, holders
from app.people.naming import Named
from app.reactions.context import Happened, is_exercise, is_open
from app.wording import kept, restored

log = structlog.get_logger("chain")


async def call_reporting_chain(happened: Happened) -> None:
    """The chain of the incident's level begins, once for each call that counts.

    Not when somebody has said by now that they have it: nothing is created after an answer.
    """
    incident = await happened.incident()
    if not is_open(incident) or incident.acknowledged_at is not None or incident.status == Status.TEST:
        return
    subject, text = await happened.words(
        incident,
        "chain",
        because=restored(incident.level_reason),
        description=incident.description or "",
        detected_at=incident.detected_at,
    )
    await chain.call(
        happened.session, ref=incident.id, key=_key(incident),
        number=incident.number, level=incident.level, exercise=is_exercise(incident), subject=subject, text=text,
        chain=await happened.chain(incident), at=happened.at,
    )  # fmt: skip


async def call_for_new_level(happened: Happened) -> None:
    """A graver level pages again, whoever answered before; a lighter one that nobody has answered is called by its own chain."""
    if happened.payload["level"] != happened.payload["level_before"]:
        await call_reporting_chain(happened)


async def start_by_itself(happened: Happened) -> None:
    """Where the plan says so, a level whose rule is met starts without waiting for anybody (ST-1)."""
    incident = await happened.incident()
    levels = await matrix.of(happened.session, incident.plan_revision)
    if levels.levels[incident.level].start != "automatic" or incident.status == Status.TEST:
        return
    _, kind = levels.type_of(incident.type)
    ruled = grading.by_rules(kind, record.scope(incident), incident.facts)
    events = {State.DETECTED: (Event.ASSESS, Event.ACTIVATE), State.ASSESSED: (Event.ACTIVATE,)}
    if ruled is not None and ruled.level == incident.level:
        for event in events.get(State(incident.state), ()):
            await carry_out(
                happened.session, incident, Command(event), actor="plan", layer=None, at=happened.at
            )


async def look_for_warning(happened: Happened) -> None:
    """Close to what a level asks for, and no response started: it is tracked from now on, or no longer (ST-1)."""
    await warning.look(happened.session, await happened.incident(), at=happened.at)


async def tell_of_warning(happened: Happened) -> None:
    """Whoever has to track it hears that they do, and the head of its department beside them."""
    incident = await happened.incident()
    if incident.warned_of is None or incident.warned_because is None:
        return
    plan = await happened.plan(incident)
    head = plan.organisation.departments[incident.department].head
    positions = [plan.levels[incident.warned_of].update_owner, *([head] if head else [])]
    because = restored(incident.warned_because)
    await happened.tell(incident, "warned", list(dict.fromkeys(positions)), because=because)


async def tell_next_rung(happened: Happened) -> None:
    """Nobody answered in time: the next rung, if the call still stands."""
    incident = await happened.incident()
    called = await happened.session.get_one(Round, happened.payload["round_id"])
    # An answer that committed before this moment counts, even where the chain has not heard of it yet.
    answered = incident.acknowledged_at is not None and incident.acknowledged_at >= called.started_at
    if is_open(incident) and not answered:
        await chain.rung_due(happened.session, at=happened.at, **happened.payload)


async def stop_calling(happened: Happened) -> None:
    """Somebody said over the API or the console that they have it: what was calling then is ended, a later call is not."""
    said = happened.payload
    await acknowledgement.acknowledge(
        happened.session, ref=happened.ref, by=said["by"], via=said["via"], at=happened.at,
        begun_by=datetime.fromisoformat(said["answered_at"]),
    )  # fmt: skip


async def note_answer(happened: Happened) -> None:
    """Somebody pressed the button of a message: the incident has its answer, unless people are called anew by now."""
    incident = await happened.incident()
    if not is_open(incident):
        return
    called = await happened.session.get_one(Round, happened.payload["round_id"])
    outdated = called.key != _key(incident) and called.key.startswith(f"{incident.id}:")
    acknowledging.note_answer(
        happened.session, incident, by=happened.payload["by"], at=called.ended_at or happened.at,
        via=happened.payload["via"], holds=not outdated,
    )  # fmt: skip


async def expect_deeds(happened: Happened) -> None:
    """Somebody has it: their answer holds for a time, and longer only if something is done (EP-5.2)."""
    incident = await happened.incident()
    if incident.acknowledged_at is None or not acknowledging.awaits_deeds(incident):
        return
    spec = await happened.spec(incident)
    due_at = incident.acknowledged_at + (spec.answer_holds or spec.targets.update_every)
    payload = {"incident_id": incident.id, "calls": incident.calls}
    await outbox.arm(
        happened.session,
        "answer.due",
        payload,
        ref=incident.id,
        key=f"answer:{_key(incident)}",
        due_at=due_at,
    )


async def look_for_deeds(happened: Happened) -> None:
    """The time for which an answer holds is over."""
    await acknowledging.look_for_deeds(
        happened.session, await happened.incident(), calls=happened.payload["calls"], at=happened.at
    )


async def pass_on(happened: Happened) -> None:
    """Somebody said over the API or the console that they cannot: in every call that told them, the next is told now."""
    said = happened.payload
    came = Came(said["via"], None, "", happened.at)
    await answers.by_person(
        happened.session,
        ref=happened.ref,
        person_id=said["person_id"],
        by=said["by"],
        deed=Deed.CANNOT,
        came=came,
    )


async def note_decline(happened: Happened) -> None:
    """Somebody answered to a message that they cannot; who had it already hands it back."""
    incident, said = await happened.incident(), happened.payload
    acknowledging.note_decline(happened.session, incident, by=said["by"], at=happened.at, via=said["via"])
    if said["gives_back"] and is_open(incident):
        acknowledging.give_back(
            happened.session,
            incident,
            by=said["by"],
            person_id=said["person_id"],
            at=happened.at,
            via=said["via"],
        )


async def leave_out_who_gave_it_back(happened: Happened) -> None:
    """The chain that was just called anew does not wait for the one who cannot."""
    if happened.payload["person_id"] is not None:
        await pass_on(happened)


async def call_others(happened: Happened) -> None:
    """Somebody wants others called: positions until one answers, people by all their ways."""
    incident, said = await happened.incident(), happened.payload
    whom = [Named(**one) for one in said["whom"]]
    positions = [one.position for one in whom if one.position]
    people = [one.person_id for one in whom if one.person_id]
    names = await holders.names(happened.session, people)
    if not said["is_noted"]:
        titles: list[object] = [*await holders.titles(happened.session, positions), *names.values()]
        acknowledging.note_asked(
            happened.session, incident, by=said["by"], names=titles, at=happened.at, via=said["via"]
        )
    if not is_open(incident) or incident.status == Status.TEST:
        return
    subject, text = await happened.words(incident, "others", by=said["by"])
    if positions:
        again = (await happened.spec(incident)).targets.acknowledge
        await chain.call(
            happened.session, ref=incident.id, key=f"{incident.id}:others:{new_id(happened.at)}", number=incident.number,
            level=incident.level, exercise=is_exercise(incident), subject=subject, text=text,
            chain=Chain(hops=[Hop(tell=positions, within=again)], repeat_after=again), at=happened.at, kind=chain.ESCALATION,
        )  # fmt: skip
    if people:
        news = News(
            ref=incident.id, kind="others", number=incident.number, level=incident.level, exercise=is_exercise(incident),
            subject=subject, text=text,
        )  # fmt: skip
        told = [await receivers.somebody(happened.session, one, position="") for one in people]
        await pipeline.tell_people(happened.session, news, people=told, at=happened.at, asks=True)


async def note_rung(happened: Happened) -> None:
    incident = await happened.incident()
    timeline.append(
        happened.session, incident, "rung.told", actor="plan", at=happened.at, hop=happened.payload["hop"],
        people=happened.payload["people"], lap=happened.payload["lap"],
    )  # fmt: skip


async def note_not_enrolled(happened: Happened) -> None:
    """A drill: whom the plan would have told at this moment."""
    incident = await happened.incident()
    timeline.append(
        happened.session, incident, "rung.not_enrolled", actor="plan", at=happened.at, hop=happened.payload["hop"],
        people=happened.payload["people"], lap=happened.payload["lap"],
    )  # fmt: skip


async def note_lap(happened: Happened) -> None:
    incident = await happened.incident()
    timeline.append(
        happened.session, incident, "chain.lap", actor="plan", at=happened.at, lap=happened.payload["lap"]
    )


async def note_nobody(happened: Happened) -> None:
    """A whole pass through the chain reached nobody: the board, the log and the metrics say so."""
    incident = await happened.incident()
    log.error("nobody could be told", number=incident.number, level=incident.level, title=incident.title)
    timeline.append(
        happened.session, incident, "chain.nobody", actor="plan", at=happened.at, lap=happened.payload["lap"]
    )


async def note_dead_delivery(happened: Happened) -> None:
    """On the incident's record; a duty, a stock or an improvement has none, and only the log says so."""
    try:
        incident = await happened.incident()
    except NotFound:
        log.error("delivery.dead", ref=happened.ref, channel=happened.payload.get("channel"))
        return
    timeline.append(
        happened.session, incident, "delivery.dead", actor="plan", at=happened.at,
        channel=happened.payload.get("channel"), person=happened.payload.get("person"),
        reason=happened.payload.get("reason"),
    )  # fmt: skip


async def tell_digest(happened: Happened) -> None:
    """What a person was not told one by one, because it was too much at once, is told together."""
    await digest.tell(happened.session, happened.payload["person_id"], at=happened.at)


async def call_those_now_known(happened: Happened) -> None:
    """People were added: whoever is still being called for in vain is called now, not at the next lap."""
    waiting = select(Round).where(Round.state == RoundState.CALLING, Round.reached.is_(False))
    for called in await happened.session.scalars(waiting):
        payload = {"round_id": called.id, "lap": called.lap + 1, "hop": 1}
        outbox.put(happened.session, "rung.due", payload, ref=called.ref, at=happened.at)


async def leave_out_who_cannot_be_called(happened: Happened) -> None:
    """Somebody fell ill or went on leave: every chain that calls them, or will, passes them over from now on (EO-1)."""
    if not happened.payload.get("unavailable"):
        return
    person_id, session = happened.payload["person_id"], happened.session
    why = await holders.absent(session, person_id, at=happened.at)
    if why is None:
        return  # they are back by now
    calling = list(await session.scalars(select(Round).where(Round.state == RoundState.CALLING)))
    theirs = await holders.positions_of(session, person_id)
    told = set(
        await session.scalars(
            select(Delivery.round_id)
            .join(Round, Round.id == Delivery.round_id)
            .where(Delivery.person_id == person_id, Round.state == RoundState.CALLING)
        )
    )
    noted: set[str] = set()
    for called in calling:
        positions = {position for hop in called.chain["hops"] for position in hop["tell"]}
        if called.id in told or positions & theirs:
            payload = {
                "round_id": called.id,
                "person_id": person_id,
                "why": kept(discretion.for_the_record(why)),
                "note": called.ref not in noted,
            }
            noted.add(called.ref)
            outbox.put(
                session, "chain.passed_over", payload, ref=called.ref, at=happened.at,
                urgency=outbox.Urgency.of(called.level),
            )  # fmt: skip


async def pass_over(happened: Happened) -> None:
    """In one chain: what was not sent is not sent, and where nobody else was told the next rung is told now."""
    incident, said = await happened.incident(), happened.payload
    called = await chain.locked(happened.session, said["round_id"])
    if called is None or called.state != RoundState.CALLING or not is_open(incident):
        return
    person_id, why = said["person_id"], restored(said["why"])
    await chain.pass_over(happened.session, called, person_id, why, at=happened.at)
    if said["note"]:
        names = await holders.names(happened.session, [person_id])
        timeline.append(
            happened.session, incident, "chain.passed_over", actor="plan", at=happened.at,
            person=names.get(person_id, person_id), why=why,
        )  # fmt: skip


async def page_for_new_occurrence(happened: Happened) -> None:
    """The same problem began anew while its incident was open."""
    await call_reporting_chain(happened)


async def say_recovered(happened: Happened) -> None:
    """Monitoring says it is over; whoever has it hears so, and decides."""
    incident = await happened.incident()
    if is_open(incident):
        positions = await happened.commander(incident)
        await happened.tell(
            incident, "recovered", positions, what=happened.payload.get("title", incident.title)
        )


async def suggest_level(happened: Happened) -> None:
    incident = await happened.incident()
    if is_open(incident) and incident.level_suggested is not None:
        await happened.tell(
            incident, "suggested", await happened.commander(incident), suggested=incident.level_suggested
        )


def _key(incident: Incident) -> str:
    """One round for each call that counts: a graver level, a new occurrence after an answer, or a reopening makes a new one."""
    return f"{incident.id}:{incident.calls}"
