"""EP-1.3, EP-4.2: Prometheus' own Alertmanager reports a problem here, and its end."""

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.databases import Kind, missing
from tests.serving import Served, a_service, until

pytestmark = pytest.mark.real

PROGRAM = "prometheus-alertmanager"
FOREVER = timedelta(hours=2)


def configured(directory: Path, service: Served, key: str) -> Path:
    """Its configuration file in a directory of its own; JSON is YAML too."""
    webhook = {
        "url": f"{service.url}/intake/prom",
        "send_resolved": True,
        "http_config": {"authorization": {"type": "Bearer", "credentials": key}},
    }
    document = {
        "route": {
            "receiver": "muster", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s",
            "repeat_interval": "1h",
        },
        "receivers": [{"name": "muster", "webhook_configs": [webhook]}],
    }  # fmt: skip
    directory.mkdir()
    file = directory / "alertmanager.yml"
    file.write_text(json.dumps(document))
    return file


class Alertmanager:
    """One running Alertmanager, told of alerts over its own API as Prometheus does."""

    def __init__(self, client: httpx.AsyncClient) -> None:
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


@asynccontextmanager
async def a_running_alertmanager(file: Path) -> AsyncIterator[Alertmanager]:
    program = shutil.which(PROGRAM)
    if program is None:
        missing(f"Alertmanager (the Debian package {PROGRAM})")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    process = await asyncio.create_subprocess_exec(
        program, f"--config.file={file}", f"--storage.path={file.parent / 'data'}", "--cluster.listen-address=",
        f"--web.listen-address={address}",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
            running = Alertmanager(client)
            await until(running.is_ready)
            yield running
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@pytest.fixture(params=["sqlite", "postgresql"])
async def service(
    request: pytest.FixtureRequest, fresh_database: Callable[[Kind], str], tmp_path: Path
) -> AsyncIterator[Served]:
    if shutil.which(PROGRAM) is None:
        missing(f"Alertmanager (the Debian package {PROGRAM})")
    async with a_service(fresh_database(request.param), tmp_path) as made:
        yield made


@pytest.fixture
async def alertmanager(service: Served, tmp_path: Path) -> AsyncIterator[Alertmanager]:
    file = configured(tmp_path / "am", service, await service.source("alertmanager", "prom"))
    async with a_running_alertmanager(file) as made:
        yield made


async def test_an_alert_there_is_an_incident_here_and_its_end_there_is_seen_here(
    service: Served, alertmanager: Alertmanager
) -> None:
    now = datetime.now(UTC)  # noqa: TID251 - Alertmanager lives by the real clock
    began = now - timedelta(minutes=2)
    for site in ("hz", "sh"):
        await alertmanager.say(since=began, until=now + FOREVER, site=site, incident_type="system_outage")

    async def both() -> list[dict[str, Any]] | None:
        found = await service.open_incidents()
        return found if len(found) == 2 else None

    found = {(await service.get(f"/incidents/{i['id']}"))["facts"]["site"]: i for i in await until(both)}
    assert {i["title"] for i in found.values()} == {"No call gets through"}
    assert {i["type"] for i in found.values()} == {"system_outage"}
    held, unheld = found["hz"], found["sh"]
    assert datetime.fromisoformat(held["occurred_at"]) == began

    # One of them a person takes, the other nobody does; both end there.
    await service.post(f"/incidents/{held['id']}/acknowledgements", {})
    for site in ("hz", "sh"):
        await alertmanager.say(
            since=began, until=now - timedelta(seconds=1), site=site, incident_type="system_outage"
        )

    async def recovered() -> bool:
        told = [await service.kinds(incident["id"]) for incident in (held, unheld)]
        return all("signal.recovered" in kinds for kinds in told)

    await until(recovered)
    states = {name: (await service.get(f"/incidents/{i['id']}"))["state"] for name, i in found.items()}
    assert states == {"hz": "detected", "sh": "cancelled"}, "what a person holds, a machine does not close"
    receipts = (await service.get("/receipts"))["items"]
    assert {receipt["state"] for receipt in receipts} == {"understood"}


def receivers_of_others(directory: Path, service: Served, pager: str, genie: str) -> Path:
    """As a client of PagerDuty and of Opsgenie, each of which it believes to be here."""
    common = {"send_resolved": True, "http_config": {}}
    document = {
        "global": {"pagerduty_url": f"{service.url}/v2/enqueue", "opsgenie_api_url": f"{service.url}/", "opsgenie_api_key": genie},
        "route": {
            "receiver": "both", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h",
        },
        "receivers": [{
            "name": "both",
            "pagerduty_configs": [{**common, "routing_key": pager, "severity": "critical"}],
            "opsgenie_configs": [{**common, "priority": "P2"}],
        }],
    }  # fmt: skip
    directory.mkdir()
    file = directory / "alertmanager.yml"
    file.write_text(json.dumps(document))
    return file


@pytest.mark.parametrize("service", ["sqlite"], indirect=True)
async def test_as_a_client_of_pagerduty_and_of_opsgenie_it_is_understood_too(
    service: Served, tmp_path: Path
) -> None:
    pager, genie = await service.source("pagerduty", "pager"), await service.source("opsgenie", "genie")
    file = receivers_of_others(tmp_path / "am", service, pager, genie)
    now = datetime.now(UTC)  # noqa: TID251 - Alertmanager lives by the real clock
    began = now - timedelta(minutes=2)
    async with a_running_alertmanager(file) as alertmanager:
        await alertmanager.say(since=began, until=now + FOREVER)

        async def both() -> list[dict[str, Any]] | None:
            found = await service.open_incidents()
            return found if len(found) == 2 else None

        titles = {incident["title"] for incident in await until(both)}
        assert all("CallCentreDown" in title for title in titles), titles
        await alertmanager.say(since=began, until=now - timedelta(seconds=1))

        async def ended() -> bool:
            return await service.open_incidents() == []

        await until(ended)
    receipts = (await service.get("/receipts"))["items"]
    assert {receipt["state"] for receipt in receipts} == {"understood"}
