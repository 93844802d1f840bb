"""The disk under the database is full: writing is answered 503, nothing accepted is lost, and it goes on once there is room.

PostgreSQL has the database in a tablespace on a small disk of its own, and its WAL elsewhere: where the WAL finds no room the
server stops itself, and what we do then is what we do at any restart.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import httpx
import pytest
from sqlalchemy import select, text

from app.db import Database
from app.incidents.tables import Incident
from tests.databases import Kind, missing, own_cluster
from tests.serving import Served, a_service, until

SIZE = "64m"
BACK_WITHIN = 10.0  # seconds from the moment there is room again
MOST = 2000  # requests until it is full; pages in use have some room left

pytestmark = pytest.mark.real


class Disk:
    """A small disk, mounted."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._ballast = place / "ballast"

    def fill(self) -> None:
        """Somebody else's file takes what is left, to the last block."""
        with self._ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def free(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def disk() -> Iterator[Disk]:
    place = Path(tempfile.mkdtemp(prefix="muster-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=777", "none", place],
        check=False,
        capture_output=True,
    )
    try:
        if mounted.returncode:
            missing("the right to mount a small disk")
        yield Disk(place)
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", "-l", place], check=True)
        place.rmdir()


@pytest.fixture(params=["sqlite", "postgresql"])
async def url(request: pytest.FixtureRequest, disk: Disk) -> AsyncIterator[str]:
    """A database on the small disk."""
    kind: Kind = request.param
    if kind == "sqlite":
        yield await with_tables(f"sqlite:///{disk.place}/muster.db")
        return
    with own_cluster() as cluster:
        if cluster is None:
            missing("PostgreSQL (its Debian package)")
        space = disk.place / "space"
        space.mkdir()
        if os.getuid() == 0:
            shutil.chown(space, "postgres")
        connection = await asyncpg.connect(f"{cluster.url}postgres")
        await connection.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
        await connection.execute("CREATE DATABASE muster TABLESPACE small")
        await connection.close()
        yield await with_tables(f"{cluster.url}muster")


async def with_tables(url: str) -> str:
    database = Database(url)
    await database.create_all()
    await database.dispose()
    return url


async def test_a_full_disk_costs_503_and_nothing_accepted(url: str, disk: Disk, tmp_path: Path) -> None:
    async with a_service(url, tmp_path, self_test_every=0) as service:
        accepted = {"before": (await raising(service, "before")).json()["id"]}
        refused = []

        disk.fill()
        for number in range(MOST):
            answer = await raising(service, f"full {number}")
            assert answer.status_code in (201, 503), answer.text
            if answer.status_code == 201:
                accepted[f"full {number}"] = answer.json()["id"]
            else:
                assert "retry-after" in answer.headers
                refused.append(f"full {number}")
                if len(refused) == 5:
                    break
        assert len(refused) == 5
        assert (await service.client.get("/healthz")).status_code == 200

        disk.free()
        for key in refused:

            async def taken(key: str = key) -> str | None:
                answer = await raising(service, key)
                return str(answer.json()["id"]) if answer.status_code == 201 else None

            accepted[key] = await until(taken, within=BACK_WITHIN)

        async with service.parts.db.reading() as session:
            stored = list(await session.scalars(select(Incident.id)))
            if url.startswith("sqlite"):
                assert await session.scalar(text("PRAGMA integrity_check")) == "ok"
        assert sorted(stored) == sorted(accepted.values())
        for incident in stored:

            async def followed_up(incident: str = incident) -> bool:
                return len(await service.kinds(incident)) > 1

            await until(followed_up, within=60)
            assert (await service.get(f"/incidents/{incident}/timeline"))["intact"]


async def raising(service: Served, key: str) -> httpx.Response:
    asked = {"title": "Lines are dead", "type": "network_outage", "description": os.urandom(2000).hex()}
    return await service.client.post("/api/v1/incidents", json=asked, headers={"Idempotency-Key": key})
