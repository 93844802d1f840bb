"""Reservations that everybody wants: a hundred thousand tries for the same few things, and never more given than there is.

Many tasks, in two processes on PostgreSQL, ask for some of one pool at once; who gets it gives it back. At each moment what is
held must be no more than what is there, and at the end what is held is what is promised. Yardstick: bare updates of one guarded
row.
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
    "promised beyond what there is (target: none). Yardstick: a guarded update of one bare row."
)
HEAD: Final = (
    "Database",
    "Tries",
    "Processes",
    "Tries a second",
    "Got some",
    "Oversold",
    "Bare updates a second",
)
TRIES: Final = 100_000
TASKS: Final = 16
ON_HAND: Final = 20
WANTED: Final = 3
_BARE: Final = 2_000


def run(kind: serving.Kind) -> list[Mapping[str, Any]]:
    with serving.throwaway(kind) as (_, database), asyncio.Runner() as runner:
        told = runner.run(_measure(kind, database))
    return [line(NAME, kind, tries=TRIES, tasks=TASKS, on_hand=ON_HAND, target={"oversold": 0}, **told)]


def row(told: Mapping[str, Any]) -> Sequence[str]:
    names = ("database", "tries", "processes", "per_second", "served", "oversold", "yardstick_per_second")
    return tuple(f"{told[name]:g}" if isinstance(told[name], float) else str(told[name]) for name in names)


async def _measure(kind: serving.Kind, database: str) -> dict[str, Any]:
    await asyncio.to_thread(starting.migrate, database)
    db = Database(database)
    words = {"en": "Headset", "zh": "耳麦"}
    async with db.transaction() as session:
        await session.execute(text("CREATE TABLE bare (id INTEGER PRIMARY KEY, held INTEGER NOT NULL)"))
        await session.execute(text("INSERT INTO bare VALUES (1, 0)"))
        session.add(
            Pool(
                id="headsets", kind="materials", tier="primary", title=words, owner="duty_lead", positions=[]
            )
        )
        await session.flush()
        session.add(
            Unit(
                id=new_id(datetime.now(UTC)), pool_id="headsets", name="headset", title=words, on_hand=ON_HAND
            )
        )
    bare = await _bare(db)
    processes = 1 if kind == "sqlite" else 2
    began = time.perf_counter()
    command = (sys.executable, "-m", "bench.reservations", database, str(TRIES // processes))
    others = [
        await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=serving.ROOT)
        for _ in range(processes)
    ]
    said = [json.loads((await other.communicate())[0].splitlines()[-1]) for other in others]
    took = time.perf_counter() - began
    async with db.reading() as session:
        unit = (await session.scalars(select(Unit))).one()
        promised = (
            await session.scalar(select(func.sum(ReservationLine.quantity)).where(ReservationLine.held)) or 0
        )
    await db.dispose()
    return {
        "processes": processes, "per_second": round(TRIES / took, 1), "served": sum(one["served"] for one in said),
        "oversold": max(one["oversold"] for one in said) + abs(unit.held - promised), "yardstick_per_second": bare,
    }  # fmt: skip


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


async def _contend(database: str, tries: int) -> dict[str, int]:
    db = Database(database)
    left = count()
    found = {"served": 0, "oversold": 0}

    async def keep_on() -> None:
        while next(left) < tries:
            at = datetime.now(UTC)
            key = new_id(at)
            async with db.request() as session:
                got = await reservation.reserve(
                    session, ref=key, key=key, ask=[Ask(pool="headsets", quantity=WANTED)], until=at + timedelta(hours=1),
                    by="bench", exercise=False, at=at,
                )  # fmt: skip
            if isinstance(got, reservation.Shortage):
                continue
            found["served"] += 1
            async with db.reading() as session:
                held, there = (await session.execute(select(Unit.held, Unit.on_hand))).one()
            found["oversold"] = max(found["oversold"], held - there)
            async with db.request() as session:
                await reservation.release_all(session, key, "bench", datetime.now(UTC))

    await asyncio.gather(*(keep_on() for _ in range(TASKS)))
    await db.dispose()
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_contend(sys.argv[1], int(sys.argv[2])))))
