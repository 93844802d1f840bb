"""`muster simulate` beside `muster check` (EP-10.3): where nobody answers, people are told when the check says.

Only where somebody goes or comes back meanwhile may they be told sooner: the chain then calls who is there at once, while the check
reckons with the rungs alone.

Random organisations on the shipped plan. The check reckons with intervals and knows no engine; the simulation knows no intervals.
"""

from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from app import tables
from app.plan import reading
from app.plan.document import PlanDocument
from app.plan.outlook import organisation_file, report, spans
from app.plan.outlook.chains import Directory, Walk, worst
from app.simulation import playing
from app.simulation.document import BEGINS, Happening, Manners, People, Raise, Scenario
from app.simulation.organisation import Given
from app.vocabulary import Localised
from tests.world import PLAN

CALLED = ("duty_lead", "technical_head", "customer_service_head", "general_manager", "deputy_general_manager")
LASTS = {1: timedelta(minutes=25), 2: timedelta(minutes=40), 3: timedelta(hours=2)}
assert tables.Base.metadata.tables


def random_organisation(dice: Random, begins: datetime) -> dict[str, Any]:
    """Ten people at most, some away from or until a midnight nearby, some with quiet hours, some on a roster."""
    days = [(begins + timedelta(days=n)).date().isoformat() for n in range(-2, 3)]
    people: dict[str, Any] = {}
    for number in range(dice.randint(4, 9)):
        one: dict[str, Any] = {
            "name": f"Person {number}",
            "positions": dice.sample(CALLED, dice.randint(1, 2)),
            "contacts": dice.choice([["mail"], ["mail"], ["webhook", "mail"], ["log", "mail"], ["log"], []]),
        }
        if dice.random() < 0.4:
            first = dice.randrange(len(days))
            last = dice.randrange(first, len(days))
            one["leave"] = [{"first": days[first], "last": days[last], "why": dice.choice(["leave", "ill"])}]
        if dice.random() < 0.4:
            one["quiet"] = {
                "begins": f"{dice.randint(20, 23)}:00",
                "ends": f"0{dice.randint(0, 9)}:{dice.choice(['00', '30'])}",
            }
        people[f"person_{number}"] = one
    rosters = {}
    for position in dice.sample(CALLED, 2):
        holders = [name for name, one in people.items() if position in one["positions"]]
        if holders:
            rosters[position] = {
                "starts_on": days[0], "handover": f"{dice.randint(0, 23):02}:{dice.choice(['00', '10', '30'])}",
                "days_per_shift": 1, "participants": holders,
            }  # fmt: skip
    return {"channels": ["mail"], "people": people, "rosters": rosters}


def of_the_check(given: Given, level: int, begins: datetime, lasts: timedelta) -> dict[str, timedelta]:
    """After how long each is told at the latest, if within so long."""
    plan: PlanDocument = given.plan
    assert given.staff is not None
    ends = begins + lasts
    known = organisation_file.snapshot(given.staff, plan, begins=begins, ends=ends + report.BEYOND)
    start = spans.moment(begins)
    directory = Directory(known, start, spans.moment(ends + report.BEYOND))
    walk = Walk(directory, plan.chain_of(level, plan.types["system_outage"].department), level)
    found = {}
    for name, person in known.people.items():
        _, after = worst(walk.told(frozenset({name}), (start, start + 1)), ((start, start + 1),))
        if after is not None and spans.span(after) <= lasts:
            found[person.name] = spans.span(after)
    return found


async def of_the_simulation(
    given: Given, level: int, begins: datetime, lasts: timedelta
) -> dict[str, timedelta]:
    alarm = Raise(title="中断", type="system_outage", level=level)
    said = Scenario(
        title=Localised(zh="试", en="A trial"), begins=begins, lasts=lasts, people=People(everybody=Manners.SILENT),
        happens=[Happening.model_validate({"at": timedelta(), "raise": alarm})],
    )  # fmt: skip
    (course,) = (await playing.play(given, said)).courses
    found: dict[str, timedelta] = {}
    for one in course.told:
        if one.hop is not None and one.reached and one.channel != "log" and one.person is not None:
            found.setdefault(one.person, one.at - begins)
    return found


def somebody_comes_or_goes(given: Given, begins: datetime, lasts: timedelta) -> bool:
    assert given.staff is not None
    known = organisation_file.snapshot(given.staff, given.plan, begins=begins, ends=begins + lasts)
    edges = (
        edge for person in known.people.values() for one in person.away for edge in (one.begins, one.ends)
    )
    return any(edge is not None and begins < edge <= begins + lasts for edge in edges)


@pytest.mark.parametrize("seed", [*range(6), 22, 89])
async def test_where_nobody_answers_everybody_is_told_when_the_check_says(seed: int) -> None:
    dice = Random(seed)
    level = 1 + seed % 3
    begins = BEGINS + timedelta(minutes=dice.choice([-600, -545, 0, 545, 890, 935, 959]))
    staff = organisation_file.OrganisationFile.model_validate(random_organisation(dice, begins))
    text = PLAN.read_text(encoding="utf-8")
    plan = reading.read(text, file=PLAN.name)
    given = Given(plan, text, PLAN.name, staff=staff)

    played = await of_the_simulation(given, level, begins, LASTS[level])

    checked = of_the_check(given, level, begins, LASTS[level])
    if somebody_comes_or_goes(given, begins, LASTS[level]):
        assert all(played[name] <= after for name, after in checked.items())
    else:
        assert played == checked
