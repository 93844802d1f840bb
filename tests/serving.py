"""The service as it is run: uvicorn on a port of its own, the system's clock, the engine, real channels.

For tests that drive somebody else's program against it; whoever can do with a clock that jumps takes `tests.world`.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvicorn
from pydantic import SecretStr

from app.access import keys
from app.access.parts import Parts
from app.access.tables import Role
from app.main import create_app, parts_of
from app.people import contact_points, csv_import
from app.service import starting
from app.settings import Settings
from tests.world import PEOPLE, PLAN

T = TypeVar("T")
_LOOK_AGAIN = 0.05


async def until(look: Callable[[], Awaitable[T | None]], *, within: float = 30) -> T:
    """What `look` finds, once it finds something. For other programs, which nobody can hand a clock."""
    never = asyncio.Event()
    async with asyncio.timeout(within):
        while not (found := await look()):
            try:
                await asyncio.wait_for(never.wait(), _LOOK_AGAIN)
            except TimeoutError:
                continue
    return found


@dataclass
class Served:
    """A running service, and a caller of the leadership layer."""

    url: str
    parts: Parts
    client: httpx.AsyncClient

    async def get(self, path: str, **more: Any) -> Any:
        return await self._call("GET", path, **more)

    async def post(self, path: str, body: Any) -> Any:
        return await self._call("POST", path, json=body)

    async def _call(self, method: str, path: str, **more: Any) -> Any:
        answer = await self.client.request(method, f"/api/v1{path}", **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()

    async def source(self, kind: str, slug: str) -> str:
        """Enrol a source; its key."""
        return str((await self.post("/sources", {"kind": kind, "slug": slug}))["key"])

    async def import_people(self, csv: str = PEOPLE) -> None:
        async with self.parts.db.transaction() as session:
            await csv_import.import_people(
                session,
                self.parts.vault,
                csv.encode(),
                check=contact_points.shape_problem,
                at=self.parts.clock.now(),
            )

    async def open_incidents(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self.get("/incidents", params={"open": "true"}))["items"]
        return items

    async def kinds(self, incident_id: str) -> list[str]:
        """What the timeline tells, in order."""
        return [entry["kind"] for entry in (await self.get(f"/incidents/{incident_id}/timeline"))["items"]]


class _Server(uvicorn.Server):
    """Says when it listens, and leaves the signals to the test session."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def a_service(
    database_url: str, directory: Path, *, tls: tuple[Path, Path] | None = None, **settings: Any
) -> AsyncIterator[Served]:
    """Run the service until the context ends; `tls` is a certificate chain and its key."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"{'https' if tls else 'http'}://localhost:{listener.getsockname()[1]}"
        made = Settings(
            _env_file=None, database_url=database_url, data_dir=directory, plan=PLAN, secret_key=SecretStr("not a secret"),
            base_url=url, language="en", **settings,
        )  # fmt: skip
        parts = parts_of(made)
        await starting.prepare(parts)
        async with parts.db.transaction() as session:
            _, shown = await keys.issue(
                session, name="lead", role=Role.LEADERSHIP, by="test", at=parts.clock.now()
            )
        certificate, key = tls or (None, None)
        config = uvicorn.Config(
            create_app(made, parts=parts), lifespan="on", ws="none", log_config=None, access_log=False,
            timeout_graceful_shutdown=3, ssl_certfile=certificate, ssl_keyfile=key,
        )  # fmt: skip
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        listening = asyncio.create_task(server.listening.wait())
        await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        assert server.started, "the service did not start"
        headers = {"Authorization": f"Bearer {shown}", "Accept-Language": "en"}
        # What the test itself asks need not be encrypted by a name a certificate bears.
        async with httpx.AsyncClient(
            base_url=url, headers=headers, verify=not tls, trust_env=False
        ) as client:
            try:
                yield Served(url, parts, client)
            finally:
                server.should_exit = True
                await serving
