"""PostgreSQL frozen, restarted and cut off under a service that really runs: it answers 503, and goes on by itself.

The cluster is this module's own, so that nobody else's test freezes with it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import asyncpg
import httpx
import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.away import Away
from app.db import REQUESTS_AT_ONCE, Database
from app.incidents.tables import Incident
from tests.databases import Cluster, Databases, missing, own_cluster
from tests.serving import Served, a_service, until

DEADLINE = 1.0  # seconds; the setting of whoever is to lose patience
SLACK = 5.0  # two cores, and other tests beside this one; without an end it would be for ever
BACK_WITHIN = 10.0  # seconds from the moment the server is there again; the promise itself
INCIDENT = {"title": "Lines are dead", "type": "network_outage"}

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with own_cluster() as made:
        if made is None:
            missing("PostgreSQL (its Debian package)")
        yield made


@pytest.fixture(scope="module")
def databases_there(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Databases:
    return Databases(tmp_path_factory.mktemp("faults"), given=cluster.url)


@pytest.fixture
async def service(databases_there: Databases, tmp_path: Path) -> AsyncIterator[Served]:
    async with a_service(databases_there.fresh("postgresql"), tmp_path) as made:
        yield made


@pytest.fixture
async def hasty(databases_there: Databases, tmp_path: Path) -> AsyncIterator[Served]:
    """A service that does not wait for long."""
    url = databases_there.fresh("postgresql")
    async with a_service(url, tmp_path, database_deadline=timedelta(seconds=DEADLINE)) as made:
        yield made


@dataclass
class Load:
    """Callers who raise incidents one after the other, each with a key of its own, and repeat what got no answer."""

    service: Served
    accepted: list[str] = field(default_factory=list)
    refused: int = 0
    odd: list[str] = field(default_factory=list)
    last: float = 0.0  # when something was accepted, by the steady clock
    _ended: bool = False

    @asynccontextmanager
    async def running(self, callers: int = 8) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            for number in range(callers):
                tasks.create_task(self._call(f"caller {number}"))
            try:
                yield
            finally:
                self._ended = True

    async def _call(self, name: str) -> None:
        number = 0
        while not self._ended:
            answer = await raising(self.service, key=f"{name} {number}")
            if answer.status_code == 201:
                number += 1
                self.accepted.append(answer.json()["id"])
                self.last = perf_counter()
            elif answer.status_code == 503 and "retry-after" in answer.headers:
                self.refused += 1
            elif answer.json()["type"] != "/problems/still-running":
                self.odd.append(f"{answer.status_code} {answer.text}")

    async def goes_on(self) -> float:
        """Wait until something asked for after this moment is accepted; how long it took, in seconds."""
        start, before = perf_counter(), len(self.accepted)

        async def look() -> bool:
            return len(self.accepted) >= before + 8

        await until(look)
        return perf_counter() - start


async def raising(service: Served, *, key: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await service.client.post("/api/v1/incidents", json=INCIDENT, headers=headers)


async def stored(service: Served) -> list[str]:
    """Every incident there is."""
    async with service.parts.db.reading() as session:
        return list(await session.scalars(select(Incident.id)))


async def followed_up(service: Served) -> float:
    """Raise an incident and wait until the engine has called its chain; how long it took, in seconds."""
    start, accepted = perf_counter(), list[str]()

    async def taken() -> bool:  # as a caller would: told 503, it comes again with the same key
        answer = await raising(service, key=f"after {start}")
        if answer.status_code == 201:
            accepted.append(answer.json()["id"])
        return bool(accepted)

    async def look() -> bool:
        return len(await service.kinds(accepted[0])) > 1

    await until(taken, within=BACK_WITHIN)
    await until(look, within=BACK_WITHIN)
    return perf_counter() - start


async def timed(call: Callable[[], Any]) -> tuple[httpx.Response, float]:
    start = perf_counter()
    return await call(), perf_counter() - start


async def test_a_frozen_server_costs_503_in_time_and_nothing_else(
    hasty: Served, cluster: Cluster, record_property: Callable[[str, object], None]
) -> None:
    before = (await raising(hasty)).json()["id"]
    await followed_up(hasty)  # the engine has looked once: who has only just begun is not alive yet
    cluster.freeze()
    try:
        async with asyncio.TaskGroup() as tasks:
            calls = [tasks.create_task(timed(partial(raising, hasty, key=f"frozen {n}"))) for n in range(10)]
            for path in ("/api/v1/incidents", "/readyz"):
                calls += [tasks.create_task(timed(partial(hasty.client.get, path))) for _ in range(10)]
            alive = tasks.create_task(hasty.client.get("/healthz"))
    finally:
        cluster.thaw()

    told = [call.result() for call in calls]
    assert {answer.status_code for answer, _ in told} == {503}
    assert all("retry-after" in answer.headers for answer, _ in told)
    assert max(took for _, took in told) < 2 * DEADLINE + SLACK  # a turn, and then the statement
    assert alive.result().status_code == 200
    # The very same process goes on, its engine too.
    record_property("seconds from a thaw to a followed-up incident", await followed_up(hasty))
    assert before in await stored(hasty)


async def test_every_call_of_a_frozen_server_ends(databases_there: Databases, cluster: Cluster) -> None:
    url = databases_there.fresh("postgresql")
    database, never_used = (Database(url, deadline=timedelta(seconds=2 * DEADLINE)) for _ in range(2))
    frozen, ready = asyncio.Event(), asyncio.Semaphore(0)

    async def work(session: AsyncSession) -> None:
        await session.execute(text("SELECT 1"))
        ready.release()
        await frozen.wait()

    async def beginning() -> None:
        await frozen.wait()
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))

    async def connecting() -> None:
        await frozen.wait()
        async with never_used.transaction() as session:
            await session.execute(text("SELECT 1"))

    async def stating() -> None:
        async with database.request() as session:
            await work(session)
            await session.execute(text("SELECT 2"))

    async def committing() -> None:
        async with database.transaction() as session:
            await work(session)

    async def rolling_back() -> None:
        async with database.request() as session:
            await work(session)
            raise LookupError

    async def giving_back() -> None:
        async with database.reading() as session:
            await work(session)

    async def away(call: Callable[[], Any]) -> float:
        with pytest.raises(Away):
            await call()
        return perf_counter()

    # A connection in the pool for whoever begins.
    async with database.transaction() as session:
        await session.execute(text("SELECT 1"))
    calls = (beginning, connecting, stating, committing, rolling_back, giving_back)
    ends = [asyncio.create_task(away(call)) for call in calls]
    for _ in range(4):
        await ready.acquire()
    cluster.freeze()
    try:
        start = perf_counter()
        frozen.set()
        took = [end - start for end in await asyncio.gather(*ends)]
        start = perf_counter()
        await database.dispose()
        await never_used.dispose()
        took.append(perf_counter() - start)
    finally:
        cluster.thaw()

    assert max(took) < 3.6 * DEADLINE  # a goodbye that is waited for makes it four
    async with database.transaction() as session:
        assert await session.scalar(text("SELECT 3")) == 3
    await database.dispose()


async def test_a_restart_under_load_loses_nothing(
    service: Served, cluster: Cluster, record_property: Callable[[str, object], None]
) -> None:
    load = Load(service)
    async with load.running():
        await load.goes_on()
        await asyncio.to_thread(cluster.stop)
        await until(partial(said_no, load), within=BACK_WITHIN)
        await asyncio.to_thread(cluster.start)
        took = await load.goes_on()

    record_property("seconds from a restart to eight accepted incidents", took)
    record_property("accepted, told to come again", (len(load.accepted), load.refused))
    assert took < BACK_WITHIN
    assert load.odd == []
    assert sorted(load.accepted) == sorted(await stored(service))
    await followed_up(service)


async def test_what_was_closed_in_the_pool_costs_nobody_an_answer(service: Served, cluster: Cluster) -> None:
    for _ in range(2):
        answers = await asyncio.gather(*(raising(service) for _ in range(REQUESTS_AT_ONCE)))
        assert [answer.status_code for answer in answers] == [201] * REQUESTS_AT_ONCE
        await cut_off(cluster)


async def test_cut_off_under_load_it_loses_nothing(
    service: Served, cluster: Cluster, record_property: Callable[[str, object], None]
) -> None:
    load = Load(service)
    async with load.running():
        await load.goes_on()
        for _ in range(3):
            await cut_off(cluster)
            took = await load.goes_on()

    record_property("seconds from a cut to eight accepted incidents", took)
    assert load.odd == []
    assert sorted(load.accepted) == sorted(await stored(service))
    await followed_up(service)


async def said_no(load: Load) -> bool:
    return load.refused > 0


async def cut_off(cluster: Cluster) -> None:
    """End every connection of the service from the server's side, and see them gone."""
    ours = "SELECT pid FROM pg_stat_activity WHERE application_name = 'muster'"
    connection = await asyncpg.connect(f"{cluster.url}postgres")
    try:
        ended = {row["pid"] for row in await connection.fetch(ours)}
        await connection.execute("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) pid", list(ended))

        async def gone() -> bool:
            return ended.isdisjoint({row["pid"] for row in await connection.fetch(ours)})

        await until(gone)
    finally:
        await connection.close()
