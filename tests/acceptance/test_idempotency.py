"""The same request twice, and several at once: one answer, one row, one winner."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx

from tests.world import World

INCIDENT = {"title": "Lines are dead", "type": "network_outage"}


async def send(
    world: World, path: str, body: Any, *, role: str = "leadership", **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await world.client.post(f"/api/v1{path}", json=body, headers=world.as_(role) | named)


async def raised(world: World) -> Any:
    incident = await world.post("/incidents", INCIDENT)
    await world.settle()
    return await world.get(f"/incidents/{incident['id']}")


async def number_of_incidents(world: World) -> int:
    return len((await world.get("/incidents"))["items"])


async def test_the_same_key_and_body_get_the_same_answer(world: World) -> None:
    first = await send(world, "/incidents", INCIDENT, idempotency_key="a")
    again = await send(world, "/incidents", INCIDENT, idempotency_key="a")

    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert await number_of_incidents(world) == 1


async def test_another_body_under_the_same_key_is_refused(world: World) -> None:
    await send(world, "/incidents", INCIDENT, idempotency_key="a")
    other = await send(world, "/incidents", {**INCIDENT, "title": "Another"}, idempotency_key="a")
    elsewhere = await send(world, "/departments", {}, idempotency_key="a")

    assert (other.status_code, elsewhere.status_code) == (422, 422)
    assert other.headers["content-type"] == "application/problem+json"
    assert await number_of_incidents(world) == 1


async def test_a_key_is_its_callers_own(world: World) -> None:
    await send(world, "/incidents", INCIDENT, idempotency_key="a")
    other = await send(world, "/incidents", INCIDENT, role="execution", idempotency_key="a")

    assert other.status_code == 201
    assert await number_of_incidents(world) == 2


async def test_a_business_no_is_an_answer_too_and_is_kept(world: World) -> None:
    incident = await raised(world)
    path = f"/incidents/{incident['id']}/transitions"
    refused = await send(world, path, {"event": "activate"}, idempotency_key="a")
    assert refused.status_code == 409
    await world.apply(incident["id"], "assess", level=2)

    again = await send(world, path, {"event": "activate"}, idempotency_key="a")
    assert (again.status_code, again.content) == (409, refused.content)
    assert (await send(world, path, {"event": "activate"}, idempotency_key="b")).status_code == 201


async def test_what_could_not_be_read_is_not_kept(world: World) -> None:
    assert (await send(world, "/incidents", {}, idempotency_key="a")).status_code == 422
    assert (await send(world, "/incidents", INCIDENT, idempotency_key="a")).status_code == 201


async def test_an_answer_is_kept_for_a_day(world: World) -> None:
    first = await send(world, "/incidents", INCIDENT, idempotency_key="a")
    world.clock.move_to(world.clock.now() + timedelta(hours=23, minutes=59))
    within = await send(world, "/incidents", INCIDENT, idempotency_key="a")
    world.clock.move_to(world.clock.now() + timedelta(minutes=2))
    after = await send(world, "/incidents", INCIDENT, idempotency_key="a")

    assert within.json()["id"] == first.json()["id"] != after.json()["id"]
    await world.settle()


async def test_ten_of_the_same_at_once_are_one(world: World) -> None:
    answers = await asyncio.gather(
        *(send(world, "/incidents", INCIDENT, idempotency_key="a") for _ in range(10))
    )

    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["type"] == "/problems/still-running"
            assert answer.headers["retry-after"] == "1"
    assert await number_of_incidents(world) == 1
    again = await send(world, "/incidents", INCIDENT, idempotency_key="a")
    assert again.json()["id"] in made


async def test_who_looked_at_an_older_version_is_told_the_current_one(world: World) -> None:
    incident = await raised(world)
    version = incident["version"]
    path = f"/incidents/{incident['id']}/transitions"

    assert (
        await send(world, path, {"event": "assess", "level": 2}, if_match=f'"{version}"')
    ).status_code == 201
    late = await send(
        world, path, {"event": "relevel", "level": 1, "reason": "worse"}, if_match=f'"{version}"'
    )

    assert late.status_code == 409
    current = late.json()["current_version"]
    assert current == (await world.get(f"/incidents/{incident['id']}"))["version"] > version
    body = {"event": "relevel", "level": 1, "reason": "worse"}
    assert (await send(world, path, body, if_match=f'"{current}"')).status_code == 201


async def test_of_ten_commands_on_one_version_exactly_one_wins(world: World) -> None:
    incident = await raised(world)
    path, seen = f"/incidents/{incident['id']}/transitions", f'"{incident["version"]}"'
    commands = [
        {"event": "assess", "level": 1 + number % 4}
        if number % 2
        else {"event": "cancel", "reason": "a test"}
        for number in range(10)
    ]

    answers = await asyncio.gather(*(send(world, path, command, if_match=seen) for command in commands))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert all("current_version" in answer.json() for answer in answers if answer.status_code == 409)
    timeline = await world.get(f"/incidents/{incident['id']}/timeline")
    assert timeline["intact"]
    assert [entry["kind"] in MOVES for entry in timeline["items"]].count(True) == 1


async def test_of_ten_activations_exactly_one_wins_and_the_others_hear_what_is_allowed_now(
    world: World,
) -> None:
    incident = await raised(world)
    await world.apply(incident["id"], "assess", level=2)
    path = f"/incidents/{incident['id']}/transitions"

    answers = await asyncio.gather(*(send(world, path, {"event": "activate"}) for _ in range(10)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["allowed"] == ["respond", "relevel", "cancel"]
    await world.settle()
    kinds = [entry["kind"] for entry in (await world.get(f"/incidents/{incident['id']}/timeline"))["items"]]
    assert kinds.count("incident.activated") == 1
    assert kinds.count("command_post.formed") == 1


MOVES = {"incident.assessed", "incident.cancelled"}
