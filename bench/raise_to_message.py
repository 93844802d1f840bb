"""From an incident raised over HTTP to its first message at a local webhook receiver.

Yardstick: a bare endpoint of the same stack that posts a message to the same receiver and knows no database.
"""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench import load, serving
from bench.figures import Latency, line, middle, told_spread
from bench.receiver import Receiver

NAME: Final = "raise_to_message"
TITLE: Final = "From a raise to its first message"
INTRO: Final = (
    "Milliseconds from `POST /api/v1/incidents` to the first message at a local webhook receiver. At a rate they are counted "
    "from the moment the request was due. The yardstick is a bare endpoint that posts the message to the same receiver and "
    "knows no database."
)
HEAD: Final = (
    "Database", "Load", "p50", "p99", "Target p50", "Target p99", "Yardstick p50", "Yardstick p99",
)  # fmt: skip
RUNS: Final = 3
IDLE_RAISES: Final = 200
RATE: Final = 20
SECONDS: Final = 20
TARGETS: Final = {"idle": {"p50_ms": 15, "p99_ms": 60}, "rate": {"p99_ms": 250}}


def run(kind: serving.Kind) -> list[Mapping[str, Any]]:
    with serving.throwaway(kind) as (directory, database):
        with asyncio.Runner() as runner:
            idle, rate = runner.run(_measure(serving.service, "/api/v1/incidents", directory, database))
        with asyncio.Runner() as runner:
            bare_idle, bare_rate = runner.run(_measure(serving.bare, "/message", directory, database))
    told = []
    for name, ours, bare in (("idle", idle, bare_idle), ("rate", rate, bare_rate)):
        load_said = "one at a time" if name == "idle" else f"{RATE} a second for {SECONDS} s"
        told.append(
            line(
                NAME, kind, load=load_said, **middle(ours), target=TARGETS[name],
                yardstick={"what": "bare endpoint that posts the message, no database", **middle(bare)},
            )
        )  # fmt: skip
    return told


def row(told: Mapping[str, Any]) -> Sequence[str]:
    target, yardstick = told["target"], told["yardstick"]
    return (
        told["database"], told["load"], told_spread(told["p50_ms"]), told_spread(told["p99_ms"]), str(target.get("p50_ms", "–")),
        str(target["p99_ms"]), told_spread(yardstick["p50_ms"]), told_spread(yardstick["p99_ms"]),
    )  # fmt: skip


async def _measure(
    serve: serving.Serve, path: str, directory: Path, database: str
) -> tuple[list[Latency], list[Latency]]:
    serving.on_the_load_core()
    numbers = count(1)
    async with (
        Receiver() as receiver,
        serve(directory, database, receiver.url) as served,
        load.client_of(served, connections=64) as client,
    ):

        async def once() -> float:
            return await _heard(client, path, next(numbers), receiver)

        await load.one_at_a_time(once, times=50)  # caches, connections, prepared statements
        idle, rate = [], []
        for _ in range(RUNS):
            await receiver.quiet()
            idle.append(Latency.of(await load.one_at_a_time(once, times=IDLE_RAISES)))
            await receiver.quiet()
            rate.append(Latency.of(await load.at_a_rate(once, per_second=RATE, seconds=SECONDS)))
    return idle, rate


async def _heard(client: aiohttp.ClientSession, path: str, number: int, receiver: Receiver) -> float:
    asked: dict[str, Any] = {
        "title": f"Lines are dead, case {number}",
        "type": "partial_system_failure",
        "level": 3,
    }
    if path == "/message":
        asked = {"ref": f"bare-{number}"}
    async with client.post(path, json=asked) as answer:
        answer.raise_for_status()
        said = await answer.json()
    return await receiver.heard(said.get("id") or said["ref"])
