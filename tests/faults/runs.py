"""Runs of many lives on one database, each life forked from a process in which everything is ready.

`prepare` makes a furnished database of a kind; `run` copies it, lets one life after another die on it, lets the last one
come to its end without faults, and has the checkers look.
"""

import asyncio
import gc
import os
import pickle
import random
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from app import installation, telemetry
from tests.databases import Databases, Kind
from tests.faults import checkers
from tests.faults.history import History
from tests.faults.lives import House, Rows, Service, all_rows, build, furnish, quiesce
from tests.faults.mutants import MUTANTS
from tests.faults.workload import Clients
from tests.rooms.trial import plan_with, step, task
from tests.world import NIGHT

_WARM: Final = 30  # acts, before anything is forked
_FIRST: Final = 3  # acts of a run before the first life
_ACTS: Final = 12  # what the clients of one life want at most
_DEADLIEST: Final = 120  # events; a life that passes more of them ends by itself
_EARLY: Final = (
    2  # draws, of which the first to come counts: most lives die young, and more of them fit into an hour
)
_DEADLIEST_ANSWER: Final = 4  # where it may die at one kind of point alone
_LONGEST_LIFE: Final = 150  # seconds of the machine's clock, then it hangs and is a finding


@dataclass
class Ended:
    """What came of one run."""

    kind: Kind
    seed: int
    survived: Counter[str] = field(default_factory=Counter)  # kills by the name of the point
    found: dict[str, list[str]] = field(default_factory=dict)
    folded: Any = None
    copies: int = 0
    sends: int = 0
    seconds: float = 0.0
    frozen: int = 0


class Ground:
    """Furnished databases to copy, one of each kind."""

    def __init__(self, directory: Path) -> None:
        telemetry.set_up("CRITICAL")
        self.directory = directory
        self.databases = Databases(directory)
        self._furnished: dict[Kind, House] = {}
        self._services: dict[Kind, Service] = {}
        call = step(
            "call", "http", with_={"url": "http://far.example/x", "body": {}}, retry={"attempts": 4, "wait": "10s"},
        )  # fmt: skip
        self.plan = plan_with([task("look"), call, task("mend", needs=["look"])], directory)

    def furnished(self, kind: Kind) -> House:
        if kind not in self._furnished:
            house = House(
                self.databases.fresh(kind), History(self.directory / f"{kind}.log"), self.directory, self.plan
            )
            answer = in_child(lambda: furnish(build(house, faulty=False)), house.history)
            self._furnished[kind] = replace(house, keys=answer.keys, source_key=answer.source_key)
        return self._furnished[kind]

    def service(self, kind: Kind) -> Service:
        """The service with everything made and compiled that acting makes and compiles, for forks to go on with."""
        if kind not in self._services:
            service = build(self.copy(kind, f"{kind}-warm"))
            asyncio.run(_opening(service, 0, acts=_WARM))
            self.databases.drop(service.house.url)
            self._services[kind] = service
            gc.collect()
            gc.freeze()
        return self._services[kind]

    def copy(self, kind: Kind, name: str) -> House:
        house = self.furnished(kind)
        history = History(self.directory / f"{name}.history")
        history.path.unlink(missing_ok=True)
        return replace(house, url=self.databases.copy(house.url), history=history)

    def close(self) -> None:
        for house in self._furnished.values():
            self.databases.drop(house.url)
        self.databases.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def run(
    ground: Ground, kind: Kind, seed: int, *, kills: int, mutant: str | None = None, acts: int = _ACTS
) -> Ended:
    """One run: `kills` lives that die (or end by themselves), then one that comes to its end. Without kills and mutant there are
    no faults at all.

    It has a process of its own, which is the one a mutant is put into; the checkers look from outside.
    """
    began = time.monotonic()
    service = ground.service(kind)
    house = ground.copy(kind, f"{kind}-{seed}-{mutant}-{kills}")
    faulty = kills > 0 or mutant is not None
    try:
        rows: Rows = in_child(
            lambda: _lives(service, house, seed, kills=kills, mutant=mutant, acts=acts, faulty=faulty), house.history,
            within=_LONGEST_LIFE * (kills + 4),
        )  # fmt: skip
    finally:
        ground.databases.drop(house.url)
    history = house.history.read()
    taken = Counter(one["key"] for one in history if one["what"] == "send" and one["outcome"] == "taken")
    return Ended(
        kind, seed, survived=Counter(one["at"] for one in history if one["what"] == "killed"),
        found=checkers.check(history, rows), folded=None if faulty else checkers.told_of(rows),
        copies=sum(taken.values()) - len(taken), sends=len(taken), seconds=time.monotonic() - began,
        frozen=sum(1 for one in history if one["what"] == "frozen"),
    )  # fmt: skip


def _lives(
    service: Service, house: House, seed: int, *, kills: int, mutant: str | None, acts: int, faulty: bool
) -> Rows:
    service.move_to(house, faulty=faulty)
    if mutant is not None:
        MUTANTS[mutant].put_in()
        service.seams.only = MUTANTS[mutant].dies_at
    asyncio.run(_opening(service, seed, acts=_FIRST))
    gc.freeze()  # a life then writes on fewer pages, each of which is copied at the first word written
    for number in range(kills):
        house.history.read()  # here, so that no life reads it all anew
        # A mistake may need a whole life to show: beside a mutant every second one is let live.
        spared = mutant is not None and number % 2 == 1
        work = partial(_life, service, seed, number, acts=acts, spared=spared, draws=1 if mutant else _EARLY)
        in_child(work, house.history, may_die=True)
    rows: Rows = in_child(partial(_end, service, seed, acts=acts, retry=faulty), house.history)
    return rows


async def _opening(service: Service, seed: int, *, acts: int) -> None:
    """The first acts, in the process the lives are forked from: it fills the caches they would all fill."""
    async with service.parts.db.transaction() as session:
        await installation.move_in(session, at=service.clock.now())  # a copy would hold itself
    service.on_a_new_loop()
    chance = random.Random(f"{seed}.opening")
    service.reseed(random.Random(f"{seed}.opening.far"))
    async with service.client as client:
        clients = Clients(service, client, chance, "opening")
        for _ in range(acts):
            await clients.act()
    service.house.history.note("clock", at=service.clock.now().isoformat())
    await service.parts.db.dispose()


async def _life(service: Service, seed: int, number: int, *, acts: int, spared: bool, draws: int) -> None:
    chance = random.Random(f"{seed}.{number}")
    service.reseed(random.Random(f"{seed}.{number}.far"))
    history = service.house.history.read()
    resume(service, chance)
    most = _DEADLIEST if service.seams.only is None else _DEADLIEST_ANSWER
    deadly = min(chance.randint(1, most) for _ in range(draws))
    service.seams.deadly = None if spared else deadly
    service.seams.armed = True
    async with service.client as client:
        clients = Clients(service, client, chance, str(number))
        await clients.again(history)
        await service.engine.settle()
        for _ in range(acts):
            service.house.history.note("clock", at=service.clock.now().isoformat())
            await clients.act()
    service.seams.armed = False
    await service.parts.db.dispose()


async def _end(service: Service, seed: int, *, acts: int, retry: bool) -> Rows:
    chance = random.Random(f"{seed}.end")
    service.reseed(chance)
    resume(service, chance, jump=retry)
    service.without_faults()
    async with service.client as client:
        clients = Clients(service, client, chance, "end")
        await clients.again(service.house.history.read())
        for _ in range(0 if retry else acts):
            await clients.act()
    if not await quiesce(service):
        service.house.history.note("stuck", why="rows fall due without end")
    service.house.history.note("ended", at=service.clock.now().isoformat())
    rows = await all_rows(service.parts.db)
    await service.parts.db.dispose()
    return rows


def resume(service: Service, chance: random.Random, *, jump: bool = True) -> None:
    """Go on at the moment the last life had come to, or after the leases of its work have ended."""
    service.on_a_new_loop()
    moments = [one["at"] for one in service.house.history.read() if one["what"] in ("clock", "send", "asked")
               and "T" in str(one["at"])]  # fmt: skip
    last = max((datetime.fromisoformat(one) for one in moments), default=NIGHT)
    later = timedelta(seconds=chance.choice([0, 1, 61, 61])) if jump else timedelta()
    service.clock.move_to(max(last, service.clock.now()) + later)
    service.house.history.note("clock", at=service.clock.now().isoformat())


def in_child(
    work: Callable[[], Any], history: History, *, may_die: bool = False, within: int = _LONGEST_LIFE
) -> Any:
    """Do `work` in a forked process, and give what it gave. One that dies where it may gives None."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            signal.alarm(within)
            result = work()
            gave = pickle.dumps(asyncio.run(result) if asyncio.iscoroutine(result) else result)
            view = memoryview(gave)
            while view:
                view = view[os.write(writing, view) :]
            code = 0
        except BaseException:  # noqa: BLE001 - whatever it was, the parent is told and this process ends here
            history.note("broke", why=traceback.format_exc())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        gave = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        if may_die and os.WTERMSIG(status) == signal.SIGKILL:
            return None
        raise AssertionError(f"a life ended by signal {os.WTERMSIG(status)}: it hung")
    if os.WEXITSTATUS(status):
        raise AssertionError(next(one["why"] for one in reversed(history.read()) if one["what"] == "broke"))
    return pickle.loads(gave)
