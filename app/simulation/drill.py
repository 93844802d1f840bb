"""A simulated drill (EP-8.3): its scenario as people of the scheme wrote it down, played in memory, and the figures it comes to."""

from collections.abc import Mapping
from typing import Any, Final

from app.readiness.tables import Drill
from app.reviews.figures import iso
from app.simulation.document import Happening, Manners, People, Raise, Scenario
from app.simulation.outcome import Outcome
from app.vocabulary import Localised, parse_span

_NAMES: Final[Mapping[str, str]] = {"respond": "first_task"}
"""Targets that the figures of a review call otherwise."""


def scenario_of(drill: Drill, people: Manners) -> Scenario:
    """The incident of the drill, and what is let happen, from the moment it was to begin; words without facts move nobody."""
    lasts = drill.ends_at - drill.starts_at
    alarm = Raise(title=drill.title, type=drill.type, level=drill.level, playbook=drill.playbook)
    happens = [Happening.model_validate({"at": "0m", "raise": alarm})]
    for one in drill.scenario:
        after = parse_span(one["after"])
        if one["facts"] and after <= lasts:
            happens.append(Happening(at=after, facts=one["facts"]))
    return Scenario(
        title=Localised(zh=drill.title, en=drill.title), begins=drill.starts_at, lasts=lasts, happens=happens,
        people=People(everybody=people),
    )  # fmt: skip


def figures_of(outcome: Outcome) -> dict[str, Any]:
    """Times beside the targets of the level in the shape of a live drill's, and the seal by which the same run is known again."""
    course = outcome.courses[0]
    times = {
        _NAMES.get(one.name, one.name): {
            "took": iso(one.took), "target": iso(one.limit), "met": one.standing == "met"
        }
        for one in course.targets
    }  # fmt: skip
    return {
        "level": course.level, "times": times, "updates": dict(course.updates), "seal": outcome.seal,
        "told": sum(one.reached for one in course.told), "short": len(course.short),
    }  # fmt: skip
