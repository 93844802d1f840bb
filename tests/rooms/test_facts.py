"""Facts: kept with their history; the rules look again, and move a level only while nobody has assessed it."""

import pytest

from tests.rooms.trial import raised
from tests.world import World


async def test_facts_are_merged_and_null_takes_one_away(world: World) -> None:
    trial = await raised(world, type_="other", facts={"a": 1, "b": [1, "x"]})
    await trial.fact(b=None, c={"d": True})
    assert (await trial.read())["facts"] == {"a": 1, "c": {"d": True}}
    timeline = (await world.get(f"/incidents/{trial.name}/timeline"))["items"]
    changed = next(entry for entry in timeline if entry["kind"] == "facts.changed")
    assert changed["data"]["changes"] == {"b": [[1, "x"], None], "c": [None, {"d": True}]}
    assert changed["actor"] == "leadership"


async def test_what_was_known_already_changes_nothing(world: World) -> None:
    trial = await raised(world, type_="other", facts={"a": 1})
    version = (await trial.read())["version"]
    await trial.fact(a=1, nothing=None)
    assert (await trial.read())["version"] == version
    assert "facts.changed" not in await trial.kinds()


async def test_a_rule_moves_a_provisional_level_and_a_graver_one_pages_again(world: World) -> None:
    trial = await raised(world, type_="equipment_failure", level=4)
    world.told()
    await trial.fact(seats_down=30)
    incident = await trial.read()
    assert (incident["level"], incident["provisional"], incident["acknowledged_at"]) == (2, True, None)
    assert "Thirty seats" in incident["level_reason"]
    assert world.told() == ["Lin"]
    await trial.fact(seats_down=10)
    assert (await trial.read())["level"] == 3
    assert world.told() == ["Lin"], "nobody answered yet, so the lighter level is called by its own chain"


async def test_after_assessment_a_rule_only_suggests(world: World) -> None:
    trial = await raised(world, type_="equipment_failure", level=4)
    await trial.apply("assess", level=4, reason="one row of desks")
    world.told()
    await trial.fact(seats_down=30)
    incident = await trial.read()
    assert (incident["level"], incident["level_suggested"]) == (4, 2)
    assert world.told() == ["Lin"], "whoever decides hears of it"
    await trial.fact(seats_down=31)
    assert (await trial.kinds()).count("level.suggested") == 1, "the same suggestion is made once"
    await trial.fact(seats_down=2)
    assert (await trial.read())["level_suggested"] is None


async def test_taking_the_suggestion_settles_it(world: World) -> None:
    trial = await raised(world, type_="equipment_failure", level=4)
    await trial.apply("assess", level=4, reason="one row of desks")
    await trial.fact(seats_down=30)
    await trial.apply("relevel", level=2, reason="as suggested")
    incident = await trial.read()
    assert (incident["level"], incident["level_suggested"]) == (2, None)


async def test_the_facts_of_an_incident_that_has_ended_stand(world: World) -> None:
    trial = await raised(world, type_="other")
    await trial.apply("cancel", reason="false alarm")
    path = f"/incidents/{trial.name}/facts"
    refused = await world.call("PATCH", path, {"a": 1}, expect=409)
    assert refused["allowed"] == []


@pytest.mark.parametrize("number", [1e16, 9.0e18, -0.0, 1e-7, 2**63 - 1, 0.1])
async def test_the_record_verifies_whatever_number_a_fact_is(world: World, number: float) -> None:
    trial = await raised(world, type_="other", facts={"first": number})
    await trial.fact(second=[number], third={"deep": number})
    assert (await world.get(f"/incidents/{trial.name}/timeline"))["intact"]


async def test_too_many_facts_are_refused_whole(world: World) -> None:
    trial = await raised(world, type_="other", facts={f"f{n}": n for n in range(400)})
    path = f"/incidents/{trial.name}/facts"
    refused = await world.call("PATCH", path, {f"g{n}": n for n in range(101)}, expect=422)
    assert "500" in refused["detail"]
    assert len((await trial.read())["facts"]) == 400


async def test_facts_written_under_their_name_are_read_as_those_facts(world: World) -> None:
    trial = await raised(world, type_="other")
    address = f"/incidents/{trial.name}/facts"
    await world.call("PATCH", address, {"facts": {"site": "east", "a": 1}})
    assert (await trial.read())["facts"] == {"site": "east", "a": 1}
    await world.call("PATCH", address, {"facts": {"b": 2}, "c": 3})
    assert (await trial.read())["facts"] == {"site": "east", "a": 1, "facts": {"b": 2}, "c": 3}
