"""Warnings (EP-2.5, OM-2): raised by indicators before an incident exists, coloured by level; lifted, or become an incident."""

from datetime import timedelta
from typing import Any

from app.warnings import indicators
from tests.world import NIGHT, World


def minute(number: float) -> str:
    return (NIGHT + timedelta(minutes=number)).isoformat()


async def tell(world: World, *values: tuple[float, float], name: str = "queue_length") -> list[str]:
    """Values of an indicator, each with its minute of the night, as a program with a key tells them."""
    asked = [{"name": name, "value": value, "at": minute(at)} for at, value in values]
    answer = await world.post("/indicators", asked if len(asked) > 1 else asked[0], role="execution")
    await world.settle()
    return [one["outcome"] for one in answer["items"]]


async def warnings(world: World, **query: Any) -> list[Any]:
    found = await world.client.get("/api/v1/warnings", params=query, headers=world.as_("execution"))
    return list(found.json()["items"])


async def kinds(world: World, warning_id: str) -> list[str]:
    return [one["kind"] for one in (await world.get(f"/warnings/{warning_id}"))["timeline"]]


async def test_an_indicator_raises_a_coloured_warning_before_there_is_an_incident_and_it_rises_falls_and_is_lifted(
    world: World,
) -> None:
    assert await tell(world, (0, 35)) == ["taken"]
    assert await warnings(world) == [], "it must hold for three minutes"
    await world.advance(minutes=3)
    (warning,) = await warnings(world, open=True)
    assert (warning["colour"], warning["level"], warning["state"]) == ("blue", 4, "open")
    (told,) = world.messages()
    assert told.who == "Lin"
    assert told.subject == "blue (level 4) warning: Customers waiting"
    assert "35 waiting" in told.text
    assert "Check the figure and find the cause." in told.text, "what to do is the plan's"
    assert told.link == f"http://muster.example/warnings/{warning['id']}"
    assert (await world.get("/incidents"))["items"] == []

    await tell(world, (3, 130), (7, 131))
    await world.advance(minutes=4)
    (warning,) = await warnings(world)
    assert (warning["colour"], warning["gravest"]) == ("orange", 2)
    assert sorted(world.told()) == ["Ben", "Ops", "Tao"]

    await tell(world, (8, 20))
    await world.advance(minutes=9)
    assert (await warnings(world))[0]["colour"] == "orange", "it dwells for ten minutes before it falls"
    await tell(world, (17, 40))
    await world.advance(minutes=2)
    assert (await warnings(world))[0]["colour"] == "blue"
    assert "down to blue" in world.messages()[-1].subject
    await tell(world, (20, 1))
    await world.advance(minutes=15)
    (warning,) = await warnings(world)
    assert (warning["state"], warning["ended_by"]) == ("lifted", "plan")
    assert await kinds(world, warning["id"]) == [
        "begun", "rose", "unanswered", "fell", "quiet", "lifted",
    ]  # fmt: skip


async def test_who_is_told_acknowledges_by_the_button_or_else_those_above_hear_of_it(world: World) -> None:
    await tell(world, (0, 70))
    await world.advance(minutes=3)
    told = world.messages()
    assert sorted(one.who for one in told) == ["Ben", "Lin"]
    await world.advance(minutes=30)
    above = {one.who for one in world.messages() if "Nobody has" in one.subject}
    assert above == {"Ada", "Deng"}
    link = next(one.link for one in told if one.who == "Lin" and one.link)
    await world.client.post(link.removeprefix("http://muster.example"))
    await world.settle()
    (warning,) = await warnings(world)
    assert warning["acknowledged_by"] == "Lin"
    await tell(world, (33, 130))
    await world.advance(minutes=3)
    assert (await warnings(world))[0]["acknowledged_by"] is None, "a graver colour asks anew"
    again = await world.post(
        f"/warnings/{warning['id']}/acknowledgements", {"note": "on it"}, role="execution"
    )
    assert again["acknowledged_by"] == "execution"
    world.messages()
    await world.advance(minutes=30)
    assert not [one for one in world.messages() if "Nobody has" in one.subject]


async def test_a_warning_becomes_an_incident_by_hand_with_its_facts_and_its_history_and_the_indicator_goes_on_there(
    world: World,
) -> None:
    await tell(world, (0, 3.5), name="system_error_rate")
    await world.advance(minutes=2)
    (warning,) = await warnings(world)
    path = f"/warnings/{warning['id']}/transitions"
    stale = await world.client.post(
        f"/api/v1{path}",
        json={"event": "become_incident"},
        headers=world.as_("management") | {"If-Match": '"7"'},
    )
    assert stale.status_code == 409
    moved = await world.post(
        path, {"event": "become_incident", "reason": "The gateway drops calls"}, role="management"
    )
    await world.settle()
    assert moved["state"] == "incident"
    incident = await world.get(f"/incidents/{moved['incident']}")
    assert (incident["type"], incident["level"]) == ("system_outage", 3)
    assert incident["facts"] == {"system_error_rate": 3.5}
    timeline = (await world.get(f"/incidents/{moved['incident']}/timeline"))["items"]
    before = [one["summary"] for one in timeline if one["kind"] == "warning.told_on"]
    assert len(before) == 1
    assert "Warning raised: yellow (level 3), at 3.5 %." in before[0]
    refused = await world.post(path, {"event": "lift", "reason": "x"}, expect=409)
    assert (refused["state"], refused["allowed"], refused["incident"]) == ("incident", [], moved["incident"])

    await tell(world, (3, 6), name="system_error_rate")
    await world.advance(minutes=3)
    assert len(await warnings(world)) == 1, "one is enough while the incident is open"
    facts = (await world.get(f"/incidents/{moved['incident']}"))["facts"]
    assert facts == {"system_error_rate": 6}
    await world.apply(moved["incident"], "cancel", reason="not ours")
    (anew, _) = await warnings(world)
    assert (anew["state"], anew["colour"]) == ("open", "orange"), "what outlasts the incident is warned of"


async def test_a_warning_becomes_an_incident_by_the_plan_at_a_colour(world: World) -> None:
    await tell(world, (0, 120), name="complaints_per_hour")
    (warning,) = await warnings(world)
    assert (warning["state"], warning["ended_by"]) == ("incident", "plan")
    incident = await world.get(f"/incidents/{warning['incident']}")
    assert (incident["type"], incident["level"]) == ("mass_complaints", 2)
    assert incident["facts"] == {"complaints_per_hour": 120}
    assert "Warning raised" not in str(world.messages()), "its own chain tells of it"


async def test_one_that_waits_for_a_reason_is_lifted_by_somebody_who_gives_it(world: World) -> None:
    await tell(world, (0, 78), name="satisfaction")
    (warning,) = await warnings(world)
    await tell(world, (1, 95), name="satisfaction")
    await world.advance(hours=4, minutes=1)
    (warning,) = await warnings(world)
    assert (warning["state"], warning["colour"]) == ("open", None)
    path = f"/warnings/{warning['id']}/transitions"
    nothing_said = await world.post(path, {"event": "lift"}, expect=422)
    assert "reason" in nothing_said["detail"]
    await world.post(path, {"event": "lift"}, role="execution", expect=403)
    lifted = await world.post(path, {"event": "lift", "reason": "The new menu is gone"}, role="management")
    assert (lifted["state"], lifted["reason"]) == ("lifted", "The new menu is gone")


async def test_a_value_counts_once_by_name_and_moment_and_a_late_one_is_kept_and_judged_no_more(
    world: World,
) -> None:
    assert await tell(world, (-10, 1), (-5, 2), (-10, 500)) == ["taken", "taken", "repeated"]
    assert await tell(world, (-5, 500)) == ["repeated"]
    assert await tell(world, (-7, 500)) == ["late"]
    await world.advance(minutes=5)
    assert await warnings(world) == []
    samples = (await world.get("/indicators/queue_length/samples"))["items"]
    assert [(one["value"], one["late"]) for one in samples] == [(2, False), (500, True), (1, False)]
    (queue,) = [one for one in (await world.get("/indicators"))["items"] if one["name"] == "queue_length"]
    assert (queue["value"], queue["colour"], queue["title"]) == (2, None, "Customers waiting")

    strange = await world.post(
        "/indicators", [{"name": "queue_length", "value": 1}, {"name": "queue", "value": 1}], expect=422
    )
    assert (strange["errors"][0]["path"], "queue_length" in strange["known"]) == ("1.name", True)
    early = await world.post(
        "/indicators", {"name": "queue_length", "value": 1, "at": minute(60)}, expect=422
    )
    assert early["errors"] == [{"path": "at"}]
    await world.post("/indicators", {"name": "queue_length", "value": True}, expect=422)
    assert len((await world.get("/indicators/queue_length/samples"))["items"]) == 3, "all or none"


async def test_the_silence_of_an_indicator_that_should_come_is_said_once_and_so_is_its_return(
    world: World,
) -> None:
    async def look() -> list[str]:
        async with world.parts.db.transaction() as session:
            found = await indicators.look_for_silence(session, at=world.clock.now())
        await world.settle()
        return found

    await tell(world, (0, 70))
    await world.advance(minutes=9)
    assert await look() == [], "and of those that were never heard nobody speaks"
    await world.advance(minutes=2)
    world.messages()
    assert await look() == ["queue_length"]
    assert [(one.who, one.subject) for one in world.messages()] == [("Ops", "No data: Customers waiting")]
    assert await look() == []
    await tell(world, (11, 70))
    assert [one.subject for one in world.messages()] == ["Data again: Customers waiting"]
    (warning,) = await warnings(world)
    assert (await kinds(world, warning["id"]))[1:] == ["silent", "heard"]
