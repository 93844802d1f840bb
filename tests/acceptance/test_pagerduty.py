"""PagerDuty's own Python client, pointed at this service: what it says and what it gets back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trustme
from pagerduty import EventsApiV2Client

from tests.databases import Kind
from tests.serving import Served, a_service, until

pytestmark = pytest.mark.real


@pytest.fixture(params=["sqlite", "postgresql"])
async def service(
    request: pytest.FixtureRequest,
    fresh_database: Callable[[Kind], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Served]:
    """The service behind a certificate the client trusts: it speaks to no plain address."""
    authority, chain, key = trustme.CA(), tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(str(key))
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(str(chain), append=True)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    async with a_service(fresh_database(request.param), tmp_path, tls=(chain, key)) as made:
        yield made


async def test_its_client_triggers_acknowledges_and_resolves_by_the_key_it_was_given(service: Served) -> None:
    key = await service.source("pagerduty", "pager")

    with EventsApiV2Client(key, base_url=service.url) as client:
        dedup_key = await asyncio.to_thread(
            client.trigger, "IVR down", "ivr-01", custom_details={"callers": 412}
        )
        assert dedup_key, "a key is made where none was given"
        (incident,) = await until(service.open_incidents)
        assert (incident["title"], incident["level"]) == ("IVR down", 1)

        # The same key again is the same incident.
        assert await asyncio.to_thread(client.trigger, "IVR down", "ivr-01", dedup_key=dedup_key) == dedup_key
        assert await asyncio.to_thread(client.acknowledge, dedup_key) == dedup_key

        async def acknowledged() -> bool:
            return bool((await service.get(f"/incidents/{incident['id']}"))["acknowledged_at"])

        await until(acknowledged)
        assert await asyncio.to_thread(client.resolve, dedup_key) == dedup_key

    async def resolved() -> bool:
        return "signal.recovered" in await service.kinds(incident["id"])

    await until(resolved)
    after = await service.get(f"/incidents/{incident['id']}")
    assert after["state"] == "detected", "somebody had it: people close it"
    assert len((await service.get("/incidents"))["items"]) == 1
    receipts = (await service.get("/receipts"))["items"]
    assert [receipt["state"] for receipt in receipts] == ["understood"] * 4


async def test_its_client_is_told_what_is_wrong_with_a_key_nobody_knows(service: Served) -> None:
    with EventsApiV2Client("0" * 32, base_url=service.url) as client:
        with pytest.raises(Exception, match="Event object is invalid") as refused:
            await asyncio.to_thread(client.trigger, "IVR down", "ivr-01")
        assert "400" in str(refused.value)
    assert (await service.get("/incidents"))["items"] == []
