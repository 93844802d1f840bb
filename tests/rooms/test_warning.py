"""The warning state (ST-1): the conditions of a level are not quite met, nothing has been started, and somebody keeps track."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.rooms.trial import Trial, plan_with, raised, task, text
from tests.world import World, a_world


@pytest.fixture
async def automatic(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A world whose level 2 starts by itself at ten, and is near from eight."""

    def change(plan: Any) -> None:
        plan["levels"]["2"]["start"] = "automatic"
        plan["types"]["trial"] |= {
            "grading": [{"if": "facts.size >= 10", "level": 2, "because": text("it is big")}],
            "near": [{"if": "facts.size >= 8", "level": 2, "because": text("it is big")}],
        }

    async with a_world(database_url, tmp_path, plan=plan_with([task("one")], tmp_path, change)) as made:
        yield made


async def owed(trial: Trial) -> list[tuple[str, str]]:
    return [(one["owner"], one["state"]) for one in (await trial.read())["obligations"]]


async def test_not_quite_met_is_a_warning_that_is_tracked_by_updates_and_met_starts_the_response_by_itself(
    automatic: World,
) -> None:
    trial = await raised(automatic, facts={"size": 7})
    assert (await trial.read())["warned_of"] is None
    automatic.told()
    await trial.fact(size=8)
    incident = await trial.read()
    assert (incident["state"], incident["level"], incident["warned_of"]) == ("detected", 3, 2)
    assert "Near to level 2" in incident["warned_because"]
    assert "it is big" in incident["warned_because"]
    assert [(one.who, "Warning state" in one.subject) for one in automatic.messages()] == [
        ("Ben", True),
        ("Tao", True),
    ]
    assert await owed(trial) == [("customer_service_head", "owed")]
    await automatic.post(f"/incidents/{trial.name}/updates", {"text": "It grows slowly"})
    assert await owed(trial) == [("customer_service_head", "paid"), ("customer_service_head", "owed")]
    await automatic.advance(minutes=61)
    assert (await owed(trial))[1] == ("customer_service_head", "missed"), (
        "in the cadence of the level it is near to"
    )
    await trial.fact(size=10)
    incident = await trial.read()
    assert (incident["state"], incident["level"], incident["warned_of"]) == ("activated", 2, None)
    assert (await trial.kinds()).count("warning.begun") == 1


async def test_what_goes_away_again_ends_the_warning_and_nothing_is_owed(automatic: World) -> None:
    trial = await raised(automatic, facts={"size": 9})
    assert (await trial.read())["warned_of"] == 2
    await trial.fact(size=2)
    assert (await trial.read())["warned_of"] is None
    assert await owed(trial) == [("customer_service_head", "withdrawn")]
    assert "warning.ended" in await trial.kinds()


async def test_a_leader_decides_to_start_before_the_conditions_are_met(automatic: World) -> None:
    trial = await raised(automatic, facts={"size": 9})
    await trial.apply("assess", level=3, reason="not there yet")
    assert (await trial.read())["warned_of"] == 2, "an assessment alone starts nothing"
    await trial.apply("activate")
    incident = await trial.read()
    assert (incident["state"], incident["warned_of"]) == ("activated", None)
    await trial.fact(size=8)
    assert (await trial.read())["warned_of"] is None, "what has been started is not warned of"


async def test_a_person_said_the_level_and_it_starts_by_itself_when_its_condition_is_met(
    automatic: World,
) -> None:
    trial = await raised(automatic)
    await trial.apply("assess", level=2, reason="I know these")
    assert (await trial.read())["state"] == "assessed"
    await trial.fact(size=10)
    assert (await trial.read())["state"] == "activated"


async def test_near_to_a_lighter_level_than_its_own_is_no_warning(automatic: World) -> None:
    trial = await raised(automatic, level=1, facts={"size": 9})
    assert (await trial.read())["warned_of"] is None
