"""How many signals a second of each format are stored, beside the generic one: over HTTP, answered after the commit.

The machine's load comes and goes, so each format is measured in short turns, each between two of the generic one, and what counts
is the ratio of neighbours. The bodies are those of the conformance suite, as their clients send them, about some problems that are
known by then. Beside it: the microseconds that reading one takes on one core. Amazon alone can sign for SNS, so that is only read.
"""

import asyncio
import json
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

import aiohttp

from app.intake.envelopes import document_of
from app.intake.kinds import KINDS as SOURCES
from app.intake.signals import packed
from bench import load, serving
from bench.figures import line, spread, told_spread
from bench.receiver import Receiver
from tests.conformance.sources import CASES, MAIL_RAW, cap, changed

NAME: Final = "formats"
TITLE: Final = "Signals a second by format"
INTRO: Final = (
    "One signal a request, 32 connections, answered after the commit; the engine judges them meanwhile. Each format takes turns "
    "with the generic one, and the ratio is that of neighbouring turns: the load of the machine is the same for both. Asked is "
    "0.85 or more. The second ratio is that of signals for a second of the service's own processor time, which nobody else's "
    "work changes. Beside it: microseconds to read one body, from the bytes to the rows. SNS is only read: Amazon alone can sign."
)
HEAD: Final = ("database", "format", "per second", "× generic", "× generic by processor time", "µs to read")
_CONNECTIONS: Final = 32
_TURN: Final = 0.4  # seconds
_TURNS: Final = 7
_ROUNDS: Final = 7
_TIMES: Final = 300
_YARDSTICK: Final = "generic"
_PROBLEMS: Final = 10
_LEFT_OUT: Final = frozenset({"sns"})

# Where each body says which problem it is about.
_KEYS: Final[Mapping[str, tuple[str, str]]] = {
    "generic": ("", "id"), "alertmanager": ("alerts.0", "fingerprint"), "grafana": ("alerts.0", "fingerprint"),
    "pagerduty": ("", "dedup_key"), "opsgenie": ("", "alias"), "zabbix": ("", "event_id"), "nightingale": ("", "hash"),
    "aliyun": ("", "alertName"), "uptime_kuma": ("monitor", "id"), "azure": ("data.essentials", "alertId"),
    "sentry": ("data.event", "issue_id"), "datadog": ("", "cycle_key"), "icinga2": ("", "host"), "nagios": ("", "host"),
    "cloudevents": ("", "subject"), "flashduty": ("", "alert_key"),
}  # fmt: skip
_PATHS: Final = {"pagerduty": "/v2/enqueue", "opsgenie": "/v2/alerts"}
_TYPES: Final = {"mail": "message/rfc822", "cap": "application/cap+xml"}


def microseconds(kind: str, body: bytes) -> float:
    """The best of several rounds: reading a body of this kind and writing its signals as a row has them."""
    parse, of, best = SOURCES[kind].parse, _TYPES.get(kind, "application/json"), float("inf")
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(_TIMES):
            for signal in parse(document_of(body, of)):
                packed(signal)
        best = min(best, (time.process_time() - began) / _TIMES)
    return round(best * 1e6, 1)


def body_of(kind: str, number: int, key: str) -> bytes:
    """What its client sends about one of the problems; `key` is the source's, for those who show it inside."""
    problem = number % _PROBLEMS
    if kind == "mail":
        return MAIL_RAW.replace(b"ivr-01", f"ivr-{problem}".encode())
    if kind == "cap":
        return cap(identifier=f"33010041600000_{problem}")
    if kind not in _KEYS:
        return json.dumps(CASES[kind].firing, ensure_ascii=False).encode()
    place, name = _KEYS[kind]
    known = problem if kind == "uptime_kuma" else f"known-{problem}"
    body = changed(CASES[kind].firing, place, **{name: known})
    if kind == "cloudevents":
        body["id"] = str(number)  # each a delivery of its own
    if kind == "pagerduty":
        body["routing_key"] = key
    return json.dumps(body, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Turn:
    """One format for a moment: signals a second of the clock, and a second of the service's processor."""

    per_second: float
    per_processor_second: float

    def beside(self, others: Sequence["Turn"]) -> "Turn":
        """How many times those around it."""
        rates = statistics.mean(other.per_second for other in others)
        work = statistics.mean(other.per_processor_second for other in others)
        return Turn(round(self.per_second / rates, 3), round(self.per_processor_second / work, 3))


def run(kind: serving.Kind) -> list[Mapping[str, Any]]:
    with serving.throwaway(kind) as (directory, database), asyncio.Runner() as runner:
        found = runner.run(_measure(directory, database))
    return [_line(kind, name, turns) for name, turns in found.items()]


def _line(kind: serving.Kind, name: str, turns: Sequence[tuple[Turn, Turn]]) -> Mapping[str, Any]:
    told = turns and {
        "per_second": spread([round(turn.per_second, 1) for turn, _ in turns]),
        "ratio": spread([ratio.per_second for _, ratio in turns]),
        "processor_ratio": spread([ratio.per_processor_second for _, ratio in turns]),
    }
    return line(NAME, kind, format=name, read_us=microseconds(name, body_of(name, 1, "")), **(told or {}))


def row(told: Mapping[str, Any]) -> Sequence[str]:
    figures = (told.get(name) for name in ("per_second", "ratio", "processor_ratio"))
    shown = [told_spread(figure) if figure else "–" for figure in figures]
    return [told["database"], told["format"], *shown, str(told["read_us"])]


async def _measure(directory: Path, database: str) -> dict[str, list[tuple[Turn, Turn]]]:
    """For each format its turns, and each beside the generic ones around it."""
    serving.on_the_load_core()
    async with (
        Receiver() as receiver,
        serving.service(directory, database, receiver.url) as served,
        load.client_of(served, connections=_CONNECTIONS) as client,
    ):
        takers = {kind: await _taker(client, kind) for kind in CASES if kind not in _LEFT_OUT}

        async def turn(kind: str) -> Turn:
            worked, began = _worked(served.process.pid), time.perf_counter()
            rate = await load.as_fast_as_answered(takers[kind], connections=_CONNECTIONS, seconds=_TURN)
            signals, work = rate * (time.perf_counter() - began), _worked(served.process.pid) - worked
            return Turn(rate, signals / work)

        for kind in takers:  # the problems are known by then, and the code is warm
            await turn(kind)
        found: dict[str, list[tuple[Turn, Turn]]] = {kind: [] for kind in CASES}
        for _ in range(_TURNS):
            before = await turn(_YARDSTICK)
            for kind in takers:
                this, after = await turn(kind), await turn(_YARDSTICK)
                found[kind].append((this, this.beside((before, after))))
                before = after
    return found


def _worked(process: int) -> float:
    """Seconds of processor that it and its threads have had."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _taker(client: aiohttp.ClientSession, kind: str) -> load.Once:
    slug = kind.replace("_", "-")
    async with client.post("/api/v1/sources", json={"slug": slug, "kind": kind}) as answer:
        answer.raise_for_status()
        key = (await answer.json())["key"]
    scheme = "GenieKey" if kind == "opsgenie" else "Bearer"
    headers = {"Authorization": f"{scheme} {key}", "Content-Type": _TYPES.get(kind, "application/json")}
    path, numbers = _PATHS.get(kind, f"/intake/{slug}"), count(1)

    async def once() -> float:
        async with client.post(path, data=body_of(kind, next(numbers), key), headers=headers) as answer:
            answer.raise_for_status()
            await answer.read()
        return time.perf_counter()

    return once
