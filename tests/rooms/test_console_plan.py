"""The plan in the console: what a revision changes, what it would have changed, and its life by buttons."""

import copy
from pathlib import Path

from tests.rooms.test_console import Browser, browser, world
from tests.rooms.trial import activated, plan_with, task
from tests.world import World

__all__ = ["browser", "world"]


async def stored(world: World, tmp_path: Path) -> str:
    """A draft of management in which level 3 asks for updates less often, and there is a type `trial`."""

    def slower(plan: dict[str, dict[str, dict[str, dict[str, str]]]]) -> None:
        plan["levels"]["3"]["targets"]["update_every"] = "8h"
        plan["plan"]["version"] = "1.1"  # type: ignore[assignment]

    text = plan_with([copy.deepcopy(task("look"))], tmp_path, slower).read_bytes()
    headers = world.as_("management") | {"Content-Type": "application/yaml"}
    answer = await world.client.post("/api/v1/plan/revisions?reason=law", content=text, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_a_manager_reads_what_a_revision_changes_and_takes_it_through_its_life(
    browser: Browser, world: World, tmp_path: Path
) -> None:
    trial = await activated(world, level=3, type_="other")
    revision = await stored(world, tmp_path)
    await world.post("/plan/due", {"reason": "law", "text": "The measures were amended."})
    await browser.sign_in("leadership")
    await world.advance(minutes=1)
    await browser.get("/plan")
    assert "The measures were amended." in browser.text
    assert "law or rules changed" in browser.text
    at = f"/plan/revisions/{revision}"
    await browser.get(at)
    assert "Level 3: a status update every 8 h instead of 4 h. weakens the plan" in browser.text
    assert "No recorded incidents were put through this revision yet." in browser.text
    await browser.post(f"{at}/impact", {"form": "impact"})
    assert "Of 1 recorded incidents" in browser.text
    for event in ("submit", "approve", "enforce"):
        version = browser.page.partition('name="version" value="')[2].partition('"')[0]
        await browser.post(f"{at}/transitions", {"form": "move", "event": event, "version": version})
    assert "in force" in browser.text
    await browser.get("/plan")
    assert "The measures were amended." not in browser.text, "a revision in force has answered it"

    await browser.get(f"/incidents/{trial.name}")
    assert "Plan version 1.1 is in force now" in browser.text
    version = browser.form("plan").partition('name="version" value="')[2].partition('"')[0]
    fields = {"form": "plan", "revision_id": revision, "reason": "it is the law now", "version": version}
    await browser.post(f"/incidents/{trial.name}/plan", fields)
    assert (await trial.read())["plan_revision"] == revision
    assert "Moved from plan version 1.0 to 1.1: it is the law now" in browser.text
    assert "is in force now" not in browser.text
    await browser.post(f"/incidents/{trial.name}/plan", fields, expect=409)
    assert "refusal" in browser.page
    assert "Moved from plan version 1.0 to 1.1" in browser.text, (
        "the page of the incident, not the reason alone"
    )


async def test_a_refused_decision_comes_back_with_the_page(
    browser: Browser, world: World, tmp_path: Path
) -> None:
    revision = await stored(world, tmp_path)
    await browser.sign_in("management")
    at = f"/plan/revisions/{revision}"
    await browser.get(at)
    await browser.post(f"{at}/transitions", {"form": "move", "event": "submit", "version": "1"})
    await browser.post(f"{at}/transitions", {"form": "move", "event": "approve", "version": "2"}, expect=403)
    assert "leadership" in browser.text
    assert "weakens the plan" in browser.text


async def test_those_who_keep_the_plan_hear_why_it_is_due(world: World) -> None:
    world.told()
    await world.post("/plan/due", {"reason": "resources", "text": "The vendor left."})
    await world.settle()
    [told] = world.messages()
    assert (told.who, told.subject) == ("Lin", "The plan is due for revision: important resources changed")
    assert "The vendor left. Revise the plan, or say why no revision is needed." in told.text
    await world.advance(days=7, minutes=1)
    assert "The plan is due for revision: important resources changed" in [
        one.subject for one in world.messages()
    ]


async def test_a_review_that_blames_the_plan_makes_it_due(world: World) -> None:
    trial = await activated(world, level=4, type_="other")
    await trial.apply("respond")
    waive = ["tasks_done", "updates_paid", "customers_told", "approvals_decided"]
    await trial.apply("close", reason="over", waive=waive)
    review = f"/incidents/{trial.name}/review"
    written = {
        "summary": "No step for it",
        "causes": [{"text": "The plan has no step for it", "category": "plan"}],
    }
    await world.call("PATCH", review, written)
    await world.post(f"{review}/publish")
    await world.settle()
    [due] = (await world.get("/plan/due"))["items"]
    assert (due["reason"], due["noted_by"]) == ("found_wanting", "plan")
    assert (await trial.read())["number"] in due["said"]
