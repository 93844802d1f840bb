"""Timers: how late what is armed comes, and what a million that are not due cost.

1. Ten thousand messages armed for the moments of one minute, from the moment each is due to its arrival at a local webhook
   receiver. They are rows as a chain writes them for the later contact points of a person. Yardstick: a bare loop at the same rate.
2. The same, for rungs of chains: a timer fires, its reaction tells the next rung, the message is sent. Fewer, because each is a
   dozen rows.
3. Timers a second that become messages, with a million pending and with none; yardstick: the bare UPDATE … RETURNING of the same
   groups through the driver.
"""

import asyncio
import sqlite3
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
from pydantic import SecretStr
from sqlalchemy import delete, insert, select, text

from app import tables
from app.carrying import Reach
from app.db import Database
from app.engine import Engine
from app.ids import new_id
from app.incidents.tables import Incident
from app.main import parts_of
from app.notify.tables import Delivery, Notice, Round
from app.outbox import OutboxMessage, Timer, TimerState
from app.outgoing import Outgoing
from app.people.tables import ContactPoint, Person
from app.service import starting
from app.settings import Settings
from bench import load, serving
from bench.fan_out import due_delivery
from bench.figures import Latency, line, spread
from bench.receiver import Receiver

NAME: Final = "timers"
TITLE: Final = "Timers"
INTRO: Final = (
    "What is armed for a moment: milliseconds from that moment to its message at a local webhook receiver (targets: p50 50, "
    "p99 500; yardstick: a bare loop that sends at the same rate); and timers a second that become messages with a million "
    "pending (targets: 0.8 of those with none, 0.5 of the bare claim through the driver)."
)
HEAD: Final = (
    "Database",
    "What",
    "Number",
    "p50",
    "p99",
    "Bare p50",
    "Bare p99",
    "A second",
    "With none",
    "Bare claim",
)
SECONDS: Final = 60
NUMBERS: Final = {"contact points": 10_000, "rungs": 1_200}
PENDING: Final = 1_000_000
DUE: Final = 10_000
RUNS: Final = 3
_AHEAD: Final = timedelta(seconds=5)  # from the writing of the rows to the first that is due


def run(kind: serving.Kind) -> list[Mapping[str, Any]]:
    told = []
    with serving.throwaway(kind) as (directory, database), asyncio.Runner() as runner:
        for what, (number, ours, bare) in runner.run(_lateness(directory, database)).items():
            told.append(line(
                NAME, kind, what=what, number=number, seconds=SECONDS, p50_ms=ours.p50_ms, p99_ms=ours.p99_ms,
                arrived=ours.n, target={"p50_ms": 50, "p99_ms": 500}, yardstick={"p50_ms": bare.p50_ms, "p99_ms": bare.p99_ms},
            ))  # fmt: skip
    with serving.throwaway(kind) as (directory, database), asyncio.Runner() as runner:
        empty, full, claim = runner.run(_transitions(directory, database))
    told.append(line(
        NAME, kind, what="transitions a second", pending=PENDING, due=DUE, per_second=full, with_none=empty, bare_claim=claim,
        ratio=round(full["median"] / empty["median"], 3), ratio_to_claim=round(full["median"] / claim["median"], 3),
        target={"ratio": 0.8, "ratio_to_claim": 0.5},
    ))  # fmt: skip
    return told


def row(told: Mapping[str, Any]) -> Sequence[str]:
    if "per_second" not in told:
        bare = told["yardstick"]
        return (
            told["database"], told["what"], str(told["number"]), f"{told['p50_ms']:g}", f"{told['p99_ms']:g}",
            f"{bare['p50_ms']:g}", f"{bare['p99_ms']:g}", "–", "–", "–",
        )  # fmt: skip
    rates = (f"{told[name]['median']:g}" for name in ("per_second", "with_none", "bare_claim"))
    return (told["database"], told["what"], str(told["pending"]), "–", "–", "–", "–", *rates)


# ── lateness: the service in a process of its own ──


async def _lateness(directory: Path, database: str) -> dict[str, tuple[int, Latency, Latency]]:
    serving.on_the_load_core()
    found = {}
    async with (
        Receiver() as receiver,
        serving.service(directory, database, receiver.url) as served,
        load.client_of(served, connections=4) as client,
    ):
        asked = {"title": "Lines are dead", "type": "partial_system_failure", "level": 3}
        async with client.post("/api/v1/incidents", json=asked) as answer:
            raised = await answer.json()
        await receiver.heard(raised["id"])
        await receiver.quiet()
        db = Database(database)
        for what, arm in (("contact points", _arm_contacts), ("rungs", _arm_rungs)):
            number = NUMBERS[what]
            due = await arm(db, raised["id"], number)
            offset = time.time() - time.perf_counter()
            ours = await _late(receiver, {ref: moment.timestamp() - offset for ref, moment in due.items()})
            start = time.perf_counter() + 3
            process = await asyncio.create_subprocess_exec(
                "taskset", "-c", "0", sys.executable, "-m", "bench.bare_timers", receiver.url, str(number), str(SECONDS),
                str(start), cwd=serving.ROOT,
            )  # fmt: skip
            bare = await _late(receiver, {f"bare-{n}": start + SECONDS * n / number for n in range(number)})
            await process.wait()
            receiver.first.clear()
            found[what] = (number, ours, bare)
        await db.dispose()
    return found


async def _late(receiver: Receiver, due: Mapping[str, float]) -> Latency:
    """Seconds from each moment to the arrival; what never came within a minute after the last is not among them."""
    ends = max(due.values()) + 60
    while time.perf_counter() < ends and not due.keys() <= receiver.first.keys():
        await asyncio.sleep(0.2)
    return Latency.of([receiver.first[ref] - moment for ref, moment in due.items() if ref in receiver.first])


async def _arm_contacts(db: Database, incident_id: str, number: int) -> dict[str, datetime]:
    """Messages to a person's later contact point, each with its moment."""
    async with db.reading() as session:
        notice = await session.scalar(select(Notice.id).where(Notice.ref == incident_id).limit(1))
        lin = select(Person.id).where(Person.name == "Lin").scalar_subquery()
        contact = await session.scalar(select(ContactPoint.id).where(ContactPoint.person_id == lin))
    start = datetime.now(UTC) + _AHEAD
    due = {f"contact-{n}": start + timedelta(seconds=SECONDS) * n / number for n in range(number)}
    async with db.transaction() as session:
        rows = [
            due_delivery(str(notice), str(contact), ref=ref, not_before=moment) for ref, moment in due.items()
        ]
        await session.execute(insert(Delivery), rows)
    return due


async def _arm_rungs(db: Database, incident_id: str, number: int) -> dict[str, datetime]:
    """Copies of an incident that is being called for, each with the timer of its next rung."""
    async with db.transaction() as session:
        incident, notice, called = [
            dict((await session.execute(select(table.__table__).where(which))).mappings().first() or {})
            for table, which in (
                (Incident, Incident.id == incident_id), (Notice, Notice.ref == incident_id), (Round, Round.ref == incident_id),
            )
        ]  # fmt: skip
        at = datetime.now(UTC)
        ids = [(new_id(at), new_id(at), new_id(at)) for _ in range(number)]
        named = enumerate(ids)
        # The record of a copy begins anew; its chain of hashes is nobody's business here.
        await session.execute(insert(Incident), [
            {**incident, "id": one, "number": f"B-{n}", "dedup_key": None, "last_seq": 0, "last_hash": ""}
            for n, (one, _, _) in named
        ])  # fmt: skip
        await session.execute(insert(Notice), [{**notice, "id": told, "ref": one} for one, told, _ in ids])
        await session.execute(insert(Round), [
            {**called, "id": round_id, "ref": one, "notice_id": told, "key": f"{one}:1", "hop": 1, "lap": 1}
            for one, told, round_id in ids
        ])  # fmt: skip
        start = datetime.now(UTC) + _AHEAD
        due = {one: start + timedelta(seconds=SECONDS) * n / number for n, (one, _, _) in enumerate(ids)}
        await session.execute(insert(Timer), [
            {
                "key": f"round:{round_id}:1:2", "topic": "rung.due", "ref": one, "due_at": due[one],
                "payload": {"round_id": round_id, "lap": 1, "hop": 2},
            }
            for one, _, round_id in ids
        ])  # fmt: skip
    return due


# ── transitions: in this process ──


async def _transitions(
    directory: Path, database: str
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    serving.on_the_load_core()
    settings = Settings(
        _env_file=None,
        database_url=database,
        data_dir=directory,
        secret_key=SecretStr("only for this benchmark"),
    )
    await asyncio.to_thread(starting.migrate, settings.database)
    assert tables.Base.metadata.tables
    parts = parts_of(settings)
    engine = Engine(parts, Reach(Outgoing(), {}))
    await _fired(engine)  # warms up
    empty = [await _fired(engine) for _ in range(RUNS)]
    await _arm_a_million(parts.db)
    await _fired(engine)
    full = [await _fired(engine) for _ in range(RUNS)]
    claim = [await _bare_claim(parts.db) for _ in range(RUNS)]
    await parts.db.dispose()
    return spread(empty), spread(full), spread(claim)


async def _arm_due(db: Database) -> None:
    at = datetime.now(UTC) - timedelta(seconds=1)
    async with db.transaction() as session:
        await session.execute(delete(Timer).where(Timer.state == TimerState.FIRED))
        await session.execute(delete(OutboxMessage))
        await session.execute(insert(Timer), [
            {"key": new_id(at), "topic": "task.started", "ref": f"r{n % 997}", "payload": {"n": n}, "due_at": at}
            for n in range(DUE)
        ])  # fmt: skip


async def _fired(engine: Engine) -> float:
    """Timers a second that became messages, as the engine does it."""
    await _arm_due(engine.db)
    began = time.perf_counter()
    while await engine.reactor._fire_timers(engine.parts.clock.now(), grave=False):
        pass
    return round(DUE / (time.perf_counter() - began), 1)


async def _arm_a_million(db: Database) -> None:
    later = datetime.now(UTC) + timedelta(days=30)
    series = (
        "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < :number)" if db.is_sqlite
        else "WITH g AS (SELECT generate_series(1, :number) AS n)"
    )  # fmt: skip
    inserted = (
        f"INSERT INTO timers (key, topic, ref, payload, due_at, state, urgency) {series} "
        "SELECT 'pending:' || n, 'task.started', 'p' || (n % 9973), '{}', :later, 'armed', 1 FROM g"
    )
    async with db.schema_change() as connection:  # which takes as long as it takes
        statement = text(inserted).bindparams(number=PENDING)
        await connection.execute(
            statement.bindparams(later=later.replace(tzinfo=None).isoformat(" ") if db.is_sqlite else later)
        )
        await connection.execute(text("ANALYZE timers"))


async def _bare_claim(db: Database) -> float:
    """Timers a second by the bare statement through the driver, in the engine's groups, each committed."""
    await _arm_due(db)
    at = datetime.now(UTC)
    inner = "SELECT id FROM timers WHERE state = 'armed' AND due_at <= {} ORDER BY due_at, id LIMIT 500"
    claim = "UPDATE timers SET state = 'fired' WHERE id IN ({}) RETURNING id, topic, ref, payload, due_at"
    if db.is_sqlite:
        return await asyncio.to_thread(
            _bare_sqlite, str(db.url.database), claim.format(inner.format("?")), at
        )
    url = db.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    statement = claim.format(inner.format("$1") + " FOR UPDATE SKIP LOCKED")
    began = time.perf_counter()
    while await connection.fetch(statement, at):
        pass
    took = time.perf_counter() - began
    await connection.close()
    return round(DUE / took, 1)


def _bare_sqlite(path: str, statement: str, at: datetime) -> float:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    moment = at.replace(tzinfo=None).isoformat(" ")
    began = time.perf_counter()
    while connection.execute(statement, (moment,)).fetchall():
        pass
    took = time.perf_counter() - began
    connection.close()
    return round(DUE / took, 1)
