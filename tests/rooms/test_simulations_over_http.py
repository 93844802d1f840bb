"""A scenario played over HTTP (EP-4, EP-5, EP-8.3): beside the service, one at a time, with an end, and without a trace."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from app.console.routes import SAMPLE
from app.settings import Settings
from app.simulation import apart, organisation
from app.simulation.apart import SimulationTooLong, SimulationUnderWay
from app.simulation.document import read
from tests.calls import SCENARIO, rows
from tests.world import PLAN, World

YAML = {"Content-Type": "application/yaml"}
NOBODY_ANSWERS = """
title: {zh: 无人应答, en: Nobody answers}
lasts: 6m
people: {everybody: silent}
happens: [{at: 0m, as: outage, raise: {title: 呼叫中心不可用, type: system_outage, level: 1}}]
expect: [{at: 5m, incident: outage, told: [customer_service_head], not_told: [general_manager]}]
"""


async def asked(
    world: World, text: str | bytes, *, role: str = "management", **headers: str
) -> httpx.Response:
    return await world.client.post(
        "/api/v1/simulations", content=text, headers={**world.as_(role), **YAML, **headers}
    )


async def test_a_scenario_is_played_with_the_organisation_there_is_and_leaves_no_trace(world: World) -> None:
    before = await rows(world, "api_key")

    answer = await asked(world, NOBODY_ANSWERS)

    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["as_expected"], found["expected"]
    assert found["missed"]
    (course,) = found["incidents"]
    assert {
        (one["position"], one["person"]) for one in course["told"] if one["at"] == course["detected_at"]
    } == {("duty_lead", "Lin")}
    assert await rows(world, "api_key") == before
    assert world.told() == []
    assert (await asked(world, NOBODY_ANSWERS)).content == answer.content


async def test_it_is_told_in_the_language_of_whoever_asks(world: World) -> None:
    answer = await asked(world, SCENARIO, **{"Accept-Language": "zh-Hant"})

    assert answer.status_code == 200
    (course,) = answer.json()["incidents"]
    assert "級" in course["timeline"][0]["text"], course["timeline"][0]["text"]


async def test_mistakes_are_told_with_their_lines_and_others_are_refused(world: World) -> None:
    mistaken = await asked(world, "title: {zh: x, en: x}\nhappens:\n  - {at: 0m, rise: {title: x}}\n")
    no_yaml = await world.client.post("/api/v1/simulations", json={}, headers=world.as_("management"))

    assert (mistaken.status_code, mistaken.json()["errors"][0]["line"]) == (422, 3)
    assert no_yaml.status_code == 415
    assert (await asked(world, SCENARIO, role="execution")).status_code == 403


async def test_while_one_is_played_others_have_their_turn_at_the_database(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite a request that writes has the only turn there is."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    play = apart.play

    async def held(*args: object, **more: object) -> object:
        begun.set()
        await go_on.wait()
        return await play(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(apart, "play", held)
    playing = asyncio.create_task(asked(world, SCENARIO))
    await begun.wait()

    await world.post("/incidents", {"title": "Lines are dead", "type": "network_outage"})

    go_on.set()
    assert (await playing).status_code == 200


async def test_a_second_one_is_told_to_come_again() -> None:
    given = organisation.from_files(PLAN.read_bytes(), SAMPLE.read_bytes(), file=PLAN.name)
    assert apart._turn.acquire(blocking=False)
    try:
        with pytest.raises(SimulationUnderWay) as refused:
            await apart.play(given, read(SCENARIO, file="x"), settings=Settings())
    finally:
        apart._turn.release()

    assert refused.value.headers["Retry-After"] == "5"


async def test_one_without_an_end_is_broken_off_and_gives_its_turn_back() -> None:
    given = organisation.from_files(PLAN.read_bytes(), SAMPLE.read_bytes(), file=PLAN.name)

    with pytest.raises(SimulationTooLong):
        await apart.play(given, read(SCENARIO, file="x"), settings=Settings(), deadline=timedelta())

    assert apart._turn.acquire(blocking=False)
    apart._turn.release()
