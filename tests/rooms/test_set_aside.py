"""What was set aside: one place that shows it with its reason, and a command that tries it again."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from app.cli import app as commands
from app.incidents.tables import Incident
from app.intake.tables import Source
from app.notify.channel import DeliveryError
from app.notify.tables import Delivery, DeliveryState
from app.outbox import MessageState, OutboxMessage
from app.wording import say
from tests.databases import Kind
from tests.rooms.test_console import Browser
from tests.world import World, a_world


async def raised(world: World, **more: Any) -> Any:
    incident = await world.post(
        "/incidents", {"title": "Nobody can sign in", "type": "system_outage", **more}
    )
    await world.settle()
    return incident


async def parked(world: World, kind: str | None = None) -> list[Any]:
    return list((await world.get("/parked" + (f"?kind={kind}" if kind else "")))["items"])


async def a_dead_delivery(world: World) -> Any:
    """Lin's mail fails for good; the incident it is about stays open."""
    world.channels["mail"].failure = DeliveryError(say("channel.log.unwritable"), permanent=True)
    incident = await raised(world)
    world.channels["mail"].failure = None
    return incident


async def a_parked_reaction(world: World, ref: str, n: int = 1) -> None:
    at = world.clock.now()
    async with world.parts.db.transaction() as session:
        for _ in range(n):
            session.add(
                OutboxMessage(topic="chain.lap", ref=ref, payload={"incident_id": ref, "lap": 2}, created_at=at, not_before=at,
                              state=MessageState.PARKED, attempts=8, last_error="KeyError: 'lap'")
            )  # fmt: skip


async def forgiven(world: World) -> None:
    async with world.parts.db.transaction() as session:
        await session.execute(update(OutboxMessage).values(attempts=0))


async def test_a_reaction_is_listed_with_its_incident_and_runs_again(world: World) -> None:
    incident = await raised(world)
    await a_parked_reaction(world, incident["id"])

    (one,) = await parked(world, "reaction")
    assert (one["what"], one["reason"], one["may_retry"]) == ("chain.lap", "KeyError: 'lap'", True)
    assert one["incident"]["number"] == incident["number"]

    await world.post(f"/parked/{one['id']}/retry", role="management", expect=202)
    await world.settle()
    assert await parked(world, "reaction") == []
    entries = (await world.get(f"/incidents/{incident['id']}/timeline?limit=200"))["items"]
    assert "chain.lap" in [entry["kind"] for entry in entries]


async def test_a_dead_delivery_is_sent_again_by_the_same_contact_point(world: World) -> None:
    incident = await a_dead_delivery(world)
    found = await parked(world, "delivery")
    one = found[-1]
    assert (one["what"], one["incident"]["id"]) == ("mail", incident["id"])
    assert one["reason"]
    world.messages()

    await world.post(f"/parked/{one['id']}/retry", expect=202)
    await world.settle()

    (told,) = world.messages()
    assert told.channel == "mail"
    assert len(await parked(world, "delivery")) == len(found) - 1
    assert (await world.post(f"/parked/{one['id']}/retry", expect=409))["status"] == 409
    async with world.parts.db.reading() as session:
        first = await session.get_one(Delivery, one["id"].partition("-")[2])
    assert first.state == DeliveryState.DROPPED, "the record says that it went out anew"


async def test_what_is_about_an_incident_that_has_ended_needs_nobodys_eyes(world: World) -> None:
    incident = await a_dead_delivery(world)
    assert await parked(world, "delivery")
    await world.apply(incident["id"], "cancel", reason="a false alarm")
    assert await parked(world, "delivery") == []


async def test_a_step_that_was_given_up_is_shown_and_answered_on_its_incident(world: World) -> None:
    incident = await raised(world)
    await world.apply(incident["id"], "assess", level=1, reason="everybody is affected")
    await world.apply(incident["id"], "activate")

    shown = await parked(world, "step")  # the plan calls systems whose addresses this service was not given
    assert [one["incident"]["id"] for one in shown] == [incident["id"]] * len(shown)
    one = shown[0]
    assert one["may_retry"] is False
    assert one["reason"]
    assert "question" in (await world.post(f"/parked/{one['id']}/retry", expect=409))["detail"]


async def test_a_body_is_read_again_once_its_source_is_mended(world: World) -> None:
    source = await world.post("/sources", {"slug": "probe", "kind": "generic"})
    body = {"wat": "Nobody can sign in"}
    sent = await world.client.post(
        "/intake/probe", json=body, headers={"Authorization": f"Bearer {source['key']}"}
    )
    assert sent.status_code == 400
    (one,) = await parked(world, "signal")
    assert one["what"] == "probe"
    still = await world.post(f"/parked/{one['id']}/retry", expect=409)
    assert still["detail"], "it says why not"

    async with world.parts.db.transaction() as session:
        await session.execute(update(Source).values(mapping={"title": "/wat"}))
    await world.post(f"/parked/{one['id']}/retry", expect=202)
    await world.settle()

    assert await parked(world) == []
    (incident,) = (await world.get("/incidents"))["items"]
    assert incident["title"] == "Nobody can sign in"


async def test_pages_follow_each_other_across_kinds(world: World) -> None:
    incident = await a_dead_delivery(world)
    await a_parked_reaction(world, incident["id"], n=3)
    whole = [one["id"] for one in await parked(world)]

    seen, cursor = [], ""
    while True:
        page = await world.get(f"/parked?limit=2{cursor}")
        seen += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"

    assert seen == whole
    assert len(set(seen)) == len(seen) >= 4
    await world.get("/parked?cursor=bm9uc2Vuc2U=", expect=400)
    await world.get("/parked?kind=nonsense", expect=422)
    await world.post("/parked/step-%27/retry", expect=404)
    await world.get("/parked", role="execution", expect=403)
    await world.post(f"/parked/{whole[0]}/retry", role="auditor", expect=403)
    await forgiven(world)


@pytest.fixture
async def embedded(fresh_database: Callable[[Kind], str], tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(fresh_database("sqlite"), tmp_path) as made:
        yield made


async def test_the_board_leads_to_the_page_and_its_button_tries_again(embedded: World) -> None:
    incident = await raised(embedded)
    await a_parked_reaction(embedded, incident["id"])
    browser = Browser(embedded)
    await browser.sign_in("management")
    await browser.get("/board")
    assert "1 set aside after failing" in browser.text
    await browser.get("/parked")
    assert f'href="/incidents/{incident["id"]}"' in browser.page
    assert "KeyError: 'lap'" in browser.text
    (one,) = await parked(embedded)

    await browser.post(f"/parked/{one['id']}/retry", {"form": f"retry-{one['id']}"})
    await browser.get("/parked")

    assert "Nothing is set aside." in browser.text
    await browser.post(f"/parked/{one['id']}/retry", {}, expect=409)
    assert "Set aside" in browser.text, "the refusal stands on the page"
    await browser.client.aclose()

    auditor = Browser(embedded)
    await auditor.sign_in("auditor")
    await a_parked_reaction(embedded, incident["id"])
    await auditor.get("/parked")
    assert "Try again" not in auditor.text
    await auditor.client.aclose()
    await forgiven(embedded)


async def test_the_page_speaks_every_language(embedded: World) -> None:
    await a_parked_reaction(embedded, "nothing")
    for language, title in (("zh-Hans", "搁置项"), ("zh-Hant", "擱置項目"), ("en", "Set aside")):
        headers = {**embedded.as_("auditor"), "Accept": "text/html", "Accept-Language": language}
        assert title in (await embedded.client.get("/parked", headers=headers)).text
    await forgiven(embedded)


async def test_commands_list_and_retry(
    embedded: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    incident = await raised(embedded)
    await a_parked_reaction(embedded, incident["id"], n=2)
    monkeypatch.setenv("MUSTER_DATABASE_URL", embedded.parts.settings.database)
    monkeypatch.setenv("MUSTER_SECRET_KEY", "not a secret")

    def run(*words: str, expect: int = 0) -> Any:
        done = CliRunner().invoke(commands, [*words, "--json"])
        assert done.exit_code == expect, done.output
        return json.loads(done.output)

    listed = await asyncio.to_thread(run, "parked", "list")
    assert [one["what"] for one in listed] == ["chain.lap", "chain.lap"]
    (one,) = await asyncio.to_thread(run, "parked", "retry", listed[0]["id"])
    assert one["id"] == listed[0]["id"]
    assert len(await asyncio.to_thread(run, "parked", "retry", "--all")) == 1
    assert await asyncio.to_thread(run, "parked", "list") == []
    refused = await asyncio.to_thread(run, "parked", "retry", listed[0]["id"], expect=1)
    assert refused["status"] == 409
    await embedded.settle()
    async with embedded.parts.db.transaction() as session:
        await session.execute(update(Incident).values(last_seq=Incident.last_seq + 1))
    found = await asyncio.to_thread(run, "audit", "rows", expect=1)
    assert "timeline_broken" in [one["rule"] for one in found]
    async with embedded.parts.db.transaction() as session:
        await session.execute(update(Incident).values(last_seq=Incident.last_seq - 1))
