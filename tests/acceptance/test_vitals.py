"""Whether the service lives, its figures, and its log: read from outside, as those who watch it do."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import NoReturn

import pytest
import structlog
from sqlalchemy import update

from app import outbox, reacting, telemetry
from app.db import Database
from app.flow import REACTIONS
from app.notify.channel import DeliveryError
from app.outbox import OutboxMessage
from app.wording import say
from tests.rooms.trial import raised
from tests.world import World


async def health(world: World) -> int:
    # No key: whoever watches has none.
    return (await world.client.get("/healthz")).status_code


async def test_it_is_alive_while_the_engine_finishes_its_looks(world: World) -> None:
    assert await health(world) == 200
    world.clock.advance(world.parts.settings.tick_limit)
    assert await health(world) == 200
    world.clock.advance(timedelta(seconds=1))
    answer = await world.client.get("/healthz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["content-type"] == "application/problem+json"
    await world.settle()
    assert await health(world) == 200


async def test_before_the_first_look_it_is_not_alive_yet(world: World) -> None:
    world.engine.last_tick = None
    assert await health(world) == 503


async def test_it_is_alive_in_a_storm_where_no_look_finds_nothing(world: World) -> None:
    async with world.parts.db.transaction() as session:
        for n in range(3):
            outbox.put(session, "test.nothing", {}, ref=f"r{n}", at=world.clock.now())
    world.clock.advance(timedelta(minutes=1))
    assert await world.engine.follow(), "there is more to do"
    assert await health(world) == 200
    await world.settle()


async def test_an_engine_that_cannot_come_to_an_end_of_its_look_is_not_alive(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: Database) -> NoReturn:
        raise ConnectionError("the database is away")

    world.clock.advance(timedelta(minutes=1))
    with monkeypatch.context() as patched:
        patched.setattr(Database, "reading", away)
        with pytest.raises(ConnectionError):
            await world.engine.follow()
    assert await health(world) == 503


async def test_it_is_ready_once_the_database_answers(world: World) -> None:
    assert (await world.client.get("/readyz")).status_code == 200


# ── figures ───────────────────────────────────────────────────────────────────────────────────────────────


async def figures(world: World) -> dict[str, float]:
    lines = (await world.get("/metrics")).splitlines()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")
    }


async def test_incidents_are_counted_by_level_and_state_drills_apart(world: World) -> None:
    await raised(world, type_="other", level=1)
    assessed = await raised(world, type_="other", level=2)
    await assessed.apply("assess")
    await raised(world, type_="other", level=2, exercise=True)
    found = await figures(world)
    assert found['muster_incidents{level="1",state="detected",status="Actual"}'] == 1
    assert found['muster_incidents{level="2",state="assessed",status="Actual"}'] == 1
    assert found['muster_incidents{level="2",state="detected",status="Exercise"}'] == 1


async def test_the_time_to_acknowledge_is_a_histogram_of_real_incidents(world: World) -> None:
    for minutes, exercise in ((4, False), (20, False), (1, True)):
        made = await world.post("/incidents", {"title": "x", "level": 3, "exercise": exercise})
        await world.advance(minutes=minutes)
        await world.post(f"/incidents/{made['id']}/acknowledgements")
        await world.settle()
    found = await figures(world)
    name = "muster_time_to_acknowledge_seconds"
    assert found[f'{name}_bucket{{le="300",level="3"}}'] == 1
    assert found[f'{name}_bucket{{le="1800",level="3"}}'] == 2
    assert found[f'{name}_count{{level="3"}}'] == 2
    assert found[f'{name}_sum{{level="3"}}'] == 24 * 60


async def test_deliveries_are_counted_by_channel_and_outcome(world: World) -> None:
    world.channels["webhook"].failure = DeliveryError(say("channel.webhook.refused"), permanent=True)
    await world.post("/incidents", {"title": "x", "level": 1})
    await world.settle()
    await world.advance(minutes=2)
    found = await figures(world)
    assert found['muster_deliveries{channel="mail",state="sent"}'] == 1
    assert found['muster_deliveries{channel="webhook",state="failed"}'] == 1


async def test_what_is_due_and_not_done_shows_its_age(world: World) -> None:
    made = await world.post("/incidents", {"title": "x", "level": 1})
    found = await figures(world)
    assert found['muster_oldest_due_seconds{queue="reactions"}'] == 0
    world.clock.advance(timedelta(seconds=90))
    assert (await figures(world))['muster_oldest_due_seconds{queue="reactions"}'] == 90
    await world.settle()
    world.clock.advance(timedelta(minutes=6))
    found = await figures(world)
    assert found['muster_oldest_due_seconds{queue="reactions"}'] == 0
    assert found['muster_oldest_due_seconds{queue="timers"}'] == 60, "the second rung was due a minute ago"
    await world.settle()
    assert (await figures(world))['muster_oldest_due_seconds{queue="timers"}'] == 0
    await world.apply(made["id"], "cancel", reason="enough")


async def test_chains_that_reach_nobody_are_counted(world: World) -> None:
    assert (await figures(world))["muster_chains_reaching_nobody"] == 0
    for person in (await world.get("/people"))["items"]:
        await world.call("PATCH", f"/people/{person['id']}", {"availability": "leave"})
    await world.settle()
    await world.post("/incidents", {"title": "x", "level": 1})
    await world.settle()
    assert (await figures(world))["muster_chains_reaching_nobody"] == 1


async def test_the_figures_are_not_for_everybody(world: World) -> None:
    assert (await world.client.get("/metrics")).status_code == 401


# ── the log ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What goes to the log from now on."""
    root = logging.getLogger()
    kept, level = root.handlers, root.level
    telemetry.set_up("INFO")
    stream = io.StringIO()
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    yield stream
    root.handlers, root.level = kept, level
    telemetry.set_up("WARNING")


def lines(written: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


async def test_each_request_is_one_line_of_json_with_its_id_and_its_incident(
    world: World, written: io.StringIO
) -> None:
    trial = await raised(world, type_="other")
    headers = world.as_("leadership") | {"X-Request-Id": "from-the-proxy-7"}
    answer = await world.client.get(f"/api/v1/incidents/{trial.name}", headers=headers)
    assert answer.headers["x-request-id"] == "from-the-proxy-7"
    (line,) = [line for line in lines(written) if line.get("request") == "from-the-proxy-7"]
    assert (line["event"], line["status"], line["incident"]) == ("request", 200, trial.name)
    assert (line["method"], line["route"]) == ("GET", "/api/v1/incidents/{incident_id}")


async def test_a_request_without_an_id_gets_one_of_its_own(world: World, written: io.StringIO) -> None:
    first, second = [await world.client.get("/readyz") for _ in range(2)]
    ids = {first.headers["x-request-id"], second.headers["x-request-id"]}
    assert len(ids) == 2
    assert ids <= {line["request"] for line in lines(written)}
    forged = await world.client.get("/readyz", headers={"X-Request-Id": "a b\tforged"})
    assert "forged" not in forged.headers["x-request-id"]


async def test_no_key_link_address_or_number_ever_stands_in_the_log(
    world: World, written: io.StringIO
) -> None:
    world.channels["mail"].failure = DeliveryError(say("channel.mail.bad_address"), permanent=True)
    await world.post("/incidents", {"title": "x", "level": 1})
    await world.advance(minutes=20)
    link = next(one.link for one in world.log if one.link)
    await world.client.get(link.removeprefix("http://muster.example"))
    await world.client.get("/api/v1/incidents", headers={"Authorization": "Bearer mst_wrong000_key"})
    await world.call("GET", "/nothing/here", expect=404)
    log = structlog.get_logger("test")
    key = world.keys[next(iter(world.keys))]
    log.error("broken", detail=f"while calling with {key} and {link}", token="hush", phone="13800138000")
    try:
        raise RuntimeError(f"no access with {key}")
    except RuntimeError as error:
        log.error("broken", exc_info=error)
    told = written.getvalue()
    assert lines(written)
    for secret in (
        *world.keys.values(),
        link.rpartition("/")[2],
        "@centre.example",
        "phone.example",
        "hush",
        "13800138000",
    ):
        assert secret not in told, secret


async def test_what_fails_in_the_background_names_its_incident(
    world: World, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(happened: object) -> None:
        raise RuntimeError("the reaction of this test is broken")

    monkeypatch.setattr(reacting, "REACTIONS", {**REACTIONS, "incident.detected": (fail,)})
    made = await world.post("/incidents", {"title": "x"})
    await world.settle()
    (line,) = [line for line in lines(written) if line["event"] == "reaction failed"]
    assert (line["incident"], line["topic"], line["attempt"]) == (made["id"], "incident.detected", 1)
    assert "the reaction of this test is broken" in str(line["exception"])
    monkeypatch.undo()
    world.clock.advance(timedelta(seconds=1))
    await world.settle()
    assert world.told() == ["Lin"], "late, and not lost"
    async with world.parts.db.transaction() as session:
        await session.execute(update(OutboxMessage).values(attempts=0))
