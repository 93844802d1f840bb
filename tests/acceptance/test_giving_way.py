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


async def test_a_lease_near_its_end_is_asked_about_and_goes_on(world: World) -> None:
    less = await lesser(world)
    await world.advance(hours=1, minutes=46)
    question = await asked(world, less["id"], "lease")
    assert question is not None

    await choose(world, question, "extend")
    await world.advance(minutes=30)

    assert len(await held(world, less["id"])) == 2
    assert "reservation.extended" in await kinds(world, less["id"])


async def test_a_lease_nobody_extends_is_late_then_goes_back(world: World) -> None:
    less = await lesser(world)
    await world.advance(hours=2, minutes=1)
    assert "reservation.late" in await kinds(world, less["id"])
    assert len(await held(world, less["id"])) == 2, "late is not lost"

    await world.advance(minutes=15)

    assert await held(world, less["id"]) == []
    assert "reservation.returned" in await kinds(world, less["id"])
    assert await asked(world, less["id"], "lease") is None, "nothing to decide any more"
    again = await world.post(f"/reservations/{less['held']}/release")
    assert again["state"] == "released", "giving back twice is giving back once"
    await world.nothing_failed()
