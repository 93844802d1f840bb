"""An incident is assessed by the matrix, by rules or by hand; who, why and on what facts is kept (EP-4.2.2, ST-1)."""

from typing import Any

import pytest

from tests.rooms.trial import raised
from tests.world import World


async def assessed(world: World, facts: dict[str, Any], **more: Any) -> tuple[Any, Any]:
    """The incident afterwards, and the entry of its timeline."""
    trial = await raised(world, type_="mass_complaints", facts=facts)
    await trial.apply("assess", **more)
    [entry] = [one for one in await trial.items("timeline") if one["kind"] == "incident.assessed"]
    return await trial.read(), entry


async def test_by_rules_the_level_says_which_rule_gave_it_and_on_what_facts(world: World) -> None:
    incident, entry = await assessed(
        world, {"complaints_per_hour": 120}, by="rules", reason="The hotline counted"
    )
    assert (incident["level"], "Rule 2 of the type holds" in incident["level_reason"]) == (2, True)
    assert entry["data"]["assessment"] == {"by": "rules", "facts": {"complaints_per_hour": 120}}
    assert (entry["actor"], entry["data"]["reason"]) == ("leadership", "The hotline counted")


async def test_without_a_rule_that_holds_the_refusal_says_what_else_there_is(world: World) -> None:
    trial = await raised(world, type_="mass_complaints", facts={})
    refused = await trial.apply("assess", by="rules", expect=409)
    assert "grade by the matrix or by hand" in refused["detail"]


async def test_by_the_matrix_the_response_follows_spread_and_power_to_control_and_not_the_gravity_alone(
    world: World,
) -> None:
    judged = {"method": "qualitative", "likelihood": 3, "impact": 3}
    incident, entry = await assessed(world, {}, assessment=judged)
    assert (incident["gravity"], incident["level"]) == ("considerable", 2)
    assert entry["data"]["assessment"] == {"by": "matrix", "facts": {}, **judged}
    incident, _ = await assessed(world, {"within_own_power": False}, by="matrix", assessment=judged)
    assert (incident["gravity"], incident["level"]) == ("considerable", 1)
    assert "It is beyond the centre's own power to control" in incident["level_reason"]
    incident, _ = await assessed(world, {"within_own_power": True, "spread": "one_team"}, assessment=judged)
    assert (incident["gravity"], incident["level"]) == ("considerable", 3)


async def test_by_hand_or_by_rules_the_matrix_still_says_how_grave_the_event_is(world: World) -> None:
    judged = {"likelihood": 5, "impact": 5}
    incident, entry = await assessed(world, {}, level=3, assessment=judged, reason="Only one queue")
    assert (incident["gravity"], incident["level"]) == ("extraordinarily_major", 3)
    assert (entry["data"]["assessment"]["by"], "Only one queue" in incident["level_reason"]) == ("hand", True)
    incident, _ = await assessed(world, {"complaints_per_hour": 120}, by="rules", assessment=judged)
    assert (incident["gravity"], incident["level"]) == ("extraordinarily_major", 2)


@pytest.mark.parametrize(
    ("said", "path"),
    [({"by": "hand"}, "level"), ({"by": "matrix"}, "assessment"), ({"by": "rules", "level": 2}, "level")],
)
async def test_what_is_to_give_the_level_must_have_been_said(world: World, said: Any, path: str) -> None:
    trial = await raised(world, type_="mass_complaints", facts={})
    refused = await trial.apply("assess", **said, expect=422)
    assert [one["path"] for one in refused["errors"]] == [path]


async def test_facts_that_come_in_later_are_looked_at_again_and_the_higher_level_starts_what_it_requires(
    world: World,
) -> None:
    trial = await raised(world, type_="mass_complaints", facts={"complaints_per_hour": 30})
    await trial.apply("assess", by="hand", level=3, reason="as reported")
    await trial.apply("activate")
    before, post = set(await trial.states()), (await trial.read())["command_post"]
    await trial.fact(complaints_per_hour=600)
    assert (await trial.read())["level_suggested"] == 1
    suggested = [one for one in await trial.items("timeline") if one["kind"] == "level.suggested"]
    assert "Five hundred complaints an hour" in str(suggested[0]["data"]["because"])
    await trial.apply("relevel", level=1, reason="as suggested")
    assert set(await trial.states()) - before, "steps of level 1 that level 3 did not have"
    assert (await trial.read())["command_post"] != post, "the command post of level 1"
