"""Sending many messages at once, from rows that are due to rows that say sent: claim, send and record, a hundred at a time.

Yardsticks in the same process and run: aiohttp bare, and the one door through which this service calls anybody, both a hundred at a
time to the same receiver.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
from pydantic import SecretStr
from sqlalchemy import func, insert, select, update

from app import carrying
from app.engine import Engine
from app.ids import new_id
from app.main import parts_of, reach_of
from app.notify.channel import Message, Receipt
from app.notify.channels.webhook import WebhookChannel
from app.notify.tables import Delivery, DeliveryState, Notice
from app.people.tables import ContactPoint, Person
from app.service import starting
from app.settings import Settings
from bench import serving
from bench.figures import Latency, line, middle, spread
from bench.receiver import Receiver

NAME: Final = "fan_out"
TITLE: Final = "Many messages at once"
INTRO: Final = (
    "Messages a second to a local webhook receiver, a hundred at a time, from rows that are due to rows that say sent; "
    "milliseconds of one send. Yardsticks in the same process: aiohttp bare, and the outgoing door alone. Target: at least "
    "0.4 of aiohttp, p99 at most four times p50."
)
HEAD: Final = (
    "Database",
    "Messages a second",
    "p50",
    "p99",
    "aiohttp bare",
    "Its p50",
    "Its p99",
    "Door alone",
    "Ratio",
)
AT_ONCE: Final = 100
MESSAGES: Final = 3000
RUNS: Final = 3


def run(kind: serving.Kind) -> list[Mapping[str, Any]]:
    with serving.throwaway(kind) as (directory, database), asyncio.Runner() as runner:
        told = runner.run(_measured(directory, database))
    ratio = round(told["ours"]["per_second"]["median"] / told["aiohttp"]["per_second"]["median"], 3)
    return [line(NAME, kind, messages=MESSAGES, at_once=AT_ONCE, ratio=ratio, target=0.4, **told)]


def row(told: Mapping[str, Any]) -> Sequence[str]:
    ours, bare, door = told["ours"], told["aiohttp"], told["door"]
    return (
        told["database"], _said(ours["per_second"]), _said(ours["p50_ms"]), _said(ours["p99_ms"]), _said(bare["per_second"]),
        _said(bare["p50_ms"]), _said(bare["p99_ms"]), _said(door["per_second"]), f"{told['ratio']:.3f}",
    )  # fmt: skip


def _said(figures: Mapping[str, float]) -> str:
    return f"{figures['median']:g} ({figures['low']:g}–{figures['high']:g})"


async def _measured(directory: Path, database: str) -> dict[str, Any]:
    """The receiver here, what sends in a process of its own on the other core."""
    serving.on_the_load_core()
    async with Receiver() as receiver:
        command = [
            "taskset",
            "-c",
            "0",
            sys.executable,
            "-m",
            "bench.fan_out",
            database,
            receiver.url,
            str(directory),
        ]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, cwd=serving.ROOT)
        said, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"the measured process ended with {process.returncode}")
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


# ── in the measured process ──


class _Timed(WebhookChannel):
    """The real channel, noting how long each send took."""

    took: list[float]

    async def send(self, to: str, message: Message) -> Receipt:
        began = time.perf_counter()
        try:
            return await super().send(to, message)
        finally:
            self.took.append(time.perf_counter() - began)


async def _inside(database: str, url: str, directory: Path) -> dict[str, Any]:
    settings = Settings(
        _env_file=None,
        database_url=database,
        data_dir=directory,
        secret_key=SecretStr("only for this benchmark"),
    )
    await asyncio.to_thread(starting.migrate, settings.database)
    parts = parts_of(settings)
    reach = reach_of(settings, parts.vault)
    timed = _Timed(reach.outgoing, secrets_for=lambda _to: (b"secret",))
    timed.took = []
    engine = Engine(parts, carrying.Reach(reach.outgoing, {"webhook": timed}))
    # As many at a time as the yardsticks.
    carrying.AT_ONCE = carrying.PATIENT_AT_ONCE = AT_ONCE  # type: ignore[misc]
    body = json.dumps({"ref": "x", "text": "y" * 400}).encode()
    headers = {"content-type": "application/json"}
    rates: dict[str, list[float]] = {"ours": [], "aiohttp": [], "door": []}
    latencies: dict[str, list[Latency]] = {name: [] for name in rates}

    async def with_door() -> None:
        await reach.outgoing.request("POST", url, headers=headers, content=body)

    notice, contact = await _organisation(parts, url)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as client:

        async def bare() -> None:
            async with client.post(url, data=body, headers=headers) as answer:
                await answer.read()

        for number in range(RUNS + 1):  # the first warms up
            for name, once in (("aiohttp", bare), ("door", with_door)):
                rate, took = await _at_a_time(once)
                if number:
                    rates[name].append(rate)
                    latencies[name].append(Latency.of(took))
            timed.took = []
            rate = await _sent_by(engine, notice, contact)
            if number:
                rates["ours"].append(rate)
                latencies["ours"].append(Latency.of(timed.took))
    await reach.outgoing.aclose()
    await parts.db.dispose()
    return {name: {"per_second": spread(rates[name]), **middle(latencies[name])} for name in rates}


async def _at_a_time(once: Callable[[], Awaitable[None]]) -> tuple[float, list[float]]:
    left, took = iter(range(MESSAGES)), list[float]()

    async def keep_on() -> None:
        for _ in left:
            began = time.perf_counter()
            await once()
            took.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(keep_on() for _ in range(AT_ONCE)))
    return round(MESSAGES / (time.perf_counter() - began), 1), took


async def _organisation(parts: Any, url: str) -> tuple[str, str]:
    at = parts.clock.now()
    notice, person, contact = new_id(at), new_id(at), new_id(at)
    words = {"en": "All lines are dead", "zh-Hans": "全部线路中断", "zh-Hant": "全部線路中斷"}
    async with parts.db.transaction() as session:
        session.add(Person(id=person, name="Lin", skills=[], created_at=at))
        session.add(Notice(
            id=notice, ref="bench", kind="chain", number="INC-2026-0001", level=3, exercise=False, subject=words, text=words,
            created_at=at,
        ))  # fmt: skip
        await session.flush()
        session.add(ContactPoint(
            id=contact, person_id=person, rank=1, channel="webhook", address_sealed=parts.vault.seal(url), address_masked="…",
        ))  # fmt: skip
    return notice, contact


async def _sent_by(engine: Engine, notice: str, contact: str) -> float:
    at = datetime.now(UTC) + timedelta(minutes=10)
    rows = [due_delivery(notice, contact, ref="bench", not_before=at) for _ in range(MESSAGES)]
    async with engine.db.transaction() as session:
        await session.execute(insert(Delivery), rows)
    began = time.perf_counter()
    async with engine.db.transaction() as session:
        await session.execute(
            update(Delivery)
            .where(Delivery.not_before == at)
            .values(not_before=datetime.now(UTC) - timedelta(seconds=1))
        )
    serving_ = asyncio.create_task(engine.run())
    engine.db.wake.set()
    while await _unsent(engine):
        await asyncio.sleep(0.05)
    took = time.perf_counter() - began
    serving_.cancel()
    await asyncio.gather(serving_, return_exceptions=True)
    return round(MESSAGES / took, 1)


async def _unsent(engine: Engine) -> int:
    async with engine.db.reading() as session:
        query = select(func.count()).select_from(Delivery).where(Delivery.state.in_(("pending", "sending")))
        return int(await session.scalar(query) or 0)


def due_delivery(notice: str, contact: str, *, ref: str, not_before: datetime) -> dict[str, Any]:
    """A row as the pipeline would have written it."""
    at = datetime.now(UTC)
    return {
        "id": new_id(at), "notice_id": notice, "ref": ref, "level": 3, "position": "duty_lead", "contact_id": contact,
        "channel": "webhook", "state": DeliveryState.PENDING, "attempts": 0, "further": [], "not_before": not_before,
        "created_at": at, "asks": True, "person_name": "Lin",
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_inside(sys.argv[1], sys.argv[2], Path(sys.argv[3])))))
