"""A Muster of the demonstration's own: `muster serve` as it is, in its own process, on data that goes when it ends."""

import asyncio
import base64
import re
import secrets
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from app.demo.quick_plan import FASTER, quickened
from app.demo.waiting import PATIENCE, DemoFailed, looks
from app.plan.reading import read
from app.wording import say

_KEY: Final = re.compile(r"mst_\w+")


@dataclass(frozen=True)
class Stage:
    """The service that is played on."""

    url: str
    key: str = field(repr=False)
    secret: bytes = field(repr=False)  # signs its webhooks
    speed: int


@asynccontextmanager
async def own_service(failover: str, language: str, plan: Path) -> AsyncIterator[Stage]:
    """`muster serve` as it is, in a process of its own, on a data directory that goes when it ends."""
    with tempfile.TemporaryDirectory(prefix="muster-demo-") as made:
        home = Path(made)
        quick = quickened(read(await asyncio.to_thread(plan.read_bytes), file=plan.name))
        (home / "playbooks.yaml").write_text(quick, encoding="utf-8")
        url, secret = f"http://127.0.0.1:{_free_port()}", secrets.token_bytes(32)
        # Nothing of our own environment: a database that stands there must not be played on.
        environment = {
            "MUSTER_DATA_DIR": made, "MUSTER_PLAN": str(home / "playbooks.yaml"), "MUSTER_BASE_URL": url,
            "MUSTER_LANGUAGE": language, "MUSTER_WEBHOOK_SECRETS": f"whsec_{base64.b64encode(secret).decode()}",
            "MUSTER_CONNECTIONS__TELEPHONY_FAILOVER__URL": failover, "MUSTER_POLL_EVERY": "PT0.25S",
            "LANG": "C.UTF-8", "HOME": made,
        }  # fmt: skip
        log = home / "service.log"
        with log.open("wb") as out:
            service = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "from app.cli import main; main()", "serve", "--port", url.rpartition(":")[2],
                cwd=home, env=environment, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
            try:
                key = await _first_key(service, log, url)
                yield Stage(url, key, secret, FASTER)
            except DemoFailed as failed:
                # What the service had to complain about goes when its directory does.
                written = await asyncio.to_thread(log.read_text, "utf-8")
                errors = [line for line in written.splitlines() if '"level": "error"' in line]
                if not errors:
                    raise
                raise DemoFailed(
                    say("demo.with_log", failed=failed.wording, log="\n".join(errors[-3:]))
                ) from failed
            finally:
                await _stop(service)


async def _first_key(service: asyncio.subprocess.Process, log: Path, url: str) -> str:
    """The key the service shows once, as soon as it answers."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        async for _ in looks(PATIENCE * 2, asyncio.Event()):
            if service.returncode is not None:
                break
            found = _KEY.search(await asyncio.to_thread(log.read_text, "utf-8"))
            if found and await _answers(client):
                return found[0]
    written = _KEY.sub("mst_…", await asyncio.to_thread(log.read_text, "utf-8"))
    raise DemoFailed(say("demo.no_service", log="\n".join(written.splitlines()[-15:])))


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/healthz")).status_code == 200
    except httpx.TransportError:
        return False


async def _stop(service: asyncio.subprocess.Process) -> None:
    if service.returncode is not None:
        return
    service.terminate()
    try:
        await asyncio.wait_for(service.wait(), 10)
    except TimeoutError:
        service.kill()
        await service.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
