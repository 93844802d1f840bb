"""How many signals a second are stored durably, one process, each answered after its commit.

Yardsticks, in the same run: a bare endpoint that only validates the same body; one ORM row per request in the same stack; and on
PostgreSQL `pgbench`, which inserts the rows of one signal in one transaction, 32 clients. A second stream repeats known problems.
"""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import make_url

from bench import load, serving
from bench.figures import Latency, line
from bench.receiver import Receiver
from bench.storm import alert, source_of

NAME: Final = "signals"
TITLE: Final = "Durable signals a second"
INTRO: Final = (
    "Alertmanager's webhook with one alert, answered after the commit; the engine judges them meanwhile."
)
HEAD: Final = (
    "database",
    "stream",
    "connections",
    "per second",
    "p50 ms",
    "p99 ms",
    "× bare",
    "× ORM row",
    "× pgbench",
)
CONNECTIONS: Final = (32, 128)
SECONDS: Final = 4
_SCRIPT: Final = """
BEGIN;
INSERT INTO bench_receipts (source_id, received_at, body, signals) VALUES ('s', now(), '{body}', '{signal}');
INSERT INTO bench_outbox (topic, ref, payload, at) VALUES ('signal.received', 'r', '{signal}', now());
COMMIT;
"""
_TABLES: Final = """
CREATE TABLE bench_receipts (id bigserial PRIMARY KEY, source_id text, received_at timestamptz, body bytea, signals jsonb);
CREATE INDEX ON bench_receipts (source_id);
CREATE TABLE bench_outbox (id bigserial PRIMARY KEY, topic text, ref text, payload jsonb, at timestamptz);
CREATE INDEX ON bench_outbox (ref, id);
"""


def run(kind: serving.Kind) -> list[Mapping[str, Any]]:
    with serving.throwaway(kind) as (directory, database):
        yardsticks = {
            "validates only": _run(serving.bare, "/validate", directory, database)["new", 32][0],
            "one ORM row": _run(serving.bare, "/orm", directory, database)["new", 32][0],
            "pgbench": _pgbench(database, directory) if kind == "postgresql" else None,
        }
        ours = _run(serving.service, "/intake/prom", directory, database)
    return [
        line(
            NAME, kind, stream=stream, connections=connections, per_second=rate, p50_ms=latency.p50_ms,
            p99_ms=latency.p99_ms, yardsticks=yardsticks,
            ratios={name: round(rate / other, 2) for name, other in yardsticks.items() if other},
        )
        for (stream, connections), (rate, latency) in ours.items()
    ]  # fmt: skip


def row(told: Mapping[str, Any]) -> Sequence[str]:
    ratios = told["ratios"]
    figures = [
        str(told[name]) for name in ("database", "stream", "connections", "per_second", "p50_ms", "p99_ms")
    ]
    return [*figures, *(str(ratios.get(name, "–")) for name in ("validates only", "one ORM row", "pgbench"))]


def _run(
    serve: serving.Serve, path: str, directory: Path, database: str
) -> dict[tuple[str, int], tuple[float, Latency]]:
    with asyncio.Runner() as runner:
        return runner.run(_measure(serve, path, directory, database))


async def _measure(
    serve: serving.Serve, path: str, directory: Path, database: str
) -> dict[tuple[str, int], tuple[float, Latency]]:
    serving.on_the_load_core()
    found: dict[tuple[str, int], tuple[float, Latency]] = {}
    numbers = count(1)
    ours = path.startswith("/intake")
    async with (
        Receiver() as receiver,
        serve(directory, database, receiver.url) as served,
        load.client_of(served, connections=max(CONNECTIONS)) as client,
    ):
        headers = await source_of(client) if ours else {}
        for stream in ("new", "repeats") if ours else ("new",):
            for connections in CONNECTIONS if ours else CONNECTIONS[:1]:
                took: list[float] = []

                async def once(stream: str = stream, took: list[float] = took) -> float:
                    number = next(numbers)
                    known = stream == "repeats" and number % 10
                    body = alert(f"known-{number % 50}" if known else number)
                    began = time.perf_counter()
                    async with client.post(path, json=body, headers=headers) as answer:
                        answer.raise_for_status()
                        await answer.read()
                    took.append(time.perf_counter() - began)
                    return time.perf_counter()

                rate = await load.as_fast_as_answered(once, connections=connections, seconds=SECONDS)
                found[stream, connections] = round(rate, 1), Latency.of(took)
    return found


def _pgbench(database: str, directory: Path) -> float:
    """Transactions a second with the rows of one signal each, 32 clients, the statements prepared."""
    body = json.dumps(alert(1)).replace("'", "''")
    script = directory / "signal.sql"
    script.write_text(
        _SCRIPT.format(body=body.replace("\\", "\\\\"), signal=json.dumps({"alerts": alert(1)["alerts"]}))
    )
    serving.execute(database, _TABLES)
    url = make_url(database)
    command = [
        "pgbench", "-n", "-c", "32", "-j", "1", "-T", str(SECONDS), "-M", "prepared", "-f", str(script),
        "-h", str(url.query.get("host") or url.host or "localhost"), "-p", str(url.port or 5432), "-U", str(url.username or ""),
        str(url.database),
    ]  # fmt: skip
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PGPASSWORD": url.password or ""},
    )
    told = next(one for one in done.stdout.splitlines() if one.startswith("tps"))
    return round(float(told.split()[2]), 1)
