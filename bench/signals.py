"""How many signals a second are stored durably, one process, each answered after its commit.

Yardsticks, in the same run: a bare endpoint that only validates the same body; one ORM row per request in the same stack; and on
PostgreSQL `pgbench`, which inserts the two rows of one signal into our tables in one transaction, 32 clients. A
second stream repeats known problems.
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

from app.intake.signals import packed
from app.intake.sources import alertmanager
from bench import load, serving
from bench.figures import Latency, line
from bench.receiver import Receiver
from bench.storm import alert, source_of

NAME: Final = "signals"
TITLE: Final = "Durable signals a second"
INTRO: Final = (
    "Alertmanager's webhook with one alert, answered after the commit; the engine judges them meanwhile. Beside it: a bare "
    "endpoint that only validates the same body, one ORM row a request, and on PostgreSQL `pgbench` with 32 clients, which "
    "inserts into the same tables the same two rows (the receipt and its message) in one transaction for each signal."
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
SELECT nextval('bench_numbers') AS n \\gset
BEGIN;
INSERT INTO receipts (id, source_id, received_at, content_type, body, signals, state, unjudged)
  VALUES (lpad(:n::text, 26, '0'), (SELECT id FROM sources WHERE slug = 'prom'), now(), 'application/json',
          convert_to('{body}', 'UTF8'), '[{signal}]', 'understood', true);
INSERT INTO outbox (topic, ref, payload, created_at, not_before, state, urgency, attempts)
  VALUES ('signal.received', 'problem:' || :n, '{{"position": 0, "signal": {signal}}}', now(), now(), 'pending', 2, 0);
COMMIT;
"""


def run(kind: serving.Kind) -> list[Mapping[str, Any]]:
    with serving.throwaway(kind) as (directory, database):
        yardsticks: dict[str, float | None] = {
            "validates only": _run(serving.bare, "/validate", directory, database)["new", 32][0],
            "one ORM row": _run(serving.bare, "/orm", directory, database)["new", 32][0],
        }
        ours = _run(serving.service, "/intake/prom", directory, database)
        # Last: into the tables that the service has made, beside the source that the load has.
        yardsticks["pgbench"] = _pgbench(database, directory) if kind == "postgresql" else None
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
    (said,) = alertmanager.parse(alert(1), mapping=None)
    script = directory / "signal.sql"
    script.write_text(
        _SCRIPT.format(body=_quoted(json.dumps(alert(1))), signal=_quoted(json.dumps(packed(said))))
    )
    serving.execute(database, "CREATE SEQUENCE bench_numbers")
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


def _quoted(text: str) -> str:
    """Inside a literal of a script."""
    return text.replace("'", "''")
