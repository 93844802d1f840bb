"""`muster simulate` (EP-4, EP-5, EP-6, EP-8.3): the real engine on a clock that jumps, and nothing of it reaches the outside."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import select

from app import tables
from app.console.routes import SAMPLE
from app.incidents import timeline
from app.resources.tables import Unit
from app.simulation import organisation, playing, telling
from app.simulation.document import BEGINS, BadScenario, Manners, Scenario, read
from app.simulation.organisation import Given
from app.simulation.outcome import Outcome
from app.simulation.stage import a_stage
from tests.world import PLAN, World

ROOT = PLAN.parent
A_BIT = timedelta(minutes=15)
SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))
assert tables.Base.metadata.tables


@cache
def shipped() -> Given:
    return organisation.from_files(PLAN.read_bytes(), SAMPLE.read_bytes(), file=PLAN.name)


def level_1(people: Manners = Manners.ANSWER, lasts: timedelta = timedelta(hours=4)) -> Scenario:
    return playing.of_playbook(shipped().plan, "system_outage", 1, people=people, begins=BEGINS, lasts=lasts)


@cache
def outage() -> Outcome:
    """Four hours of the shipped level 1 playbook, everybody answering."""
    return asyncio.run(played(level_1()))


def scenario(
    happens: str, *, expect: str = "[]", lasts: str = "5m", people: str = "{everybody: answer}"
) -> Scenario:
    text = f"title: {{zh: 试, en: A trial}}\nlasts: {lasts}\npeople: {people}\nhappens: {happens}\nexpect: {expect}\n"
    return read(text, file="trial.yaml")


async def played(said: Scenario) -> Outcome:
    return await playing.play(shipped(), said)


def told(outcome: Outcome) -> list[tuple[float, str]]:
    """Minutes and positions of the chain's messages."""
    return [
        ((one.at - BEGINS) / timedelta(minutes=1), one.position)
        for one in outcome.courses[0].told
        if one.hop is not None and one.reached
    ]


def test_the_shipped_scenarios_cover_all_four_levels() -> None:
    assert {path.name[:7] for path in SCENARIOS} == {"level_1", "level_2", "level_3", "level_4"}


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_shipped_scenario_goes_as_it_expects(path: Path) -> None:
    outcome = asyncio.run(played(read(path.read_bytes(), file=path.name)))

    assert [verdict for verdict in outcome.verdicts if not verdict.held] == []
    assert outcome.verdicts
    assert outcome.faults == []
    assert all(timeline.first_break(course.entries) is None for course in outcome.courses)


def test_the_level_1_playbook_meets_its_targets_when_people_answer() -> None:
    outcome = outage()

    (course,) = outcome.courses
    assert {one.name: one.standing for one in course.targets} == dict.fromkeys(
        ("acknowledge", "activate", "respond", "restore"), "met"
    )
    assert [knock.where for knock in outcome.knocks] == ["telephony_failover"]
    assert course.short == []
    assert not outcome.missed


async def test_nobody_answering_the_chain_goes_up_to_leadership_and_round_again() -> None:
    outcome = await played(level_1(Manners.SILENT, A_BIT))

    first_lap = [one for one in told(outcome) if one[0] < 15]
    assert first_lap == [
        (0, "duty_lead"), (5, "technical_head"), (5, "customer_service_head"), (10, "general_manager"),
        (10, "deputy_general_manager"),
    ]  # fmt: skip
    assert told(outcome)[len(first_lap)] == (15, "duty_lead")
    assert outcome.missed
    assert outcome.courses[0].state == "detected"


async def test_whatever_was_done_before_the_same_run_is_the_same_to_the_byte() -> None:
    first = telling.as_data(await played(level_1(lasts=A_BIT)), "zh-Hans")
    await played(level_1(Manners.SILENT, A_BIT))
    second = telling.as_data(await played(level_1(lasts=A_BIT)), "zh-Hans")

    assert json.dumps(first) == json.dumps(second)


async def test_another_process_prints_the_same_bytes() -> None:
    """Whatever order it keeps its sets in, whatever the time is, and whatever its environment says."""
    command = [
        "-c",
        "from app.cli import main; main()",
        "simulate",
        "--playbook",
        "system_outage",
        "--for",
        "15m",
        "--json",
    ]
    printed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, *command],
        cwd=ROOT,
        check=True,
        capture_output=True,
        env={"PATH": os.defpath, "PYTHONHASHSEED": "1"},
    )

    here = telling.as_data(await played(level_1(lasts=A_BIT)), "en")
    assert json.loads(printed.stdout)["incidents"][0]["timeline"]
    assert printed.stdout.decode() == json.dumps(here, ensure_ascii=False) + "\n"


def test_another_plan_or_other_people_make_another_run() -> None:
    fewer = SAMPLE.read_bytes().replace("陈思远".encode(), "陈思近".encode())
    other = organisation.from_files(PLAN.read_bytes(), fewer, file=PLAN.name)

    assert playing.seed(other, level_1()) != outage().seed == playing.seed(shipped(), level_1())


async def test_nothing_leaves_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages to webhooks and mail boxes, a call to another system: no name is looked up, no socket is connected."""
    tried: list[object] = []

    def refuse(*where: object, **_more: object) -> None:
        tried.append(where)
        raise OSError("the way out is shut")

    for name in ("getaddrinfo", "create_connection", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    loop = asyncio.get_running_loop()
    for name in ("create_connection", "getaddrinfo", "sock_connect"):
        monkeypatch.setattr(loop, name, refuse)
    reached = "name,staff_number,department,positions,mail,webhook\n" + "\n".join(
        f"P{number},{number},{one.department},{name},p{number}@centre.example,https://phone.example/{number}"
        for number, (name, one) in enumerate(shipped().plan.organisation.positions.items())
    )
    given = organisation.from_files(PLAN.read_bytes(), reached.encode(), file=PLAN.name)

    outcome = await playing.play(given, level_1(lasts=A_BIT))

    assert tried == []
    assert {one.channel for one in outcome.courses[0].told if one.reached} == {"mail", "webhook"}
    assert [knock.status for knock in outcome.knocks] == [200]


async def test_a_copy_of_the_database_in_use_is_played_and_the_database_stays_as_it_is(world: World) -> None:
    before = await organisation.Rows.of(world.parts.db)

    given = await organisation.from_database(world.parts.db)
    outcome = await playing.play(given, level_1(lasts=A_BIT))

    assert {one.person for one in outcome.courses[0].told} >= {"Lin", "Ben", "Tao"}
    assert "lin@centre.example" not in repr(given.rows)
    assert "phone.example/lin" not in repr(given.rows)
    assert world.told() == []
    assert (await organisation.Rows.of(world.parts.db)).of_tables == before.of_tables
    again = await playing.play(await organisation.from_database(world.parts.db), level_1(lasts=A_BIT))
    assert again.seal == outcome.seal


async def test_an_organisation_file_brings_its_stock_its_channels_and_whoever_has_left() -> None:
    staff = """
channels: [mail]
people:
  ann: {name: Ann, positions: [duty_lead], contacts: [mail], left: 2026-01-01}
  bo: {name: Bo, positions: [duty_lead], contacts: [webhook, mail], skills: {returns: null, telephony: 2030-01-01}}
stock:
  - {pool: service_supplies, item: spare_headset, quantity: 3}
  - {pool: service_supplies, item: spare_headset, quantity: 2, last_day: 2026-01-04}
  - {pool: service_supplies, item: spare_headset, quantity: 4, held_until: "2026-01-06T00:00:00Z"}
"""
    given = organisation.from_organisation(
        PLAN.read_bytes(), staff.encode(), file=PLAN.name, staff_file="o.yaml"
    )

    outcome = await playing.play(given, level_1(Manners.SILENT, timedelta(minutes=5)))
    async with a_stage(given.plan, BEGINS) as stage:
        await organisation.settle_in(stage, given)
        async with stage.parts.db.reading() as session:
            there = await session.scalar(
                select(Unit.on_hand).where(Unit.pool_id == "service_supplies", Unit.name == "spare_headset")
            )

    tried = [one for one in outcome.courses[0].told if one.hop == 1]
    assert [(one.person, one.channel, one.reached) for one in tried] == [
        ("Bo", "webhook", False), ("Bo", "mail", True), ("Ann", "", False),
    ]  # fmt: skip
    assert there == 3


async def test_a_refusal_is_told_with_its_reason_and_the_play_goes_on() -> None:
    outcome = await played(
        scenario(
            "[{at: 0m, raise: {title: 中断, type: system_outage, level: 1}}, {at: 1m, move: {event: close}}]"
        )
    )

    refused = [deed for deed in outcome.deeds if deed.refused is not None]
    assert [deed.detail["deed"] for deed in refused] == ["move"]
    assert "✗" in telling.as_text(outcome, "en")
    assert outcome.courses[0].state != "closed"


async def test_an_expectation_that_does_not_hold_says_what_was_found() -> None:
    outcome = await played(
        scenario(
            "[{at: 0m, raise: {title: 中断, type: system_outage, level: 2}}]",
            expect="[{at: 3m, level: 1, told: [general_manager]}]",
        )
    )

    assert [(one.what, one.wanted, one.found) for one in outcome.verdicts] == [
        ("level", "1", "2"), ("told general_manager", "yes", "no"),
    ]  # fmt: skip
    assert not outcome.as_expected


@pytest.mark.parametrize(
    ("happens", "where"),
    [
        ("[{at: 0m}]", "happens.0"),
        ("[{at: 0m, rise: {title: x}}]", "happens.0.rise"),
        ("[{at: soon, acknowledge: true}]", "happens.0.at"),
        ("[{at: 6m, acknowledge: true}]", ""),
        ("[{at: 0m, acknowledge: true, incident: other}]", ""),
        ("[{at: 0m, acknowledge: true, update: x}]", "happens.0"),
    ],
)
def test_a_scenario_with_mistakes_is_refused_by_line(happens: str, where: str) -> None:
    with pytest.raises(BadScenario) as refused:
        scenario(happens)

    assert any(mistake.path.startswith(where) for mistake in refused.value.mistakes)


@pytest.mark.parametrize("language", ["zh-Hans", "zh-Hant", "en"])
def test_it_is_told_in_every_language(language: str) -> None:
    text = telling.as_text(outage(), language)

    assert not re.search(r"\bsimulation\.\w", text), "a key without its words"
    assert "–  " not in text
