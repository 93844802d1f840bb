"""What monitoring posts, on both databases: who may, what is kept, what the sender hears, and what people see of it."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook
from starlette.responses import Response

from app.access import keys
from app.access.parts import Parts
from app.access.tables import Role
from app.db import Database
from app.errors import Problem
from app.incidents.tables import State
from app.intake import inbox, receiving
from app.intake.routes import router
from app.intake.tables import Receipt, ReceiptState
from app.outbox import OutboxMessage, Urgency
from app.problems import as_response
from app.settings import Settings
from tests.rooms.monitoring import World, problem

CAPTURED = Path(__file__).parent.parent / "captured"
SECRET = "whsec_" + base64.b64encode(b"twenty-four bytes or more").decode()
GENERIC = {"title": "IVR down", "id": "srv01/ivr"}


def captured(name: str) -> Any:
    return json.loads((CAPTURED / f"{name}.json").read_text("utf-8"))["body"]


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    db = Database(database_url)
    made = World(db)
    await made.prepare()
    yield made
    await db.dispose()


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key, at the room's own routes."""
    service = FastAPI()
    service.include_router(receiving.router)
    service.include_router(router)
    service.state.parts = Parts(
        settings=Settings(language="en"), db=world.db, clock=world.clock, vault=world.vault
    )
    service.state.running = set()

    @service.exception_handler(Problem)
    async def refuse(request: object, problem: Problem) -> Response:
        return as_response(problem, "en", "/")

    transport = httpx.ASGITransport(service)
    async with httpx.AsyncClient(transport=transport, base_url="https://muster.example") as client:
        yield client


async def role(world: World, role: Role) -> dict[str, str]:
    """The header of a key with that role."""
    async with world.db.transaction() as session:
        _, key = await keys.issue(session, name=role.value, role=role, by="tests", at=world.clock.now())
    return bearer(key)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


# ── who may ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_source_shows_its_key_in_whichever_way_it_can(world: World, http: httpx.AsyncClient) -> None:
    key = await world.enrol("shop", "generic")
    basic = base64.b64encode(f"anybody:{key}".encode()).decode()
    for headers in (bearer(key), {"Authorization": f"Basic {basic}"}, {"X-API-Key": key}):
        assert (await http.post("/intake/shop", json=GENERIC, headers=headers)).status_code == 202
    assert (await http.post("/intake/shop", params={"key": key}, json=GENERIC)).status_code == 202


async def test_nobody_else_is_told_whether_the_source_exists(world: World, http: httpx.AsyncClient) -> None:
    other = await world.enrol("other", "generic")
    leader = (await role(world, Role.LEADERSHIP))["Authorization"].removeprefix("Bearer ")
    answers = set()
    for slug in ("prom", "nowhere", "%00", "PROM'--", "x" * 300):
        for key in (other, leader, world.keys["prom"][:-1] + "x", "mst_\x00_x_00000000", "ключ", ""):
            basic = base64.b64encode(f"a:{key}".encode()).decode()
            for ways in ({"params": {"key": key}}, {"headers": {"Authorization": f"Basic {basic}"}}):
                answer = await http.post(f"/intake/{slug}", json=GENERIC, **ways)  # type: ignore[arg-type]
                answers.add((answer.status_code, answer.headers["content-type"], answer.text))
    assert {(status, kind) for status, kind, _ in answers} == {(401, "application/problem+json")}
    assert len(answers) == 1
    assert await world.receipts() == []


async def test_a_nul_in_a_key_with_a_right_checksum_is_only_a_wrong_key(
    world: World, http: httpx.AsyncClient
) -> None:
    body = "mst_a\0_b"
    key = f"{body}_{keys._check(body)}"
    assert (await http.post("/intake/prom", params={"key": key}, json={})).status_code == 401


async def test_a_disabled_source_is_refused_and_its_key_remembered(
    world: World, http: httpx.AsyncClient
) -> None:
    manager = await role(world, Role.MANAGEMENT)
    answer = await http.post("/api/v1/sources/prom/disable", headers=manager)
    assert answer.json()["disabled_at"] is not None
    refused = await http.post("/intake/prom", json={}, headers=bearer(world.keys["prom"]))
    assert refused.status_code == 403
    assert await world.receipts() == []


# ── signatures ──────────────────────────────────────────────────────────────────────────────────────────────


def signed(world: World, body: str, *, secret: str = SECRET, ago: timedelta = timedelta()) -> dict[str, str]:
    moment = world.clock.now() - ago
    mark = Webhook(secret).sign("msg_1", moment, body)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": f"v1a,x {mark}",
    }


async def test_a_body_signed_with_the_secret_of_the_source_is_taken(
    world: World, http: httpx.AsyncClient
) -> None:
    await world.enrol("shop", "generic", signing_secret=SECRET)
    body = json.dumps(GENERIC)
    assert (await http.post("/intake/shop", content=body, headers=signed(world, body))).status_code == 202


@pytest.mark.parametrize(
    "wrong",
    [
        {"ago": timedelta(minutes=6)},
        {"ago": timedelta(minutes=-6)},
        {"secret": "whsec_" + base64.b64encode(b"another secret altogether").decode()},
    ],
)
async def test_another_secret_or_an_old_signature_opens_nothing(
    world: World, http: httpx.AsyncClient, wrong: dict[str, Any]
) -> None:
    await world.enrol("shop", "generic", signing_secret=SECRET)
    body = json.dumps(GENERIC)
    assert (
        await http.post("/intake/shop", content=body, headers=signed(world, body, **wrong))
    ).status_code == 401


async def test_a_signature_holds_for_its_body_and_its_source(world: World, http: httpx.AsyncClient) -> None:
    await world.enrol("shop", "generic", signing_secret=SECRET)
    headers = signed(world, "{}")
    assert (await http.post("/intake/shop", content='{"title":"x"}', headers=headers)).status_code == 401
    assert (await http.post("/intake/prom", content="{}", headers=headers)).status_code == 401
    for broken in ("", "soon", "9" * 30, "²"):
        changed = {**headers, "webhook-timestamp": broken}
        raw = [(name.encode(), value.encode("utf-8")) for name, value in changed.items()]
        assert (await http.post("/intake/shop", content="{}", headers=raw)).status_code == 401


# ── Alertmanager ────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_alertmanager_sent_becomes_an_incident_and_its_end(
    world: World, http: httpx.AsyncClient
) -> None:
    key = bearer(world.keys["prom"])
    fired = await http.post("/intake/prom", json=captured("alertmanager_webhook_firing"), headers=key)
    assert fired.status_code == 200
    assert fired.json()["signals"] >= 1
    await world.judge_all()
    raised = await world.incidents()
    assert {incident.state for incident in raised} == {State.DETECTED}

    again = await http.post("/intake/prom", json=captured("alertmanager_webhook_firing"), headers=key)
    await world.judge_all()
    assert set(await world.outcomes(again.json()["receipt"])) == {"repeated"}
    assert len(await world.incidents()) == len(raised)


async def test_the_answer_means_that_it_is_stored(world: World, http: httpx.AsyncClient) -> None:
    body = json.dumps(captured("alertmanager_webhook_firing"))
    answer = await http.post("/intake/prom", content=body, headers=bearer(world.keys["prom"]))
    (receipt,) = await world.receipts()
    assert (receipt.id, receipt.body, receipt.state) == (
        answer.json()["receipt"],
        body.encode(),
        ReceiptState.UNDERSTOOD,
    )


async def test_json_under_another_name_is_still_json(world: World, http: httpx.AsyncClient) -> None:
    key = await world.enrol("shop", "generic")
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/octet-stream"):
        headers = {**bearer(key), "Content-Type": content_type}
        assert (
            await http.post("/intake/shop", content=json.dumps(GENERIC), headers=headers)
        ).status_code == 202


# ── what cannot be understood ───────────────────────────────────────────────────────────────────────────────

BAD: list[tuple[bytes, str]] = [
    (b"", "application/json"),
    (b"{", "application/json"),
    (b"\xff\xfe\x00", "application/json"),
    (b'{"version": NaN}', "application/json"),
    (b'{"title": "\\u0000"}', "application/json"),
    (b'{"title": "\\ud800"}', "application/json"),
    (b"[" * 900, "application/json"),
    (b"null", "text/plain"),
    (b'{"version": "4"}', "application/json"),
    (b"alert=1&state=down", "application/x-www-form-urlencoded"),
    (b"title=%00", "application/x-www-form-urlencoded"),
    (b"a=1", "multipart/form-data"),
    (b"--x\r\n", "multipart/form-data; boundary=x"),
    (b"no mail at all", "message/rfc822"),
]


@pytest.mark.parametrize(("body", "content_type"), BAD)
async def test_an_authenticated_body_nobody_understands_is_kept_shown_and_answered_400(
    world: World, http: httpx.AsyncClient, body: bytes, content_type: str
) -> None:
    headers = {**bearer(world.keys["prom"]), "Content-Type": content_type}
    answer = await http.post("/intake/prom", content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    auditor = await role(world, Role.AUDITOR)
    (listed,) = (await http.get("/api/v1/receipts?state=not_understood", headers=auditor)).json()["items"]
    assert listed["id"] == answer.json()["receipt"]
    assert listed["reason"] == answer.json()["detail"]
    shown = (await http.get(f"/api/v1/receipts/{listed['id']}", headers=auditor)).json()
    assert (shown["source"], shown["signals"]) == ("prom", [])
    assert shown["body"] == body.decode("utf-8", "backslashreplace")
    assert (await world.receipts())[0].body == body
    assert await world.topics() == []


async def test_a_body_of_a_stranger_is_not_kept(world: World, http: httpx.AsyncClient) -> None:
    answer = await http.post("/intake/prom", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 401
    assert await world.receipts() == []


async def test_the_reason_is_told_in_the_readers_language(world: World, http: httpx.AsyncClient) -> None:
    headers = {**bearer(world.keys["prom"]), "Accept-Language": "zh-TW"}
    answer = await http.post(
        "/intake/prom", content="a=1", headers={**headers, "Content-Type": "multipart/form-data"}
    )
    assert answer.json()["detail"] == "這是表單，但讀不出任何欄位；請以 JSON 傳送告警，或檢查 Content-Type。"


# ── PagerDuty ───────────────────────────────────────────────────────────────────────────────────────────────


async def event(http: httpx.AsyncClient, name: str, key: Any, **more: Any) -> httpx.Response:
    return await http.post(
        "/v2/enqueue", json={**captured(f"pagerduty_python_{name}"), "routing_key": key, **more}
    )


async def test_a_pagerduty_event_raises_is_taken_and_ends(world: World, http: httpx.AsyncClient) -> None:
    key = await world.enrol("pd", "pagerduty")
    raised = await event(http, "trigger", key)
    assert (raised.status_code, raised.json()["status"]) == (202, "success")
    made = raised.json()["dedup_key"]
    await world.judge_all()
    await event(http, "acknowledge", key, dedup_key=made)
    await world.judge_all()
    assert (await world.incident()).acknowledged_by == "source:pd"
    assert (await event(http, "resolve", key, dedup_key=made)).json()["dedup_key"] == made
    await world.judge_all()
    assert (await world.topics())[-1] == "signal.recovered"


async def test_changes_priorities_and_deletions_are_taken(world: World, http: httpx.AsyncClient) -> None:
    pager, genie = await world.enrol("pager", "pagerduty"), await world.enrol("genie", "opsgenie")
    change = {"routing_key": pager, "payload": {"summary": "Dialplan 7 is live"}}
    answer = await http.post("/v2/change/enqueue", json=change)
    assert (answer.status_code, answer.json()["status"]) == (202, "success")
    assert (await http.post("/v2/enqueue", json=change)).status_code == 400, "it is no alert"
    assert (await http.post("/v2/change/enqueue", json={"routing_key": pager})).status_code == 400
    headers = {"Authorization": f"GenieKey {genie}"}
    told = {"alias": "ivr", "message": "IVR down", "priority": "P3"}
    assert (await http.post("/v2/alerts", json=told, headers=headers)).status_code == 202
    for priority, status in (("P1", 202), ("urgent", 400)):
        answer = await http.put(
            "/v2/alerts/ivr/priority?identifierType=alias", json={"priority": priority}, headers=headers
        )
        assert answer.status_code == status
    assert (await http.delete("/v2/alerts/ivr?identifierType=alias", headers=headers)).status_code == 202
    await world.judge_all()
    assert len(await world.incidents()) == 1, "a change calls nobody"
    kinds = await world.kinds(await world.incident())
    assert "signal.noted" in kinds
    assert (await world.problem("ivr")).ended_at is not None


async def test_the_routing_key_is_kept_nowhere(world: World, http: httpx.AsyncClient) -> None:
    key = await world.enrol("pd", "pagerduty")
    await event(http, "trigger", key)
    await event(http, "trigger", key, event_action="nonsense")
    escaped = json.dumps({**captured("pagerduty_python_trigger"), "routing_key": key}).replace(
        "mst_", "\\u006dst_"
    )
    assert (await http.post("/v2/enqueue", content=escaped)).status_code == 202
    receipts = await world.receipts()
    assert len(receipts) == 3
    for receipt in receipts:
        document = json.loads(receipt.body)
        assert document["routing_key"] == "[removed]"
        assert key[5:] not in receipt.body.decode() + json.dumps(receipt.signals)


@pytest.mark.parametrize("key", ["R0UT1NGKEY0000000000000000000000", "", None, 7, ["x"]])
async def test_a_wrong_routing_key_is_refused_in_pagerdutys_own_form(
    world: World, http: httpx.AsyncClient, key: Any
) -> None:
    answer = await event(http, "trigger", key)
    assert answer.status_code == 400
    assert answer.json() == {
        "status": "invalid event",
        "message": "Event object is invalid",
        "errors": ["The routing_key is not the key of a source here."],
    }
    assert await world.receipts() == []


async def test_a_key_of_another_kind_of_source_is_told_where_to_post(
    world: World, http: httpx.AsyncClient
) -> None:
    answer = await event(http, "trigger", world.keys["prom"])
    assert (answer.status_code, answer.json()["errors"]) == (
        400,
        ["This key belongs to a source of the kind alertmanager: post to /intake/prom instead."],
    )


async def test_each_mistake_of_an_event_is_listed_and_the_event_is_kept(
    world: World, http: httpx.AsyncClient
) -> None:
    key = await world.enrol("pd", "pagerduty")
    answer = await event(http, "trigger", key, payload={})
    assert answer.status_code == 400
    assert len(answer.json()["errors"]) == 3
    (receipt,) = await world.receipts()
    assert receipt.state == ReceiptState.NOT_UNDERSTOOD
    shown = (await http.get(f"/api/v1/receipts/{receipt.id}", headers=await role(world, Role.AUDITOR))).json()
    assert shown["errors"] == answer.json()["errors"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff"])
async def test_no_event_at_all_is_a_400(http: httpx.AsyncClient, body: bytes) -> None:
    assert (await http.post("/v2/enqueue", content=body)).status_code == 400


async def test_two_sources_may_choose_the_same_idempotency_key(world: World, http: httpx.AsyncClient) -> None:
    one, two = await world.enrol("one", "generic"), await world.enrol("two", "generic")
    same = {"Idempotency-Key": "1"}
    first = await http.post("/intake/one", json=GENERIC, headers={**bearer(one), **same})
    again = await http.post("/intake/one", json=GENERIC, headers={**bearer(one), **same})
    other = await http.post("/intake/two", json=GENERIC, headers={**bearer(two), **same})
    assert first.json() == again.json()
    assert other.status_code == 202
    assert await world.count(Receipt) == 2


# ── for people ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_source_is_made_its_key_shown_once_and_replaced(
    world: World, http: httpx.AsyncClient
) -> None:
    manager = await role(world, Role.MANAGEMENT)
    asked = {"slug": "shop", "kind": "generic", "name": "The shop", "signing_secret": SECRET}
    made = await http.post("/api/v1/sources", json=asked, headers=manager)
    assert made.status_code == 201
    first = made.json()["key"]
    second = (await http.post("/api/v1/sources/shop/keys", headers=manager)).json()["key"]
    for key in (first, second):
        assert (await http.post("/intake/shop", json=GENERIC, headers=bearer(key))).status_code == 202
    listed = (await http.get("/api/v1/sources", headers=manager)).json()["items"]
    shop = next(source for source in listed if source["slug"] == "shop")
    assert (len(shop["keys"]), shop["signs"]) == (2, True)
    assert shop["last_seen_at"] is not None
    assert first not in json.dumps(listed)
    assert SECRET not in made.text + json.dumps(listed)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"slug": "prom", "kind": "generic"}, 409),
        ({"slug": "x", "kind": "carrier_pigeon"}, 422),
        ({"slug": "A b", "kind": "generic"}, 422),
        ({"slug": "x", "kind": "generic", "signing_secret": "whsec_short"}, 422),
        ({"slug": "x", "kind": "generic", "mapping": {"title": "no pointer"}}, 422),
    ],
)
async def test_a_source_that_cannot_be_is_refused(
    world: World, http: httpx.AsyncClient, asked: dict[str, Any], status: int
) -> None:
    answer = await http.post("/api/v1/sources", json=asked, headers=await role(world, Role.MANAGEMENT))
    assert answer.status_code == status


async def test_a_mapping_is_tried_before_it_is_trusted(world: World, http: httpx.AsyncClient) -> None:
    manager = await role(world, Role.MANAGEMENT)
    asked = {"slug": "own", "kind": "generic", "mapping": {"title": "/what", "dedup_key": "/which"}}
    await http.post("/api/v1/sources", json=asked, headers=manager)
    tried = await http.post(
        "/api/v1/sources/own/try", json={"what": "IVR down", "which": "7"}, headers=manager
    )
    assert tried.json()["understood"] is True
    assert [(one["title"], one["dedup_key"]) for one in tried.json()["signals"]] == [("IVR down", "7")]

    body = {"version": "1", "orgId": 1, "alerts": [], "groupLabels": {}}
    tried = await http.post("/api/v1/sources/prom/try", json=body, headers=manager)
    assert (tried.json()["understood"], tried.json()["looks_like"]) == (False, "Grafana (version 1)")
    assert tried.json()["reason"]
    assert await world.receipts() == []


async def test_a_receipt_says_what_became_of_each_signal(world: World, http: httpx.AsyncClient) -> None:
    key, auditor = await world.enrol("shop", "generic"), await role(world, Role.AUDITOR)
    body = [GENERIC, {**GENERIC, "status": "ok"}, {"id": "x", "status": "ok"}]
    receipt = (await http.post("/intake/shop", json=body, headers=bearer(key))).json()["receipt"]

    async def outcomes() -> list[str | None]:
        shown = (await http.get(f"/api/v1/receipts/{receipt}", headers=auditor)).json()
        return [signal["outcome"] for signal in shown["signals"]]

    assert await outcomes() == [None, None, None]
    await world.judge_all()
    assert await outcomes() == ["raised", "cancelled", "unknown"]


@pytest.mark.parametrize("name", ["nothing", "é"])
async def test_what_is_not_there_is_a_404(world: World, http: httpx.AsyncClient, name: str) -> None:
    manager = await role(world, Role.MANAGEMENT)
    assert (await http.get(f"/api/v1/receipts/{name}", headers=manager)).status_code == 404
    assert (await http.get(f"/api/v1/receipts?source={name}", headers=manager)).status_code == 404
    assert (await http.post(f"/api/v1/sources/{name}/disable", headers=manager)).status_code == 404


@pytest.mark.parametrize("role_", [Role.EXECUTION, Role.COLLABORATION, Role.AUDITOR, Role.INGEST])
async def test_only_management_makes_sources(world: World, http: httpx.AsyncClient, role_: Role) -> None:
    answer = await http.post(
        "/api/v1/sources", json={"slug": "x", "kind": "generic"}, headers=await role(world, role_)
    )
    assert answer.status_code == 403


async def test_what_a_source_calls_grave_is_judged_before_what_waits(world: World) -> None:
    await world.receive(
        *(problem(f"host-{level}", level_hint=level) for level in (4, 3, 2, 1)), problem("none")
    )
    async with world.db.reading() as session:
        query = select(OutboxMessage.urgency).where(OutboxMessage.topic == inbox.TOPIC)
        found = list(await session.scalars(query.order_by(OutboxMessage.id)))
    calm, hinted = Urgency.ORDINARY, Urgency.HINTED
    assert found == [calm, calm, hinted, hinted, calm]
