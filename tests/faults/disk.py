"""`kill -9` at the N-th write to the disk: a real `muster serve` on an SQLite file, asked over HTTP, under Debian's `strace`.

Which system call, and at which of its passings, the seed says. The write itself is not done any more: what is in the file is what
had been written before. The clients, the history and the checkers are those of the lives that are forked; the engine, the
clock and the channels are the real ones.
"""

import asyncio
import csv
import io
import os
import random
import shutil
import signal
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import httpx

from app.clock import SystemClock
from app.service import starting
from tests.databases import Databases
from tests.faults import checkers
from tests.faults.history import History
from tests.faults.lives import House, Service, all_rows, build, furnish, next_due
from tests.faults.processes import Process, Replicas
from tests.faults.workload import Clients
from tests.receiver import Receiver
from tests.rooms.trial import plan_with, task
from tests.serving import until
from tests.world import PEOPLE

LATEST: Final = {"pwrite64": 300, "fdatasync": 30}  # of each call, the last passing it may die at
_ACTS: Final = 15  # what the clients of one life want; one that is alive then is killed between two writes
_LEASE: Final = 2  # seconds; what a killed process held is taken up after it
_AT_REST_WITHIN: Final = 60.0  # seconds


def why_not() -> str | None:
    """Why nothing can be killed at a write here; none: it can."""
    return None if shutil.which("strace") else "strace (its Debian package)"


@dataclass(frozen=True)
class Fate:
    call: str
    number: int

    @classmethod
    def by(cls, chance: random.Random) -> "Fate":
        call = chance.choice(list(LATEST))
        return cls(call, chance.randint(1, LATEST[call]))

    def tracer(self, file: Path) -> list[str]:
        """The words before the command. The counting is per thread, and SQLite has one that writes."""
        only = [word for name in (file, f"{file}-wal", f"{file}-journal") for word in ("-P", str(name))]
        return [
            "strace", "-f", "-qq", "-o", "/dev/null", *only, "-e", f"trace={self.call}",
            "-e", f"inject={self.call}:signal=SIGKILL:when={self.number}", "--",
        ]  # fmt: skip


class _Here:
    """Where the clients of the forked lives find the engine and the clock: both are real here, and go on by themselves."""

    now = staticmethod(SystemClock().now)

    def move_to(self, moment: Any) -> None:
        pass

    async def settle(self) -> None:
        pass


@dataclass
class Ended:
    killed: Counter[str]
    found: dict[str, list[str]]
    sends: int
    copies: int


async def run(directory: Path, seed: int, *, kills: int) -> Ended:
    """`kills` lives on one file, then one without a tracer that comes to rest; what the checkers found."""
    url = Databases(directory).empty("sqlite")
    await asyncio.to_thread(starting.migrate, url)
    async with Receiver() as receiver:
        house = House(
            url,
            History(directory / "history"),
            directory,
            plan_with([task("look")], directory),
        )
        service = build(house, at=SystemClock().now(), faulty=False)
        house = await furnish(service, _all_by_webhook(receiver.url()))
        here = _Here()
        service = replace(service, house=house, engine=here, clock=here)  # type: ignore[arg-type]
        house.history.path.unlink(missing_ok=True)  # what was told while furnishing is no part of it
        replicas = Replicas(
            house.url,
            directory,
            receiver,
            lease=_LEASE,
            plan=house.plan,
            settings={"MUSTER_SECRET_KEY": "not a secret"},
        )
        try:
            for number in range(kills):
                await _life(replicas, service, random.Random(f"{seed}.{number}"), number)
            return await _end(replicas, service)
        finally:
            replicas.close()


async def _life(replicas: Replicas, service: Service, chance: random.Random, number: int) -> None:
    fate = Fate.by(chance)
    file = Path(replicas.database.removeprefix("sqlite:///"))
    url, tracing = await replicas.serve_under(*fate.tracer(file))
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        clients = Clients(service, client, chance, str(number))
        try:
            await clients.again(service.house.history.read())
            for _ in range(_ACTS):
                await clients.act()
        except httpx.TransportError:
            pass  # it died, or it will have in a moment
    died = tracing.poll() is not None or await _dies(tracing)
    if not died:
        os.killpg(tracing.pid, signal.SIGKILL)
    assert tracing.wait() == -signal.SIGKILL, "it ended by itself; processes.log tells why"
    del replicas.serving[url]
    _note_sends(replicas, service)
    service.house.history.note(
        "killed", at=f"disk.{fate.call}" if died else "disk.between", number=fate.number
    )


async def _dies(tracing: Process) -> bool:
    """Whether the engine's own writes bring it to its end."""

    async def look() -> bool:
        return tracing.poll() is not None

    try:
        return await until(look, within=2)
    except TimeoutError:
        return False


async def _end(replicas: Replicas, service: Service) -> Ended:
    (url,) = await replicas.serve()
    history, db = service.house.history, service.parts.db
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        await Clients(service, client, random.Random(0), "end").again(history.read())
    moment = service.clock.now()

    async def at_rest() -> bool:
        nonlocal moment
        moment = service.clock.now()
        due = await next_due(db)
        return due is None or due > moment

    try:
        await until(at_rest, within=_AT_REST_WITHIN)
    except TimeoutError:
        history.note("stuck", why=f"rows are still due after {_AT_REST_WITHIN:.0f} s")
    await replicas.stop(url)
    _note_sends(replicas, service)
    history.note("ended", at=moment.isoformat())
    rows = await all_rows(db)
    await db.dispose()
    copies, told = replicas.copies(), history.read()
    return Ended(
        Counter(one["at"] for one in told if one["what"] == "killed"), checkers.check(told, rows), len(copies),
        copies.total() - len(copies),
    )  # fmt: skip


def _note_sends(replicas: Replicas, service: Service) -> None:
    """What has reached the receiver since the last look, before it is written that the sender was killed."""
    history = service.house.history
    known = sum(1 for one in history.read() if one["what"] == "send")
    for received in replicas.receiver.received[known:]:
        history.note("send", key=received.headers["webhook-id"], outcome="taken", link=None, ref=None)


def _all_by_webhook(url: str) -> str:
    """The people of the tests, each with the receiver for a telephone."""
    rows = list(csv.DictReader(io.StringIO(PEOPLE)))
    told = io.StringIO()
    writer = csv.DictWriter(told, list(rows[0]))
    writer.writeheader()
    writer.writerows({**row, "mail": "", "webhook": url} for row in rows)
    return told.getvalue()
