"""An answer belongs to the call it was given to (EP-5.2): not to a graver level, a new occurrence, or a later moment."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.world import World, a_world

Monitoring = Callable[[str], Awaitable[None]]


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(database_url, tmp_path) as made:
        yield made


async def raised(world: World, **asked: Any) -> str:
    made = await world.post("/incidents", {"title": "坐席登录失败", "type": "system_outage", **asked})
    return str(made["id"])


async def enrol(world: World) -> Monitoring:
    made = await world.post("/sources", {"slug": "shop", "kind": "generic"})

    async def says(status: str) -> None:
        body = {"title": "x", "dedup_key": "disk-7", "status": status, "severity": "critical"}
        body["started_at"] = world.clock.now().isoformat()
        await world.call(
            "POST", "/intake/shop", body, headers={"X-API-Key": made["key"], "Authorization": ""}, expect=202
        )
        await world.settle()

    return says


async def test_a_level_that_is_reached_a_second_time_pages_a_second_time(world: World) -> None:
    name = await raised(world, level=3)
    await world.settle()
    await world.apply(name, "relevel", level=2, reason="grows")
    await world.post(f"/incidents/{name}/acknowledgements")
    await world.settle()
    await world.apply(name, "relevel", level=3, reason="shrinks")
    world.told()
    await world.apply(name, "relevel", level=2, reason="grows again")
    assert world.told() == ["Lin"]


async def test_an_answer_by_link_does_not_stop_the_graver_call_that_began_after_it(world: World) -> None:
    name = await raised(world, level=3)
    await world.settle()
    (message,) = world.messages()
    assert message.link is not None
    await world.client.post(message.link.removeprefix("http://muster.example"))
    await world.post(
        f"/incidents/{name}/transitions", {"event": "relevel", "level": 1, "reason": "all are down"}
    )
    await world.settle()
    assert world.told() == ["Lin"]
    assert (await world.get(f"/incidents/{name}"))["acknowledged_at"] is None
    await world.advance(minutes=5)
    assert "Ben" in world.told()


async def test_an_answer_given_right_after_a_graver_level_stands(world: World) -> None:
    name = await raised(world, level=3)
    await world.settle()
    await world.post(f"/incidents/{name}/transitions", {"event": "relevel", "level": 2, "reason": "grows"})
    await world.post(f"/incidents/{name}/acknowledgements")
    world.told()
    await world.settle()
    assert (await world.get(f"/incidents/{name}"))["acknowledged_by"] == "leadership"
    await world.advance(minutes=59)
    assert world.told() == []


async def test_nobody_is_called_about_what_somebody_has_already(world: World) -> None:
    name = await raised(world, level=1)
    await world.post(f"/incidents/{name}/acknowledgements")
    await world.settle()
    await world.advance(minutes=29)
    assert world.told() == []


async def test_a_problem_that_comes_and_goes_does_not_begin_the_chain_anew(world: World) -> None:
    monitoring = await enrol(world)
    await world.post("/incidents", {"title": "kept open by a person", "dedup_key": "shop:disk-7", "level": 1})
    await world.settle()
    for _ in range(4):
        await monitoring("firing")
        await world.advance(minutes=2)
        await monitoring("resolved")
        await world.advance(minutes=1)
    assert "Ada" in world.told(), "the general manager is reached although the problem flaps"


async def test_a_new_occurrence_after_an_answer_pages_again_and_leaves_the_run_alone(world: World) -> None:
    monitoring = await enrol(world)
    await monitoring("firing")
    (incident,) = (await world.get("/incidents"))["items"]
    name = incident["id"]
    await world.post(f"/incidents/{name}/acknowledgements")
    await world.settle()
    await world.apply(name, "assess", level=4)
    await world.apply(name, "activate")
    await monitoring("resolved")
    world.told()
    await world.advance(minutes=10)
    await monitoring("firing")
    assert "Lin" in world.told()
    before = len((await world.get(f"/incidents/{name}/run"))["steps"])
    await world.apply(name, "relevel", level=1, reason="grows")
    run = await world.get(f"/incidents/{name}/run")
    assert (run["level"], len(run["steps"]) > before) == (1, True)


async def burst(world: World, key: str, *numbers: int) -> None:
    for n in numbers:
        body = {
            "title": f"host-{n} is down",
            "dedup_key": f"host-{n}",
            "status": "firing",
            "severity": "warning",
        }
        headers = {"X-API-Key": key, "Authorization": ""}
        await world.call("POST", "/intake/shop", body, headers=headers, expect=202)


async def test_a_storm_that_comes_at_once_is_one_page(world: World) -> None:
    key = (await world.post("/sources", {"slug": "shop", "kind": "generic"}))["key"]
    await burst(world, key, *range(12))
    await world.settle()
    assert world.told() == ["Lin"]
    (one,) = (await world.get("/incidents?open=true"))["items"]
    assert one["signals"] == 12


async def test_pages_of_what_a_storm_takes_in_are_superseded_and_nobody_hears_of_each(world: World) -> None:
    key = (await world.post("/sources", {"slug": "shop", "kind": "generic"}))["key"]
    for n in range(10):
        await burst(world, key, n)
        await world.settle()
    assert world.told() == ["Lin"] * 10
    await burst(world, key, 10)
    await world.settle()
    assert world.told() == [], "Lin has a page of the incident that stands for all"
    (one,) = (await world.get("/incidents?open=true"))["items"]
    await world.advance(minutes=30)
    further = world.messages()
    assert further
    assert {one["number"] in message.subject for message in further} == {True}


async def test_after_the_end_nothing_of_the_plan_begins(world: World) -> None:
    name = await raised(world, level=4)
    await world.settle()
    await world.apply(name, "assess", level=4)
    await world.apply(name, "activate")
    await world.apply(name, "respond")
    for task in (await world.get(f"/incidents/{name}/tasks"))["items"]:
        await world.post(f"/tasks/{task['id']}/transitions", {"event": "complete"})
    await world.post(f"/incidents/{name}/transitions", {"event": "close"})
    await world.settle()
    kinds = [one["kind"] for one in (await world.get(f"/incidents/{name}/timeline"))["items"]]
    assert "task.given" not in kinds[kinds.index("incident.closed") :]


async def test_a_level_lowered_before_anybody_answered_is_called_by_its_own_chain(world: World) -> None:
    name = await raised(world, level=1)
    await world.settle()
    await world.apply(name, "assess", level=4)
    world.told()
    await world.advance(minutes=110)
    assert set(world.told()) == {"Lin"}, "level 4 gives the duty lead two hours"


async def test_the_head_of_whichever_department_it_is_hears_of_it_on_the_second_rung(world: World) -> None:
    header = "name,staff_number,department,positions,mail"
    await world.import_people(f"{header}\nHu,900,logistics,logistics_head,hu@centre.example\n")
    await raised(world, type="logistics_disruption", level=3)
    await world.settle()
    world.told()
    await world.advance(minutes=30)
    assert "Hu" in world.told()
