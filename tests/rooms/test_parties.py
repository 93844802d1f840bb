"""Parties outside (EP-2.4, EP-5.2): told by a link without an account, they answer or are silent, and see what was shared alone."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from app import outbox
from app.notify.tables import Delivery
from app.parties.tables import PartyContact
from app.people.tables import ContactPoint
from app.playbooks.document import NoticeParams
from tests.rooms.trial import Begin, Trial, begin, raised, step, text, wait
from tests.world import PEOPLE, World

__all__ = ["begin"]

CARRIER = {
    "id": "carrier", "name": "Fast Lines Ltd", "kind": "supplier", "owner": "technical_head", "language": "en",
    "contacts": [
        {"name": "Zoe", "channel": "mail", "address": "zoe@carrier.example"},
        {"name": "Yan", "channel": "mail", "address": "yan@carrier.example"},
    ],
    "may_be_asked": [
        {"id": "agents", "title": "Agents", "unit": "people", "pool": "outsourced_team"},
        {"id": "lines", "title": "Spare lines"},
    ],
}  # fmt: skip
TEXT = "Our trunk is dead. How many agents can you put on the lines tonight?"


async def carrier(world: World, **more: Any) -> None:
    await world.post("/parties", {**CARRIER, **more}, role="management")


async def asked(world: World, trial: Trial, **more: Any) -> Any:
    said = {"party": "carrier", "text": TEXT, "ask": {"agents": 3}, **more}
    made = await world.post(f"/incidents/{trial.name}/party-requests", said, role="management")
    await world.settle()
    return made


async def at_work(world: World, **more: Any) -> tuple[Trial, Any]:
    await carrier(world, **more)
    trial = await raised(world, level=2, type_="other")
    world.told()
    return trial, await asked(world, trial)


def letters(world: World) -> list[Any]:
    """What was told to people of the party since the last look."""
    return [one for one in world.messages() if one.who in ("Zoe", "Yan")]


async def answer(world: World, link: str, *, expect: int = 200, **form: Any) -> str:
    place = link.removeprefix("http://muster.example")
    got = await world.client.post(place, data=form, headers={"Accept": "text/html", "Accept-Language": "en"})
    assert got.status_code == expect, got.text
    return got.text


async def look(world: World, link: str) -> Any:
    return await world.client.get(
        link.removeprefix("http://muster.example"), headers={"Accept": "text/html", "Accept-Language": "en"}
    )


async def requests_of(world: World, trial: Trial) -> list[Any]:
    return await trial.items("party-requests")


async def test_a_party_is_told_by_a_link_and_commits_from_the_pool_of_partners(world: World) -> None:
    more = "".join(f"Out{n},90{n},partners,outsourced_agent,,out{n}@partner.example,\n" for n in range(1, 3))
    await world.import_people(PEOPLE + more)
    trial, _ = await at_work(world)
    [letter] = letters(world)
    assert (letter.who, letter.text) == ("Zoe", TEXT)

    page = await look(world, letter.link)
    assert TEXT in page.text
    assert "<script" not in page.text
    assert (await requests_of(world, trial))[0]["state"] == "open"  # looking changes nothing

    said = await answer(world, letter.link, does="acknowledge")
    assert "We have your answer" in said
    await answer(world, letter.link, does="estimate", minutes="45", note="A van with four people")
    await answer(world, letter.link, does="commit", many_agents="3", name="Xi")
    await world.settle()

    [request] = await requests_of(world, trial)
    first, estimate, committed = request["answers"]
    assert request["state"] == "answered"
    assert (first["does"], first["by"], first["via"]) == ("acknowledge", "Zoe (Fast Lines Ltd)", "link")
    assert (estimate["ready_at"], estimate["note"]) == ("2026-11-22T19:45:00Z", "A van with four people")
    assert committed["by"] == "Xi (Fast Lines Ltd)"
    # Two of the three stand in the pool; the third stands in the record.
    assert [(one["quantity"], one["held"]) for one in committed["committed"]] == [(3, 2)]
    held = (await world.get(f"/incidents/{trial.name}/reservations"))["items"]
    assert [one["pool"] for one in held] == ["outsourced_team"] * 2
    kinds = [kind for kind in await trial.kinds() if kind.startswith("party.")]
    assert kinds == ["party.asked", "party.told", "party.acknowledge", "party.estimate", "party.commit"]
    assert any("has answered" in one.subject for one in world.messages())

    await answer(world, letter.link, does="commit", many_agents="1")  # the last word counts
    await world.settle()
    assert len((await world.get(f"/incidents/{trial.name}/reservations"))["items"]) == 1


async def test_silence_goes_to_the_second_contact_and_then_to_our_contract_owner(world: World) -> None:
    trial, request = await at_work(world)
    within = timedelta(minutes=15)  # of the plan, level 2
    assert [one.who for one in letters(world)] == ["Zoe"]
    await world.advance(minutes=14)
    assert letters(world) == []
    await world.advance(minutes=1)
    assert [one.who for one in letters(world)] == ["Yan"]
    await the_first_message_dies(world, request["id"])  # late: the second contact has its time all the same
    assert [one for one in world.messages() if "Fast Lines Ltd" in one.subject] == []
    await world.advance(seconds=within.total_seconds())
    news = [one for one in world.messages() if "Fast Lines Ltd" in one.subject]
    assert [one.who for one in news] == ["Tao"]
    [now] = await requests_of(world, trial)
    assert (now["state"], now["contact_told"], now["owner_told_at"]) == ("open", 2, "2026-11-22T19:30:00Z")
    assert request["contact_told"] == 1
    await world.advance(hours=2)
    assert letters(world) == []  # nobody is told twice


async def the_first_message_dies(world: World, request_id: str) -> None:
    ref = f"party:{request_id}"
    async with world.parts.db.transaction() as session:
        first = await session.scalar(select(Delivery).where(Delivery.ref == ref).order_by(Delivery.id))
        assert first is not None
        outbox.put(session, "delivery.dead", {"delivery_id": first.id}, ref=ref, at=world.clock.now())
    await world.settle()


async def test_an_answer_ends_the_waiting(world: World) -> None:
    trial, _ = await at_work(world)
    [letter] = letters(world)
    await answer(world, letter.link, does="decline", note="All vans are out")
    await world.advance(hours=1)
    assert letters(world) == []
    [request] = await requests_of(world, trial)
    assert (request["state"], request["answers"][0]["note"]) == ("declined", "All vans are out")


async def test_a_contact_that_cannot_be_reached_costs_no_time(world: World) -> None:
    trial, _ = await at_work(
        world,
        contacts=[
            {"name": "Zoe", "channel": "sms", "address": "+8613800000000"},  # no such channel here
            {"name": "Yan", "channel": "mail", "address": "yan@carrier.example"},
        ],
    )
    assert [one.who for one in letters(world)] == ["Yan"]
    assert (await requests_of(world, trial))[0]["contact_told"] == 2


async def test_a_party_without_a_contact_is_our_contract_owners_to_reach(world: World) -> None:
    await at_work(world, contacts=[])
    assert "Tao" in [one.who for one in world.messages() if "Fast Lines" in one.subject]


async def test_a_party_sees_what_was_shared_and_nothing_else(world: World) -> None:
    await carrier(world)
    trial = await raised(
        world, level=2, type_="other", title="Secret title", description="Secret words", facts={"secret": "fact"}
    )  # fmt: skip
    number = (await trial.read())["number"]
    await world.post(f"/incidents/{trial.name}/updates", {"text": "Secret update"})
    other = {"id": "other", "name": "Rival Ltd", "kind": "partner", "owner": "technical_head"}
    await world.post("/parties", other, role="management")
    world.told()
    await asked(world, trial)
    await asked(world, trial, party="other", text="Secret of another", ask={})
    [letter] = letters(world)
    page = (await look(world, letter.link)).text
    [message] = [one.message for one in world.channels["mail"].sent if one.message.key == letter.key]
    seen = [page, repr(message), str(message.extra)]
    for secret in ("Secret", "secret", number, trial.name, "Rival"):
        assert not any(secret in text for text in seen), secret

    # The mark opens this request and nothing besides.
    _, _, place, mark = letter.link.removeprefix("http://muster.example").split("/")
    links = [one.link for one in world.log if one.link and "/a/" in one.link]
    delivery = links[0].rsplit("/", 2)[1]
    for path in (f"/a/{place}/{mark}", f"/p/{delivery}/{mark}", f"/p/{place}/{'A' * 32}", f"/p/{place}/é"):
        assert (await look(world, f"http://muster.example{path}")).status_code == 404, path
    for path in ("incidents", f"incidents/{trial.name}", "parties"):
        got = await world.client.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {mark}"})
        assert got.status_code == 401


async def test_the_link_stands_in_no_row(world: World) -> None:
    await at_work(world)
    [letter] = letters(world)
    mark = letter.link.rsplit("/", 1)[1]
    async with world.parts.db.reading() as session:
        connection = await session.connection()
        dump = await connection.run_sync(_everything)
    assert mark not in dump


def _everything(connection: Any) -> str:
    from_everywhere = []
    for table in ContactPoint.metadata.sorted_tables:
        from_everywhere += [str(tuple(row)) for row in connection.execute(select(table))]
    return "\n".join(from_everywhere)


@pytest.mark.parametrize("how", ["withdrawn", "ended"])
async def test_the_link_ends_with_the_incident_or_when_it_is_withdrawn(world: World, how: str) -> None:
    trial, request = await at_work(world)
    [letter] = letters(world)
    if how == "withdrawn":
        await world.post(f"/party-requests/{request['id']}/withdraw", role="management")
    else:
        await world.apply(trial.name, "cancel", reason="false alarm")
    assert (await look(world, letter.link)).status_code == 404
    await answer(world, letter.link, expect=404, does="acknowledge")
    await world.advance(hours=1)
    assert letters(world) == []
    [now] = await requests_of(world, trial)
    assert (now["state"], now["answers"]) == ("withdrawn", [])


async def test_a_drill_tells_no_party_outside(world: World) -> None:
    await carrier(world)
    trial = await raised(world, level=2, type_="other", exercise=True)
    world.told()
    request = await asked(world, trial)
    await world.advance(hours=2)
    assert letters(world) == []
    assert request["state"] == "withheld"
    assert "party.withheld" in await trial.kinds()


async def test_what_was_not_asked_or_cannot_be_is_refused_with_the_way_out(world: World) -> None:
    trial, request = await at_work(world)
    [letter] = letters(world)
    at = f"/incidents/{trial.name}/party-requests"
    no = await world.post(at, {"party": "carrier", "text": "x", "ask": {"money": 1}}, expect=409)
    assert no["allowed"] == ["agents", "lines"]
    await world.post(at, {"party": "nobody", "text": "x"}, expect=404)
    await answer(world, letter.link, expect=409, does="commit", many_agents="4")
    await answer(world, letter.link, expect=409, does="commit", many_agents="0")
    await answer(world, letter.link, expect=422, does="commit", many_agents="-1")
    await answer(world, letter.link, expect=422, does="dance")
    assert (await requests_of(world, trial))[0]["answers"] == []
    told = {"does": "decline", "by": "Zoe", "note": "said on the telephone"}
    spoken = await world.post(f"/party-requests/{request['id']}/answers", told)
    assert (spoken["state"], spoken["answers"][0]["by"]) == ("declined", "Zoe (Fast Lines Ltd)")
    await world.post("/parties/carrier/retire", role="management")
    await world.post(at, {"party": "carrier", "text": "x"}, expect=409)


async def test_a_step_of_the_plan_tells_parties_once_it_is_approved(begin: Begin) -> None:
    notice = {
        "audience": "partners", "text": text(TEXT), "approve_by": ["general_manager"], "due": "15m",
        "parties": ["carrier", "nobody"], "ask": {"lines": 2},
    }  # fmt: skip
    async with begin([wait("go"), step("tell", "notice", with_=notice, needs=["go"])]) as trial:
        world = trial.world
        await carrier(world)
        await trial.fact(go=True)
        assert letters(world) == []  # EP-7.1.2: nothing leaves before the yes
        await trial.choose("approve")
        assert [one.text for one in letters(world)] == [TEXT]
        [request] = await requests_of(world, trial)
        assert [(one["id"], one["quantity"]) for one in request["asked"]] == [("lines", 2)]
        assert "party.not_asked" in await trial.kinds()  # `nobody` is not in the register


@pytest.mark.parametrize("wrong", [{"ask": {"lines": 2}}, {"parties": ["carrier"], "audience": "customers"}])
def test_a_step_asks_somebody_and_only_where_an_approval_is_needed(wrong: dict[str, Any]) -> None:
    said = {"audience": "partners", "text": text(), "due": "15m", **wrong}
    with pytest.raises(ValidationError):
        NoticeParams.model_validate(said)


async def test_the_register_takes_a_file_and_keeps_its_addresses_sealed(world: World) -> None:
    file = (
        "id,name,kind,owner,may_be_asked,contact_1,contact_2\n"
        "carrier,Fast Lines Ltd,supplier,technical_head,agents=Agents/people@outsourced_team;lines=Spare lines,"
        "Zoe <mail:zoe@carrier.example>,Yan <mail:yan@carrier.example>\n"
    )
    head = {"Content-Type": "text/csv"}
    for created in (1, 0):
        done = await world.client.post(
            "/api/v1/parties/import", content=file, headers={**world.as_("management"), **head}
        )
        assert done.json() == {"created": created, "updated": 1 - created}
    read = await world.get("/parties/carrier")
    assert [(one["name"], one["address"]) for one in read["contacts"]] == [
        ("Zoe", "z…@carrier.example"),
        ("Yan", "y…@carrier.example"),
    ]
    assert [one["id"] for one in read["may_be_asked"]] == ["agents", "lines"]
    changed = await world.call("PATCH", "/parties/carrier", {"owner": "finance_officer"}, role="management")
    assert (changed["owner"], len(changed["contacts"])) == ("finance_officer", 2)
    wrong = await world.call("PATCH", "/parties/carrier", {"owner": "nobody"}, role="management", expect=422)
    assert wrong["errors"][0]["path"] == "owner"
    async with world.parts.db.reading() as session:
        contacts = list(await session.scalars(select(PartyContact)))
        points = [await session.get_one(ContactPoint, one.id) for one in contacts]
    assert all("zoe" not in point.address_sealed for point in points)
