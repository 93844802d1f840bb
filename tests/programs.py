"""Monitoring programs of others, run as children of a test: without rights, in a directory of their own, gone at the end."""

import asyncio
import grp
import json
import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from tests.databases import free_port, missing
from tests.serving import Served, until

INTEGRATIONS = Path(__file__).parent.parent / "integrations"
ALERTMANAGER = "prometheus-alertmanager"
# Whoever the programs run as: nobody, where the tests may choose.
_IS_ROOT = os.geteuid() == 0
USER = "nobody" if _IS_ROOT else pwd.getpwuid(os.getuid()).pw_name
GROUP = "nogroup" if _IS_ROOT else grp.getgrgid(os.getgid()).gr_name
_LAST_WORDS = 3_000  # characters of its output that a failed test shows


def program(name: str, package: str) -> str:
    """Where it is; without it the test skips, or fails where every real part is required."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        missing(f"{name} (the Debian package {package})")
    return found


@contextmanager
def a_home() -> Iterator[Path]:
    """A directory that belongs to whoever the programs run as; `settle` what was written into it."""
    home = Path(tempfile.mkdtemp(prefix="muster-program-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def settle(home: Path) -> None:
    """All that is in a home is its program's own, and nobody else's to read."""
    for path in (home, *home.rglob("*")):
        shutil.chown(path, USER, GROUP)
        path.chmod(0o700)


@asynccontextmanager
async def running(*command: str, home: Path, **environment: str) -> AsyncIterator[None]:
    """The program until the context ends, and with it all it has started. A test that fails shows its last words."""
    settle(home)
    log = home / "output"
    more: dict[str, Any] = {"user": USER, "group": GROUP, "extra_groups": []} if _IS_ROOT else {}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=home, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(home), **environment}, **more,
        )  # fmt: skip
    try:
        yield
    except BaseException as error:
        error.add_note(f"{command[0]} said: {log.read_text('utf-8', 'replace')[-_LAST_WORDS:]}")
        raise
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


# ── Alertmanager, which others report through too ─────────────────────────────────────────────────────────


class Alertmanager:
    """One running Alertmanager, told of alerts over its own API as Prometheus does."""

    def __init__(self, address: str, client: httpx.AsyncClient) -> None:
        self.address = address
        self._client = client

    async def is_ready(self) -> bool:
        try:
            return (await self._client.get("/-/ready")).is_success
        except httpx.TransportError:
            return False

    async def say(self, *, since: datetime, until: datetime, **labels: str) -> None:
        alert = {
            "labels": {"alertname": "CallCentreDown", "severity": "critical", **labels},
            "annotations": {"summary": "No call gets through"},
            "startsAt": since.isoformat(),
            "endsAt": until.isoformat(),
            "generatorURL": "http://prom.example/graph",
        }
        answer = await self._client.post("/api/v2/alerts", json=[alert])
        assert answer.is_success, answer.text


def routed(name: str, receiver: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration that sends everything to one receiver, at once."""
    route = {
        "receiver": name, "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h",
    }  # fmt: skip
    return {"route": route, "receivers": [{"name": name, **receiver}]}


def reporting_to(service: Served, key: str) -> dict[str, Any]:
    """A configuration that sends everything to the source `prom` of the service."""
    webhook = {
        "url": f"{service.url}/intake/prom",
        "send_resolved": True,
        "http_config": {"authorization": {"type": "Bearer", "credentials": key}},
    }
    return routed("muster", {"webhook_configs": [webhook]})


@asynccontextmanager
async def an_alertmanager(home: Path, configuration: Mapping[str, Any]) -> AsyncIterator[Alertmanager]:
    found, address = program(ALERTMANAGER, ALERTMANAGER), f"127.0.0.1:{free_port()}"
    file = home / "alertmanager.yml"
    file.write_text(json.dumps(configuration))  # JSON is YAML too
    async with (
        running(
            found, f"--config.file={file}", f"--storage.path={home / 'data'}", "--cluster.listen-address=",
            f"--web.listen-address={address}", home=home,
        ),
        httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client,
    ):  # fmt: skip
        made = Alertmanager(address, client)
        await until(made.is_ready)
        yield made
