"""One life of the service: it comes up on the database as the last one left it, serves, works, and mostly dies.

A life runs in a process that was forked for it. What must be the same in each (the app, its mappers, the caches of
statements) was made before the fork; the loop, connections and threads belong to the life.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import func, select

from app.access import keys
from app.access.parts import Parts
from app.access.tables import Role
from app.carrying import Reach
from app.clock import ManualClock
from app.db import Database
from app.engine import Engine
from app.main import create_app
from app.notify.tables import Delivery, DeliveryState
from app.outbox import MessageState, OutboxMessage, Timer, TimerState
from app.people import contact_points, csv_import
from app.playbooks.tables import StepRow, StepState
from app.service import starting
from app.settings import Settings
from app.tables import Base
from app.vault import Vault
from tests.faults.history import History
from tests.faults.seams import Answering, Seams, lead_to, watch_database
from tests.faults.world_outside import FarSide, Receiver
from tests.world import NIGHT, PEOPLE

_PATIENCE = 250  # rounds of settling and jumping until nothing is left; more is a row that is stuck


@dataclass
class House:
    """Everything that outlives a life: where the rows, the history and the keys are."""

    url: str
    history: History
    directory: Path
    plan: Path
    keys: dict[str, str] = field(default_factory=dict)
    source_key: str = ""


@dataclass
class Service:
    """The service in one process, with every seam around it watched."""

    house: House
    parts: Parts
    clock: ManualClock
    app: FastAPI
    engine: Engine
    seams: Seams
    receivers: Mapping[str, Receiver]
    far: FarSide

    @property
    def client(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(Answering(self.app, self.seams), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://muster.example")

    def without_faults(self) -> None:
        for receiver in self.receivers.values():
            receiver.faulty = False
        self.far._faulty = False
        self.seams.armed = False

    def move_to(self, house: House, *, faulty: bool) -> None:
        """Work on another copy from now on, as a fork does; what is open goes on where it was."""
        self.house.history.move_to(house.history.path)  # every part holds this one
        self.house = replace(house, history=self.house.history)
        for receiver in self.receivers.values():
            receiver.faulty = faulty
        self.far._faulty = faulty

    def on_a_new_loop(self) -> None:
        """The queues of requests were bound to the loop of the process this one was forked from; nobody waits in them."""
        for turns in (self.parts.db._to_write, self.parts.db._to_read):
            turns._places = asyncio.Semaphore(turns._places._value)

    def reseed(self, chance: random.Random) -> None:
        for receiver in self.receivers.values():
            receiver.chance = chance
        self.far._chance = chance


def build(house: House, *, at: datetime = NIGHT, faulty: bool = True) -> Service:
    """Put the service together; opens nothing, so that it may be forked."""
    settings = Settings(
        _env_file=None, database_url=house.url, data_dir=house.directory, plan=house.plan,
        secret_key=SecretStr("not a secret"), base_url="http://muster.example", language="en",
    )  # fmt: skip
    clock, seams, chance = ManualClock(at), Seams(house.history), random.Random(0)
    parts = Parts(settings, Database(settings.database), clock, Vault(settings.key()))
    names = ("mail", "webhook", "log")
    receivers = {
        name: Receiver(name, house.history, seams, chance, clock.now, faulty=faulty) for name in names
    }
    far = FarSide(house.history, seams, chance, faulty=faulty)
    reach = Reach(far, receivers)  # type: ignore[arg-type]
    app = create_app(settings, parts=parts, reach=reach)
    watch_database(parts.db, seams)
    lead_to(parts.db, lambda: made.house.url)
    other = Engine(parts, reach)  # takes over what a sender holds that is frozen past its lease
    for receiver in receivers.values():
        receiver.take_over = partial(_take_over, house.history, clock, other, settings.lease)
    made = Service(house, parts, clock, app, app.state.engine, seams, receivers, far)
    return made


async def _take_over(history: History, clock: ManualClock, other: Engine, lease: timedelta) -> None:
    later = clock.now() + lease + timedelta(seconds=1)
    history.note(
        "clock", at=later.isoformat()
    )  # first: the next life must not begin before what this one did
    clock.move_to(max(later, clock.now()))
    await other.settle()


async def furnish(service: Service, people: str = PEOPLE) -> House:
    """The plan, the people, the keys and one source: what every run begins with."""
    parts, given = service.parts, {}
    await starting.prepare(parts)
    async with parts.db.transaction() as session:
        for role in Role:
            if role is not Role.INGEST:
                _, given[role.value] = await keys.issue(
                    session, name=role.value, role=role, by="faults", at=NIGHT
                )
        await csv_import.import_people(
            session, parts.vault, people.encode(), check=contact_points.shape_problem, at=NIGHT
        )
    await service.engine.settle()
    async with service.client as client:
        made = await client.post(
            "/api/v1/sources", json={"slug": "prom", "kind": "alertmanager", "name": "Prom"},
            headers={"Authorization": f"Bearer {given['leadership']}"},
        )  # fmt: skip
        assert made.status_code == 201, made.text
    await service.engine.settle()
    await parts.db.dispose()
    return replace(service.house, keys=given, source_key=made.json()["key"])


async def quiesce(service: Service, *, horizon: timedelta = timedelta(minutes=15)) -> bool:
    """Let everything come to its end without faults: jump from due row to due row. False: a row is stuck."""
    end = service.clock.now() + horizon
    for _ in range(_PATIENCE):
        await service.engine.settle()
        due = await next_due(service.parts.db)
        if due is None or due > end:
            return True
        service.clock.move_to(max(due, service.clock.now() + timedelta(milliseconds=1)))
    return False


async def next_due(db: Database) -> datetime | None:
    """The moment of the first row that waits for its time."""
    queries = (
        select(func.min(Timer.due_at)).where(Timer.state == TimerState.ARMED),
        select(func.min(OutboxMessage.not_before)).where(OutboxMessage.state == MessageState.PENDING),
        select(func.min(Delivery.not_before)).where(
            Delivery.state.in_([DeliveryState.PENDING, DeliveryState.SENDING])
        ),
        select(func.min(StepRow.not_before)).where(StepRow.state.in_([StepState.QUEUED, StepState.DOING])),
    )
    async with db.reading() as session:
        found = [await session.scalar(query) for query in queries]
    return min((moment for moment in found if moment is not None), default=None)


Rows = Mapping[str, list[dict[str, Any]]]
_LOOKED_AT = (
    "incidents", "timeline", "rounds", "notices", "deliveries", "attempts", "outbox", "timers", "steps", "runs", "units",
    "reservations", "reservation_lines", "receipts", "verdicts", "tasks", "kept_answers",
)  # fmt: skip


async def all_rows(db: Database) -> Rows:
    """What the checkers look at, as plain rows."""
    found: dict[str, list[dict[str, Any]]] = {}
    async with db.reading() as session:
        for name in _LOOKED_AT:
            table = Base.metadata.tables[name]
            result = await session.execute(select(table).order_by(*table.primary_key.columns))
            found[name] = [dict(row) for row in result.mappings()]
    return found
