"""An incident keeps its revision of the plan; moving it to another is an act of its commander, with a reason."""

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.rooms.trial import Begin, Trial, begin, plan_with, task, wait
from tests.world import World

__all__ = ["begin"]
STEPS = [task("look"), wait("held"), task("later", needs=["held"]), task("dropped", needs=["held"])]


async def enforced(world: World, tmp_path: Path, change: Any, steps: Any = STEPS) -> str:
    """Another revision of the trial's plan, put in force as people do it; its id."""
    text = plan_with(copy.deepcopy(steps), tmp_path, change).read_bytes()
    headers = world.as_("management") | {"Content-Type": "application/yaml"}
    stored = await world.client.post("/api/v1/plan/revisions", content=text, headers=headers)
    assert stored.status_code == 201, stored.text
    name: str = stored.json()["id"]
    for event, role in (("submit", "management"), ("approve", "leadership"), ("enforce", "leadership")):
        await world.post(f"/plan/revisions/{name}/transitions", {"event": event}, role=role)
    await world.settle()
    return name


def next_version(plan: Any) -> None:
    plan["plan"]["version"] = "1.1"
    plan["levels"]["3"]["targets"]["update_every"] = "2h"
    steps = plan["playbooks"]["trial"]["steps"]
    steps[2]["with"]["due"] = "10m"
    steps[3] = task("added", needs=["held"])


async def move(trial: Trial, expect: int = 201, role: str = "leadership", **said: Any) -> Any:
    answer = await trial.world.post(
        f"/incidents/{trial.name}/plan", {"reason": "the law changed", **said}, role=role, expect=expect
    )
    await trial.world.settle()
    return answer


async def test_a_running_incident_keeps_its_revision_whatever_is_put_in_force(
    begin: Begin, tmp_path: Path
) -> None:
    async with begin(STEPS) as trial:
        before = (await trial.read())["plan_revision"]
        after = await enforced(trial.world, tmp_path, next_version)
        await trial.apply("respond")
        await trial.fact(held=True)
        assert (await trial.read())["plan_revision"] == before != after
        assert set(await trial.states()) == {"look", "held", "later", "dropped"}
        assert "plan.moved" not in await trial.kinds()


async def test_its_commander_moves_it_and_what_that_changes_is_said_and_done(
    begin: Begin, tmp_path: Path
) -> None:
    async with begin(STEPS) as trial:
        world = trial.world
        after = await enforced(world, tmp_path, next_version)
        [owed] = [
            one
            for one in (await trial.read())["obligations"]
            if (one["kind"], one["state"]) == ("update", "owed")
        ]
        looked = await world.get(f"/incidents/{trial.name}/plan")
        said = [one["text"] for one in looked["differences"]]
        assert looked["revision"]["id"] == after
        assert said == [
            "Level 3: a status update every 2 h instead of 4 h.",
            "Playbook “Trial plan”: step “dropped” removed.",
            "Playbook “Trial plan”, step “later”: due within 10 min instead of 30 min.",
            "Playbook “Trial plan”: step “added” added (levels 1, 2, 3, 4).",
        ]
        assert (await trial.read())["plan_revision"] != after, "looking moves nothing"

        entry = await move(trial)
        assert entry["kind"] == "plan.moved"
        assert "from plan version 1.0 to 1.1: the law changed" in entry["summary"]
        assert all(text in entry["summary"] for text in said)
        assert (await trial.read())["plan_revision"] == after
        assert await trial.states() == {
            "look": "waiting", "held": "waiting", "later": "pending", "dropped": "withdrawn", "added": "pending",
        }  # fmt: skip
        [rearmed] = [
            one
            for one in (await trial.read())["obligations"]
            if (one["kind"], one["state"]) == ("update", "owed")
        ]
        assert rearmed["due_at"] < owed["due_at"]

        await trial.fact(held=True)
        given = {one["title"]["en"]: one for one in await trial.items("tasks")}
        assert set(given) == {"look", "later", "added"}
        await world.nothing_failed()
        await world.the_record_holds()
        await world.the_auditor_finds_nothing()


async def test_a_step_that_comes_back_with_its_level_comes_back_in_the_words_of_the_new_revision(
    begin: Begin, tmp_path: Path
) -> None:
    steps = [task("look"), wait("held"), task("later", needs=["held"]), task("grave", levels=[1, 2])]

    def reworded(plan: Any) -> None:
        plan["plan"]["version"] = "1.1"
        plan["playbooks"]["trial"]["steps"][3]["title"] = {"zh": "新", "en": "New words"}

    async with begin(steps, level=2) as trial:
        await trial.apply("relevel", level=3, reason="less than it looked")
        assert (await trial.states())["grave"] == "withdrawn"
        await enforced(trial.world, tmp_path, reworded, steps)
        await move(trial)
        await trial.apply("relevel", level=2, reason="worse again")
        assert (await trial.step("grave"))["title"]["en"] == "New words"


async def test_moving_it_never_puts_off_the_update_that_is_owed(begin: Begin, tmp_path: Path) -> None:
    async with begin(STEPS) as trial:
        [owed] = [
            one
            for one in (await trial.read())["obligations"]
            if (one["kind"], one["state"]) == ("update", "owed")
        ]
        await trial.world.advance(hours=1)
        lazier: Any = lambda plan: plan["levels"]["3"]["targets"].update(update_every="8h")  # noqa: E731
        await enforced(trial.world, tmp_path, lazier)
        await move(trial)
        [rearmed] = [
            one
            for one in (await trial.read())["obligations"]
            if (one["kind"], one["state"]) == ("update", "owed")
        ]
        assert rearmed["due_at"] == owed["due_at"]


async def test_who_does_not_command_it_does_not_move_it(begin: Begin, tmp_path: Path) -> None:
    async with begin(STEPS, level=1) as trial:
        await enforced(trial.world, tmp_path, next_version)
        refused = await move(trial, 403, "execution")
        assert refused["positions"] == ["general_manager"]
        await move(trial, 403, "management")
        await trial.world.call("POST", f"/incidents/{trial.name}/plan", {"reason": ""}, expect=422)


def without_the_type(plan: Any) -> None:
    plan["types"].pop("trial")


def with_another_playbook(plan: Any) -> None:
    plan["types"]["trial"]["playbook"] = "other_trial"
    plan["playbooks"]["other_trial"] = plan["playbooks"].pop("trial")


@pytest.mark.parametrize(
    ("change", "missing"),
    [(without_the_type, {"type": "trial"}), (with_another_playbook, {"playbook": "trial"})],
    ids=["type", "playbook"],
)
async def test_a_revision_that_lacks_what_it_needs_cannot_carry_it(
    begin: Begin, tmp_path: Path, change: Any, missing: dict[str, str]
) -> None:
    async with begin(STEPS) as trial:
        await enforced(trial.world, tmp_path, change)
        refused = await move(trial, 409)
        assert (refused["type"], refused["missing"]) == ("/problems/plan-cannot-carry", missing)
        assert "Keep the revision it has" in refused["detail"]


async def test_only_to_a_revision_that_was_in_force_and_to_another_than_its_own(
    begin: Begin, tmp_path: Path
) -> None:
    async with begin(STEPS) as trial:
        world = trial.world
        assert "follows version 1.0 already" in (await move(trial, 409))["detail"]
        text = plan_with(copy.deepcopy(STEPS), tmp_path, next_version).read_bytes()
        headers = world.as_("management") | {"Content-Type": "application/yaml"}
        draft = (await world.client.post("/api/v1/plan/revisions", content=text, headers=headers)).json()
        refused = await move(trial, 409, revision_id=draft["id"])
        assert (refused["state"], refused["allowed"]) == ("draft", ["submit"])
        await trial.apply("cancel", reason="nothing was wrong")
        assert "allowed" in await move(trial, 409)


async def test_the_rules_of_the_other_revision_look_at_the_facts(begin: Begin, tmp_path: Path) -> None:
    async with begin(STEPS) as trial:
        await trial.fact(customers=5000)

        def graver(plan: Any) -> None:
            rule = {
                "if": "facts.customers >= 1000",
                "level": 2,
                "because": {"zh": "客户多", "en": "Many customers"},
            }
            plan["types"]["trial"]["grading"] = [rule]

        await enforced(trial.world, tmp_path, graver)
        await move(trial)
        assert "level.suggested" in await trial.kinds()
        assert (await trial.read())["level"] == 3, "once assessed, a rule suggests"
