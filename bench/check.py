"""The check of a large plan together with its organisation: 50 types, 200 playbooks, 500 people over 90 days.

Everybody has leave, quiet hours and certificates of their own, twenty positions have rosters that hand over
each day, and pools overlap in what they are asked for. Measured is what `muster check` does once the plan is
read: rosters and leave reckoned into stretches, and every question asked. To see how it grows it is done again
with twice the people and with twice the days.
"""

import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from app.plan import strict_yaml
from app.plan.document import PlanDocument
from app.plan.outlook import organisation_file, report
from app.plan.outlook.organisation_file import OrganisationFile
from bench import serving
from bench.figures import line

NAME: Final = "check"
TITLE: Final = "The check of a large plan"
INTRO: Final = (
    "Seconds to check a plan of 50 types at 4 levels with 200 playbooks, together with its organisation (target: 10 s for"
    " 500 people over 90 days on 2 cores, and growth near linear). One process works on one core; the ratio, to the first"
    " line, is of the processor's time, which other work on the machine does not lengthen."
)
HEAD: Final = ("People", "Days", "Types", "Playbooks", "Seconds", "Of the processor", "Ratio", "Findings")
KINDS: Final = ("sqlite",)  # none is used: it is run once
TARGET_SECONDS: Final = 10.0
TYPES: Final = 50
PLAYBOOKS: Final = 200
POSITIONS: Final = 60
ROSTERS: Final = 20
POOLS: Final = 20
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_WORDS: Final = {"zh": "文", "en": "text"}
_SHIPPED: Final = Path(__file__).parents[1] / "playbooks.yaml"


def run(kind: serving.Kind) -> list[Mapping[str, Any]]:
    plan = PlanDocument.model_validate(a_plan())
    base: float | None = None
    lines = []
    for people, days in ((500, 90), (1000, 90), (500, 180)):
        took, busy, found = measured(plan, people, days)
        base = busy if base is None else base
        lines.append(
            line(
                NAME, kind, people=people, days=days, types=TYPES, playbooks=PLAYBOOKS, seconds=round(took, 2),
                processor=round(busy, 2), ratio=round(busy / base, 2), findings=found, target={"seconds": TARGET_SECONDS},
            )
        )  # fmt: skip
    return lines


def row(told: Mapping[str, Any]) -> Sequence[str]:
    return tuple(
        str(told[name])
        for name in ("people", "days", "types", "playbooks", "seconds", "processor", "ratio", "findings")
    )


def measured(plan: PlanDocument, people: int, days: int) -> tuple[float, float, int]:
    """Seconds of one whole check, those of the processor, and how much it found."""
    organisation = OrganisationFile.model_validate(an_organisation(people, days))
    ends = START + timedelta(days=days) + report.BEYOND
    began, busy = time.perf_counter(), time.process_time()
    snapshot = organisation_file.snapshot(organisation, plan, begins=START, ends=ends)
    looked = report.look(plan, snapshot, since=START, days=days)
    return time.perf_counter() - began, time.process_time() - busy, len(looked.findings)


def a_plan() -> dict[str, Any]:
    """The shipped plan, with many more types, playbooks, positions and pools."""
    dice = Random(1)
    shipped = strict_yaml.load(_SHIPPED.read_bytes()).document
    plan: dict[str, Any] = deepcopy(shipped)
    plan["organisation"]["positions"] |= {
        f"post_{n}": {"title": _WORDS, "layer": "execution", "department": "operations"}
        for n in range(POSITIONS)
    }
    plan["pools"] |= {
        f"crew_{n}": {
            "kind": "people", "title": _WORDS, "owner": "duty_lead", "positions": [f"post_{n}", f"post_{n + POOLS}"],
            **({"next": f"crew_{n + 1}"} if n % 4 != 3 else {}),
        }
        for n in range(POOLS)
    }  # fmt: skip
    originals = list(shipped["playbooks"].items())
    types = list(shipped["types"].items())
    plan["playbooks"] = dict(originals)
    for number in range(PLAYBOOKS - len(originals)):
        name, original = originals[number % len(originals)]
        plan["playbooks"][f"{name}_{number}"] = _another(dice, original)
    spare = [name for name in plan["playbooks"] if name not in shipped["playbooks"]]
    for number in range(TYPES - len(types)):
        name, original = types[number % (len(types) - 1)]
        plan["types"][f"{name}_{number}"] = {**original, "playbook": spare[number]}
    return plan


def an_organisation(people: int, days: int) -> dict[str, Any]:
    """So many people, each with leave, quiet hours and certificates; the rest as in the sample."""
    dice = Random(2)
    sample = strict_yaml.load(
        (_SHIPPED.parent / "docs" / "examples" / "organisation.yaml").read_bytes()
    ).document
    found: dict[str, Any] = deepcopy(sample)
    found["people"] = dict(list(found["people"].items()))
    for number in range(people - len(found["people"])):
        leave = []
        for _ in range(max(days // 30, 1)):
            first = START.date() + timedelta(days=dice.randrange(days))
            leave.append({"first": first, "last": first + timedelta(days=dice.randrange(1, 10))})
        found["people"][f"member_{number}"] = {
            "name": f"Member {number}", "positions": [f"post_{number % POSITIONS}"], "contacts": ["webhook", "mail"],
            "skills": {"returns": date(2026, 1, 1) + timedelta(days=dice.randrange(days * 3)), "chat": None},
            "leave": leave, **({"quiet": {"begins": "22:00", "ends": "07:00"}} if number % 2 else {}),
        }  # fmt: skip
    for number in range(ROSTERS):
        holders = [name for name, one in found["people"].items() if f"post_{number}" in one["positions"]]
        found["rosters"][f"post_{number}"] = {
            "starts_on": date(2025, 12, 1), "handover": "09:00", "days_per_shift": 1, "participants": holders,
        }  # fmt: skip
    return found


def _another(dice: Random, original: Mapping[str, Any]) -> dict[str, Any]:
    playbook: dict[str, Any] = deepcopy(dict(original))
    for step in playbook["steps"]:
        if step["kind"] == "task" and dice.random() < 0.3:
            step["with"]["position"] = f"post_{dice.randrange(POSITIONS)}"
    crew = dice.randrange(POOLS)
    playbook["steps"].append(
        {
            "id": "call_crew", "kind": "reserve", "title": _WORDS, "levels": [1, 2],
            "with": {
                "ask": [
                    {"pool": f"crew_{crew}", "quantity": dice.randint(1, 5)},
                    {"pool": f"crew_{(crew + 5) % POOLS}", "quantity": 1, "skill": "returns"},
                ],
                "hold": "4h", "when_short": "duty_lead",
            },
        }
    )  # fmt: skip
    return playbook
