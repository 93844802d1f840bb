"""What incidents hold: it ends, it is extended, and a graver incident takes it by its commander's decision (EP-4.2.4, EP-6)."""

from datetime import timedelta
from typing import Any

import pytest

from tests.world import World

SLOTS = {"pool": "service_supplies", "item": "announcement_slot"}


async def raised(world: World, level: int, title: str = "Lines down") -> Any:
    made = await world.post("/incidents", {"title": title, "type": "other", "level": level})
    await world.settle()
    return made


async def hold(world: World, incident: Any, quantity: int, until: str = "2026-12-01T00:00:00Z") -> Any:
    wish = {"ref": incident["id"], "ask": [{**SLOTS, "quantity": quantity}], "until": until}
    made = await world.post("/reservations", wish, role="management")
    await world.settle()
    return made


async def held(world: World, incident: Any) -> list[int]:
    return [
        one["quantity"] for one in (await world.get(f"/incidents/{incident['id']}/reservations"))["items"]
    ]


async def question(world: World, incident: Any, kind: str) -> Any:
    asked = (await world.get(f"/incidents/{incident['id']}/decisions"))["items"]
    return next(one for one in asked if one["kind"] == kind and one["state"] == "asked")


async def answer(world: World, asked: Any, choice: str) -> None:
    await world.post(f"/decisions/{asked['id']}/choices", {"choice": choice}, role="leadership")
    await world.settle()


async def want(world: World, incident: Any, quantity: int) -> None:
    wish = {"ask": [{**SLOTS, "quantity": quantity}], "until": "2026-12-01T00:00:00Z"}
    await world.post(f"/incidents/{incident['id']}/preemptions", wish, role="management", expect=202)
    await world.settle()


async def kinds(world: World, incident: Any) -> list[str]:
    return [one["kind"] for one in (await world.get(f"/incidents/{incident['id']}/timeline"))["items"]]


def in_hours(world: World, hours: float) -> str:
    return (world.clock.now() + timedelta(hours=hours)).isoformat()


async def test_a_lease_nobody_extends_is_late_and_then_given_back(world: World) -> None:
    incident = await raised(world, 3)
    await hold(world, incident, 2, in_hours(world, 1))
    await world.advance(minutes=46)
    assert "2 × Announcement slot" in (await question(world, incident, "lease"))["question"]["en"]
    await world.advance(minutes=15)
    assert await held(world, incident) == [2]
    assert "reservation.late" in await kinds(world, incident)
    await world.advance(minutes=15)
    assert await held(world, incident) == []
    assert "reservation.returned" in await kinds(world, incident)


async def test_a_lease_its_commander_extends_goes_on(world: World) -> None:
    incident = await raised(world, 3)
    await hold(world, incident, 2, in_hours(world, 1))
    await world.advance(minutes=50)
    await answer(world, await question(world, incident, "lease"), "extend")
    await world.advance(minutes=55)
    assert await held(world, incident) == [2]
    assert "reservation.late" not in await kinds(world, incident)
    await answer(world, await question(world, incident, "lease"), "give_back")
    assert await held(world, incident) == []


async def test_what_is_for_no_incident_goes_back_at_its_end(world: World) -> None:
    await world.post(
        "/reservations", {"ref": "meeting", "ask": [SLOTS], "until": in_hours(world, 1)}, role="management"
    )
    await world.advance(minutes=61)
    assert (await world.get("/reservations?state=held"))["items"] == []


async def test_a_graver_incident_takes_by_its_commanders_decision_and_the_other_hears_of_it(
    world: World,
) -> None:
    least, grave = await raised(world, 4, "Chair broken"), await raised(world, 1, "All down")
    await hold(world, least, 3)
    await want(world, grave, 2)
    [conflict] = (await world.get("/preemptions?state=proposed"))["items"]
    assert sum(one["quantity"] for one in conflict["takings"]) == 2
    asked = await question(world, grave, "preemption")
    assert least["number"] in asked["question"]["en"]
    assert (await held(world, grave), sum(await held(world, least))) == ([], 3)
    world.told()
    await answer(world, asked, "take")
    assert (sum(await held(world, grave)), sum(await held(world, least))) == (2, 1)
    assert "reservation.preempted" in await kinds(world, least)
    assert "preemption.carried_out" in await kinds(world, grave)
    assert any(grave["number"] in one.subject and least["number"] in one.subject for one in world.log)


async def test_a_no_takes_nothing_and_what_has_changed_meanwhile_is_not_taken(world: World) -> None:
    least, grave = await raised(world, 4), await raised(world, 1, "All down")
    first = await hold(world, least, 3)
    await want(world, grave, 3)
    await answer(world, await question(world, grave, "preemption"), "leave")
    assert (await held(world, grave), await held(world, least)) == ([], [3])
    await want(world, grave, 3)
    asked = await question(world, grave, "preemption")
    await world.post(f"/reservations/{first['id']}/release", role="management", expect=200)
    await hold(world, least, 1)
    await answer(world, asked, "take")
    assert await held(world, grave) == []
    assert {one["state"] for one in (await world.get("/preemptions"))["items"]} == {"refused", "void"}


@pytest.mark.parametrize(("grave_then", "least_then"), [(4, 1), (3, 3)])
async def test_who_is_no_longer_less_grave_by_the_time_of_the_answer_keeps_what_it_has(
    world: World, grave_then: int, least_then: int
) -> None:
    least, grave = await raised(world, 4), await raised(world, 1, "All down")
    await hold(world, least, 3)
    await want(world, grave, 3)
    asked = await question(world, grave, "preemption")
    for one, level in ((grave, grave_then), (least, least_then)):
        await world.apply(one["id"], "assess", level=level, reason="We know more now")
    await world.settle()
    await answer(world, asked, "take")
    assert await held(world, least) == [3]
    assert {one["state"] for one in (await world.get("/preemptions"))["items"]} == {"void"}
    assert "preemption.void" in await kinds(world, grave)
