"""How many incidents a second can be raised, each answered after its commit, while the engine calls the chains of all of them.

Yardstick: the same stack committing one bare row per request.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

from bench import load, serving
from bench.figures import line, spread, told_spread
from bench.receiver import Receiver

NAME: Final = "raises_per_second"
TITLE: Final = "Raises a second"
INTRO: Final = (
    "Incidents raised and answered a second, each after its commit, while the engine in the same process calls the reporting "
    "chains of all of them. The yardstick commits one bare row per request in the same stack."
)
HEAD: Final = ("Database", "Connections", "Raises a second", "Messages meanwhile", "Yardstick", "Ratio")
CONNECTIONS: Final = (8, 32)
RUNS: Final = 3
SECONDS: Final = 6


def run(kind: serving.Kind) -> list[Mapping[str, Any]]:
    with serving.throwaway(kind) as (directory, database):
        with asyncio.Runner() as runner:
            bare, _ = runner.run(_measure(serving.bare, "/row", directory, database))
        with asyncio.Runner() as runner:
            ours, messages = runner.run(_measure(serving.service, "/api/v1/incidents", directory, database))
    return [
        line(
            NAME,
            kind,
            connections=number,
            runs=RUNS,
            seconds=SECONDS,
            per_second=spread(ours[number]),
            messages_per_second_meanwhile=spread(messages[number]),
            ratio=round(spread(ours[number])["median"] / spread(bare[number])["median"], 3),
            yardstick={"what": "one bare row per commit, same stack", "per_second": spread(bare[number])},
        )
        for number in CONNECTIONS
    ]


def row(told: Mapping[str, Any]) -> Sequence[str]:
    return (
        told["database"], str(told["connections"]), told_spread(told["per_second"]),
        told_spread(told["messages_per_second_meanwhile"]), told_spread(told["yardstick"]["per_second"]), f"{told['ratio']:.3f}",
    )  # fmt: skip


async def _measure(
    serve: serving.Serve, path: str, directory: Path, database: str
) -> tuple[dict[int, list[float]], dict[int, list[float]]]:
    serving.on_the_load_core()
    numbers = count(1)
    rates: dict[int, list[float]] = {number: [] for number in CONNECTIONS}
    heard: dict[int, list[float]] = {number: [] for number in CONNECTIONS}
    async with (
        Receiver() as receiver,
        serve(directory, database, receiver.url) as served,
        load.client_of(served, connections=max(CONNECTIONS)) as client,
    ):

        async def once() -> float:
            number = next(numbers)
            asked = {"title": f"Lines are dead, case {number}", "type": "partial_system_failure", "level": 3}
            async with client.post(path, json=asked if path != "/row" else {"ref": str(number)}) as answer:
                answer.raise_for_status()
                await answer.read()
            return time.perf_counter()

        await load.as_fast_as_answered(once, connections=4, seconds=2)
        for _ in range(RUNS):
            for connections in CONNECTIONS:
                await receiver.quiet()
                before, began = receiver.messages, time.perf_counter()
                rate = await load.as_fast_as_answered(once, connections=connections, seconds=SECONDS)
                rates[connections].append(round(rate, 1))
                heard[connections].append(
                    round((receiver.messages - before) / (time.perf_counter() - began), 1)
                )
    return rates, heard
