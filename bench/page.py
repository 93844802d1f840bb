"""The reference page of the figures, written from the lines of one run."""

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

PAGE: Final = Path(__file__).parent.parent / "docs" / "reference" / "benchmarks.md"


def write(lines: Sequence[Mapping[str, Any]], day: date) -> None:
    PAGE.write_text(text_of(lines, day), encoding="utf-8")


def text_of(lines: Sequence[Mapping[str, Any]], day: date) -> str:
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    parts = [
        "# Benchmarks",
        (
            "Written by `python -m bench --write`; not by hand. Each figure stands beside a yardstick of the same run: the "
            "figure belongs to the machine, the comparison travels. The service runs on one core, load and receiver on another, "
            "and the database wherever there is room. Commits are durable on both databases. Median of the runs, with the lowest "
            "and the highest in brackets."
        ),
        (
            f"Machine: {machine}; load of the last five minutes at the end of the run: {os.getloadavg()[1]:.1f}. "
            f"Date: {day.isoformat()}."
        ),
    ]
    raises = [told for told in lines if told["benchmark"] == "raise_to_message"]
    rates = [told for told in lines if told["benchmark"] == "raises_per_second"]
    if raises:
        parts += [
            "## From a raise to its first message",
            (
                "Milliseconds from `POST /api/v1/incidents` to the first message at a local webhook receiver. At a rate they are "
                "counted from the moment the request was due. The yardstick is a bare endpoint that posts the message to the same "
                "receiver and knows no database."
            ),
            _table(
                (
                    "Database",
                    "Load",
                    "p50",
                    "p99",
                    "Target p50",
                    "Target p99",
                    "Yardstick p50",
                    "Yardstick p99",
                ),
                [_latency_row(told) for told in raises],
            ),
        ]
    if rates:
        parts += [
            "## Raises a second",
            (
                "Incidents raised and answered a second, each after its commit, while the engine in the same process calls the "
                "reporting chains of all of them. The yardstick commits one bare row per request in the same stack."
            ),
            _table(
                ("Database", "Connections", "Raises a second", "Messages meanwhile", "Yardstick", "Ratio"),
                [_rate_row(told) for told in rates],
            ),
        ]
    return "\n\n".join(parts) + "\n"


def _latency_row(told: Mapping[str, Any]) -> Sequence[str]:
    target, yardstick = told["target"], told["yardstick"]
    return (
        told["database"], told["load"], _spread(told["p50_ms"]), _spread(told["p99_ms"]), str(target.get("p50_ms", "–")),
        str(target["p99_ms"]), _spread(yardstick["p50_ms"]), _spread(yardstick["p99_ms"]),
    )  # fmt: skip


def _rate_row(told: Mapping[str, Any]) -> Sequence[str]:
    return (
        told["database"], str(told["connections"]), _spread(told["per_second"]),
        _spread(told["messages_per_second_meanwhile"]), _spread(told["yardstick"]["per_second"]), f"{told['ratio']:.3f}",
    )  # fmt: skip


def _spread(figures: Mapping[str, float]) -> str:
    return f"{figures['median']:g} ({figures['low']:g}–{figures['high']:g})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
