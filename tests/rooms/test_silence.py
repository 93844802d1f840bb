"""A source that falls silent, and a channel that fails: people hear of it, once, and once more when it is over."""

from datetime import timedelta
from typing import Any

from app.notify.channel import DeliveryError
from app.service import housekeeping
from app.watch import failing
from app.wording import say
from tests.world import World

BODY = {"id": "1", "title": "Queue is long", "state": "problem"}


async def heard(world: World, key: str, **more: Any) -> None:
    sent = await world.client.post(
        "/intake/probe", json={**BODY, **more}, headers={"Authorization": f"Bearer {key}"}
    )
    assert sent.status_code == 202, sent.text
    await world.settle()


async def minutes(world: World, number: int) -> None:
    """Time passes, and the calendar looks around; twice at the end, as two replicas would."""
    await world.advance(minutes=number)
    for _ in range(2):
        await housekeeping.look_around(world.parts)
        await world.settle()


async def silences(world: World) -> list[Any]:
    return [one for one in (await world.get("/incidents"))["items"] if "heard" in one["title"]]


async def test_a_silent_source_raises_an_incident_once_and_speaking_again_ends_it(world: World) -> None:
    made = await world.post("/sources", {"slug": "probe", "kind": "generic", "expect_every": "15m"})
    assert (made["expect_every"], made["silent_since"]) == ("15m", None)
    await heard(world, made["key"])
    last = world.clock.now()
    await minutes(world, 15)
    assert await silences(world) == []
    assert 'muster_source_silent{source="probe"} 0.0' in await world.get("/metrics")

    await minutes(world, 10)

    (incident,) = await silences(world)
    assert (incident["title"], incident["level"]) == ("Nothing is heard of probe", 4)
    assert incident["type"] == "equipment_failure"
    assert 'muster_source_silent{source="probe"} 1.0' in await world.get("/metrics")
    (source,) = (await world.get("/sources"))["items"]
    assert source["silent_since"].startswith(last.isoformat()[:16])
    page = (await world.client.get("/sources", headers={**world.as_("auditor"), "Accept": "text/html"})).text
    assert "probe" in page
    assert "silent" in page

    await heard(world, made["key"], id="2")
    await minutes(world, 1)
    (incident,) = await silences(world)
    assert incident["state"] == "cancelled", "nobody had taken it, and it is over"

    await minutes(world, 20)
    assert [one["state"] for one in await silences(world)] == ["detected", "cancelled"], (
        "another silence is another incident"
    )
    assert 'muster_source_silent{source="probe"} 1.0' in await world.get("/metrics")


async def test_what_is_expected_can_be_changed(world: World) -> None:
    await world.post("/sources", {"slug": "probe", "kind": "generic"})
    await minutes(world, 60)
    assert await silences(world) == [], "of a source nothing is expected of, nothing is missed"
    changed = await world.call("PATCH", "/sources/probe", {"expect_every": "5m"}, role="management")
    assert changed["expect_every"] == "5m"
    await minutes(world, 1)
    assert len(await silences(world)) == 1
    await world.call("PATCH", "/sources/probe", {"expect_every": "1s"}, expect=422)
    await world.call("PATCH", "/sources/probe", {"expect_every": None}, role="execution", expect=403)
    await world.call("PATCH", "/sources/probe", {"expect_every": None})
    await minutes(world, 1)
    (incident,) = await silences(world)
    assert incident["state"] == "cancelled", "no longer expected, no longer missed"
    await world.call("PATCH", "/sources/muster:watch", {"expect_every": "5m"}, expect=404)


async def test_a_channel_that_fails_is_told_over_another_once_and_when_it_works_again(world: World) -> None:
    for title in ("one", "two", "three"):
        await world.post("/incidents", {"title": title})
    world.channels["mail"].failure = DeliveryError(say("channel.log.unwritable"))
    await minutes(world, 4)

    told = [one for one in world.messages() if "do not get out" in one.subject]

    assert [(one.who, one.channel) for one in told] == [("Lin", "webhook")], "once, and not by mail"
    assert "by mail" in told[0].subject
    assert 'muster_channel_failing{channel="mail"} 1.0' in await world.get("/metrics")
    for _ in range(3):
        await minutes(world, 2)
    assert [one for one in world.messages() if "do not get out" in one.subject] == []

    world.channels["mail"].failure = None
    await minutes(world, 15)
    again = [one for one in world.messages() if "get out again" in one.subject]
    assert [(one.who, one.channel) for one in again] == [("Lin", "webhook")]
    assert "muster_channel_failing{" not in await world.get("/metrics")


async def test_a_few_failures_among_successes_are_no_failing_channel(world: World) -> None:
    await world.post("/incidents", {"title": "one"})
    world.channels["mail"].failure = DeliveryError(say("channel.log.unwritable"))
    await world.advance(minutes=6)
    world.channels["mail"].failure = None
    await minutes(world, 8)
    async with world.parts.db.reading() as session:
        assert await failing.failing_now(session) == []


async def test_where_nobody_of_the_position_has_another_way_the_next_in_the_chain_is_told(
    world: World,
) -> None:
    """Lin has lost the telephone: whoever has one is told, and where nobody has, Lin by what there is."""
    (lin,) = [one for one in (await world.get("/people"))["items"] if one["name"] == "Lin"]
    await world.call(
        "PATCH", f"/people/{lin['id']}", {"contacts": [{"channel": "mail", "address": "lin@centre.example"}]}
    )
    (ada,) = [one for one in (await world.get("/people"))["items"] if one["name"] == "Ada"]
    ways = [
        {"channel": "mail", "address": "ada@centre.example"},
        {"channel": "webhook", "address": "https://phone.example/ada"},
    ]
    await world.call("PATCH", f"/people/{ada['id']}", {"contacts": ways})
    async with world.parts.db.transaction() as session:
        await failing._begin(session, "mail", 3, at=world.clock.now())
    await world.settle()

    assert [(one.who, one.channel) for one in world.messages()] == [("Ada", "webhook")]


async def test_failing_again_after_it_worked_is_told_again(world: World) -> None:
    async def episode() -> int:
        async with world.parts.db.transaction() as session:
            await failing._begin(session, "mail", 3, at=world.clock.now())
            await failing._begin(session, "mail", 3, at=world.clock.now())
        await world.advance(seconds=1)
        return sum("do not get out" in one.subject for one in world.messages())

    assert await episode() == 1
    await world.post("/incidents", {"title": "one", "level": 1})
    await world.advance(minutes=1)
    async with world.parts.db.reading() as session:
        assert await failing.failing_now(session) == ["mail"]
    await minutes(world, 1)
    async with world.parts.db.reading() as session:
        assert await failing.failing_now(session) == []
    world.messages()
    world.clock.advance(timedelta(seconds=1))
    assert await episode() == 1
