"""The reference page of the figures: the lines measured last for each benchmark and database, kept as JSON, and the page put
together from them, so that one benchmark can be measured again without the others and each figure keeps its own date."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, Protocol

from bench.serving import KINDS, ROOT, Kind

Line = Mapping[str, Any]

PAGE: Final = ROOT / "docs" / "reference" / "benchmarks.md"
LINES: Final = ROOT / "docs" / "reference" / "benchmarks.json"
_INTRO: Final = (
    "Written by `python -m bench --write`; not by hand. Each figure stands beside a yardstick of the same run: the figure "
    "belongs to the machine, the comparison travels. Where a benchmark does not say otherwise, the service runs on one core, "
    "load and receiver on another, and the database wherever there is room. Commits are durable on both databases. Median of "
    "the runs, with the lowest and the highest in brackets. Under each table: the day, the commit and the machine of each "
    "database's figures, and the load of the last five minutes at the end of that run; a load above 2 means that other work "
    "shared the cores. The raw lines are in `benchmarks.json`."
)


class Benchmark(Protocol):
    """A module of `bench`: what it measures, how its part of the page begins, and how one line reads as a row.

    It may name `KINDS`, the databases it can be run on; all, if it does not.
    """

    @property
    def NAME(self) -> str: ...  # noqa: N802 - a module's constant
    @property
    def TITLE(self) -> str: ...  # noqa: N802
    @property
    def INTRO(self) -> str: ...  # noqa: N802
    @property
    def HEAD(self) -> Sequence[str]: ...  # noqa: N802
    def run(self, kind: Kind) -> Sequence[Line]: ...
    def row(self, told: Line) -> Sequence[str]: ...


def kinds_of(benchmark: Benchmark) -> Sequence[Kind]:
    kinds: Sequence[Kind] = getattr(benchmark, "KINDS", KINDS)
    return kinds


def renew(lines: Sequence[Line], benchmarks: Sequence[Benchmark], day: date) -> None:
    """Put newly measured lines in the place of those of the same benchmark and database, and write the page again."""
    stamp = {"measured": {"date": day.isoformat(), **_circumstances()}}
    kept = merged(kept_lines(), [{**told, **stamp} for told in lines])
    LINES.write_text(
        "[\n" + ",\n".join(json.dumps(told, ensure_ascii=False) for told in kept) + "\n]\n", encoding="utf-8"
    )
    PAGE.write_text(text_of(kept, benchmarks), encoding="utf-8")


def kept_lines(path: Path = LINES) -> list[Line]:
    lines: list[Line] = json.loads(path.read_text(encoding="utf-8"))
    return lines


def merged(kept: Sequence[Line], new: Sequence[Line]) -> list[Line]:
    """The kept lines with the new ones instead of those about the same benchmark and database."""
    renewed = {_about(told) for told in new}
    together = [*(told for told in kept if _about(told) not in renewed), *new]
    return sorted(together, key=lambda told: (told["benchmark"], KINDS.index(told["database"])))


def text_of(lines: Sequence[Line], benchmarks: Sequence[Benchmark]) -> str:
    parts = ["# Benchmarks", _INTRO]
    for benchmark in benchmarks:
        ours = [told for told in lines if told["benchmark"] == benchmark.NAME]
        if ours:
            table = [benchmark.HEAD, ["---"] * len(benchmark.HEAD), *(benchmark.row(told) for told in ours)]
            rows = "\n".join(f"| {' | '.join(row)} |" for row in table)
            parts += [f"## {benchmark.TITLE}", benchmark.INTRO, rows, _measured(ours)]
    return "\n\n".join(parts) + "\n"


def _measured(lines: Sequence[Line]) -> str:
    said = {
        told["database"]: (
            "{date}, commit {commit}, load {load}, {machine}.".format(**told["measured"]),
            told["measured"].get("note", ""),
        )
        for told in lines
    }
    return "\n".join(
        f"- {database}: {' '.join(part for part in parts if part)}" for database, parts in said.items()
    )


def _about(told: Line) -> tuple[str, str]:
    return told["benchmark"], told["database"]


def _circumstances() -> dict[str, Any]:
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "commit": asked.stdout.strip() or "unknown",
        "load": round(os.getloadavg()[1], 1),
        "machine": (
            f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
        ),
    }
