"""The service behind a pooler in transaction mode: a transaction at a time, each perhaps on another server connection."""

import asyncio
import os
import shutil
import socket
import tempfile
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import URL, make_url, select

from app.db import Base
from app.outbox import MessageState, OutboxMessage
from app.service import starting
from tests.databases import Kind, free_port, missing
from tests.serving import a_service, until
from tests.world import a_world

pytestmark = pytest.mark.real

PROGRAM = "pgbouncer"
SERVER_CONNECTIONS = 3
CALLERS = 12
INCIDENT = {"title": "Lines are dead", "type": "network_outage"}


@asynccontextmanager
async def pooled(url: str) -> AsyncIterator[str]:
    """The same database through a pgbouncer of its own, with fewer connections to the server than a process opens to it."""
    program = shutil.which(PROGRAM) or shutil.which(PROGRAM, path="/usr/sbin")
    if program is None:
        missing(f"{PROGRAM} (its Debian package)")
    there, port = make_url(url), free_port()
    # It refuses to run as root.
    become = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="muster-pgbouncer-") as made:
        file = Path(made) / "pgbouncer.ini"
        file.write_text(configured(there, port))
        if become:
            for path in (file.parent, file):
                shutil.chown(path, "postgres")
        running = await asyncio.create_subprocess_exec(
            *become, program, "-q", str(file), stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, cwd="/"
        )
        try:
            await until(lambda: listens(port))
            yield there.set(port=port).render_as_string(hide_password=False)
        finally:
            running.terminate()
            await running.wait()


def configured(there: URL, port: int) -> str:
    server = f"host={there.host} port={there.port or 5432} user={there.username}"
    return "\n".join(
        (
            "[databases]",
            f"* = {server}" + (f" password={there.password}" if there.password else ""),
            "[pgbouncer]",
            "listen_addr = 127.0.0.1",
            f"listen_port = {port}",
            "unix_socket_dir =",
            "auth_type = any",
            "pool_mode = transaction",
            f"default_pool_size = {SERVER_CONNECTIONS}",
            "",
        )
    )


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_an_incident_from_raise_to_close(fresh_database: Callable[[Kind], str], tmp_path: Path) -> None:
    async with (
        pooled(fresh_database("postgresql")) as url,
        a_world(url, tmp_path, database_pooler=True) as world,
    ):
        incident = (await world.post("/incidents", {**INCIDENT, "level": 2}))["id"]
        await world.settle()
        assert world.told()

        await world.post(f"/incidents/{incident}/acknowledgements", {"note": "on it"})
        await world.advance(minutes=30)
        for event in ("assess", "activate", "respond", "recover"):
            await world.apply(incident, event)
        refused = await world.apply(incident, "close", expect=409)
        await world.apply(incident, "close", waive=refused["unmet"], reason="settled by phone")

        assert (await world.get(f"/incidents/{incident}"))["state"] == "closed"


# One table takes longer to make than the limit allows.
_LINGER = """
CREATE FUNCTION linger() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'public.keys') THEN
    PERFORM pg_sleep(0.4);
  END IF;
END $$;
CREATE EVENT TRIGGER linger ON ddl_command_end EXECUTE FUNCTION linger();
"""


async def test_tables_are_made_whatever_limits_the_role_bears(
    empty_database: Callable[[Kind], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    direct = empty_database("postgresql")
    monkeypatch.setenv("MUSTER_DATABASE_POOLER", "true")
    async with connected(direct) as connection, pooled(direct) as url:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(_LINGER)
        await connection.execute(f'ALTER DATABASE "{name}" SET statement_timeout = 200')  # milliseconds
        for _ in range(2):
            await asyncio.to_thread(starting.migrate, url)

        made = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert made == len(Base.metadata.tables) + 1  # Alembic's own


async def test_more_callers_than_server_connections(
    fresh_database: Callable[[Kind], str], tmp_path: Path
) -> None:
    async with (
        pooled(fresh_database("postgresql")) as url,
        a_service(url, tmp_path, database_pooler=True) as service,
    ):

        async def call() -> list[Any]:
            headers = {"Idempotency-Key": "the same for everybody is nobody's own"}
            made = [await service.post("/incidents", INCIDENT) for _ in range(2)]
            await service.get("/incidents")
            again = await service.client.post("/api/v1/incidents", json=INCIDENT, headers=headers)
            assert again.status_code in (201, 409), again.text
            return [incident["id"] for incident in made]

        raised = [one for found in await asyncio.gather(*(call() for _ in range(CALLERS))) for one in found]
        assert len(set(raised)) == 2 * CALLERS

        async def followed_up() -> bool:
            pending = select(OutboxMessage.id).where(OutboxMessage.state != MessageState.DONE).limit(1)
            async with service.parts.db.reading() as session:
                return await session.scalar(pending) is None

        await until(followed_up)
        assert len(await service.open_incidents()) > 0
