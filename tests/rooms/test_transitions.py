"""Moving an incident over HTTP: what each event needs, whose it is, and what is asked of a close."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Kind
from tests.rooms.trial import Begin, Trial, activated, begin, plan_with, raised, step, task, text, wait
from tests.world import World, a_world

__all__ = ["begin"]


async def test_assessing_by_the_matrix_gives_level_gravity_and_reason(world: World) -> None:
    trial = await raised(world, type_="other")
    await trial.apply("assess", assessment={"method": "qualitative", "likelihood": 3, "impact": 4})
    incident = await trial.read()
    assert (incident["level"], incident["gravity"], incident["provisional"]) == (2, "considerable", False)
    assert "3" in incident["level_reason"]
    assert "4" in incident["level_reason"]
    assert (incident["state"], incident["allowed"]) == ("assessed", ["activate", "relevel", "cancel"])


async def test_a_level_given_by_hand_counts_and_the_matrix_still_says_how_grave_the_event_is(
    world: World,
) -> None:
    trial = await raised(world, type_="other")
    judged = {"method": "combined", "likelihood": 5, "impact": 5}
    await trial.apply("assess", level=3, reason="we can hold it", assessment=judged)
    incident = await trial.read()
    assert (incident["level"], incident["gravity"]) == (3, "extraordinarily_major")
    assert "we can hold it" in incident["level_reason"]


async def test_assessing_without_a_word_asks_the_rules_and_else_confirms(world: World) -> None:
    ruled = await raised(world, type_="equipment_failure", level=4, facts={"seats_down": 40})
    await ruled.apply("assess")
    assert (await ruled.read())["level"] == 2
    plain = await raised(world, type_="equipment_failure", level=3)
    await plain.apply("assess")
    incident = await plain.read()
    assert (incident["level"], incident["level_reason"]) == (3, "The provisional level was confirmed.")


async def test_only_leadership_declares_a_level_1_without_saying_why(world: World) -> None:
    trial = await raised(world, type_="other", level=1)
    await trial.apply("assess", level=1, role="management")
    refused = await trial.apply("activate", role="management", expect=403)
    assert refused["type"].endswith("/not-yours-to-declare")
    assert (await trial.read())["state"] == "assessed"
    await trial.apply("activate", role="management", reason="nobody of leadership can be reached")
    assert (await trial.read())["state"] == "activated"


async def test_management_declares_level_3(world: World) -> None:
    trial = await raised(world, type_="other", level=3)
    await trial.apply("assess", role="management")
    await trial.apply("activate", role="management")
    await trial.apply("respond", role="execution", expect=403)


async def test_a_transition_that_the_state_does_not_know_says_what_is_possible(world: World) -> None:
    trial = await raised(world, type_="other")
    refused = await trial.apply("close", expect=409)
    assert refused["type"].endswith("/illegal-transition")
    assert refused["allowed"] == ["assess", "relevel", "cancel"]


async def test_level_1_passes_through_recovery_and_level_3_need_not(begin: Begin) -> None:
    async with begin([task("one")], level=1) as grave:
        await grave.do("one")
        await grave.apply("respond")
        waived = ["updates_paid", "customers_told"]
        refused = await grave.apply("close", waive=waived, reason="told by phone", expect=409)
        assert "recover" in refused["detail"]
        light = await activated(grave.world, level=3)
        await light.do("one")
        await light.apply("respond")
        await light.apply("close")
        await grave.apply("recover")
        await grave.apply("close", waive=waived, reason="told by phone")


@pytest.mark.parametrize(
    ("steps", "missing"),
    [
        ([task("open")], ["tasks_done"]),
        ([step("may", "approval", with_={"by": ["general_manager"], "due": "9h", "text": text()})], ["approvals_decided"]),
        ([wait("never")], []),
    ],
)  # fmt: skip
async def test_a_closing_condition_that_does_not_hold_is_named_and_waived_only_with_a_reason(
    begin: Begin, steps: Any, missing: list[str]
) -> None:
    async with begin(steps) as trial:
        await trial.apply("respond")
        if missing:
            refused = await trial.apply("close", expect=409)
            assert (refused["unmet"], refused["type"].endswith("/guard-refused")) == (missing, True)
            refused = await trial.apply("close", waive=missing, expect=409)
            assert "reason" in refused["detail"]
            await trial.apply("close", waive=missing, reason="settled by phone")
            entry = (await trial.world.get(f"/incidents/{trial.name}/timeline"))["items"]
            closed = next(one for one in entry if one["kind"] == "incident.closed")
            assert (closed["data"]["waived"], closed["data"]["reason"]) == (missing, "settled by phone")
        else:
            await trial.apply("close")


async def test_an_unknown_condition_playbook_or_incident_is_a_wrong_shape(world: World) -> None:
    trial = await raised(world, type_="other")
    assert "tasks_done" in (await trial.apply("cancel", reason="x", waive=["all"], expect=422))["known"]
    assert "other" in (await trial.apply("cancel", reason="x", playbook="none", expect=422))["known"]
    assert (await trial.apply("cancel", reason="x", merge_into="INC-1999-0001", expect=422))["errors"]
    assert (await trial.apply("close", level=2, expect=422))["errors"]


async def test_a_stale_version_is_told_the_present_one(world: World) -> None:
    trial = await raised(world, type_="other")
    version = (await trial.read())["version"]
    path, body = f"/incidents/{trial.name}/transitions", {"event": "assess"}
    await world.post(path, body, headers={"If-Match": f'"{version}"'})
    refused = await world.post(path, {"event": "activate"}, headers={"If-Match": f'"{version}"'}, expect=409)
    assert refused["current_version"] == version + 1


async def test_of_many_who_assess_at_once_exactly_one_does(world: World) -> None:
    trial = await raised(world, type_="other")
    path = f"/api/v1/incidents/{trial.name}/transitions"
    answers = await asyncio.gather(
        *(
            world.client.post(path, json={"event": "assess"}, headers=world.as_("leadership"))
            for _ in range(6)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
    assert (await trial.kinds()).count("incident.assessed") == 1


@pytest.fixture
async def automatic(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A world whose level 2 starts by itself."""

    def change(plan: Any) -> None:
        plan["levels"]["2"]["start"] = "automatic"
        plan["types"]["trial"]["grading"] = [
            {"if": "facts.size >= 10", "level": 2, "because": text("it is big")},
        ]  # fmt: skip

    async with a_world(database_url, tmp_path, plan=plan_with([task("one")], tmp_path, change)) as made:
        yield made


async def raise_trial(world: World, **more: Any) -> Trial:
    made = await world.post("/incidents", {"title": "x", "type": "trial", **more})
    await world.settle()
    return Trial(world, made["id"])


async def test_a_level_the_rules_give_starts_by_itself_where_the_plan_says_so(automatic: World) -> None:
    trial = await raise_trial(automatic, facts={"size": 12})
    incident = await trial.read()
    assert (incident["state"], incident["level"], incident["provisional"]) == ("activated", 2, False)
    assert "it is big" in incident["level_reason"], "the rule, not a hand, gave the level"
    assert await trial.states() == {"one": "waiting"}


async def test_it_starts_by_itself_also_when_a_later_fact_meets_the_rule(automatic: World) -> None:
    trial = await raise_trial(automatic)
    assert (await trial.read())["state"] == "detected"
    await trial.fact(size=12)
    assert (await trial.read())["state"] == "activated"


async def test_a_level_that_somebody_only_says_does_not_start_by_itself(automatic: World) -> None:
    assert (await (await raise_trial(automatic, level=2)).read())["state"] == "detected"
    assert (await (await raise_trial(automatic, facts={"size": 1})).read())["state"] == "detected"


async def test_the_incident_keeps_the_plan_it_was_activated_under(
    fresh_database: Callable[[Kind], str], tmp_path: Path
) -> None:
    async with a_world(fresh_database("sqlite"), tmp_path, plan=plan_with([task("one")], tmp_path)) as world:
        trial = await activated(world)
        before = (await trial.read())["plan_revision"]
        assert before == (await world.get("/levels"))["plan_revision"]
        assert await trial.states() == {"one": "waiting"}
