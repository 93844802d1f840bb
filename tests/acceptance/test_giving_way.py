"""EP-4.2.4 and EP-6: what is lent has an end, and what a graver matter lacks is taken only because its commander said so."""

from datetime import timedelta
from typing import Any

from tests.world import World

STANDBY = [
    {"pool": "standby_systems", "item": "standby_telephony"},
    {"pool": "cloud_standby", "item": "cloud_call_centre"},
]


async def lesser(world: World) -> Any:
    """A level 3 matter under way that holds both ways of taking calls elsewhere, for two hours."""
    raised = await world.post("/incidents", {"type": "logistics_disruption", "title": "快件积压", "level": 3})
    await world.settle()
    await world.apply(
        raised["id"], "assess", assessment={"method": "qualitative", "likelihood": 3, "impact": 3}
    )
    await world.apply(raised["id"], "activate")
    until = (world.clock.now() + timedelta(hours=2)).isoformat()
    held = await world.post(
        "/reservations", {"ref": raised["id"], "ask": STANDBY, "until": until, "key": "by hand"}
    )
    await world.settle()
    return {**raised, "held": held["id"]}


async def graver(world: World) -> Any:
    raised = await world.post("/incidents", {"type": "system_outage", "title": "呼叫中心不可用", "level": 1})
    await world.settle()
    await world.apply(
        raised["id"], "assess", assessment={"method": "qualitative", "likelihood": 5, "impact": 5}
    )
    await world.apply(raised["id"], "activate")
    return raised


async def asked(world: World, incident_id: str, kind: str) -> Any:
    rows = (await world.get(f"/incidents/{incident_id}/decisions"))["items"]
    return next((one for one in rows if one["kind"] == kind and one["state"] == "asked"), None)


async def choose(world: World, decision: Any, choice: str) -> None:
    await world.post(f"/decisions/{decision['id']}/choices", {"choice": choice})
    await world.settle()


async def state(world: World, incident_id: str, step: str) -> str:
    run = await world.get(f"/incidents/{incident_id}/run")
    return str(next(one["state"] for one in run["steps"] if one["name"] == step))


async def kinds(world: World, incident_id: str) -> list[str]:
    return [entry["kind"] for entry in (await world.get(f"/incidents/{incident_id}/timeline"))["items"]]


async def held(world: World, incident_id: str) -> list[str]:
    return [row["unit"] for row in (await world.get(f"/incidents/{incident_id}/reservations"))["items"]]


async def test_a_graver_incident_takes_from_a_lesser_one_because_its_commander_said_so(world: World) -> None:
    less = await lesser(world)
    grave = await graver(world)
    assert await state(world, grave["id"], "reserve_standby_systems") != "done"
    question = await asked(world, grave["id"], "preemption")
    assert question is not None
    assert less["number"] in question["question"]["en"]
    assert sorted(await held(world, less["id"])) == ["cloud_call_centre", "standby_telephony"], (
        "asking takes nothing"
    )

    world.messages()
    await choose(world, question, "take")

    assert await state(world, grave["id"], "reserve_standby_systems") == "done"
    assert "standby_telephony" in await held(world, grave["id"])
    assert await held(world, less["id"]) == ["cloud_call_centre"], "no more than was needed"
    assert "preemption.carried_out" in await kinds(world, grave["id"])
    assert "reservation.preempted" in await kinds(world, less["id"])
    assert any(grave["number"] in one.text for one in world.messages()), "who lost it hears so"
    (taken,) = (await world.get("/preemptions"))["items"]
    assert taken["state"] == "carried_out"
    await world.the_record_holds()
    await world.the_auditor_finds_nothing()


async def test_left_where_it_is_nothing_is_taken(world: World) -> None:
    less = await lesser(world)
    grave = await graver(world)
    question = await asked(world, grave["id"], "preemption")

    await choose(world, question, "leave")

    assert len(await held(world, less["id"])) == 2
    assert "reservation.preempted" not in await kinds(world, less["id"])
    (refused,) = (await world.get("/preemptions"))["items"]
    assert refused["state"] == "refused"


async def test_what_was_given_back_between_question_and_answer_is_not_taken_twice(world: World) -> None:
    less = await lesser(world)
    grave = await graver(world)
    question = await asked(world, grave["id"], "preemption")
    await world.post(f"/reservations/{less['held']}/release")
    await world.settle()

    await choose(world, question, "take")

    assert "preemption.void" in await kinds(world, grave["id"])
    assert "reservation.preempted" not in await kinds(world, less["id"])
    await world.nothing_failed()


async def test_an_incident_as_grave_takes_nothing(world: World) -> None:
    first = await graver(world)
    assert await state(world, first["id"], "reserve_standby_systems") == "done"
    second = await graver(world)

    assert await asked(world, second["id"], "preemption") is None


async def test_what_is_done_by_hand_stands_on_the_record_and_a_slip_takes_nothing(world: World) -> None:
    less = await lesser(world)
    assert "reservation.made" in await kinds(world, less["id"])
    until = (world.clock.now() + timedelta(hours=2)).isoformat()
    await world.post(
        "/reservations", {"ref": "INC-2026-0999", "ask": STANDBY[:1], "until": until}, expect=404
    )
    stale = {"If-Match": '"7"'}
    path = f"/reservations/{less['held']}"
    refused = await world.post(f"{path}/release", headers=stale, expect=409)
    assert refused["current_version"] == 1
    far = (world.clock.now() + timedelta(days=31)).isoformat()
    assert "latest" in await world.post(f"{path}/extend", {"until": far}, expect=409)

    await world.post(f"{path}/release", headers={"If-Match": '"1"'})
    await world.settle()

    assert "reservation.released" in await kinds(world, less["id"])


async def test_the_commander_hears_when_what_is_held_breaks(world: World) -> None:
    less = await lesser(world)
    world.messages()
    await world.post(
        "/pools/standby_systems/assets/standby_telephony/state", {"state": "faulty"}, role="management"
    )
    await world.settle()

    assert "reservation.failed" in await kinds(world, less["id"])
    assert any("Standby telephony" in one.text or "备用电话系统" in one.text for one in world.messages())


async def test_asking_to_take_what_cannot_be_taken_is_answered(world: World) -> None:
    await lesser(world)
    grave = await graver(world)
    await choose(world, await asked(world, grave["id"], "preemption"), "leave")
    until = (world.clock.now() + timedelta(hours=2)).isoformat()
    path, wish = f"/incidents/{grave['id']}/preemptions", {"ask": STANDBY[:1], "until": until}
    await world.post(path, {**wish, "ask": [{"pool": "zzz", "quantity": 1}]}, expect=404)

    await world.post(path, wish, expect=202)
    await world.settle()
    again = await world.post(path, wish, expect=409)
    assert again["decision"] == (await asked(world, grave["id"], "preemption"))["id"]

    await world.post(
        path, {**wish, "ask": [{"pool": "service_supplies", "item": "backup_phone", "quantity": 900}]}
    )
    await world.settle()
    assert "preemption.impossible" in await kinds(world, grave["id"])


async def test_the_ledger_of_a_pool_can_be_read(world: World) -> None:
    before = (await world.get("/pools/service_supplies/movements?item=backup_phone"))["items"]
    assert [one["kind"] for one in before] == ["opening"]
    await world.advance(minutes=1)
    new = {"item": "backup_phone", "kind": "in", "quantity": 5}
    await world.post("/pools/service_supplies/movements", new, role="management")
    after = (await world.get("/pools/service_supplies/movements?item=backup_phone"))["items"]
    assert [(one["kind"], one["change"]) for one in after] == [("in", 5), ("opening", 20)]
    await world.get("/pools/zzz/movements", expect=404)
