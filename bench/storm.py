"""A storm: alerts at a steady 1,000 a second for ten seconds, each a problem of its own, while the engine judges them.

Open loop: each is due at its moment, whether or not those before it are answered. Afterwards the database is asked what it holds.
Yardstick: the figures asked for, 99 % accepted, none of the accepted lost, p99 within a second, drained within a minute.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any, Final

import aiohttp
from sqlalchemy import func, select

from app.db import Database
from app.incidents.tables import Incident
from app.intake.tables import Receipt, Source, Verdict
from bench import load, serving
from bench.figures import Latency, line
from bench.receiver import Receiver

NAME: Final = "storm"
TITLE: Final = "A storm of alerts"
INTRO: Final = (
    "Alertmanager posts 1,000 alerts a second for ten seconds, each its own problem, on one process."
)
HEAD: Final = ("database", "sent", "accepted", "lost", "p50 ms", "p99 ms", "drained after s", "incidents")
PER_SECOND: Final = 1000
SECONDS: Final = 10
_PATIENCE: Final = 300.0  # seconds to wait for the last verdict


def run(kind: serving.Kind) -> list[Mapping[str, Any]]:
    with serving.throwaway(kind) as (directory, database), asyncio.Runner() as runner:
        return [
            line(
                NAME, kind, per_second=PER_SECOND, seconds=SECONDS, **runner.run(_storm(directory, database))
            )
        ]


def row(told: Mapping[str, Any]) -> Sequence[str]:
    return [str(told[name]) for name in (
        "database", "sent", "accepted", "lost", "p50_ms", "p99_ms", "drained_s", "incidents",
    )]  # fmt: skip


def alert(number: int | str) -> dict[str, Any]:
    """A body as Alertmanager posts it, of one alert."""
    labels = {"alertname": "HostDown", "instance": f"host-{number}", "site": "hz", "severity": "warning"}
    one = {
        "status": "firing", "labels": labels, "annotations": {"summary": f"host {number} does not answer"},
        "startsAt": "2026-11-22T02:10:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prom/graph",
        "fingerprint": f"{number:>016}",
    }  # fmt: skip
    return {
        "version": "4", "groupKey": f'{{}}:{{instance="host-{number}"}}', "truncatedAlerts": 0, "status": "firing",
        "receiver": "muster", "groupLabels": {"alertname": "HostDown"}, "commonLabels": labels,
        "commonAnnotations": {}, "externalURL": "http://am:9093", "alerts": [one],
    }  # fmt: skip


async def source_of(client: aiohttp.ClientSession, slug: str = "prom") -> dict[str, str]:
    """A source of Alertmanager's kind; the headers that open it."""
    async with client.post("/api/v1/sources", json={"slug": slug, "kind": "alertmanager"}) as answer:
        answer.raise_for_status()
        return {"Authorization": f"Bearer {(await answer.json())['key']}"}


async def _storm(directory: Any, database: str) -> dict[str, Any]:
    serving.on_the_load_core()
    numbers, codes = count(1), list[int]()
    async with (
        Receiver() as receiver,
        serving.service(directory, database, receiver.url) as served,
        load.client_of(served, connections=256) as client,
    ):
        headers = await source_of(client)

        async def once() -> float:
            async with client.post("/intake/prom", json=alert(next(numbers)), headers=headers) as answer:
                codes.append(answer.status)
                await answer.read()
            return time.perf_counter()

        began = time.perf_counter()
        took = await load.at_a_rate(once, per_second=PER_SECOND, seconds=SECONDS)
        accepted = codes.count(200)
        verdicts, drained = 0, None
        while verdicts < accepted and time.perf_counter() - began < _PATIENCE:
            await asyncio.sleep(1)
            verdicts = (await _held(database))[1]
        if verdicts >= accepted:
            drained = round(time.perf_counter() - began - SECONDS, 1)
        receipts, verdicts, incidents = await _held(database)
    latency = Latency.of(took)
    return {
        "sent": len(took), "accepted": accepted, "lost": max(0, accepted - receipts), "verdicts": verdicts,
        "incidents": incidents, "p50_ms": latency.p50_ms, "p99_ms": latency.p99_ms, "drained_s": drained,
    }  # fmt: skip


async def _held(database: str) -> tuple[int, int, int]:
    """How many receipts and verdicts there are of this source, and incidents that people hold."""
    ours = select(Source.id).where(Source.slug == "prom")
    receipts = select(Receipt.id).where(Receipt.source_id.in_(ours))
    queries = (
        select(func.count()).select_from(Receipt).where(Receipt.source_id.in_(ours)),
        select(func.count()).select_from(Verdict).where(Verdict.receipt_id.in_(receipts)),
        # What the storm took in is cancelled: people hold the others.
        select(func.count()).where(Incident.source == "prom", Incident.merged_into.is_(None)),
    )
    db = Database(database)
    try:
        async with db.reading() as session:
            stored, verdicts, incidents = [int(await session.scalar(query) or 0) for query in queries]
    finally:
        await db.dispose()
    return stored, verdicts, incidents
