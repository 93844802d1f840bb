"""Back to work after `kill -9` in the middle of sending, the service started again at once.

Incidents are raised at a steady rate; the receiver holds the messages it gets, so that some are in the hand of the process that
is killed. Yardstick: the start of the service alone, from the process to its first answer.
"""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web

from bench import load, serving
from bench.figures import line, spread, told_spread
from tests.databases import free_port

NAME: Final = "recovery"
TITLE: Final = "Back to work after a killed process"
INTRO: Final = (
    "Seconds from `kill -9` of the only process, while it sends, to: its successor answering (it is started at once), "
    "the first message of an incident raised afterwards, and the last of the messages that were in the hand of the killed "
    "process, which are sent again when their lease ends. The yardstick is the start of the service."
)
HEAD: Final = (
    "Database",
    "Answers",
    "New incident's message",
    "Messages in hand sent again",
    "In hand",
    "Target",
)
RUNS: Final = 2
RATE: Final = 5
TARGET_S: Final = 10
_PATIENCE: Final = 150.0
_REF: Final = re.compile(r'"ref": *"([^"]+)"')


def run(kind: serving.Kind) -> list[Mapping[str, Any]]:
    told: list[tuple[float, float, float, int]] = []
    for _ in range(RUNS):
        with serving.throwaway(kind) as (directory, database), asyncio.Runner() as runner:
            told.append(runner.run(_once(directory, database)))
    answers, new, in_hand, held = zip(*told, strict=True)
    return [
        line(
            NAME, kind, runs=RUNS, new_message_s=spread(new), in_hand_s=spread(in_hand), in_hand=list(held), target={"s": TARGET_S},
            yardstick={"what": "the service starts and answers", "s": spread(answers)},
        )
    ]  # fmt: skip


def row(told: Mapping[str, Any]) -> Sequence[str]:
    return (
        told["database"], told_spread(told["yardstick"]["s"]), told_spread(told["new_message_s"]), told_spread(told["in_hand_s"]),
        ", ".join(map(str, told["in_hand"])), f"{told['target']['s']} s",
    )  # fmt: skip


class _Holding:
    """A receiver that answers at once, or holds what it gets until it is `free`."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()
        self.heard: list[tuple[str, float]] = []

    async def take(self, request: web.Request) -> web.Response:
        found = _REF.search(await request.text())
        self.heard.append((found[1] if found else "", time.perf_counter()))
        await self.free.wait()
        return web.Response()

    async def until(self, refs: set[str], *, since: float) -> float:
        """When the last of the refs was heard of after a moment."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                first: dict[str, float] = {}
                for ref, at in self.heard:
                    if ref in refs and at > since:
                        first.setdefault(ref, at)
                if len(first) == len(refs):
                    return max(first.values())
                await asyncio.sleep(0.01)


async def _once(directory: Path, database: str) -> tuple[float, float, float, int]:
    serving.on_the_load_core()
    holding, numbers = _Holding(), count(1)
    app = web.Application()
    app.router.add_post("/hook", holding.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port := free_port())
    await site.start()
    try:
        async with (
            serving.service(directory, database, f"http://127.0.0.1:{port}/hook") as served,
            load.client_of(served, connections=8) as client,
        ):
            assert served.again is not None
            for _ in range(RATE):
                await _raise(client, next(numbers))
                await asyncio.sleep(1 / RATE)
            await holding.until({await _raise(client, next(numbers))}, since=0)
            holding.free.clear()
            before = time.perf_counter()
            asked = set()
            for _ in range(RATE):
                asked.add(await _raise(client, next(numbers)))
                await asyncio.sleep(1 / RATE)
            async with asyncio.timeout(_PATIENCE):
                while True:
                    if in_hand := {ref for ref, at in holding.heard if at > before} & asked:
                        break
                    await asyncio.sleep(0.01)
            served.process.kill()
            killed = time.perf_counter()
            served.process.wait()
            holding.free.set()
            async with served.again():
                answers = time.perf_counter()
                new = await holding.until({await _raise(client, next(numbers))}, since=killed)
                sent_again = await holding.until(in_hand, since=killed)
    finally:
        await runner.cleanup()
    return round(answers - killed, 2), round(new - killed, 2), round(sent_again - killed, 2), len(in_hand)


async def _raise(client: aiohttp.ClientSession, number: int) -> str:
    asked = {"title": f"Lines are dead, case {number}", "type": "partial_system_failure", "level": 3}
    async with client.post("/api/v1/incidents", json=asked) as answer:
        answer.raise_for_status()
        said = await answer.json()
    return str(said["id"])
