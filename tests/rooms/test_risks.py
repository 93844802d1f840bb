"""The register of risks and assessments (EP-3): kept with its history, reviewed by dates, scored by several independently."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from app.access import keys
from app.access.tables import Role
from app.incidents.tables import Incident
from app.levels.document import Assessing
from app.people.tables import Person
from app.risks.history import case
from tests.world import NIGHT, World

LEAK = {
    "title": "A partner loses our data", "category": "technical", "owner": "technical_head", "likelihood": 2, "impact": 4,
    "strategy": "transfer", "type": "data_leak", "playbook": "data_leak", "review_on": "2027-01-31",
}  # fmt: skip
HEADS = ["technical_head", "customer_service_head", "operations_supervisor"]


async def ask(world: World, expect: int = 201, **more: Any) -> Any:
    asked = {"risk": "core_system_fails", "method": "qualitative", "positions": HEADS} | more
    made = await world.post("/assessments", asked, role="management", expect=expect)
    await world.settle()
    return made


async def sign_in(world: World, name: str, role: Role) -> dict[str, str]:
    """Headers of a person of the world."""
    async with world.parts.db.transaction() as session:
        person = await session.scalar(select(Person.id).where(Person.name == name))
        _, key = await keys.issue(
            session, name=name, role=role, by="test", at=world.clock.now(), person_id=person
        )
    return {"Authorization": f"Bearer {key}"}


async def score(
    world: World,
    who: dict[str, str],
    made: Any,
    position: str,
    likelihood: int,
    impact: int,
    expect: int = 201,
) -> Any:
    body = {"position": position, "likelihood": likelihood, "impact": impact}
    return await world.post(f"/assessments/{made['id']}/scores", body, headers=who, expect=expect)


async def test_the_register_begins_with_the_risks_of_the_plan_each_with_the_cell_that_gave_its_level(
    world: World,
) -> None:
    risks = {one["name"]: one for one in (await world.get("/risks?limit=100"))["items"]}
    assert {one["category"] for one in risks.values()} == {
        "technical",
        "operational",
        "legal",
        "market",
        "customer",
    }
    core = risks["core_system_fails"]
    assert (core["gravity"], core["response_level"], core["owner"]) == ("major", 1, "technical_head")
    assert "Likelihood 3 × impact 5" in core["level_reason"]
    assert (core["playbook"], core["review_on"]) == ("system_outage", "2027-05-22")


async def test_a_risk_is_added_changed_and_retired_and_each_change_is_kept_with_who_and_why(
    world: World,
) -> None:
    added = await world.post("/risks", LEAK, role="management")
    path = f"/risks/{added['id']}"
    changed = await world.call(
        "PATCH",
        path,
        {"impact": 5, "reason": "They hold card numbers now"},
        role="management",
        headers={"If-Match": '"1"'},
    )
    assert (changed["impact"], changed["gravity"], changed["version"]) == (5, "considerable", 2)
    await world.call("PATCH", path, {"impact": 3}, role="management", headers={"If-Match": '"1"'}, expect=409)
    await world.call("PATCH", path, {"retired": True, "reason": "The contract ended"}, role="management")
    assert added["id"] not in [one["id"] for one in (await world.get("/risks?limit=100"))["items"]]
    history = (await world.get(f"{path}/history"))["items"]
    assert [(one["version"], one["actor"], one["reason"]) for one in history] == [
        (3, "management", "The contract ended"), (2, "management", "They hold card numbers now"), (1, "management", None),
    ]  # fmt: skip
    assert history[1]["changes"] == {"impact": [4, 5]}


async def test_what_the_plan_does_not_know_is_refused_with_what_it_does(world: World) -> None:
    refused = await world.post("/risks", LEAK | {"owner": "the_wizard"}, expect=422)
    assert "duty_lead" in refused["known"]
    late = await world.post("/risks", LEAK | {"review_on": "2026-11-22"}, expect=422)
    assert late["errors"][0]["path"] == "review_on"


async def test_a_risk_comes_up_for_review_and_overdue_the_owner_and_their_superiors_hear_of_it_each_week(
    world: World,
) -> None:
    risk = await world.post("/risks", LEAK | {"review_on": "2026-12-10", "owner": "it_engineer"})
    world.told()
    await world.advance(days=3)  # two weeks before the end of the tenth of December, and not yet
    assert await owed(world, risk) == []
    await world.advance(days=1)
    [duty] = await owed(world, risk)
    assert (duty["owner"], duty["state"], "A partner loses" in duty["title"]) == ("it_engineer", "due", True)
    await world.advance(days=14)
    late = [one.who for one in world.messages() if "not reviewed in time" in one.subject]
    assert late == ["It1", "It2", "Tao"], "the owner, and the head of the department"
    await world.advance(days=7)
    assert [one.who for one in world.messages() if "not reviewed in time" in one.subject] == late

    await world.call(
        "PATCH", f"/risks/{risk['id']}", {"review_on": "2027-06-01", "reason": "Looked at it: as it was"}
    )
    await world.advance(days=14)
    assert [one for one in world.messages() if "not reviewed in time" in one.subject] == []
    [duty] = await owed(world, risk)
    assert (duty["state"], duty["note"]) == ("done", "Looked at it: as it was")


async def owed(world: World, risk: Any) -> list[Any]:
    duties: list[Any] = (await world.get("/duties?limit=100"))["items"]
    return [one for one in duties if one["duty"] == f"risk-{risk['id']}"]


async def test_assessors_score_independently_the_median_counts_and_the_spread_is_shown(world: World) -> None:
    world.told()
    made = await ask(world)
    assert sorted(world.told()) == ["Ben", "Ops", "Tao"]
    tao, ben = await sign_in(world, "Tao", Role.MANAGEMENT), await sign_in(world, "Ben", Role.MANAGEMENT)
    ops = await sign_in(world, "Ops", Role.EXECUTION)
    await score(world, tao, made, "technical_head", 2, 5)
    assert (await world.get(f"/assessments/{made['id']}", headers=ben))["scores"] == [], (
        "nobody sees the others' before"
    )
    assert (await world.get("/assessments", headers=ben))["items"][0]["scores"] == []
    seen = await score(world, ben, made, "customer_service_head", 5, 4)
    assert [one["position"] for one in seen["scores"]] == ["customer_service_head"], (
        "not even after their own"
    )
    early = await world.post(f"/assessments/{made['id']}/transitions", {"event": "conclude"}, expect=409)
    assert early["missing"] == ["operations_supervisor"]
    await score(world, ops, made, "operations_supervisor", 2, 4)
    done = await world.post(
        f"/assessments/{made['id']}/transitions", {"event": "conclude"}, role="management"
    )
    assert (done["likelihood"], done["impact"], len(done["scores"])) == (2, 4, 3)
    assert done["spread"]["likelihood"] == {"median": 2.0, "lowest": 2, "highest": 5}
    risk = await world.get("/risks/core_system_fails")
    assert (risk["likelihood"], risk["impact"], risk["reviewed_at"]) == (
        2,
        4,
        NIGHT.isoformat().replace("+00:00", "Z"),
    )
    [change, _] = (await world.get("/risks/core_system_fails/history"))["items"]
    assert change["assessment_id"] == made["id"]


async def test_an_assessment_is_a_review_and_puts_off_the_next(world: World) -> None:
    risk = await world.post("/risks", LEAK | {"review_on": "2026-11-24"})
    await world.advance(days=3)
    assert [one["state"] for one in await owed(world, risk)] == ["due"]
    made = await ask(world, risk=risk["id"], positions=HEADS[:2])
    for name, position in (("Tao", HEADS[0]), ("Ben", HEADS[1])):
        await score(world, await sign_in(world, name, Role.MANAGEMENT), made, position, 2, 4)
    await world.post(f"/assessments/{made['id']}/transitions", {"event": "conclude"})
    assert (await world.get(f"/risks/{risk['id']}"))["review_on"] == "2027-05-25"
    assert [one["state"] for one in await owed(world, risk)] == ["done"]
    world.told()
    await world.advance(days=8)
    assert [one for one in world.messages() if "not reviewed in time" in one.subject] == []


async def test_a_position_scores_once_and_so_does_a_person(world: World) -> None:
    made = await ask(world)
    tao = await sign_in(world, "Tao", Role.MANAGEMENT)
    await score(world, tao, made, "technical_head", 2, 5)
    await score(world, tao, made, "technical_head", 1, 1, expect=409)
    other = await sign_in(world, "Tao", Role.LEADERSHIP)
    await score(world, other, made, "customer_service_head", 1, 1, expect=409)
    await score(
        world, await sign_in(world, "Cs1", Role.EXECUTION), made, "customer_service_head", 1, 1, expect=403
    )
    unasked = await score(world, other, made, "general_manager", 1, 1, expect=409)
    assert unasked["positions"] == sorted(HEADS)


async def test_a_helper_of_the_collaboration_layer_sees_and_scores_what_it_is_asked_and_nothing_else(
    world: World,
) -> None:
    other = await ask(world)
    made = await ask(world, positions=["finance_officer", "technical_head"])
    fin = await sign_in(world, "Fin", Role.COLLABORATION)
    assert [one["id"] for one in (await world.get("/assessments", headers=fin))["items"]] == [made["id"]]
    await world.get(f"/assessments/{other['id']}", headers=fin, expect=404)
    await score(world, fin, made, "finance_officer", 3, 4)


async def test_who_has_not_scored_is_reminded_and_at_the_end_it_goes_on_without_them(world: World) -> None:
    made = await ask(world)
    for name, position in (("Tao", "technical_head"), ("Ben", "customer_service_head")):
        await score(world, await sign_in(world, name, Role.MANAGEMENT), made, position, 3, 3)
    world.told()
    await world.advance(days=6, hours=12)
    assert [one.who for one in world.messages() if "still missing" in one.subject] == ["Ops"]
    await world.post(f"/assessments/{made['id']}/transitions", {"event": "conclude"}, expect=409)
    await world.advance(hours=12)
    done = await world.post(f"/assessments/{made['id']}/transitions", {"event": "conclude"})
    assert (done["state"], done["missing"]) == ("concluded", ["operations_supervisor"])
    ended = await world.post(f"/assessments/{made['id']}/transitions", {"event": "withdraw"}, expect=409)
    assert ended["allowed"] == []


async def test_a_withdrawn_assessment_keeps_what_was_scored_to_itself(world: World) -> None:
    made = await ask(world)
    await score(world, await sign_in(world, "Tao", Role.MANAGEMENT), made, "technical_head", 2, 5)
    await world.post(
        f"/assessments/{made['id']}/transitions", {"event": "withdraw", "reason": "the wrong people"}
    )
    seen = await world.get(f"/assessments/{made['id']}", headers=await sign_in(world, "Ben", Role.MANAGEMENT))
    assert (seen["state"], seen["scores"], seen["spread"]) == ("withdrawn", [], {})


async def closed(world: World, *, customers: int, minutes: int) -> None:
    made = await world.post("/incidents", {
        "title": "Core down", "type": "system_outage", "level": 3,
        "facts": {"customers_affected": customers, "duration_minutes": minutes},
    })  # fmt: skip
    await world.settle()
    for event in ("assess", "activate", "respond"):
        await world.apply(made["id"], event, reason="as it is", **({"level": 3} if event == "assess" else {}))
    waive = ["tasks_done", "updates_paid", "customers_told", "approvals_decided"]
    await world.apply(made["id"], "close", reason="over", waive=waive)


async def test_the_record_gives_likelihood_and_impact_with_the_numbers_or_says_that_it_is_not_enough(
    world: World,
) -> None:
    made = await ask(world, method="quantitative", positions=[])
    assert "Not enough" in made["figures"]["lacking"]
    refused = await world.post(f"/assessments/{made['id']}/transitions", {"event": "conclude"}, expect=409)
    assert "Not enough" in refused["detail"]
    for customers in (100, 200, 3000):
        await closed(world, customers=customers, minutes=30)
    await world.advance(days=31)
    made = await ask(world, method="quantitative", positions=[])
    figures = made["figures"]
    assert (figures["incidents"], figures["likelihood"], figures["impact"]) == (3, 4, 4)
    assert figures["days"] == 31
    assert round(figures["per_year"], 2) == 35.32
    assert figures["measures"]["customers"] == {"recorded": 3, "mean": 1100, "most": 3000, "score": 4}
    assert figures["measures"]["minutes"]["score"] == 2
    done = await world.post(f"/assessments/{made['id']}/transitions", {"event": "conclude"})
    assert (done["likelihood"], done["impact"]) == (4, 4)
    assert (await world.get("/risks/core_system_fails"))["gravity"] == "major"


async def test_an_incident_is_assessed_by_its_departments_and_the_level_follows(world: World) -> None:
    incident = (await world.post("/incidents", {"title": "Odd", "type": "other", "level": 4}))["id"]
    await world.settle()
    made = await ask(
        world, risk=None, incident=incident, positions=["technical_head", "customer_service_head"]
    )
    assert made["due_at"] == (NIGHT + timedelta(minutes=30)).isoformat().replace("+00:00", "Z")
    await score(world, await sign_in(world, "Tao", Role.MANAGEMENT), made, "technical_head", 3, 4)
    await score(world, await sign_in(world, "Ben", Role.MANAGEMENT), made, "customer_service_head", 3, 4)
    await world.post(f"/assessments/{made['id']}/transitions", {"event": "conclude"}, role="management")
    read = await world.get(f"/incidents/{incident}")
    assert (read["state"], read["level"], read["gravity"]) == ("assessed", 2, "considerable")
    assert "Likelihood 3 × impact 4" in read["level_reason"]
    entries = (await world.get(f"/incidents/{incident}/timeline"))["items"]
    [judged] = [one for one in entries if one["kind"] == "incident.judged"]
    assert (judged["actor"], judged["data"]["spread"]["impact"]["median"]) == ("management", 4.0)


async def test_the_end_of_an_incident_ends_its_assessments(world: World) -> None:
    incident = (await world.post("/incidents", {"title": "Odd", "type": "other", "level": 4}))["id"]
    await world.settle()
    made = await ask(world, risk=None, incident=incident)
    await world.apply(incident, "cancel", reason="false alarm")
    assert (await world.get(f"/assessments/{made['id']}"))["state"] == "withdrawn"
    world.told()
    await world.advance(hours=1)
    assert world.told() == []
    await ask(world, risk=None, incident=incident, expect=409)


async def test_likelihood_and_impact_are_whole_numbers_and_nothing_that_passes_for_one(world: World) -> None:
    for odd in (True, "4"):
        refused = await world.call("PATCH", "/risks/core_system_fails", {"impact": odd}, expect=422)
        assert refused["errors"][0]["path"] == "impact"


async def test_time_that_has_not_passed_yet_is_not_counted_as_watched(world: World) -> None:
    for customers in (100, 200, 3000):
        await closed(world, customers=customers, minutes=30)
    await world.advance(days=31)
    quantitative: dict[str, Any] = {"method": "quantitative", "positions": []}
    made = await ask(world, **quantitative, to="2030-01-01T00:00:00Z")
    assert made["figures"]["days"] == 31
    refused = await ask(world, **quantitative, **{"from": "2029-01-01T00:00:00Z"}, expect=422)
    assert refused["errors"][0]["path"] == "from"


async def test_a_new_title_is_set_in_the_language_it_is_given_in_and_the_others_are_kept(
    world: World,
) -> None:
    path, chinese = "/risks/core_system_fails", {"Accept-Language": "zh-Hans"}
    before = (await world.get(path, headers=chinese))["title"]
    await world.call("PATCH", path, {"title": "The core fails"}, headers={"Accept-Language": "en"})
    assert (await world.get(path, headers={"Accept-Language": "en"}))["title"] == "The core fails"
    assert (await world.get(path, headers=chinese))["title"] == before


async def test_a_retired_risk_is_brought_back_before_it_is_changed_or_assessed(world: World) -> None:
    path = "/risks/core_system_fails"
    await world.call("PATCH", path, {"retired": True})
    refused = await world.call("PATCH", path, {"impact": 2}, expect=409)
    assert refused["type"].endswith("risk-retired")
    assert '"retired": false' in refused["detail"]
    await ask(world, expect=409)
    await world.call("PATCH", path, {"retired": False, "impact": 2})
    await ask(world)


async def test_only_losses_of_money_are_added_up_as_money(world: World) -> None:
    losses = {"Refunds": 1000, "赔偿": {"现金": 200, "代金券": 300}, "complaints": 500, "customers": 30000}
    await closed(world, customers=10, minutes=30)
    async with world.parts.db.reading() as session:
        incident = (await session.scalars(select(Incident))).one()
    assert case(incident, losses, Assessing().money).loss == 1500
    assert case(incident, {"complaints": 500}, Assessing().money).loss is None
