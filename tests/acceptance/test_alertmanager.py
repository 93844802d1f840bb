"""EP-1.3, EP-4.2: Prometheus' own Alertmanager reports a problem here, and its end."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Kind
from tests.programs import ALERTMANAGER, Alertmanager, a_home, an_alertmanager, program, reporting_to, routed
from tests.serving import Served, a_service, until

pytestmark = pytest.mark.real

FOREVER = timedelta(hours=2)


@pytest.fixture(params=["sqlite", "postgresql"])
async def service(
    request: pytest.FixtureRequest, fresh_database: Callable[[Kind], str], tmp_path: Path
) -> AsyncIterator[Served]:
    program(ALERTMANAGER, ALERTMANAGER)
    async with a_service(fresh_database(request.param), tmp_path) as made:
        yield made


@pytest.fixture
async def alertmanager(service: Served) -> AsyncIterator[Alertmanager]:
    key = await service.source("alertmanager", "prom")
    with a_home() as home:
        async with an_alertmanager(home, reporting_to(service, key)) as made:
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


def as_a_client_of_others(service: Served, pager: str, genie: str) -> dict[str, Any]:
    """Its configuration as a client of PagerDuty and of Opsgenie, each of which it believes to be here."""
    common = {"send_resolved": True, "http_config": {}}
    return {
        "global": {"pagerduty_url": f"{service.url}/v2/enqueue", "opsgenie_api_url": f"{service.url}/", "opsgenie_api_key": genie},
        **routed("both", {
            "pagerduty_configs": [{**common, "routing_key": pager, "severity": "critical"}],
            "opsgenie_configs": [{**common, "priority": "P2"}],
        }),
    }  # fmt: skip


@pytest.mark.parametrize("service", ["sqlite"], indirect=True)
async def test_as_a_client_of_pagerduty_and_of_opsgenie_it_is_understood_too(
    service: Served,
) -> None:
    pager, genie = await service.source("pagerduty", "pager"), await service.source("opsgenie", "genie")
    now = datetime.now(UTC)  # noqa: TID251 - Alertmanager lives by the real clock
    began = now - timedelta(minutes=2)
    with a_home() as home:
        async with an_alertmanager(home, as_a_client_of_others(service, pager, genie)) as alertmanager:
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
