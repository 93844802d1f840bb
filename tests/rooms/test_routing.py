"""What routing rules do to incidents, on both databases: grouping by rule and time, and what comes and goes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select, update

from app.db import Database
from app.incidents import acknowledging
from app.incidents.tables import State
from app.intake import endings
from app.intake.tables import Outcome, Problem
from app.levels import matrix
from app.levels.routing import RoutingRule
from app.outbox import Timer, TimerState
from tests.rooms.monitoring import LEVELS, T1, T2, T3, World, problem, recovered

RULES = [
    {"id": "lines", "if": "labels.team == 'network'", "type": "network_outage",
     "group": {"by": ["labels.site"], "within": "10m"}},
    {"id": "doors", "if": "labels.team == 'doors'", "level": 4, "dwell": "5m"},
]  # fmt: skip


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    db = Database(database_url)
    made = World(db)
    await made.prepare()
    rules = [RoutingRule.model_validate(rule) for rule in RULES]
    async with db.transaction() as session:
        levels = LEVELS.model_copy(update={"routing": rules})
        await matrix.adopt(session, "routing", levels, at=made.clock.now())
    yield made
    await db.dispose()


def line(key: str, site: str = "hz", **more: Any) -> Any:
    return problem(key, labels={"team": "network", "site": site}, **more)


def door(occurrence: str, **more: Any) -> Any:
    return problem("door", occurrence, labels={"team": "doors"}, **more)


def shut(occurrence: str) -> Any:
    return recovered("door", occurrence, labels={"team": "doors"})


async def fall_quiet(world: World) -> int:
    """Let the timers of problems that are due by now fire; says how many."""
    query = select(Timer).where(
        Timer.topic == endings.QUIET, Timer.state == TimerState.ARMED, Timer.due_at <= world.clock.now()
    )
    async with world.db.transaction() as session:
        timers = list(await session.scalars(query.order_by(Timer.due_at)))
        for timer in timers:
            await endings.end_quiet(session, timer.payload, world.clock.now())
            await session.execute(update(Timer).where(Timer.id == timer.id).values(state=TimerState.FIRED))
    return len(timers)


# ── grouping ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_a_rule_groups_is_one_incident_of_the_rules_type(world: World) -> None:
    await world.enrol("zabbix", "zabbix")
    assert await world.tell(line("a"), line("b")) == [Outcome.RAISED, Outcome.JOINED]
    world.later(minutes=9)
    assert await world.tell(line("c"), slug="zabbix") == [Outcome.JOINED], "whichever source says it"
    incident = await world.incident()
    assert (incident.type, incident.signals) == ("network_outage", 3)
    assert [kind for kind in await world.kinds(incident) if kind.startswith("signal")] == [
        "signal.routed", "signal.grouped", "signal.grouped",
    ]  # fmt: skip


async def test_another_value_or_a_later_time_is_another_incident(world: World) -> None:
    await world.tell(line("a"), line("also"))
    assert (
        await world.tell(line("b", site="sh"), problem("c", labels={"team": "network"}))
        == [Outcome.RAISED] * 2
    )
    world.later(minutes=10)
    assert await world.tell(line("d"), line("a")) == [Outcome.RAISED, Outcome.REPEATED]
    assert len(await world.incidents()) == 4


async def test_a_graver_one_gets_its_own_page_and_takes_the_group_over(world: World) -> None:
    await world.tell(line("a", level_hint=3))
    assert await world.tell(line("b", level_hint=1), line("c", level_hint=3)) == [
        Outcome.RAISED,
        Outcome.JOINED,
    ]
    assert [(one.level, one.signals) for one in await world.incidents()] == [(3, 1), (1, 2)]


async def test_a_group_is_over_when_all_of_it_is(world: World) -> None:
    await world.tell(line("a"), line("b"))
    assert await world.tell(recovered("a")) == [Outcome.RECOVERED]
    assert await world.tell(recovered("b")) == [Outcome.CANCELLED]
    assert await world.tell(line("c")) == [Outcome.RAISED], "what has ended takes nothing in"


# ── flapping ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_has_taken_it_is_not_called_again_when_it_comes_back(world: World) -> None:
    await world.tell(door(T1))
    async with world.db.transaction() as session:
        acknowledging.acknowledge(
            session, await world.locked(session), by="Ada", at=world.clock.now(), via="api"
        )
    await world.tell(shut(T1))
    assert await world.tell(door(T2)) == [Outcome.FLAPPED]
    assert (await world.incident()).acknowledged_by == "Ada"


async def test_it_is_shown_as_flapping_and_is_over_once_quiet_for_the_dwell_time(world: World) -> None:
    await world.tell(door(T1))
    for begun, ended in ((T2, T1), (T3, T2)):
        assert await world.tell(shut(ended)) == [Outcome.RECOVERED]
        world.later(minutes=4)
        assert await world.tell(door(begun)) == [Outcome.FLAPPED]
    incident = await world.incident()
    assert (incident.flapping, incident.occurrence, incident.state) == (True, 1, State.DETECTED)
    assert "incident.recurred" not in await world.topics(), "nobody is called anew"

    await world.tell(shut(T3))
    world.later(minutes=4, seconds=59)
    await fall_quiet(world)
    assert (await world.incident()).state == State.DETECTED
    world.later(seconds=1)
    assert await fall_quiet(world) == 1
    incident = await world.incident()
    assert (incident.flapping, incident.state) == (False, State.CANCELLED)
    assert [kind for kind in await world.kinds(incident) if kind.startswith("signal")] == [
        "signal.routed", *["signal.falls_quiet", "signal.flapping"] * 2, "signal.falls_quiet", "signal.recovered",
    ]  # fmt: skip


async def test_back_after_the_dwell_time_is_another_incident(world: World) -> None:
    await world.tell(door(T1), shut(T1))
    world.later(minutes=5)
    await fall_quiet(world)
    assert await world.tell(door(T2)) == [Outcome.RAISED]


async def test_one_that_is_not_quiet_yet_keeps_the_incident_of_the_others_open(world: World) -> None:
    await world.tell(door(T1))
    name = (await world.incident()).id
    await world.tell(problem("other", labels={"team": "doors"}))
    async with world.db.transaction() as session:
        await session.execute(update(Problem).where(Problem.dedup_key == "other").values(incident_id=name))
    await world.tell(shut(T1))
    world.later(minutes=3)
    await world.tell(recovered("other"))
    world.later(minutes=2)
    assert await fall_quiet(world) == 1
    (first, *_) = await world.incidents()
    assert first.state == State.DETECTED
    world.later(minutes=3)
    await fall_quiet(world)
    (first, *_) = await world.incidents()
    assert first.state == State.CANCELLED
