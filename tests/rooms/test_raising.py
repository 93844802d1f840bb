"""Raising: one call, graded at once, never lost for want of a category, counted without a gap."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.incidents import raising, record
from app.incidents.raising import Alarm
from app.incidents.tables import Incident, NumberSeries, Status
from tests.rooms.trial import Trial, raised
from tests.world import World, a_world


async def test_a_title_is_enough(world: World) -> None:
    incident = await world.post("/incidents", {"title": "  电话打不进来  "}, expect=201)
    assert (incident["title"], incident["type"], incident["state"]) == ("电话打不进来", "other", "detected")
    assert (incident["number"], incident["level"], incident["provisional"]) == ("INC-2026-0001", 3, True)
    assert (incident["reporter"], incident["raised_by"], incident["warnings"]) == (
        "leadership",
        "leadership",
        [],
    )
    assert (incident["department"], incident["category"]) == ("customer_service", "operational")


async def test_the_answer_says_where_it_is_and_the_number_leads_there_too(world: World) -> None:
    answer = await world.client.post("/api/v1/incidents", json={"title": "x"}, headers=world.as_("execution"))
    assert answer.headers["location"] == f"/api/v1/incidents/{answer.json()['id']}"
    assert (await world.get("/incidents/INC-2026-0001"))["id"] == answer.json()["id"]


async def test_an_unknown_type_is_taken_as_other_and_what_was_said_is_kept(world: World) -> None:
    incident = await world.post("/incidents", {"title": "x", "type": "alien_invasion"})
    assert (incident["type"], incident["type_said"], incident["playbook"]) == (
        "other",
        "alien_invasion",
        "other",
    )
    known = await world.post("/incidents", {"title": "x", "type": "data_leak"})
    assert (known["type"], known["type_said"]) == ("data_leak", None)


async def test_the_chain_is_called_before_any_assessment(world: World) -> None:
    await world.post("/incidents", {"title": "x", "type": "data_leak"}, role="execution")
    await world.settle()
    assert world.told() == ["Lin"]


async def test_the_same_key_while_it_is_open_is_the_same_incident(world: World) -> None:
    asked = {"title": "x", "dedup_key": "disk-7"}
    first = await world.post("/incidents", asked, expect=201)
    second = await world.post("/incidents", {**asked, "title": "again"}, expect=200)
    assert (second["id"], second["title"]) == (first["id"], "x")
    await world.apply(first["id"], "cancel", reason="false alarm")
    third = await world.post("/incidents", asked, expect=201)
    assert (third["id"] != first["id"], third["number"]) == (True, "INC-2026-0002")


async def test_an_open_incident_of_the_key_stands_in_the_way_of_reopening(world: World) -> None:
    trial = await raised(world, type_="other", dedup_key="disk-7")
    for event in ("assess", "activate", "respond"):
        await trial.apply(event)
    await trial.apply("close", waive=["tasks_done", "approvals_decided"], reason="done")
    await world.post("/incidents", {"title": "x", "dedup_key": "disk-7"}, expect=201)
    await trial.apply("reopen", reason="it is back", expect=409)
    assert (await trial.read())["state"] == "closed"


async def raise_many(world: World, alarms: list[Alarm]) -> list[tuple[Incident, bool]]:
    """Each in a transaction of its own, all at once."""

    async def one(alarm: Alarm) -> tuple[Incident, bool]:
        async with world.parts.db.transaction() as session:
            return await raising.raise_incident(session, alarm, actor="test", at=world.clock.now())

    return await asyncio.gather(*(one(alarm) for alarm in alarms))


async def test_numbers_have_no_gap_however_many_raise_at_once(world: World) -> None:
    made = await raise_many(world, [Alarm(f"number {n}") for n in range(20)])
    assert sorted(incident.number for incident, _ in made) == [f"INC-2026-{n:04d}" for n in range(1, 21)]
    await world.settle()


async def test_the_same_problem_at_once_is_one_incident_and_uses_up_one_number(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every caller looks before anybody has written: the race as it is on several processes.
    looks = 0
    look = record.open_with_key

    async def too_early(session: Any, *key: Any) -> Incident | None:
        nonlocal looks
        looks += 1
        return None if looks <= 6 else await look(session, *key)

    monkeypatch.setattr(record, "open_with_key", too_early)
    made = await raise_many(world, [Alarm("x", dedup_key="disk-7") for _ in range(6)])
    assert len({incident.id for incident, _ in made}) == 1
    assert [is_new for _, is_new in made].count(True) == 1
    (after, _), *_ = await raise_many(world, [Alarm("y")])
    assert after.number == "INC-2026-0002"
    await world.settle()


async def test_whoever_lost_the_race_gets_the_open_incident_and_never_a_closed_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await raised(world, type_="other", dedup_key="disk-7")
    await old.apply("cancel", reason="false alarm")
    open_ = await raised(world, type_="other", dedup_key="disk-7")
    look, looks = record.open_with_key, 0

    async def too_early(session: Any, *key: Any) -> Incident | None:
        nonlocal looks
        looks += 1
        return None if looks == 1 else await look(session, *key)

    monkeypatch.setattr(record, "open_with_key", too_early)
    ((found, is_new),) = await raise_many(world, [Alarm("x", dedup_key="disk-7")])
    assert (found.id, is_new) == (open_.name, False)


async def test_each_year_counts_from_one(world: World) -> None:
    await raise_many(world, [Alarm("x")])
    world.clock.move_to(world.clock.now().replace(year=2027, month=1, day=1))
    ((incident, _),) = await raise_many(world, [Alarm("y")])
    assert incident.number == "INC-2027-0001"
    async with world.parts.db.reading() as session:
        assert len(list(await session.scalars(select(NumberSeries)))) == 2
    await world.settle()


# ── a centre nobody has entered anybody into ──────────────────────────────────────────────────────────────


@pytest.fixture
async def empty(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(database_url, tmp_path, people=False) as made:
        yield made


async def test_with_nobody_to_tell_the_answer_warns_and_the_record_says_so(empty: World) -> None:
    incident = await empty.post("/incidents", {"title": "x", "level": 1}, expect=201)
    (warning,) = incident["warnings"]
    assert "people" in warning.lower() or "nobody" in warning.lower()
    await empty.settle()
    assert "chain.nobody" in await Trial(empty, incident["id"]).kinds()
    assert "muster_people_reachable 0.0" in await empty.get("/metrics")
    assert "muster_chains_reaching_nobody 1.0" in await empty.get("/metrics")


async def test_as_soon_as_people_are_known_the_chain_calls_them(empty: World) -> None:
    incident = await empty.post("/incidents", {"title": "x", "level": 1})
    await empty.advance(minutes=2)
    assert empty.told() == []
    await empty.import_people()
    assert empty.told() == ["Lin"], "at once, and not at the next lap"
    assert (await empty.get(f"/incidents/{incident['id']}"))["warnings"] == []
    await empty.advance(minutes=5)
    assert sorted(empty.told()) == ["Ben", "Lin", "Tao"], "her second contact point, then the next rung"
    assert "muster_chains_reaching_nobody 0.0" in await empty.get("/metrics")


async def test_a_drill_never_takes_a_real_alarm_in(world: World) -> None:
    drill, real = await raise_many(
        world, [Alarm("x", dedup_key="disk-7", status=Status.EXERCISE), Alarm("x", dedup_key="disk-7")]
    )
    assert drill[0].id != real[0].id
    assert (drill[1], real[1]) == (True, True)


@pytest.mark.parametrize("level", [True, False])
async def test_a_truth_value_is_no_level(world: World, level: bool) -> None:
    refused = await world.post("/incidents", {"title": "x", "level": level}, expect=422)
    assert [error["path"] for error in refused["errors"]] == ["level"]
    assert (await world.get("/incidents"))["items"] == []
