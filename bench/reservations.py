"""Reservations: a hundred thousand tries for the same few things, requests spread over a hundred pools, and never more given than
there is.

Many tasks, in two processes on PostgreSQL, ask at once for some of a pool, each in a transaction of its own; who gets it gives it
back. All the while somebody looks whether more is held than there is, and at the end what is held must be what is promised.
Yardstick: the same number of bare updates of one guarded row.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

from sqlalchemy import func, select, text

from app.away import Away
from app.db import Database
from app.ids import new_id
from app.resources import reservation
from app.resources.document import Ask
from app.resources.tables import Pool, ReservationLine, Unit
from app.service import starting
from bench import serving
from bench.figures import line

NAME: Final = "reservations"
TITLE: Final = "Contended reservations"
INTRO: Final = (
    "Tries a second to reserve some of one pool that all want at once, each in a transaction of its own, and how many units were "
    "promised beyond what there is (target: none); requests a second (a try or a giving back) over a hundred pools (target on "
    "PostgreSQL: 500). Yardstick: a guarded update of one bare row."
)
HEAD: Final = (
    "Database",
    "Pools",
    "Tries",
    "Processes",
    "Tries a second",
    "Requests a second",
    "Got some",
    "Failed",
    "Oversold",
    "Bare updates a second",
)
TRIES: Final = {1: 100_000, 100: 10_000}  # by the number of pools
TASKS: Final = 16  # of a process
ON_HAND: Final = 20
WANTED: Final = 3
_BARE: Final = 2_000


def run(kind: serving.Kind) -> list[Mapping[str, Any]]:
    told = []
    for number, tries in TRIES.items():
        with serving.throwaway(kind) as (_, database), asyncio.Runner() as runner:
            found = runner.run(_measure(kind, database, number, tries))
        told.append(
            line(NAME, kind, pools=number, tries=tries, tasks=TASKS, on_hand=ON_HAND, target={"oversold": 0}, **found)
        )  # fmt: skip
    return told


def row(told: Mapping[str, Any]) -> Sequence[str]:
    names = (
        "database", "pools", "tries", "processes", "per_second", "requests_per_second", "served", "failed", "oversold",
        "yardstick_per_second",
    )  # fmt: skip
    return tuple(f"{told[name]:g}" if isinstance(told[name], float) else str(told[name]) for name in names)


async def _measure(kind: serving.Kind, database: str, number: int, tries: int) -> dict[str, Any]:
    await asyncio.to_thread(starting.migrate, database)
    db = Database(database)
    await _stock(db, number)
    bare = await _bare(db)
    processes = 1 if kind == "sqlite" else 2
    looking = asyncio.create_task(_most_oversold(db))
    began = time.perf_counter()
    command = (sys.executable, "-m", "bench.reservations", database, str(number), str(tries // processes))
    others = [
        await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=serving.ROOT)
        for _ in range(processes)
    ]
    outputs = [(await other.communicate())[0] for other in others]
    if ended := [other.returncode for other in others if other.returncode]:
        raise SystemExit(f"a process that reserves ended with {ended[0]}; what it said stands above")
    said = [json.loads(output.splitlines()[-1]) for output in outputs]
    took = max(one["seconds"] for one in said)
    looking.cancel()
    seen = await looking
    async with db.reading() as session:
        held = await session.scalar(select(func.sum(Unit.held))) or 0
        lines = select(func.sum(ReservationLine.quantity)).where(ReservationLine.held)
        promised = await session.scalar(lines) or 0
    await db.dispose()
    served, failed = (sum(one[name] for one in said) for name in ("served", "failed"))
    return {
        "processes": processes, "seconds": round(time.perf_counter() - began, 1), "per_second": round(tries / took, 1),
        "requests_per_second": round((tries + served) / took, 1), "served": served, "failed": failed,
        "oversold": seen + abs(held - promised), "yardstick_per_second": bare,
    }  # fmt: skip


async def _stock(db: Database, number: int) -> None:
    words = {"en": "Headset", "zh": "耳麦"}
    async with db.transaction() as session:
        await session.execute(text("CREATE TABLE bare (id INTEGER PRIMARY KEY, held INTEGER NOT NULL)"))
        await session.execute(text("INSERT INTO bare VALUES (1, 0)"))
        session.add_all(
            Pool(id=_pool(n), kind="materials", tier="primary", title=words, owner="duty_lead", positions=[])
            for n in range(number)
        )
        await session.flush()
        session.add_all(
            Unit(id=new_id(datetime.now(UTC)), pool_id=_pool(n), name="headset", title=words, on_hand=ON_HAND)
            for n in range(number)
        )


def _pool(n: int) -> str:
    return f"headsets_{n}"


async def _most_oversold(db: Database) -> int:
    """How far beyond what there is a unit was promised at any look; looks until cancelled."""
    most = 0
    promised = (
        select(func.sum(ReservationLine.quantity) - Unit.on_hand)
        .select_from(ReservationLine)
        .join(Unit, Unit.id == ReservationLine.unit_id)
        .where(ReservationLine.held)
        .group_by(Unit.id, Unit.on_hand)
    )
    try:
        while True:
            async with db.reading() as session:
                most = max(most, *(await session.scalars(promised)), 0)
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        return most


async def _bare(db: Database) -> float:
    left = count()
    began = time.perf_counter()

    async def keep_on() -> None:
        while next(left) < _BARE:
            async with db.request() as session:
                await session.execute(text("UPDATE bare SET held = held + 1 WHERE id = 1 AND held < 1000000"))

    await asyncio.gather(*(keep_on() for _ in range(TASKS)))
    return round(_BARE / (time.perf_counter() - began), 1)


# ── in each measured process ──


async def _contend(database: str, pools: int, tries: int) -> dict[str, float]:
    db = Database(database)
    left = count()
    found = {"served": 0, "failed": 0}

    async def once(n: int) -> None:
        at = datetime.now(UTC)
        key = new_id(at)
        async with db.request() as session:
            got = await reservation.reserve(
                session, ref=key, key=key, ask=[Ask(pool=_pool(n % pools), quantity=WANTED)], until=at + timedelta(hours=1),
                by="bench", exercise=False, at=at, alone=True,
            )  # fmt: skip
        if isinstance(got, reservation.Shortage):
            return
        found["served"] += 1
        async with db.request() as session:
            await reservation.release(session, got.id, by="bench", at=datetime.now(UTC))

    async def keep_on() -> None:
        while (n := next(left)) < tries:
            try:
                await once(n)
            except Away:  # too late for a machine that has no time; what it took may stay taken
                found["failed"] += 1

    began = time.perf_counter()
    await asyncio.gather(*(keep_on() for _ in range(TASKS)))
    seconds = time.perf_counter() - began
    await db.dispose()
    return {**found, "seconds": seconds}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_contend(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
