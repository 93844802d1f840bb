"""The organisation and its pools over HTTP, through the edge every request passes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from pydantic import TypeAdapter

from app.access import keys
from app.access.parts import Parts
from app.access.tables import Role
from app.clock import ManualClock
from app.db import Database
from app.errors import Problem
from app.people import organisation
from app.people.roster_routes import router as rosters
from app.people.routes import router as people
from app.plan.document import Department, Position
from app.problems import as_response
from app.resources import document, pools
from app.resources.routes import router as resources
from app.service.of_incident import router as of_incident
from app.settings import Settings
from app.vault import Vault
from app.vocabulary import Layer, Localised

AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
TITLE = Localised(zh="名称", en="Name")
POOLS = TypeAdapter(dict[str, document.Pool]).validate_python(
    {
        "team": {"kind": "people", "title": TITLE, "owner": "duty_lead", "positions": ["duty_lead"]},
        "store": {
            "kind": "materials", "title": TITLE, "owner": "duty_lead",
            "items": {"phone": {"title": TITLE, "unit": TITLE, "place": "3F", "quantity": 4}},
        },
    }
)  # fmt: skip
ADA = {
    "name": "Ada", "staff_number": "1", "positions": ["duty_lead"],
    "contacts": [{"channel": "mail", "address": "ada@example.org"}],
}  # fmt: skip


class Centre:
    """The two rooms as one service, and a caller with a key of each role."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.app = FastAPI()
        self.app.include_router(people)
        self.app.include_router(rosters)
        self.app.include_router(resources)
        self.app.include_router(of_incident)
        self.app.add_exception_handler(Problem, _refuse)
        self.app.state.parts = Parts(Settings(), db, ManualClock(AT), Vault(b"a key of the tests"))
        self.app.state.running = set()
        self.keys: dict[Role, str] = {}

    async def prepare(self) -> None:
        async with self.db.transaction() as session:
            departments = {"support": Department(title=TITLE, layer=Layer.MANAGEMENT)}
            posts = {"duty_lead": Position(title=TITLE, layer=Layer.EXECUTION, department="support")}
            await organisation.adopt(session, departments, posts)
            await pools.adopt(session, POOLS, at=AT)
            for role in Role:
                _, self.keys[role] = await keys.issue(session, name=role.value, role=role, by="test", at=AT)

    async def ask(self, method: str, path: str, role: Role = Role.MANAGEMENT, **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        headers = {
            "Authorization": f"Bearer {self.keys[role]}",
            "Accept-Language": "en",
            **more.pop("headers", {}),
        }
        async with httpx.AsyncClient(transport=transport, base_url="http://muster") as client:
            return await client.request(method, f"/api/v1{path}", headers=headers, **more)


async def _refuse(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return as_response(problem, request.state.language, request.url.path)


@pytest.fixture
async def centre(database_url: str) -> AsyncIterator[Centre]:
    db = Database(database_url)
    centre = Centre(db)
    await centre.prepare()
    yield centre
    await db.dispose()


async def test_somebody_is_added_seen_and_changed_and_no_address_ever_leaves(centre: Centre) -> None:
    made = await centre.ask("POST", "/people", json=ADA)
    assert made.status_code == 201
    path = f"/people/{made.json()['id']}"
    seen = await centre.ask("GET", path, Role.AUDITOR)
    assert seen.headers["etag"] == '"1"'
    assert [point["address"] for point in seen.json()["contacts"]] == ["a…@example.org"]
    changed = await centre.ask("PATCH", path, json={"availability": "leave"}, headers={"If-Match": '"1"'})
    assert (changed.json()["version"], changed.json()["positions"]) == (2, ["duty_lead"])
    stale = await centre.ask("PATCH", path, json={"name": "Ida"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["current_version"]) == (409, 2)
    listed = await centre.ask("GET", "/people?position=duty_lead")
    assert [one["name"] for one in listed.json()["items"]] == ["Ada"]
    everything = made.text + seen.text + changed.text + listed.text
    assert "ada@" not in everything


async def test_who_left_is_listed_only_when_asked_for(centre: Centre) -> None:
    made = (await centre.ask("POST", "/people", json=ADA)).json()
    assert (await centre.ask("POST", f"/people/{made['id']}/leave")).json()["left_at"] is not None
    assert (await centre.ask("GET", "/people")).json()["items"] == []
    assert len((await centre.ask("GET", "/people?left=true")).json()["items"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/people", {"name": "Ada", "positions": ["king"]}, 422),
        ("POST", "/people", {"name": "Ada", "contacts": [{"channel": "mail", "address": "x"}]}, 422),
        ("GET", "/people/01M8000000000000000000000A", None, 404),
        ("GET", "/pools/harbour", None, 404),
        ("POST", "/pools/store/movements", {"item": "phone", "kind": "out", "quantity": 5}, 409),
        ("POST", "/pools/store/movements", {"item": "yacht", "kind": "in", "quantity": 5}, 404),
        ("POST", "/reservations/nothing/release", None, 404),
        (
            "POST",
            "/reservations",
            {"ref": "I", "ask": [{"pool": "sea"}], "until": "2026-11-24T00:00:00Z"},
            404,
        ),
        (
            "POST",
            "/reservations",
            {"ref": "I", "ask": [{"pool": "team"}], "until": "2026-11-01T00:00:00Z"},
            409,
        ),
        ("GET", "/on-call?position=king", None, 404),
    ],
)
async def test_what_cannot_be_is_refused_with_a_reason(
    centre: Centre, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    answer = await centre.ask(method, path, json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert " " in answer.json()["detail"]


async def test_a_file_is_imported_and_a_wrong_one_is_not(centre: Centre) -> None:
    csv = {"Content-Type": "text/csv"}
    good = "name,staff_number,department,positions,mail\n王芳,7,support,duty_lead,wang@example.org\n".encode(
        "gb18030"
    )
    done = await centre.ask("POST", "/people/import", content=good, headers=csv)
    assert done.json() == {"created": 1, "updated": 0}
    wrong = await centre.ask("POST", "/people/import", content=b"name\n=1+1\n", headers=csv)
    assert wrong.status_code == 422
    assert [(error["line"], error["path"]) for error in wrong.json()["errors"]] == [
        (1, "department"),
        (1, "positions"),
    ]
    other = await centre.ask(
        "POST", "/people/import", content=good, headers={"Content-Type": "application/pdf"}
    )
    assert other.status_code == 415


async def test_who_is_on_call_at_a_moment_and_who_is_passed_over(centre: Centre) -> None:
    ada = (await centre.ask("POST", "/people", json=ADA)).json()["id"]
    ben = (await centre.ask("POST", "/people", json={"name": "Ben", "positions": ["duty_lead"]})).json()["id"]
    roster = {
        "position": "duty_lead", "time_zone": "Asia/Shanghai", "starts_on": "2026-11-23", "handover": "09:00",
        "days_per_shift": 1, "participants": [ada, ben],
    }  # fmt: skip
    assert (await centre.ask("POST", "/rosters", json=roster)).status_code == 201
    await centre.ask("PATCH", f"/people/{ben}", json={"availability": "ill"})
    [today] = (await centre.ask("GET", "/on-call")).json()["items"]
    assert ([one["name"] for one in today["holders"]], today["until"]) == (["Ada"], "2026-11-24T01:00:00Z")
    [next_day] = (await centre.ask("GET", "/on-call?at=2026-11-24T12:00:00Z&position=duty_lead")).json()[
        "items"
    ]
    assert [one["why"] for one in next_day["passed_over"]] == ["ill"]
    assert len((await centre.ask("GET", "/rosters")).json()["items"]) == 1


async def test_departments_and_positions_are_listed_and_a_department_added(centre: Centre) -> None:
    new = {"id": "partner", "title": TITLE.model_dump(), "layer": "collaboration"}
    assert (await centre.ask("POST", "/departments", json=new)).status_code == 201
    assert (await centre.ask("POST", "/departments", json=new)).status_code == 409
    assert len((await centre.ask("GET", "/departments")).json()["items"]) == 2
    assert [one["id"] for one in (await centre.ask("GET", "/positions")).json()["items"]] == ["duty_lead"]


async def test_things_are_reserved_seen_and_given_back(centre: Centre) -> None:
    wish = {"ref": "INC", "key": "1", "until": "2026-11-23T12:00:00+08:00",
            "ask": [{"pool": "store", "item": "phone", "quantity": 3}]}  # fmt: skip
    made = await centre.ask("POST", "/reservations", json=wish)
    assert made.status_code == 201
    assert (await centre.ask("POST", "/reservations", json=wish)).json()["id"] == made.json()["id"]
    short = await centre.ask("POST", "/reservations", json={**wish, "key": "2"})
    assert (short.status_code, short.json()["shortage"][0]["missing"]) == (409, 2)
    title = (await centre.ask("GET", "/pools/store")).json()["title"]["en"]
    assert f"2 short in {title}," in short.json()["detail"]
    nowhere = {**wish, "key": "3", "ask": [{"pool": "store", "item": "fone", "quantity": 1}]}
    unknown = await centre.ask("POST", "/reservations", json=nowhere)
    assert (unknown.status_code, "“fone”" in unknown.json()["detail"]) == (404, True)
    [whole] = (await centre.ask("GET", "/reservations?ref=INC&state=held")).json()["items"]
    [held] = whole["lines"]
    assert (held["pool"], held["unit"], held["quantity"]) == ("store", "phone", 3)
    assert whole["until"] == "2026-11-23T04:00:00Z"
    [pool] = [one for one in (await centre.ask("GET", "/pools")).json()["items"] if one["id"] == "store"]
    assert (pool["on_hand"], pool["held"]) == (4, 3)
    given_back = await centre.ask("POST", f"/reservations/{made.json()['id']}/release")
    assert given_back.json()["state"] == "released"
    assert (await centre.ask("GET", "/reservations?ref=INC&state=held")).json()["items"] == []
    assert len((await centre.ask("GET", "/reservations?ref=INC&state=released")).json()["items"]) == 1
    moved = await centre.ask(
        "POST", "/pools/store/movements", json={"item": "phone", "kind": "adjust", "quantity": 9}
    )
    assert (moved.json()["change"], moved.json()["actor"]) == (5, "management")
    assert (await centre.ask("GET", "/pools/store")).json()["units"][0]["on_hand"] == 9


async def test_those_who_help_from_outside_see_no_pools_and_auditors_change_nothing(centre: Centre) -> None:
    for path in ("/pools", "/reservations", "/people", "/on-call"):
        assert (await centre.ask("GET", path, Role.COLLABORATION)).status_code == 403
        assert (await centre.ask("GET", path, Role.AUDITOR)).status_code == 200
    assert (await centre.ask("POST", "/people", Role.AUDITOR, json=ADA)).status_code == 403
    assert (await centre.ask("POST", "/people", Role.EXECUTION, json=ADA)).status_code == 403
