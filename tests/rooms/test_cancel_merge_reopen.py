"""The other ways out and back: a false alarm, a duplicate, closed too early."""

from typing import Any

import pytest

from tests.rooms.trial import Trial, activated, raised
from tests.world import World


def heard(world: World, word: str) -> set[str]:
    return {one.who for one in world.messages() if word in one.subject}


@pytest.mark.parametrize(
    "events", [[], ["assess"], ["assess", "activate"], ["assess", "activate", "respond"]]
)
async def test_a_false_alarm_is_cancelled_from_any_state_before_closed(
    world: World, events: list[str]
) -> None:
    trial = await raised(world, type_="other")
    for event in events:
        await trial.apply(event)
    await trial.apply("cancel", expect=409)
    await trial.apply("cancel", reason="somebody leant on the switch")
    incident = await trial.read()
    assert (incident["state"], incident["allowed"]) == ("cancelled", [])
    assert incident["cancelled_at"] is not None


async def test_whoever_was_called_hears_that_it_is_over_and_nobody_else_is_called(world: World) -> None:
    made = await world.post("/incidents", {"title": "x", "level": 1})
    await world.settle()
    await world.advance(minutes=5)
    world.told()
    await world.apply(made["id"], "cancel", reason="false alarm")
    assert heard(world, "cancelled") == {"Lin", "Ben", "Tao"}
    await world.advance(hours=3)
    assert world.told() == [], "nothing more of the chain"
    assert (await world.post(f"/incidents/{made['id']}/acknowledgements", expect=409))["allowed"] == []


async def merge(trial: Trial, into: str, **more: Any) -> Any:
    return await trial.apply("cancel", reason="the same fault", merge_into=into, **more)


async def test_a_duplicate_is_merged_into_an_open_incident_by_id_or_number(world: World) -> None:
    kept, by_id, by_number = [await raised(world, type_="other") for _ in range(3)]
    await merge(by_id, kept.name)
    await merge(by_number, (await kept.read())["number"])
    for trial in (by_id, by_number):
        incident = await trial.read()
        assert (incident["state"], incident["merged_into"]) == ("cancelled", kept.name)
    assert (await kept.read())["state"] == "detected"


async def test_the_incident_merged_into_keeps_what_was_merged_and_its_commander_hears_of_it(
    world: World,
) -> None:
    kept, twin = [await raised(world, type_="other") for _ in range(2)]
    await world.call("PATCH", f"/incidents/{kept.name}/facts", {"place": "hall"})
    await world.call("PATCH", f"/incidents/{twin.name}/facts", {"place": "yard", "cause": "fire"})
    await world.settle()
    world.told()
    await merge(twin, kept.name)
    number = (await twin.read())["number"]
    incident = await kept.read()
    assert (incident["facts"]["place"], incident["facts"]["cause"]) == ("hall", "fire")
    entries = (await world.get(f"/incidents/{kept.name}/timeline"))["items"]
    (entry,) = [one for one in entries if one["kind"] == "incident.merged"]
    assert (entry["data"]["number"], entry["data"]["facts"]["place"]) == (number, "yard")
    assert heard(world, "was merged into it") == {"Lin"}


async def test_it_is_not_merged_into_itself_or_into_one_that_has_ended(world: World) -> None:
    trial, ended = [await raised(world, type_="other") for _ in range(2)]
    await ended.apply("cancel", reason="false alarm")
    for into in (trial.name, ended.name):
        refused = await merge(trial, into, expect=409)
        assert refused["allowed"] == ["assess", "relevel", "cancel"]
    assert (await trial.read())["state"] == "detected"


async def closed(world: World) -> Trial:
    trial = await activated(world, level=3, type_="other")
    await trial.apply("respond")
    await trial.apply("close", waive=["tasks_done", "approvals_decided"], reason="done by phone")
    world.told()
    return trial


async def test_what_was_closed_too_early_is_reopened_and_calls_again(world: World) -> None:
    trial = await closed(world)
    await trial.apply("reopen", expect=409)
    await world.advance(minutes=1)
    await trial.apply("reopen", reason="it is back")
    incident = await trial.read()
    assert (incident["state"], incident["occurrence"]) == ("responding", 2)
    assert (incident["closed_at"], incident["acknowledged_at"]) == (None, None)
    assert "Lin" in world.told(), "the answer belonged to the occurrence before"
    states = {one["kind"]: one["state"] for one in incident["obligations"] if one["state"] == "owed"}
    assert states == {"update": "owed", "first_report": "owed"}
    assert (await trial.run())["state"] == "running"


async def test_it_can_be_closed_again_and_owes_one_review(world: World) -> None:
    trial = await closed(world)
    await trial.apply("reopen", reason="it is back")
    await trial.apply("close", waive=["tasks_done", "approvals_decided"], reason="done again")
    owed = [one for one in (await trial.read())["obligations"] if one["state"] == "owed"]
    assert [one["kind"] for one in owed] == ["review", "final_report"]
    assert (await world.get(f"/incidents/{trial.name}/review"))["state"] == "draft"


async def test_a_cancelled_incident_does_not_come_back(world: World) -> None:
    trial = await raised(world, type_="other")
    await trial.apply("cancel", reason="false alarm")
    assert (await trial.apply("reopen", reason="it is back", expect=409))["allowed"] == []
