"""A commit whose outcome nobody was told: the caller gets 503, and the same key gives the one result, whichever it was."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, make_url, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.parts import Parts
from app.db import Database
from app.incidents.tables import Incident
from app.main import create_app
from tests.databases import Databases, Kind
from tests.faults.proxy import Cut, a_proxy
from tests.world import World, a_world

INCIDENT = {"title": "Lines are dead", "type": "network_outage"}


@dataclass
class Unlucky:
    """A world whose next commit can be spoiled."""

    world: World
    spoil: Callable[[Cut], None]

    async def send(self, path: str, body: Any, *, key: str = "k") -> httpx.Response:
        headers = self.world.as_("leadership") | {"Idempotency-Key": key}
        return await self.world.client.post(f"/api/v1{path}", json=body, headers=headers)

    async def incidents(self) -> int:
        async with self.world.parts.db.reading() as session:
            return int(await session.scalar(select(func.count()).select_from(Incident)) or 0)


@pytest.fixture(params=["sqlite", "postgresql"])
async def unlucky(
    request: pytest.FixtureRequest,
    databases: Databases,
    fresh_database: Callable[[Kind], str],
    tmp_path: Path,
) -> AsyncIterator[Unlucky]:
    url = fresh_database(request.param)
    async with AsyncExitStack() as stack:
        if request.param == "sqlite":
            world = await stack.enter_async_context(a_world(url, tmp_path))
            yield Unlucky(world, lambda cut: spoil_sqlite(world, cut))
            return
        there = make_url(url)
        proxy, port = await stack.enter_async_context(a_proxy(there.host or "", there.port or 5432))
        through = there.set(port=port).render_as_string(hide_password=False)
        world = await stack.enter_async_context(a_world(through, tmp_path))

        def spoil(cut: Cut) -> None:
            proxy.cut = cut

        yield Unlucky(world, spoil)


def spoil_sqlite(world: World, cut: Cut) -> None:
    """Let the next commit say that the disk failed, before it was done or after."""
    dialect = world.parts.db.engine.sync_engine.dialect
    commit = dialect.do_commit

    def failing(connection: Any) -> None:
        dialect.do_commit = commit  # type: ignore[method-assign]
        if cut is Cut.AFTER:
            commit(connection)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    dialect.do_commit = failing  # type: ignore[method-assign, assignment]


@asynccontextmanager
async def another_process(world: World, parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service with nothing of the world's in memory, on the same rows."""
    app = create_app(parts.settings, parts=parts, reach=world.engine.reach)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://muster.example") as client:
        yield client


def is_for_later(answer: httpx.Response) -> bool:
    return answer.status_code == 503 and int(answer.headers["retry-after"]) > 0


async def test_a_commit_whose_answer_is_lost_is_done_once(unlucky: Unlucky) -> None:
    unlucky.spoil(Cut.AFTER)
    lost = await unlucky.send("/incidents", INCIDENT)
    assert is_for_later(lost)
    assert await unlucky.incidents() == 1

    again = await unlucky.send("/incidents", INCIDENT)

    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert await unlucky.incidents() == 1
    incident = await unlucky.world.get(f"/incidents/{again.json()['id']}")
    assert incident["title"] == INCIDENT["title"]
    await unlucky.world.settle()


async def test_a_commit_that_never_arrived_is_made_by_the_repeat(unlucky: Unlucky) -> None:
    unlucky.spoil(Cut.BEFORE)
    lost = await unlucky.send("/incidents", INCIDENT)
    assert is_for_later(lost)
    assert await unlucky.incidents() == 0

    again = await unlucky.send("/incidents", INCIDENT)

    assert (again.status_code, "idempotency-replayed" in again.headers) == (201, False)
    assert await unlucky.incidents() == 1
    await unlucky.world.settle()


async def test_the_first_result_outlives_the_process_that_made_it(unlucky: Unlucky) -> None:
    unlucky.spoil(Cut.AFTER)
    assert is_for_later(await unlucky.send("/incidents", INCIDENT))

    async with another_process(unlucky.world, unlucky.world.parts) as client:
        headers = unlucky.world.as_("leadership") | {"Idempotency-Key": "k"}
        again = await client.post("/api/v1/incidents", json=INCIDENT, headers=headers)

    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert await unlucky.incidents() == 1
    await unlucky.world.settle()


async def test_a_no_that_could_not_be_kept_for_sure_is_given_again(unlucky: Unlucky) -> None:
    incident = (await unlucky.send("/incidents", INCIDENT, key="raised")).json()
    await unlucky.world.settle()
    path, body = f"/incidents/{incident['id']}/transitions", {"event": "recover"}

    unlucky.spoil(Cut.AFTER)
    lost = await unlucky.send(path, body)
    again = await unlucky.send(path, body)

    assert is_for_later(lost)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (409, "true")
    assert again.json()["allowed"]


class Interrupted(Database):
    """A database on which something else happens between a process's first and second writing request."""

    def __init__(self, url: str, meanwhile: Callable[[], Awaitable[Any]]) -> None:
        super().__init__(url)
        self._meanwhile, self._begun = meanwhile, 0

    @asynccontextmanager
    async def request(self, *, writing: bool = True) -> AsyncIterator[AsyncSession]:
        self._begun += writing
        if self._begun == 2:
            await self._meanwhile()
        async with super().request(writing=writing) as session:
            yield session


async def test_a_no_does_not_displace_what_another_process_answered_meanwhile(
    database_url: str, tmp_path: Path
) -> None:
    async with a_world(database_url, tmp_path) as world:
        incident = (await world.post("/incidents", INCIDENT))["id"]
        path, body = f"/api/v1/incidents/{incident}/transitions", {"event": "activate"}
        headers = world.as_("leadership") | {"Idempotency-Key": "k"}
        answered: list[httpx.Response] = []

        async def meanwhile() -> None:
            await world.apply(incident, "assess")
            answered.append(await world.client.post(path, json=body, headers=headers))

        slow = replace(world.parts, db=Interrupted(database_url, meanwhile))
        async with another_process(world, slow) as client:
            told = await client.post(path, json=body, headers=headers)
        await slow.db.dispose()

        assert [one.status_code for one in answered] == [201]
        assert (told.status_code, told.headers["idempotency-replayed"]) == (201, "true")
        assert told.content == answered[0].content
