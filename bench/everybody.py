"""Telling everybody, and paging one person while many wait: one notice to a thousand people by webhook and by mail, and grave
pages among ten thousand messages that are not.

The engine and its settings are those of the service, in a process of its own; the receiver of webhooks and the mail server are on
the other core. Yardsticks in the same process and run: aiohttp and aiosmtplib bare to the same ends, and the same pages with
nothing else waiting.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
import aiosmtplib
from aiosmtpd.smtp import SMTP
from pydantic import SecretStr
from sqlalchemy import func, insert, select

from app.engine import Engine
from app.ids import new_id
from app.main import parts_of, reach_of
from app.notify import pipeline
from app.notify.pipeline import News
from app.notify.receivers import Receiver as Somebody
from app.notify.receivers import somebody
from app.notify.tables import Delivery, Notice
from app.people.tables import ContactPoint, Person
from app.service import starting
from app.settings import Settings
from bench import serving
from bench.fan_out import due_delivery
from bench.figures import Latency, line, spread
from bench.receiver import Receiver

NAME: Final = "everybody"
TITLE: Final = "Everybody at once, and one page among many"
INTRO: Final = (
    "Seconds from one notice to a thousand people until the last of them is told: by webhook to a local receiver, by mail to a "
    "local server. Milliseconds of a page of level 1 from its commit to its arrival while ten thousand messages of level 4 are due "
    "and being sent. Yardsticks of the same run: aiohttp and aiosmtplib bare; the same pages with nothing else waiting."
)
HEAD: Final = ("Database", "What", "Reached", "Target", "Yardstick")
PEOPLE: Final = 1000
WAITING: Final = 10_000
PAGES: Final = 100
BETWEEN_PAGES: Final = 0.01  # seconds
RUNS: Final = 3
TARGETS: Final[Mapping[str, float]] = {"webhook": 5, "mail": 20, "page": 1000}  # seconds, seconds, ms at p99


def run(kind: serving.Kind) -> list[Mapping[str, Any]]:
    with serving.throwaway(kind) as (directory, database), asyncio.Runner() as runner:
        told = runner.run(_measured(directory, database))
    return [line(NAME, kind, what=what, target=TARGETS[what], **told[what]) for what in TARGETS]


def row(told: Mapping[str, Any]) -> Sequence[str]:
    reached, yardstick = told["reached"], told["yardstick"]
    if told["what"] == "page":
        return (
            told["database"], f"a page among {WAITING:,}", f"p50 {reached['p50_ms']:g} ms, p99 {reached['p99_ms']:g} ms",
            f"p99 ≤ {told['target']:,} ms", f"alone: p50 {yardstick['p50_ms']:g} ms, p99 {yardstick['p99_ms']:g} ms",
        )  # fmt: skip
    return (
        told["database"], f"{PEOPLE:,} people by {told['what']}", _seconds(reached), f"≤ {told['target']} s", _seconds(yardstick),
    )  # fmt: skip


def _seconds(figures: Mapping[str, float]) -> str:
    return f"{figures['median']:g} s ({figures['low']:g}–{figures['high']:g})"


async def _measured(directory: Path, database: str) -> dict[str, Any]:
    """The ends here, what sends in a process of its own on the other core."""
    serving.on_the_load_core()
    loop = asyncio.get_running_loop()
    sink = await loop.create_server(lambda: SMTP(_Sink(), enable_SMTPUTF8=False), "127.0.0.1", 0)
    async with Receiver() as receiver, sink:
        process = await asyncio.create_subprocess_exec(
            "taskset", "-c", "0", sys.executable, "-m", "bench.everybody",
            database, receiver.url, str(sink.sockets[0].getsockname()[1]), str(directory),
            stdout=subprocess.PIPE, cwd=serving.ROOT,
        )  # fmt: skip
        said, _ = await process.communicate()
    if process.returncode:
        raise SystemExit(f"the measured process ended with {process.returncode}")
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    # One clock for all processes of a machine, so a commit there and an arrival here can be compared.
    for name in ("reached", "yardstick"):
        took = [receiver.first[ref] - committed for ref, committed in found["page"][name].items()]
        latency = Latency.of(took)
        found["page"][name] = {"n": latency.n, "p50_ms": latency.p50_ms, "p99_ms": latency.p99_ms}
    return found


class _Sink:
    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd calls it so
        return "250 taken"


# ── in the measured process ──


async def _inside(database: str, url: str, port: int, directory: Path) -> dict[str, Any]:
    settings = Settings(
        _env_file=None, database_url=database, data_dir=directory, secret_key=SecretStr("only for this benchmark"),
        smtp_host="127.0.0.1", smtp_port=port, smtp_security="none", mail_from="muster@bench.test",
        egress_allow="127.0.0.0/8",
    )  # fmt: skip
    await asyncio.to_thread(starting.migrate, settings.database)
    parts = parts_of(settings)
    engine = Engine(parts, reach_of(settings, parts.vault))
    serving_ = asyncio.create_task(engine.run())
    bare = {"webhook": lambda: _bare_webhooks(url), "mail": lambda: _bare_mails(port)}
    told: dict[str, Any] = {}
    for channel in ("webhook", "mail"):
        people = await _people(engine, channel, url if channel == "webhook" else "somebody@bench.test")
        ours, theirs = [], []
        for number in range(RUNS + 1):  # the first warms up
            took = await _told(engine, people, f"{channel}-{number}")
            yardstick = await bare[channel]()
            if number:
                ours.append(took)
                theirs.append(yardstick)
        told[channel] = {"people": PEOPLE, "reached": spread(ours), "yardstick": spread(theirs)}
    contact = await _contact_of(engine, people_channel="webhook")
    alone = await _pages(engine, contact, "alone")
    await _wait_in_line(engine, contact)
    among = await _pages(engine, contact, "among")
    left = await _unsent(engine)
    told["page"] = {"waiting": WAITING, "left_after": left, "reached": among, "yardstick": alone}
    serving_.cancel()
    await asyncio.gather(serving_, return_exceptions=True)
    await engine.carrier.reach.outgoing.aclose()
    await parts.db.dispose()
    if not left:
        raise SystemExit("nothing waited any more when the last page was sent")
    return told


async def _people(engine: Engine, channel: str, address: str) -> Sequence[Somebody]:
    at = engine.parts.clock.now()
    ids = [new_id(at) for _ in range(PEOPLE)]
    sealed = engine.parts.vault.seal(address)
    async with engine.db.transaction() as session:
        await session.execute(
            insert(Person),
            [
                {"id": one, "name": f"{channel} {number}", "skills": [], "created_at": at}
                for number, one in enumerate(ids)
            ],
        )
        await session.execute(
            insert(ContactPoint),
            [
                {
                    "id": new_id(at), "person_id": one, "rank": 1, "channel": channel, "address_sealed": sealed,
                    "address_masked": "…",
                }
                for one in ids
            ],
        )  # fmt: skip
    async with engine.db.reading() as session:
        return [await somebody(session, one, position="duty_lead") for one in ids]


async def _told(engine: Engine, people: Sequence[Somebody], ref: str) -> float:
    """Seconds until all of `people` are told, the writing of the notice among them."""
    began = time.perf_counter()
    async with engine.db.transaction() as session:
        await pipeline.tell_people(session, _news(ref), people=people, at=engine.parts.clock.now())
    while await _unsent(engine):
        await asyncio.sleep(0.02)
    return round(time.perf_counter() - began, 2)


def _news(ref: str) -> News:
    words = {"en": "All lines are dead", "zh-Hans": "全部线路中断", "zh-Hant": "全部線路中斷"}
    return News(ref=ref, kind="chain", level=2, subject=words, text=words, number="INC-2026-0001")


async def _unsent(engine: Engine) -> int:
    async with engine.db.reading() as session:
        query = select(func.count()).select_from(Delivery).where(Delivery.state.in_(("pending", "sending")))
        return int(await session.scalar(query) or 0)


async def _contact_of(engine: Engine, *, people_channel: str) -> str:
    async with engine.db.reading() as session:
        found = await session.scalar(
            select(ContactPoint.id).where(ContactPoint.channel == people_channel).limit(1)
        )
    assert found is not None
    return found


async def _wait_in_line(engine: Engine, contact: str) -> None:
    notice = await _notice(engine, "many", level=4)
    at = datetime.now(UTC)
    rows = [{**due_delivery(notice, contact, ref="many", not_before=at), "level": 4} for _ in range(WAITING)]
    async with engine.db.transaction() as session:
        await session.execute(insert(Delivery), rows)
    engine.db.wake.set()


async def _pages(engine: Engine, contact: str, name: str) -> dict[str, float]:
    """Pages of level 1, one after the other; when each was committed."""
    committed: dict[str, float] = {}
    for number in range(PAGES):
        ref = f"{name}-{number}"
        notice = await _notice(engine, ref, level=1)
        due = {**due_delivery(notice, contact, ref=ref, not_before=datetime.now(UTC)), "level": 1}
        async with engine.db.transaction() as session:
            await session.execute(insert(Delivery), [due])
        committed[ref] = time.perf_counter()
        engine.db.wake.set()
        await asyncio.sleep(BETWEEN_PAGES)
    await asyncio.sleep(1)
    return committed


async def _notice(engine: Engine, ref: str, *, level: int) -> str:
    at = engine.parts.clock.now()
    news = _news(ref)
    async with engine.db.transaction() as session:
        written = Notice(
            id=new_id(at), ref=ref, kind="chain", number=news.number, level=level, exercise=False,
            subject=dict(news.subject), text=dict(news.text), created_at=at,
        )  # fmt: skip
        session.add(written)
    return written.id


# ── the yardsticks ──


async def _bare_webhooks(url: str) -> float:
    body = json.dumps({"ref": "bare", "text": "y" * 400}).encode()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100)) as client:

        async def once() -> None:
            async with client.post(url, data=body) as answer:
                await answer.read()

        return await _by(100, lambda left: _keep_on(left, once))


async def _bare_mails(port: int) -> float:
    content = b"Subject: All lines are dead\r\n\r\n" + b"y" * 400

    async def by_one_line(left: Iterator[int]) -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:

            async def once() -> None:
                await client.sendmail("muster@bench.test", ["somebody@bench.test"], content)

            await _keep_on(left, once)

    return await _by(40, by_one_line)


async def _by(at_once: int, worker: Callable[[Iterator[int]], Awaitable[None]]) -> float:
    left = iter(range(PEOPLE))
    began = time.perf_counter()
    await asyncio.gather(*(worker(left) for _ in range(at_once)))
    return round(time.perf_counter() - began, 2)


async def _keep_on(left: Iterator[int], once: Callable[[], Awaitable[None]]) -> None:
    for _ in left:
        await once()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_inside(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])))))
