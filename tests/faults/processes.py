"""Several real `muster` processes on one PostgreSQL, to be killed, frozen and restarted from outside.

Holds how they are started and asked. The receiver lives in the test's process, so what reached it survives every fault.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
from pydantic import SecretStr

from app.main import parts_of
from app.people import contact_points, csv_import
from app.service import starting
from app.settings import Settings
from tests.databases import free_port
from tests.receiver import Receiver
from tests.serving import until

ROOT: Final = Path(__file__).parent.parent.parent
_MUSTER: Final = (sys.executable, "-c", "from app.cli import main; main()")
_SECRET: Final = "only for this test"
_STARTS_WITHIN: Final = 60  # seconds; two cores, and other tests beside this one
_STOPS_WITHIN: Final = 20  # seconds an orderly stop may take

Process = subprocess.Popen[bytes]


@dataclass
class Replicas:
    """The processes on one database; `serve` adds one, `close` ends all of them."""

    database: str
    directory: Path
    receiver: Receiver
    lease: int = 8  # seconds; as shipped
    settings: dict[str, str] = field(default_factory=dict)  # more of the environment
    plan: Path = ROOT / "playbooks.yaml"
    key: str = ""
    serving: dict[str, Process] = field(default_factory=dict)  # by URL
    engines: list[Process] = field(default_factory=list)  # `muster engine`, which serves nobody

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "MUSTER_DATABASE_URL": self.database,
            "MUSTER_DATA_DIR": str(self.directory),
            "MUSTER_PLAN": str(self.plan),
            "MUSTER_SECRET_KEY": _SECRET,
            "MUSTER_LANGUAGE": "en",
            "MUSTER_LEASE": f"PT{self.lease}S",
            "MUSTER_MESSAGES_PER_PERSON": "0",  # one person is told of everything here
            "MUSTER_SELF_TEST_EVERY": "0",
            **self.settings,
        }

    async def prepare(self) -> None:
        """The tables, a key of the leadership layer, and a duty lead whose phone is the receiver."""
        await asyncio.to_thread(starting.migrate, self.database)
        settings = Settings(
            _env_file=None, database_url=self.database, plan=self.plan, secret_key=SecretStr(_SECRET)
        )  # fmt: skip
        parts = parts_of(settings)
        self.key = await starting.prepare(parts) or ""
        people = f"name,department,positions,webhook\nLin,customer_service,duty_lead,{self.receiver.url()}\n"
        check, now = contact_points.shape_problem, parts.clock.now()
        async with parts.db.transaction() as session:
            await csv_import.import_people(session, parts.vault, people.encode(), check=check, at=now)
        await parts.db.dispose()

    async def serve(self, replicas: int = 1) -> list[str]:
        """Start so many more at once; their URLs, once they answer."""
        urls = []
        for _ in range(replicas):
            port = free_port()
            urls.append(f"http://127.0.0.1:{port}")
            self.serving[urls[-1]] = self._start("serve", "--port", str(port))
        async with httpx.AsyncClient(trust_env=False) as client:
            for url in urls:
                await until(partial(_answers, client, url), within=_STARTS_WITHIN)
        return urls

    def start_engine(self) -> None:
        self.engines.append(self._start("engine"))

    def send(self, url: str, number: signal.Signals) -> None:
        self.serving[url].send_signal(number)

    async def stop(self, url: str) -> None:
        """An orderly stop, waited for."""
        self.send(url, signal.SIGTERM)
        await asyncio.to_thread(self.serving.pop(url).wait, timeout=_STOPS_WITHIN)

    def close(self) -> None:
        for process in (*self.serving.values(), *self.engines):
            process.kill()
            process.wait()

    def client(self) -> httpx.AsyncClient:
        """A caller of the leadership layer."""
        headers = {"Authorization": f"Bearer {self.key}", "Accept-Language": "en"}
        return httpx.AsyncClient(headers=headers, trust_env=False, timeout=20)

    async def raise_incident(self, urls: Sequence[str], number: int) -> str:
        """Ask one replica after the other, with the same key, until one accepts; the incident's id."""
        asked: dict[str, Any] = {"title": f"Case {number}", "type": "partial_system_failure", "level": 3}
        turn = iter(range(number, number + 1000))

        async with self.client() as client:

            async def accepted() -> str | None:
                url = f"{urls[next(turn) % len(urls)]}/api/v1/incidents"
                try:
                    answer = await client.post(url, json=asked, headers={"Idempotency-Key": f"case-{number}"})
                except httpx.TransportError:
                    return None
                if answer.status_code == 409 and answer.json()["type"] == "/problems/still-running":
                    return None
                assert answer.status_code in (201, 503), answer.text
                return str(answer.json()["id"]) if answer.status_code == 201 else None

            return await until(accepted)

    async def get(self, url: str, path: str) -> Any:
        async with self.client() as client:
            answer = await client.get(f"{url}/api/v1{path}")
        assert answer.is_success, answer.text
        return answer.json()

    async def deliveries(self, url: str, incident: str) -> list[dict[str, Any]]:
        """What was to be told of an incident, each with its state and its attempts."""
        notices = (await self.get(url, f"/incidents/{incident}/notices"))["items"]
        return [one for notice in notices for one in notice["deliveries"]]

    async def are_told(self, url: str, incidents: Sequence[str], *, within: float = 30) -> None:
        """Wait until every message about these incidents is written down as sent."""
        for incident in incidents:

            async def look(incident: str = incident) -> bool:
                deliveries = await self.deliveries(url, incident)
                return bool(deliveries) and all(one["state"] == "sent" for one in deliveries)

            await until(look, within=within)

    async def are_intact(self, url: str, incidents: Sequence[str]) -> None:
        for incident in incidents:
            assert (await self.get(url, f"/incidents/{incident}/timeline"))["intact"], incident

    def copies(self) -> Counter[str]:
        """How often each message reached the receiver, by its key."""
        return Counter(received.headers["webhook-id"] for received in self.receiver.received)

    async def serve_under(self, *tracer: str) -> tuple[str, Process]:
        """Start one under another program, in a group of processes of its own; its URL, and the tracer. Either serves by then
        or has died of it."""
        url = f"http://127.0.0.1:{(port := free_port())}"
        tracing = self._start("serve", "--port", str(port), under=tracer)
        self.serving[url] = tracing
        async with httpx.AsyncClient(trust_env=False) as client:

            async def look() -> bool:
                return tracing.poll() is not None or await _answers(client, url)

            await until(look, within=_STARTS_WITHIN)
        return url, tracing

    def _start(self, *arguments: str, under: Sequence[str] = ()) -> Process:
        with (self.directory / "processes.log").open("ab") as log:
            return subprocess.Popen(
                [*under, *_MUSTER, *arguments], env=self.environment, cwd=ROOT, stdout=log, stderr=log,
                start_new_session=bool(under),
            )  # fmt: skip


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/healthz")).is_success
    except httpx.TransportError:
        return False
