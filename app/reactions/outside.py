"""Parties outside: asked by the plan, passed over when they are silent, heard when they answer (EP-2.4, EP-5.2, EP-7.1.2)."""

from app import outbox
from app.errors import Problem
from app.incidents import announcements, timeline
from app.parties import register, requests
from app.parties.requests import Wanted
from app.parties.tables import Does, PartyAnswer
from app.reactions.context import Happened, is_open
from app.wording import kept, localised, say


async def ask_parties(happened: Happened) -> None:
    """A version of an announcement that names parties was published, so it was approved: each is told by a link of its own.

    What they are asked for goes with the version published first, and is not asked for again.
    """
    incident = await happened.incident()
    told = await announcements.found(happened.session, happened.payload["announcement_id"])
    if not told.parties:
        return
    said = (await announcements.wordings(happened.session, [told.id]))[told.id]
    words = next(one for one in said if one.number == happened.payload["number"])
    ask = told.ask if words.published_at == told.published_at else {}
    within = (await happened.spec(incident)).party_answers_within
    for name in told.parties:
        wanted = Wanted(party=name, text=words.text, ask=ask)
        try:
            async with happened.session.begin_nested():
                await requests.ask(
                    happened.session, incident, wanted, within=within, by=told.approved_by or "plan", at=happened.at
                )  # fmt: skip
        except Problem as problem:  # the plan and the register do not agree: a person sees to it
            reason = problem.detail
            timeline.append(
                happened.session, incident, "party.not_asked", actor="plan", at=happened.at, party=name, why=kept(reason)
            )  # fmt: skip
            to = await happened.commander(incident)
            await happened.tell(incident, "party_not_asked", to, party=name, why=reason)


async def go_on_without_answer(happened: Happened) -> None:
    """A contact did not answer in time: the next is told, at last our contract owner."""
    incident = await happened.incident()
    request = await requests.found(happened.session, happened.payload["request_id"])
    if is_open(incident):
        await requests.go_on(
            happened.session, incident, request, rung=happened.payload["rung"], at=happened.at
        )


async def lose_no_time(happened: Happened) -> None:
    """A message to a party cannot be delivered: nobody waits for an answer to it."""
    if (request_id := requests.of_ref(happened.ref)) is None:
        return
    request = await requests.found(happened.session, request_id)
    rung = await requests.rung_of(happened.session, request, happened.payload["delivery_id"])
    said = {"incident_id": request.incident_id, "request_id": request.id, "rung": rung}
    outbox.put(happened.session, "party.silent", said, ref=request.incident_id, at=happened.at)


async def tell_contract_owner(happened: Happened) -> None:
    """Nobody at the party answered: whoever of ours owns the contract sees to it."""
    incident = await happened.incident()
    request = await requests.found(happened.session, happened.payload["request_id"])
    party = await register.found(happened.session, request.party_id)
    if is_open(incident):
        await happened.tell(incident, "party_silent", [party.owner], party=party.name, what=request.text)


async def pass_answer_on(happened: Happened) -> None:
    """What a party can do, or that it cannot, is the commander's to know, and the contract owner's."""
    incident = await happened.incident()
    request = await requests.found(happened.session, happened.payload["request_id"])
    said = await happened.session.get_one(PartyAnswer, happened.payload["answer_id"])
    if not is_open(incident) or said.does == Does.ACKNOWLEDGE:
        return
    party = await register.found(happened.session, request.party_id)
    things = [say("flow.thing", quantity=one["quantity"], title=one["title"]) for one in said.committed]
    answer = localised(
        say(f"parties.answer.{said.does}", things=things, ready_at=said.ready_at, note=said.note or "")
    )
    positions = list(dict.fromkeys([*await happened.commander(incident), party.owner]))
    await happened.tell(incident, "party_answered", positions, party=party.name, answer=answer, by=said.by)
