"""How much faster than real time the shipped level 1 playbook is played: a day of it, the organisation moving in included."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from app import tables, telemetry
from app.console.routes import SAMPLE
from app.simulation import organisation, playing
from app.simulation.document import BEGINS
from app.simulation.organisation import Given
from bench import figures
from bench.page import Line
from bench.serving import ROOT, Kind

NAME: Final = "simulate"
TITLE: Final = "A day of the level 1 playbook, simulated"
INTRO: Final = (
    "`muster simulate --playbook system_outage --level 1`: one incident over a simulated day, by the real engine on a database in "
    "memory, on one core. The time includes the making of the tables, the plan's check and the moving in of the organisation."
)
HEAD: Final = ("Database", "Seconds", "Times real time", "Asked", "Timeline entries", "Messages")
KINDS: Final[Sequence[Kind]] = ("sqlite",)
RUNS: Final = 5
ASKED: Final = 5_000  # times real time
assert tables.Base.metadata.tables


def run(kind: Kind) -> Sequence[Line]:
    telemetry.set_up("ERROR")
    plan = ROOT / "playbooks.yaml"
    given = organisation.from_files(plan.read_bytes(), SAMPLE.read_bytes(), file=plan.name)
    found = [_once(given) for _ in range(RUNS + 1)][1:]  # the first one warms what is compiled once
    seconds = [one for one, _ in found]
    lasts, counts = found[0][1].pop("lasts"), found[0][1]
    return [
        figures.line(
            NAME, kind, runs=RUNS, seconds=figures.spread([round(one, 3) for one in seconds]),
            times_real_time=figures.spread([round(lasts / one) for one in seconds]), target=ASKED, **counts,
        )
    ]  # fmt: skip


def row(told: Line) -> Sequence[str]:
    return (
        "in memory", figures.told_spread(told["seconds"]), figures.told_spread(told["times_real_time"]), f"≥ {told['target']}",
        str(told["entries"]), str(told["messages"]),
    )  # fmt: skip


def _once(given: Given) -> tuple[float, dict[str, Any]]:
    said = playing.of_playbook(given.plan, "system_outage", 1, begins=BEGINS)
    began = time.perf_counter()
    outcome = asyncio.run(playing.play(given, said))
    took = time.perf_counter() - began
    entries = sum(len(course.entries) for course in outcome.courses)
    messages = sum(len(course.told) for course in outcome.courses)
    return took, {"lasts": said.lasts.total_seconds(), "entries": entries, "messages": messages}
