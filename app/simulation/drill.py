"""A simulated drill (EP-8.3): its scenario as people of the scheme wrote it down, played in memory, and the figures it comes to."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from app.access.parts import Parts
from app.readiness import drills
from app.readiness.tables import Drill
from app.reviews.figures import iso
from app.simulation import apart, organisation
from app.simulation.document import Happening, Manners, People, Raise, Scenario
from app.simulation.outcome import Outcome
from app.vocabulary import Localised, parse_span

_NAMES: Final[Mapping[str, str]] = {"respond": "first_task"}
"""Targets that the figures of a review call otherwise."""


_MET: Final[Mapping[str, bool | None]] = {"met": True, "missed": False, "open": None}


async def play(parts: Parts, drill_id: str, people: Manners, *, by: str, at: datetime) -> Drill:
    """Play a running simulated drill with the organisation in use, and end it with what came of it.

    No transaction is open while it is played; whoever stopped it meanwhile has won. Raises `Refused` for another drill, and what
    `apart.play` raises.
    """
    async with parts.db.request(writing=False) as session:
        drill = await drills.found(session, drill_id)
        drills.must_take_result(drill)
        scenario = scenario_of(drill, people)
    given = await organisation.from_database(parts.db)
    outcome = await apart.play(given, scenario, settings=parts.settings)
    async with parts.db.request() as session:
        return await drills.note_result(session, drill_id, figures_of(outcome), by=by, at=at)


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
            "took": iso(one.took), "target": iso(one.limit), "met": _MET[one.standing]
        }
        for one in course.targets
    }  # fmt: skip
    return {
        "level": course.level, "times": times, "updates": dict(course.updates), "seal": outcome.seal,
        "told": sum(one.reached for one in course.told), "short": len(course.short),
    }  # fmt: skip
