"""Nothing anyone sends gives a 5xx or is half done; and an emergency is never lost for want of good form."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.access.rights import RIGHTS, Open
from tests.calls import ALERT, JSON, Scene, routes, rows, set_the_scene
from tests.databases import Kind
from tests.serving import Served, a_service
from tests.world import PLAN, World

UNREADABLE = {
    "nothing": b"",
    "half": b'{"title": "Lines are d',
    "no json": b"hello",
    "NaN": b'{"title": NaN}',
    "infinity": b'{"title": [-Infinity]}',
    "a number without end": b'{"title": 1e999}',
    "a number too long": b'{"title": ' + b"9" * 5000 + b"}",
    "a NUL": b'{"title": "a\\u0000b"}',
    "a raw NUL": b'{"title": "a\0b"}',
    "half a surrogate pair": b'{"title": "\\ud800"}',
    "a NUL in a name": b'{"\\u0000": 1}',
    "not UTF-8": b'{"title": "\xff\xfe"}',
    "depth 900": b'{"title": ' + b"[" * 900 + b"]" * 900 + b"}",
    "objects 900 deep": b'{"a":' * 900 + b"1" + b"}" * 900,
    "a million values": b"[" + b"1," * 450_000 + b"1]",
    "a name twice": b'{"title": "a", "title": "b"}',
}
WRONG = {
    "null": b"null",
    "a list": b"[]",
    "a number": b"1",
    "a text": b'"title"',
    "unknown": b'{"no_such_field": 1}',
}
KINDS_OF_BODY = (JSON, "application/merge-patch+json", "application/yaml", "text/csv", "text/plain", "garbage",
                 "multipart/form-data", "application/x-www-form-urlencoded", "application/json; charset=utf-16")  # fmt: skip
NEEDS_NO_BODY = {"/api/v1/incidents/{incident_id}/acknowledgements"}
ODD = {
    "NUL": "%00", "a NUL inside": "a%00b", "half a surrogate pair": "%ED%A0%80", "no UTF-8": "%FF%FE", "a blank": "%20",
    "a line": "a%0d%0ab", "below zero": "-1", "far below zero": "-9" * 15, "too great": "9" * 30, "a fraction": "1.5",
    "an expression": "'%20or%201=1--", "up": "%2e%2e%2f%2e%2e", "characters": "%F0%9F%94%A5%E4%B8%AD", "long": "x" * 10_000,
    "nothing there": "01M82A29W0VWNKRR15J44MQVH9",
}  # fmt: skip
ODD_HEADERS: dict[str, tuple[str | bytes, ...]] = {
    "If-Match": ("garbage", '"' + "9" * 6000 + '"', '"99999999999999999999"', '"-1"', "", b"\xff"),
    "Idempotency-Key": ("", "x" * 201, b"\xff\xfe", b"caf\xc3\xa9"),
    "Accept-Language": ("garbage;;q=zz,,,", "x" * 9000, b"\xff", "zh;q=9e99"),
    "Accept": ("garbage", "text/markdown;q=x", b"\xff"),
    "Content-Type": ("", "garbage", "application/json; charset=\x7f", b"\xff"),
    "Authorization": ("Basic !!!", b"Bearer \xff", "Bearer", "Basic " + "x" * 9000, "GenieKey x", "Digest x"),
    "X-API-Key": ("x", b"\xff"),
    "Cookie": ("muster_session=x", "muster_session=" + "x" * 4000, b"\xff"),
    "X-Request-Id": ("x" * 9000, b"\xff", "a b"),
    "Host": ("%00", "a b"),
    "Origin": ("null", "x"),
    "Content-Length": ("-5", "x", "9" * 30),
    "Content-Encoding": ("gzip", "br, gzip", "garbage"),
    "Last-Event-ID": ("x", "-1", "9" * 30),
    "webhook-timestamp": ("x", "9" * 30, "-1"),
}
QUERIES = (
    "cursor=garbage", "cursor=AA==", "cursor=gICA", "cursor=%00", "cursor=w6k=", "limit=0", "limit=-1", "limit=x", "q=%",
    "limit=99999999999999999999999", "q=%00", "q=%ED%A0%80", "q=%FF", "type=%00", "level=9", "state=x", "open=x", "kind=x",
    "at=x", "at=0001-01-01T00:00:00%2B14:00", "at=9999-12-31T23:59:59-14:00", "at=2026-11-22", "position=%00", "by=x",
    "from=0001-01-01T00:00:00%2B14:00", "to=9999-12-31T23:59:59-14:00", "from=2027-01-01T00:00:00Z", "after=-1",
    "after=99999999999999999999999", "source=x", "ref=%00", "owner=" + "x" * 9000, "%00=%00", "limit=1&limit=2", "&&&=",
)  # fmt: skip


@pytest.fixture
async def scene(world: World) -> Scene:
    return await set_the_scene(world)


class Attacker:
    """Sends what it is told with the right key, and holds every answer to what each promises."""

    def __init__(self, world: World, scene: Scene) -> None:
        self._world = world
        self._scene = scene
        self.types: set[str] = set()

    async def send(
        self, method: str, template: str, *, path: str | None = None, content: bytes = b"", what: str = "",
        headers: dict[str, str | bytes] | None = None,
    ) -> httpx.Response:  # fmt: skip
        named: dict[str, str | bytes] = {**self._world.as_("leadership")}
        if RIGHTS[method, template] is Open.SOURCE:
            named["Authorization"] = f"Bearer {self._scene.prom}"
        answer = await self._world.client.request(
            method,
            path or self._scene.path(template),
            content=content,
            headers=_as_bytes(named | (headers or {})),
        )
        self._judge(answer, f"{method} {template}, {what}")
        return answer

    def _judge(self, answer: httpx.Response, what: str) -> None:
        assert answer.status_code < 500, f"{what}: {answer.status_code} {answer.text}"
        kind = answer.headers.get("content-type", "")
        if answer.status_code < 400 or kind.startswith("text/html"):
            return  # done, or told to a person on a page
        document = answer.json()
        if document.get("status") == "invalid event":
            return  # PagerDuty's own form, which its clients read
        assert kind == "application/problem+json", f"{what}: {kind}"
        assert document["status"] == answer.status_code
        assert {"type", "title", "detail", "instance"} <= set(document), what
        self.types.add(document["type"])

    async def look_up_every_type(self) -> None:
        """The address in `type` leads to a page that explains it."""
        for kind in sorted(self.types):
            page = await self._world.client.get(kind)
            assert page.status_code == 200, kind
            assert page.text


def _as_bytes(headers: Mapping[str, str | bytes]) -> dict[bytes, bytes]:
    return {
        name.encode(): value.encode() if isinstance(value, str) else value for name, value in headers.items()
    }


@pytest.fixture
def attacker(world: World, scene: Scene) -> Attacker:
    return Attacker(world, scene)


def writes() -> list[tuple[str, str]]:
    return sorted((method, template) for method, template in routes() if method != "GET")


def is_api(template: str) -> bool:
    return template.startswith("/api/")


async def test_a_body_that_cannot_be_read_does_nothing_on_any_route(
    world: World, scene: Scene, attacker: Attacker
) -> None:
    before = await rows(world)
    for method, template in writes():
        if not is_api(template) or template.endswith("/try"):
            continue
        with_body = scene.has_body(method, template)
        for what, body in UNREADABLE.items():
            if not body and (not with_body or template in NEEDS_NO_BODY):
                continue
            answer = await attacker.send(
                method, template, content=body, what=what, headers={"Content-Type": JSON}
            )
            assert answer.status_code in (400, 413, 415, 422), (
                f"{method} {template}, {what}: {answer.status_code}"
            )
        if with_body:
            body, kind = scene.body(method, template)
            cut = await attacker.send(
                method, template, content=body[: len(body) // 2], what="cut", headers={"Content-Type": kind}
            )
            assert cut.status_code in (400, 422), f"{method} {template}, cut: {cut.status_code}"
    assert await rows(world) == before
    await attacker.look_up_every_type()


async def test_a_body_of_the_wrong_shape_does_nothing_on_any_route(
    world: World, scene: Scene, attacker: Attacker
) -> None:
    before = await rows(world)
    for method, template in writes():
        if not is_api(template) or not scene.has_body(method, template) or template.endswith("/try"):
            continue
        for what, body in WRONG.items():
            if (what == "unknown" and template.endswith("/facts")) or (
                what == "null" and template in NEEDS_NO_BODY
            ):
                continue  # facts have no names of ours, and nothing is a good answer to nothing asked
            answer = await attacker.send(
                method, template, content=body, what=what, headers={"Content-Type": JSON}
            )
            assert answer.status_code in (415, 422), f"{method} {template}, {what}: {answer.status_code}"
            if answer.status_code == 422:
                assert answer.json()["errors"], "each mistake with its place"
    assert await rows(world) == before
    await attacker.look_up_every_type()


async def test_every_field_takes_only_what_it_is_for(world: World, scene: Scene, attacker: Attacker) -> None:
    values: list[Any] = [
        None, True, -1, 2**63 - 1, -(2**63), 1.5, 1e308, "", " ", "x" * 30_000, [], {}, [1], [None], [[1]], [{}], {"a": 1},
        {"zh": 1}, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30", "\u202e", "'; drop table keys--",
    ]  # fmt: skip
    for method, template in writes():
        if not is_api(template) or not scene.has_body(method, template):
            continue
        body, kind = scene.body(method, template)
        if kind != JSON or template.endswith("/try"):
            continue
        document = json.loads(body)
        more = FURTHER.get(template, ())
        for name in (*document, *more):
            for value in values:
                said = json.dumps({**document, name: value}).encode()
                await attacker.send(
                    method,
                    template,
                    content=said,
                    what=f"{name}={str(value)[:40]}",
                    headers={"Content-Type": JSON},
                )
    await attacker.look_up_every_type()
    await world.settle()
    assert (await world.get("/parked?kind=reaction"))["items"] == [], (
        "nothing that was taken broke a reaction"
    )


FURTHER: dict[str, tuple[str, ...]] = {
    "/api/v1/incidents": (
        "description",
        "department",
        "occurred_at",
        "reporter",
        "level",
        "dedup_key",
        "exercise",
    ),
    "/api/v1/incidents/{incident_id}/transitions": (
        "reason",
        "level",
        "assessment",
        "playbook",
        "merge_into",
        "waive",
    ),
    "/api/v1/incidents/{incident_id}/updates": ("audience",),
    "/api/v1/tasks/{task_id}/transitions": ("note", "evidence"),
    "/api/v1/sources": ("mapping", "default_type", "signing_secret"),
    "/api/v1/people": ("staff_number", "department", "language", "skills", "availability"),
    "/api/v1/people/{person_id}": (
        "name",
        "staff_number",
        "department",
        "positions",
        "language",
        "skills",
        "certificates",
        "quiet_hours",
        "contacts",
    ),
    "/api/v1/risks": ("type", "playbook"),
    "/api/v1/risks/{risk_id}": ("title", "owner", "type", "playbook", "review_on", "retired"),
    "/api/v1/assessments": ("incident", "from", "to", "due_at"),
    "/api/v1/pools/{pool_id}/movements": ("note", "place", "batch", "to", "expires_on"),
    "/api/v1/pools/{pool_id}/assets/{name}/state": ("checked",),
    "/api/v1/replenishments/{replenishment_id}/receive": ("place", "batch", "expires_on"),
    "/api/v1/rosters": ("rotations", "restrictions", "hours_per_shift"),
    "/api/v1/rosters/{position}/swaps": ("back_begins", "back_ends"),
    "/api/v1/calendar-feeds": ("person_id",),
    "/api/v1/reservations": ("key", "exercise"),
    "/api/v1/keys": ("person_id", "expires_at"),
}


async def test_odd_names_in_addresses_lead_nowhere(world: World, scene: Scene, attacker: Attacker) -> None:
    before = await rows(world)
    for method, template in sorted(routes()):
        names = [name for name in scene.places if f"{{{name}}}" in template]
        body, kind = scene.body(method, template) if scene.has_body(method, template) else (b"", JSON)
        for name in names:
            for what, odd in ODD.items():
                path = template.format(**{**scene.places, name: odd})
                answer = await attacker.send(
                    method,
                    template,
                    path=path,
                    content=body,
                    what=f"{name}: {what}",
                    headers={"Content-Type": kind},
                )
                # A handshake tells nobody which sources there are: it is the same for every name that might be one.
                may_be_any = method == "OPTIONS" and answer.status_code == 204
                assert may_be_any or answer.status_code >= 400 or answer.is_redirect, (
                    f"{method} {template}, {name}: {what}"
                )
    assert await rows(world) == before
    await attacker.look_up_every_type()


async def test_odd_headers_and_queries_do_nothing(world: World, scene: Scene, attacker: Attacker) -> None:
    before = await rows(world)
    for method, template in sorted(routes()):
        if template == "/api/v1/stream" or not is_api(template):
            continue
        if method != "GET" and not scene.has_body(method, template):
            continue  # what needs no body is done, whatever body it is sent
        for name, values in ODD_HEADERS.items():
            for value in values:
                content = b"" if method == "GET" else b'{"no_such_field": [1'
                headers: dict[str, str | bytes] = {"Content-Type": JSON, name: value}
                await attacker.send(
                    method, template, content=content, what=f"{name}: {value!r:.60}", headers=headers
                )
        if method == "GET":
            for query in QUERIES:
                path = f"{scene.path(template)}?{query}"
                await attacker.send(method, template, path=path, what=query[:60])
    assert await rows(world) == before
    await attacker.look_up_every_type()


async def test_bodies_of_every_content_type_are_understood_or_refused(
    scene: Scene, attacker: Attacker
) -> None:
    for method, template in writes():
        for kind in KINDS_OF_BODY:
            for body in (b"", b"{", b"a,b\n1", b"a: [1", b"\xff", b"--x\r\n\r\n", b"a=%00&b=%ff"):
                await attacker.send(method, template, content=body, what=kind, headers={"Content-Type": kind})
    await attacker.look_up_every_type()


async def test_what_asks_for_json_says_so_when_it_is_sent_something_else(
    world: World, scene: Scene, attacker: Attacker
) -> None:
    before = await rows(world)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "garbage", ""):
        answer = await attacker.send(
            "POST", "/api/v1/incidents", content=b'{"title": "x"}', what=kind, headers={"Content-Type": kind}
        )
        assert answer.status_code == 415, kind
        assert answer.json()["type"] == "/problems/unsupported-media"
    assert await rows(world) == before


# ── monitoring ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_webhook_body_that_cannot_be_understood_is_kept_shown_and_answered_400(
    world: World, scene: Scene, attacker: Attacker
) -> None:
    before = await rows(world, "receipts")
    bodies = {
        **UNREADABLE,
        **WRONG,
        "an alert of another kind": b'{"version": "4", "alerts": [{"labels": 1}]}',
    }
    for what, body in bodies.items():
        if what == "a name twice":
            continue  # senders write it; the last one counts
        answer = await attacker.send("POST", "/intake/{slug}", content=body, what=what)
        assert answer.status_code == 400, what
        receipt = await world.get(f"/receipts/{answer.json()['receipt']}", role="management")
        assert receipt["state"] == "not_understood", what
        assert receipt["reason"], what
    listed = await world.get("/receipts?state=not_understood&limit=200")
    assert len(listed["items"]) >= len(bodies) - 1
    assert "muster_receipts_not_understood" in await world.get("/metrics")
    assert await rows(world, "receipts") == before


async def test_an_alert_with_one_odd_value_is_taken_or_refused_and_breaks_nothing_after(
    world: World, scene: Scene, attacker: Attacker
) -> None:
    odd: list[Any] = [
        None, 1, -1, 1e308, 2**62, True, "", "x" * 40_000, [], {}, [[]], "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "\u202e{{ 7*7 }}<script>", "2026-11-22T10:00:00", "🔥" * 3000,
    ]  # fmt: skip
    for place in ("labels", "annotations", "startsAt", "endsAt", "status", "fingerprint", "generatorURL"):
        for value in odd:
            body = {**ALERT, "alerts": [{**ALERT["alerts"][0], place: value}]}  # type: ignore[index]
            await attacker.send(
                "POST", "/intake/{slug}", content=json.dumps(body).encode(), what=f"{place}={value!r:.40}"
            )
    for name in ("severity", "alertname", "incident_type", "site", "level"):
        for value in odd:
            labels = {**ALERT["alerts"][0]["labels"], name: value}  # type: ignore[index]
            alert = {**ALERT["alerts"][0], "labels": labels, "fingerprint": f"{name}{value!r:.20}"}  # type: ignore[index]
            body = {**ALERT, "alerts": [alert]}
            await attacker.send(
                "POST", "/intake/{slug}", content=json.dumps(body).encode(), what=f"{name}={value!r:.40}"
            )
    await world.settle()
    assert (await world.get("/parked?kind=reaction"))["items"] == []


# ── what is refused keeps its promise ─────────────────────────────────────────────────────────────────────


async def test_an_unknown_type_is_raised_as_other_and_told_to_the_duty_lead(world: World) -> None:
    incident = await world.post(
        "/incidents", {"title": "A crocodile in the lobby", "type": "reptiles"}, role="execution"
    )
    await world.settle()

    assert (incident["type"], incident["type_said"]) == ("other", "reptiles")
    assert incident["level"] in (1, 2, 3, 4)
    assert incident["provisional"]
    assert world.told() == ["Lin"]


async def test_an_unknown_level_is_refused_with_its_place(world: World) -> None:
    for level in (0, 5, -1, 2.5, "1st", 2**62):
        body = {"title": "x", "type": "other", "level": level}
        refused = await world.call("POST", "/incidents", body, expect=422)
        assert [error["path"] for error in refused["errors"]] == ["level"]


async def test_a_transition_that_is_not_possible_says_what_is(world: World) -> None:
    incident = await world.post("/incidents", {"title": "x", "type": "other"})
    await world.settle()
    before = await rows(world)
    for event in ("activate", "respond", "recover", "close", "review", "reopen"):
        refused = await world.apply(incident["id"], event, reason="because", expect=409)
        assert refused["allowed"] == ["assess", "relevel", "cancel"]
    assert await rows(world) == before


async def test_a_plan_with_mistakes_is_refused_with_all_of_them_and_the_plan_in_force_stays(
    world: World,
) -> None:
    good = PLAN.read_text(encoding="utf-8")
    wrong = good.replace("declared_by:", "declared_bye:").replace("escalates_to:", "escalates_too:")
    assert wrong != good
    before = await rows(world)
    for path in ("/plan/check", "/plan/revisions"):
        answer = await world.client.post(
            f"/api/v1{path}",
            content=wrong.encode(),
            headers=world.as_("management") | {"Content-Type": "application/yaml"},
        )
        assert answer.status_code == 422
        assert len(answer.json()["errors"]) >= 4, "one for each level"
        assert all(error["line"] for error in answer.json()["errors"])
    assert await rows(world) == before


# ── over a real connection ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=["sqlite", "postgresql"])
async def service(
    request: pytest.FixtureRequest, fresh_database: Callable[[Kind], str], tmp_path: Path
) -> AsyncIterator[Served]:
    async with a_service(fresh_database(request.param), tmp_path) as made:
        yield made


async def test_fifty_megabytes_and_compressed_bodies_are_refused_and_the_service_lives(
    service: Served,
) -> None:
    body = b'{"title": "' + b"x" * 50_000_000 + b'"}'

    async def drip() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1_000_000):
            yield body[start : start + 1_000_000]

    headers = {"Content-Type": JSON}
    for content in (body, drip()):
        large = await service.client.post("/api/v1/incidents", content=content, headers=headers)
        assert large.status_code == 413
        assert large.headers["content-type"] == "application/problem+json"
        assert large.json()["limit"] == 1024 * 1024
    bomb = gzip.compress(b'{"title": "x"}')
    packed = await service.client.post(
        "/api/v1/incidents", content=bomb, headers=headers | {"Content-Encoding": "gzip"}
    )
    assert packed.status_code == 415
    assert await service.open_incidents() == []


@pytest.mark.parametrize(
    "said",
    [
        (b"POST /api/v1/incidents HTTP/1.1\r\nHost: x\r\n%sContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"
        b'{"title": "cut"}'),
        b"POST /api/v1/incidents HTTP/1.1\r\nHost: x\r\n%sTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /api/v1/incidents HTTP/1.1\r\nHost: x\r\n%sContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        b"GET /api/v1/incidents/%%00 HTTP/1.1\r\nHost: x\r\n%s\r\n",
        b"GET /api/v1/incidents/\xff\xfe HTTP/1.1\r\nHost: x\r\n%s\r\n",
        b"GET /api/v1/incidents HTTP/1.1\r\nHost: x\r\n%sX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01%s",
        b"%sGARBAGE",
    ],
    ids=["cut short", "bad chunk", "two lengths", "NUL in the path", "no UTF-8 in the path", "headers without end", "TLS",
         "no HTTP"],
)  # fmt: skip
async def test_a_broken_request_breaks_its_own_connection_only(service: Served, said: bytes) -> None:
    key = f"Authorization: {service.client.headers['authorization']}\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(service.url).port)
    writer.write(said.replace(b"%%", b"\x01").replace(b"%s", key).replace(b"\x01", b"%"))
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()

    assert not answer.startswith(b"HTTP/1.1 5"), answer[:200]
    assert not answer.startswith(b"HTTP/1.1 2"), answer[:200]
    assert await service.open_incidents() == []
