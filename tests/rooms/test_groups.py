"""Signals in groups, on both databases: what arrives together shares one transaction, and nobody's trouble is a neighbour's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from app.access import keys
from app.access.parts import Parts
from app.access.tables import Key
from app.db import Database
from app.errors import Problem
from app.intake import enrolment, inbox
from app.intake.groups import Groups
from app.intake.kinds import KINDS
from app.intake.lane import StraightLane
from app.intake.receiving import router
from app.intake.tables import Receipt
from app.outbox import OutboxMessage
from app.problems import as_response
from app.settings import Settings
from tests.rooms.monitoring import World

TOGETHER = 20
BROKEN = "the disk has no place for this one"


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    made = World(Database(database_url))
    await made.prepare()
    yield made
    await made.db.dispose()


@pytest.fixture
def service(world: World) -> FastAPI:
    app = FastAPI()
    app.include_router(router)
    app.state.parts = Parts(Settings(language="en"), world.db, world.clock, world.vault)
    app.state.running = set()

    @app.exception_handler(Problem)
    async def refuse(request: object, problem: Problem) -> Response:
        return as_response(problem, "en", "/")

    app.add_middleware(StraightLane, routes=router.routes, refuse=refuse)
    return app


@pytest.fixture
async def http(service: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(service)
    async with httpx.AsyncClient(transport=transport, base_url="https://muster.example") as client:
        yield client


def commits_of(world: World) -> list[None]:
    """Grows by one with each commit."""
    seen: list[None] = []
    event.listen(world.db.engine.sync_engine, "commit", lambda _: seen.append(None))
    return seen


async def say(http: httpx.AsyncClient, slug: str, key: str, title: str, **more: Any) -> httpx.Response:
    body = {"title": title, "id": "same problem", **more}
    return await http.post(f"/intake/{slug}", json=body, headers={"Authorization": f"Bearer {key}"})


async def messages(world: World) -> list[str]:
    async with world.db.reading() as session:
        rows = await session.scalars(select(OutboxMessage.payload).order_by(OutboxMessage.id))
        return [row["signal"]["title"] for row in rows if "signal" in row]


async def test_what_arrives_together_is_one_transaction_in_its_order(
    world: World, http: httpx.AsyncClient
) -> None:
    key = await world.enrol("shop", "generic")
    commits = commits_of(world)
    titles = [f"No. {number}" for number in range(TOGETHER)]
    answers = await asyncio.gather(*(say(http, "shop", key, title) for title in titles))
    assert [answer.status_code for answer in answers] == [202] * TOGETHER
    assert len(commits) <= 2  # the first may have gone alone, and the rest waited for it
    assert await messages(world) == titles
    receipts = await world.receipts()
    assert [receipt.id for receipt in receipts] == [answer.json()["receipt"] for answer in answers]


async def test_a_stranger_and_an_unreadable_body_are_nobody_elses_trouble(
    world: World, http: httpx.AsyncClient
) -> None:
    key = await world.enrol("shop", "generic")
    answers = await asyncio.gather(
        say(http, "shop", key, "one"), say(http, "shop", world.keys["prom"], "two"),
        http.post("/intake/shop", content=b"{", headers={"X-API-Key": key}), say(http, "shop", key, "three"),
    )  # fmt: skip
    assert [answer.status_code for answer in answers] == [202, 401, 400, 202]
    assert await messages(world) == ["one", "three"]
    assert await world.count(Receipt) == 3


async def test_one_row_that_cannot_be_stored_fails_alone(
    world: World, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await world.enrol("shop", "generic")
    ordinary = inbox._receipt

    def broken(told: inbox.Told, *rest: Any) -> dict[str, Any]:
        row = ordinary(told, *rest)
        return {**row, "state": None} if BROKEN in told.asking.shown.body.decode() else row

    monkeypatch.setattr(inbox, "_receipt", broken)
    titles = ["one", BROKEN, "two", "three"]
    answers = await asyncio.gather(*(say(http, "shop", key, title) for title in titles))
    assert [answer.status_code for answer in answers] == [202, 503, 202, 202]
    assert await messages(world) == ["one", "two", "three"]


async def test_a_key_revoked_and_a_source_disabled_between_two_groups_open_nothing(
    world: World, http: httpx.AsyncClient
) -> None:
    key, other = await world.enrol("shop", "generic"), await world.enrol("site", "generic")
    for slug, shown in (("shop", key), ("site", other)):
        assert (await say(http, slug, shown, "before")).status_code == 202
    async with world.db.transaction() as session:
        await keys.revoke(session, key.split("_")[1], at=world.clock.now())
        source = await enrolment.found(session, "site")
        enrolment.disable(source, at=world.clock.now())
    refused = [
        (await say(http, slug, shown, "after")).status_code
        for slug, shown in (("shop", key), ("site", other))
    ]
    assert refused == [401, 403]
    assert await messages(world) == ["before", "before"]


async def test_the_use_of_a_key_is_noted_once_a_minute(world: World, http: httpx.AsyncClient) -> None:
    key = await world.enrol("shop", "generic")
    noted = []
    for _ in range(3):
        await say(http, "shop", key, "again")
        async with world.db.reading() as session:
            noted.append((await session.get_one(Key, key.split("_")[1])).last_used_at)
        world.later(seconds=40)
    assert noted[0] == noted[1] != noted[2]


# ── overload ────────────────────────────────────────────────────────────────────────────────────────────────


def bodies(kind: str, key: str) -> tuple[str, dict[str, Any]]:
    """Where a sender of the kind posts, and what."""
    match kind:
        case "pagerduty":
            payload = {"summary": "IVR down", "source": "ivr-01", "severity": "critical"}
            return "/v2/enqueue", {"routing_key": key, "event_action": "trigger", "payload": payload}
        case "opsgenie":
            return "/v2/alerts", {"message": "IVR down", "alias": "ivr"}
        case "alertmanager":
            alert = {
                "status": "firing",
                "labels": {"alertname": "Q"},
                "fingerprint": "f",
                "startsAt": "2026-11-22T10:00:00Z",
            }
            return "/intake/it", {
                "version": "4",
                "groupKey": "g",
                "groupLabels": {},
                "status": "firing",
                "alerts": [alert],
            }
    return "/intake/it", {"title": "IVR down", "id": "ivr"}


OVERLOAD = {"alertmanager": 503, "pagerduty": 429, "opsgenie": 429, "generic": 503}


def test_each_kind_of_source_has_its_answer() -> None:
    others = {"nightingale": 429, "cloudevents": 429, "flashduty": 429}
    assert {name: kind.overload for name, kind in KINDS.items()} == dict.fromkeys(
        KINDS, 503
    ) | others | OVERLOAD


@pytest.mark.parametrize("kind", list(OVERLOAD))
async def test_a_database_that_is_away_makes_each_sender_come_again(
    world: World, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    key = await world.enrol("it", kind)
    path, body = bodies(kind, key)

    async def post() -> httpx.Response:
        return await http.post(path, json=body, headers={"Authorization": f"GenieKey {key}"})

    assert (await post()).status_code == KINDS[kind].success

    @asynccontextmanager
    async def away() -> AsyncIterator[AsyncSession]:
        raise OperationalError("BEGIN", {}, ConnectionRefusedError())
        yield

    with monkeypatch.context() as patch:
        patch.setattr(world.db, "transaction", away)
        answers = await asyncio.gather(*(post() for _ in range(5)))
    assert {(answer.status_code, answer.headers["retry-after"]) for answer in answers} == {
        (OVERLOAD[kind], "2")
    }
    assert await world.count(Receipt) == 1
    assert (await post()).status_code == KINDS[kind].success


async def test_beyond_the_bound_the_answer_comes_at_once(
    world: World, service: FastAPI, http: httpx.AsyncClient
) -> None:
    key = await world.enrol("shop", "generic")
    service.state.groups = Groups(world.db, world.clock, world.vault, waiting=4)
    answers = await asyncio.gather(*(say(http, "shop", key, str(number)) for number in range(TOGETHER)))
    codes = [answer.status_code for answer in answers]
    assert set(codes) == {202, 503}
    assert await world.count(Receipt) == codes.count(202) >= 4


async def test_a_writer_that_breaks_answers_whoever_waits_and_goes_on(
    world: World, service: FastAPI, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await world.enrol("shop", "generic")
    service.state.groups = groups = Groups(world.db, world.clock, world.vault, at_once=2)

    async def broken(group: object) -> None:
        monkeypatch.undo()
        raise RuntimeError("broken on purpose, in nobody's transaction")

    monkeypatch.setattr(groups, "_store", broken)
    async with asyncio.timeout(20):
        answers = await asyncio.gather(*(say(http, "shop", key, str(number)) for number in range(4)))
    assert sorted(answer.status_code for answer in answers) in ([202, 202, 202, 503], [202, 202, 503, 503])
    assert {one.headers.get("retry-after") for one in answers if one.status_code == 503} == {"2"}


# ── Opsgenie ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_opsgenie_alert_is_raised_remarked_on_taken_and_ended(
    world: World, http: httpx.AsyncClient
) -> None:
    key = await world.enrol("og", "opsgenie")
    headers = {"Authorization": f"GenieKey {key}"}
    of = {"identifierType": "alias"}

    async def call(method: str, path: str, body: Any) -> httpx.Response:
        answer = await http.request(method, f"/v2/alerts{path}", json=body, headers=headers, params=of)
        await world.judge_all()
        return answer

    made = await call("POST", "", {"alias": "a/1", "message": "IVR down", "priority": "P1"})
    assert (made.status_code, made.json()["result"]) == (202, "Request will be processed")
    assert made.json()["requestId"] == (await world.receipts())[0].id
    incident = await world.incident()
    assert incident.title == "IVR down"
    assert (await call("PUT", "/a%2F1/message", {"message": "IVR dead"})).status_code == 202
    assert (await call("POST", "/a%2F1/acknowledge", {})).status_code == 202
    assert (await world.incident()).acknowledged_by == "source:og"
    assert (await call("POST", "/a%2F1/close", {"note": "fixed"})).status_code == 202
    assert (await call("POST", "/never-seen/close", {})).status_code == 202
    assert (await world.topics())[-1] == "signal.recovered"
    kinds = await world.kinds(incident)
    assert {"signal.noted", "signal.acked", "signal.recovered"} <= set(kinds)


async def test_what_is_no_opsgenie_call_is_refused_and_kept(world: World, http: httpx.AsyncClient) -> None:
    key = await world.enrol("og", "opsgenie")
    headers = {"Authorization": f"GenieKey {key}"}
    for path, body in (("", {}), ("", []), ("", {"message": "x", "priority": "P9"}), ("/a/close", {})):
        assert (await http.post(f"/v2/alerts{path}", json=body, headers=headers)).status_code == 400
    assert await world.count(Receipt) == 4
    assert (await http.post("/v2/alerts", json={"message": "x"})).status_code == 401
