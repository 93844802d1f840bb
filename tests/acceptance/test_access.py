"""Who may call what: every cell of the table of rights, against the service itself (EP-2)."""

import json
from typing import Any

from app.access import keys
from app.access.rights import RIGHTS, Open
from app.access.tables import Role
from tests.calls import ALERT, JSON, routes, rows, set_the_scene
from tests.world import World

ROLES: tuple[Role | None, ...] = (*Role, None)


async def status_of(world: World, method: str, path: str, key: str | None, body: bytes) -> tuple[int, bytes]:
    """The answer's status and what of its body has come when the caller hangs up; so a stream ends too."""
    headers = [(b"host", b"muster.example"), (b"content-type", JSON.encode()), (b"accept-language", b"en")]
    if key is not None:
        headers.append((b"authorization", f"Bearer {key}".encode()))
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": headers, "client": ("test", 1), "server": ("muster.example", 80), "state": {},
    }  # fmt: skip
    said = iter([{"type": "http.request", "body": body, "more_body": False}])
    answer: dict[str, Any] = {"body": b""}

    async def receive() -> dict[str, Any]:
        return next(said, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer["status"] = message["status"]
        else:
            answer["body"] += message.get("body", b"")

    transport = world.client._transport
    await transport.app(scope, receive, send)  # type: ignore[attr-defined]
    return answer["status"], answer["body"]


def nowhere(template: str) -> str:
    """The path with placeholders that stand for nothing."""
    return template.replace("{", "no_").replace("}", "")


def is_refused_by_the_table(status: int, body: bytes) -> bool:
    """Rooms refuse with 403 too, for finer reasons; the table's own names the role."""
    return status == 401 or (status == 403 and b'"role"' in body)


def test_the_table_has_every_route_and_no_route_too_many() -> None:
    assert routes() == set(RIGHTS)


async def test_every_role_may_do_what_the_table_says_and_nothing_else(world: World) -> None:
    source = await world.post("/sources", {"slug": "prom", "kind": "alertmanager"})
    held = {role: world.keys.get(role) if role else None for role in ROLES} | {Role.INGEST: source["key"]}
    wrong = []
    for (method, template), right in sorted(RIGHTS.items()):
        if right is Open.SOURCE:
            continue  # below: the key there is a source's
        for role in ROLES:
            status, body = await status_of(world, method, nowhere(template), held[role], b"{}")
            if template in PAGES and right is not Open.PUBLIC and role is None and status == 303:
                status = 401  # a browser is led to the sign-in page instead
            refused = is_refused_by_the_table(status, body)
            permitted = right is Open.PUBLIC or (
                role is not None and not isinstance(right, Open) and role in right
            )
            if refused == permitted:
                wrong.append(f"{method} {template} as {role}: {status}")
            if refused and status != (401 if role is None else 403):
                wrong.append(f"{method} {template} as {role}: {status} is not how to say it")
    assert wrong == []


PAGES = {
    template for _, template in RIGHTS if not template.startswith(("/api/", "/intake", "/v2", "/metrics"))
}


async def test_a_key_that_is_wrong_expired_or_revoked_opens_nothing(world: World) -> None:
    at = world.clock.now()
    async with world.parts.db.transaction() as session:
        old, expired = await keys.issue(
            session, name="old", role=Role.LEADERSHIP, by="test", at=at, expires_at=at
        )
        gone, revoked = await keys.issue(session, name="gone", role=Role.LEADERSHIP, by="test", at=at)
        await keys.revoke(session, gone.id, at=at)
    good = world.keys[Role.LEADERSHIP]
    shown = [
        expired, revoked, "", "x", "mst", "mst___", good[:-1], good + "0", good.upper(), good.replace("mst", "abc"),
        f"mst_{old.id}_{'A' * 43}_00000000", "é" * 40, "x" * 9000,
    ]  # fmt: skip
    before = await rows(world)

    for key in shown:
        status, _ = await status_of(world, "GET", "/api/v1/incidents", key, b"")
        assert status == 401, key
        status, _ = await status_of(world, "POST", "/api/v1/incidents", key, b'{"title": "x"}')
        assert status == 401, key
    assert await rows(world) == before


async def test_an_ingest_key_posts_to_its_own_source_and_to_no_other(world: World) -> None:
    mine = (await world.post("/sources", {"slug": "mine", "kind": "alertmanager"}))["key"]
    theirs = (await world.post("/sources", {"slug": "theirs", "kind": "alertmanager"}))["key"]
    pager = (await world.post("/sources", {"slug": "pager", "kind": "pagerduty"}))["key"]
    alert = json.dumps(ALERT).encode()
    event = {"event_action": "trigger", "payload": {"summary": "x", "source": "y", "severity": "error"}}

    assert (await status_of(world, "POST", "/intake/mine", mine, alert))[0] == 200
    before = await rows(world)
    for key in (theirs, pager, None, *world.keys.values()):
        assert (await status_of(world, "POST", "/intake/mine", key, alert))[0] == 401
    assert (await status_of(world, "POST", "/intake/nobodys", mine, alert))[0] == 401
    for key in (mine, "0" * 32, *world.keys.values()):
        body = json.dumps({**event, "routing_key": key}).encode()
        assert (await status_of(world, "POST", "/v2/enqueue", None, body))[0] == 400
    assert await rows(world, "keys") == {name: kept for name, kept in before.items() if name != "keys"}

    body = json.dumps({**event, "routing_key": pager}).encode()
    assert (await status_of(world, "POST", "/v2/enqueue", None, body))[0] == 202


async def test_looking_changes_nothing(world: World) -> None:
    scene = await set_the_scene(world)
    before = await rows(world)

    for method, template in sorted(routes()):
        if method == "GET":
            path = scene.path(template)
            status, body = await status_of(world, "GET", path, world.keys[Role.LEADERSHIP], b"")
            assert status < 400 or template in NOT_THERE, f"{path}: {status} {body!r}"

    assert await rows(world) == before


NOT_THERE = {"/api/v1/incidents/{incident_id}/review", "/incidents/{incident_id}/review",
             "/incidents/{incident_id}/review.md", "/problems/{slug}", "/callbacks/chats/{group}",
            "/r/{message_id}/{page_mark}"}  # fmt: skip
