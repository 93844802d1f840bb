"""The console as a browser without scripts meets it: pages read, forms sent, refusals shown."""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.access import sessions
from app.access.edge import Edge
from app.access.tables import Role
from app.console import incident_view
from app.console.forms import changed_facts, fact_text
from app.console.pages import safe_next
from app.console.routes import router
from app.incidents.tables import State
from app.wording import LANGUAGES, catalogue
from tests.databases import Kind
from tests.world import World, a_world

HTML = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Accept-Language": "en"}
TEMPLATES = Path(__file__).parents[2] / "app" / "console" / "templates"


class Browser:
    """Somebody at a browser: cookies kept, the page last seen remembered, forms sent with what the page put in them."""

    def __init__(self, world: World) -> None:
        self.world = world
        transport = world.client._transport
        self.client = httpx.AsyncClient(transport=transport, base_url="http://muster.example", headers=HTML)
        self.page = ""

    async def get(self, path: str, *, expect: int = 200) -> httpx.Response:
        answer = await self.client.get(path)
        assert answer.status_code == expect, f"{path}: {answer.status_code} {answer.text}"
        self.page = answer.text
        return answer

    async def post(
        self, path: str, fields: Mapping[str, Any], *, expect: int = 303, **more: Any
    ) -> httpx.Response:
        """Send a form as the page would, token and all; follow it where it leads."""
        token = re.search(r'name="csrf" value="([^"]*)"', self.page)
        data = {"csrf": token.group(1) if token else "", **fields}
        answer = await self.client.post(path, data=data, **more)
        assert answer.status_code == expect, f"{path}: {answer.status_code} {answer.text}"
        if expect == 303:
            await self.get(answer.headers["location"].partition("#")[0])
        else:
            self.page = answer.text
        await self.world.settle()
        return answer

    async def sign_in(self, role: str) -> None:
        await self.sign_in_with(self.world.keys[Role(role)])

    async def sign_in_with(self, key: str) -> None:
        await self.get("/sign-in")
        await self.post("/sign-in", {"key": key, "next": "/board"})

    @property
    def text(self) -> str:
        """What stands on the page, without its marks."""
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", self.page)))

    def form(self, name: str) -> str:
        """The markup of the form of that name."""
        found = re.search(rf'<form[^>]*data-form="{name}".*?</form>', self.page, re.DOTALL)
        assert found, f"there is no form {name} on the page"
        return found.group(0)


@pytest.fixture
async def world(fresh_database: Callable[[Kind], str], tmp_path: Path) -> AsyncIterator[World]:
    """On the embedded database; what the pages read is read on both by one test below."""
    async with a_world(fresh_database("sqlite"), tmp_path) as made:
        yield made


@pytest.fixture
async def browser(world: World) -> AsyncIterator[Browser]:
    made = Browser(world)
    yield made
    await made.client.aclose()


@pytest.fixture
async def lead(browser: Browser) -> Browser:
    await browser.sign_in("leadership")
    return browser


@pytest.fixture
async def empty(fresh_database: Callable[[Kind], str], tmp_path: Path) -> AsyncIterator[Browser]:
    async with a_world(fresh_database("sqlite"), tmp_path, people=False) as world:
        made = Browser(world)
        await made.sign_in("management")
        yield made
        await made.client.aclose()


async def raised(browser: Browser, **more: Any) -> str:
    """Raise an incident by the form of the board; the path of its page."""
    await browser.get("/board")
    fields = {"form": "raise", "title": "呼叫中心无法接入", "type": "system_outage", "level": "1", **more}
    answer = await browser.post("/incidents", fields)
    path = str(answer.headers["location"])
    await browser.get(path)
    return path


async def moved(browser: Browser, path: str, *events: str) -> None:
    for event in events:
        await browser.get(path)
        await browser.post(f"{path}/transitions", {"form": f"event-{event}", "event": event})
        await browser.get(path)


# ── signing in ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_stranger_is_asked_to_sign_in_and_comes_to_the_page_they_wanted(browser: Browser) -> None:
    answer = await browser.get("/incidents/INC-2026-0001?timeline=all", expect=303)
    assert answer.headers["location"] == "/sign-in?next=%2Fincidents%2FINC-2026-0001%3Ftimeline%3Dall"
    await browser.get("/sign-in?next=/people")
    assert 'value="/people"' in browser.page

    answer = await browser.post("/sign-in", {"key": browser.world.keys[Role.AUDITOR], "next": "/people"})

    assert answer.headers["location"] == "/people"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


async def test_a_wrong_key_is_told_what_to_do_and_nothing_of_it_is_repeated(browser: Browser) -> None:
    await browser.get("/sign-in")

    for wrong in ("mst_abc_def_00000000", "", "x" * 5000, "键\0", "mst_%ff_a_b"):
        await browser.post("/sign-in", {"key": wrong}, expect=422 if "\0" in wrong else 401)
        assert "set-cookie" not in (await browser.client.get("/sign-in")).headers
        assert not wrong or wrong not in browser.page

    await browser.post("/sign-in", {"key": "mst_abc_def_00000000"}, expect=401)
    assert "This key is not known" in browser.text


async def test_no_other_site_signs_anybody_in_or_out(lead: Browser) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    await lead.post("/sign-in", {"key": lead.world.keys[Role.AUDITOR]}, expect=403, headers=elsewhere)
    await lead.post("/sign-out", {}, expect=403, headers=elsewhere)

    await lead.get("/board")


async def test_signing_out_ends_the_session_for_good(lead: Browser) -> None:
    cookies = dict(lead.client.cookies)
    await lead.get("/board")
    await lead.post("/sign-out", {})

    lead.client.cookies.update(cookies)
    answer = await lead.get("/board", expect=303)
    assert answer.headers["location"].startswith("/sign-in")


async def test_a_session_that_ran_out_keeps_what_was_typed_for_copying(lead: Browser) -> None:
    await lead.world.advance(hours=13)

    await lead.post("/incidents", {"form": "raise", "title": "整栋楼停电"}, expect=401)

    assert "整栋楼停电" in lead.text
    assert 'href="/sign-in?next=/board"' in lead.page


async def test_the_language_is_chosen_before_and_after_signing_in(browser: Browser) -> None:
    for language in LANGUAGES:
        await browser.get(f"/sign-in?lang={language}")
        assert f'<html lang="{language}">' in browser.page
    await browser.get("/sign-in")
    assert '<html lang="en">' in browser.page, "the browser remembers"
    await browser.sign_in("leadership")
    await browser.post("/language", {"language": "zh-Hant", "next": "/board"})
    assert '<html lang="zh-Hant">' in browser.page
    assert "事件看板" in browser.text

    await browser.post("/language", {"language": "tlh", "next": "//evil.example"})
    assert '<html lang="zh-Hant">' in browser.page


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/a\nb",
        "",
        None,
        "x",
    ],
)
def test_signing_in_never_leads_to_another_site(path: str | None) -> None:
    assert safe_next(path) == "/board"


def test_over_https_the_cookie_belongs_to_this_host_alone() -> None:
    assert sessions.cookie_name("https://muster.example") == "__Host-muster_session"
    assert sessions.cookie_name("http://10.0.0.5:8000") == "muster_session"


async def test_over_https_the_cookie_never_travels_in_the_clear(
    fresh_database: Callable[[Kind], str], tmp_path: Path
) -> None:
    async with a_world(fresh_database("sqlite"), tmp_path) as world:
        secure = world.parts.settings.model_copy(update={"base_url": "https://muster.example"})
        object.__setattr__(world.parts, "settings", secure)
        fields = {"key": world.keys[Role.LEADERSHIP]}
        answer = await world.client.post("/sign-in", data=fields, headers=HTML)
    assert answer.headers["set-cookie"].startswith("__Host-muster_session=")
    assert "Secure" in answer.headers["set-cookie"]


# ── what every page promises ──────────────────────────────────────────────────────────────────────────────


async def test_every_page_has_the_headers_and_nothing_inline(lead: Browser) -> None:
    path = await raised(lead)
    for page in ("/sign-in", "/board", path, "/people", "/plan/check", f"{path}/review", "/nowhere"):
        answer = await lead.client.get(page, follow_redirects=True)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'self'; frame-ancestors 'none'"), page
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<style|<script(?![^>]*src=)|\sstyle=|\son[a-z]+=", answer.text), page
        assert not re.search(r'(?:src|href|action)="(?!/|#)', answer.text), page


async def test_every_page_answers_head(lead: Browser) -> None:
    path = await raised(lead)
    for page in ("/sign-in", "/board", path, "/people"):
        answer = await lead.client.head(page)
        assert answer.status_code in {200, 303}, page


async def test_a_form_without_the_sessions_token_changes_nothing(lead: Browser) -> None:
    path = await raised(lead)
    for csrf in ("", "wrong", "键"):
        await lead.post(f"{path}/acknowledgements", {"csrf": csrf, "form": "acknowledge"}, expect=403)
        assert "Nothing was done" in lead.text
        assert 'data-form="acknowledge"' in lead.page, "the page comes back"


async def test_a_program_gets_problem_json_where_a_person_gets_a_page(lead: Browser) -> None:
    answer = await lead.client.get("/api/v1/incidents/none", headers={"Accept": "text/html"})
    assert answer.headers["content-type"] == "application/problem+json"
    answer = await lead.client.get("/board", headers={"Accept": "application/json", "Cookie": ""})
    answer = await lead.world.client.get("/board", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    await lead.get("/incidents/none", expect=404)
    assert "<h1>" in lead.page


async def test_what_people_type_is_never_markup(lead: Browser) -> None:
    path = await raised(lead, title="<script>alert(1)</script>", description='"><img src=x onerror=alert(1)>')
    await lead.post(
        f"{path}/facts", {"form": "facts", "fact_name": "<b>", "fact_was": "", "fact_value": "<i>x"}
    )

    for page in (path, "/board"):
        await lead.get(page)
        assert "<script>alert" not in lead.page
        assert "<img" not in lead.page
    assert "<script>alert(1)</script>" in lead.text or "alert(1)" in lead.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_templates_is_in_the_catalogue(language: str) -> None:
    used = {
        key
        for template in TEMPLATES.glob("*.html")
        for key in re.findall(r"\bt\('([a-z0-9_.]+)'(?! ~)", template.read_text(encoding="utf-8"))
    }
    assert used - set(catalogue(language)) == set()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", ["/board", "incident", "/people"])
async def test_no_page_shows_a_key_of_the_catalogue(lead: Browser, page: str, language: str) -> None:
    path = await raised(lead)
    await moved(lead, path, "assess", "activate", "respond")
    await lead.post("/language", {"language": language, "next": "/board"})
    await lead.get(path if page == "incident" else page)

    assert (
        re.findall(
            r"\b(?:console|state|event|task_event|task_state|timeline)\.[a-z_]+(?:\.[a-z_]+)*", lead.text
        )
        == []
    )


def test_every_page_passes_the_edge_and_answers_nobody_else() -> None:
    assert router.routes
    assert all(isinstance(route, Edge) for route in router.routes)


# ── the board ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_board_shows_the_gravest_first_with_number_and_words(lead: Browser) -> None:
    await raised(lead, title="Small thing", type="other", level="4")
    await raised(lead, title="Grave thing", level="1")
    await lead.get("/board")

    rows = re.findall(r'<tr class="row-\d">.*?</tr>', lead.page, re.DOTALL)
    assert ["Grave" in row for row in rows] == [True, False]
    assert "<b>1</b><span>Level 1 (major)</span>" in rows[0], "colour is never the only sign"
    assert "nobody yet" in rows[0]


async def test_with_nobody_known_the_board_says_so_first_and_offers_two_ways_out(empty: Browser) -> None:
    await empty.get("/board")
    assert "Nobody can be told" in empty.text
    assert empty.page.index("Nobody can be told") < empty.page.index("Open incidents")
    assert 'action="/people/import"' in empty.page

    answer = await empty.post("/people/sample", {"form": "sample"})

    assert answer.headers["location"] == "/board?done=sample"
    assert "Nobody can be told" not in empty.text
    await empty.get("/people")
    assert "陈思远" in empty.text
    assert "Duty lead" in empty.text


async def test_an_incident_raised_with_nobody_known_says_that_nobody_can_be_told(empty: Browser) -> None:
    await raised(empty)
    assert re.search(r'class="warning"', empty.page)


async def test_people_are_imported_from_a_file_or_every_mistake_is_shown(empty: Browser) -> None:
    await empty.get("/people")
    bad = "name,department,positions,mail\n王一,customer_service,no_such,x@y.example\n李二,nowhere,duty_lead,y@z.example\n"
    await empty.post(
        "/people/import", {"form": "import"}, files={"file": ("p.csv", bad.encode())}, expect=422
    )
    assert "Line 2" in empty.text
    assert "Line 3" in empty.text

    good = "name,department,positions,mail\n王一,customer_service,duty_lead,wang@example.com\n"
    await empty.post("/people/import", {"form": "import"}, files={"file": ("p.csv", good.encode("gb18030"))})
    assert "王一" in empty.text
    assert "wang@" not in empty.page, "addresses are masked"


async def test_availability_is_set_on_the_page_of_people(lead: Browser) -> None:
    await lead.get("/people")
    person = next(p for p in (await lead.world.get("/people"))["items"] if p["name"] == "Lin")

    await lead.post(
        f"/people/{person['id']}/availability", {"availability": "leave", "version": person["version"]}
    )

    assert (await lead.world.get(f"/people/{person['id']}"))["availability"] == "leave"
    await lead.post(
        f"/people/{person['id']}/availability",
        {"availability": "ill", "version": person["version"]},
        expect=409,
    )
    assert "Lin" in lead.text, "the page of people comes back with the refusal"


async def test_what_monitoring_sends_and_nobody_understands_is_on_the_board(lead: Browser) -> None:
    made = await lead.world.post("/sources", {"slug": "prom", "kind": "alertmanager", "name": "Prometheus"})
    headers = {"Authorization": f"Bearer {made['key']}"}
    await lead.world.call("POST", "/intake/prom", {"nonsense": True}, headers=headers, expect=400)

    await lead.get("/board")

    assert re.search(r"webhook bodies not understood\s*1", lead.text)
    assert "Prometheus" in lead.text


async def test_a_form_that_cannot_be_read_comes_back_with_all_that_was_typed(lead: Browser) -> None:
    await lead.get("/board")
    fields = {"form": "raise", "title": "", "type": "epidemic", "level": "2", "description": "多名员工发热"}
    await lead.post("/incidents", fields, expect=422)

    form = lead.form("raise")
    assert "多名员工发热" in form
    assert '<option value="epidemic" selected>' in form
    assert '<option value="2" selected>' in form
    assert "What is happening: must be filled in" in lead.text


async def test_every_page_is_read_and_an_incident_taken_on_with_either_database(
    database_url: str, tmp_path: Path
) -> None:
    async with a_world(database_url, tmp_path) as world:
        browser = Browser(world)
        await browser.sign_in("leadership")
        path = await raised(browser)
        await browser.post(f"{path}/acknowledgements", {"form": "acknowledge"})
        await moved(browser, path, "assess", "activate", "respond")
        for page in (path, "/board", "/people"):
            await browser.get(page)
        await browser.client.aclose()


# ── an incident ───────────────────────────────────────────────────────────────────────────────────────────


async def test_an_incident_is_taken_on_from_its_page(lead: Browser) -> None:
    path = await raised(lead)
    await lead.get(path)
    assert "I have it" in lead.form("acknowledge")

    await lead.post(f"{path}/acknowledgements", {"form": "acknowledge"})

    assert "leadership has it since" in lead.text
    assert 'data-form="acknowledge"' not in lead.page
    entries = (await lead.world.get(f"/api/v1{path}/timeline"))["items"]
    assert [e["data"]["via"] for e in entries if e["kind"] == "incident.acknowledged"] == ["console"]


async def test_the_buttons_are_those_the_table_permits(lead: Browser) -> None:
    path = await raised(lead)
    offered: dict[str, list[str]] = {}
    for event in ("assess", "activate", "respond"):
        state = (await lead.world.get(f"/api/v1{path}"))["state"]
        offered[state] = re.findall(r'data-form="event-(\w+)"', lead.page)
        assert sorted(offered[state]) == sorted((await lead.world.get(f"/api/v1{path}"))["allowed"])
        await moved(lead, path, event)
    assert offered["detected"] == ["assess", "relevel", "cancel"]


async def test_an_auditor_sees_everything_and_is_offered_nothing(lead: Browser) -> None:
    path = await raised(lead)
    await moved(lead, path, "assess", "activate")
    await lead.post("/sign-out", {})
    await lead.sign_in("auditor")
    await lead.get(path)

    assert "Playbook" in lead.text
    assert re.findall(r'<form[^>]*action="([^"]+)"', lead.page) == ["/language", "/sign-out"]
    await lead.post(f"{path}/transitions", {"event": "respond"}, expect=403)


async def test_the_collaboration_layer_sees_no_incident_it_was_not_asked_into(lead: Browser) -> None:
    path = await raised(lead)
    await lead.post("/sign-out", {})
    await lead.sign_in("collaboration")

    await lead.get("/board")
    assert "呼叫中心" not in lead.text
    await lead.get(path, expect=404)


async def test_a_refusal_shows_why_what_is_possible_and_all_that_was_typed(lead: Browser) -> None:
    path = await raised(lead)
    fields = {"form": "event-relevel", "event": "relevel", "level": "1", "reason": "影响扩大到全部坐席"}
    await lead.post(f"{path}/transitions", fields, expect=409)

    assert "影响扩大到全部坐席" in lead.form("event-relevel")
    assert re.search(r'<details[^>]*id="deed-relevel"[^>]*open', lead.page)
    assert "Possible now" in lead.text

    await lead.post(f"{path}/transitions", {"form": "event-close", "event": "close"}, expect=409)
    assert "Possible now: " in lead.text


async def test_two_people_who_press_at_once_are_not_both_obeyed(lead: Browser) -> None:
    path = await raised(lead)
    version = re.search(r'name="version" value="(\d+)"', lead.form("event-relevel"))
    assert version
    fields = {
        "event": "relevel",
        "level": "2",
        "reason": "x",
        "version": version.group(1),
        "form": "event-relevel",
    }
    await lead.post(f"{path}/transitions", fields)

    await lead.post(f"{path}/transitions", {**fields, "level": "3", "reason": "only one site"}, expect=409)

    assert "only one site" in lead.form("event-relevel")
    assert (await lead.world.get(f"/api/v1{path}"))["level"] == 2


async def test_closing_lists_what_stands_against_it_and_lets_it_be_waived(lead: Browser) -> None:
    path = await raised(lead, level="4", type="other")
    await moved(lead, path, "assess", "activate", "respond")
    close = lead.form("event-close")
    assert 'name="waive" value="tasks_done"' in close

    fields = {"form": "event-close", "event": "close", "waive": ["tasks_done"]}
    await lead.post(f"{path}/transitions", fields, expect=409)
    assert 'value="tasks_done" checked' in lead.form("event-close")

    waived = re.findall(r'name="waive" value="(\w+)"', close)
    await lead.post(f"{path}/transitions", {**fields, "waive": waived, "reason": "duplicate of routine work"})
    assert (await lead.world.get(f"/api/v1{path}"))["state"] == "closed"


async def test_assessing_takes_likelihood_and_impact(lead: Browser) -> None:
    path = await raised(lead)
    fields = {"form": "event-assess", "event": "assess", "likelihood": "2"}
    await lead.post(f"{path}/transitions", fields, expect=422)
    assert '<option value="2" selected>' in lead.form("event-assess")

    await lead.post(f"{path}/transitions", {**fields, "impact": "2"})

    assert (await lead.world.get(f"/api/v1{path}"))["state"] == "assessed"


async def test_tasks_are_done_and_waived_on_the_page(lead: Browser) -> None:
    path = await raised(lead, level="4", type="other")
    await moved(lead, path, "assess", "activate")
    task = next(t for t in (await lead.world.get(f"/api/v1{path}/tasks"))["items"] if t["allowed"])
    here = f"{path}/tasks/{task['id']}"

    await lead.post(here, {"form": f"task-{task['id']}", "event": "waive"}, expect=409)
    await lead.post(here, {"form": f"task-{task['id']}", "event": "complete", "note": "已处理"})

    assert "已处理" in lead.text
    assert f'data-form="task-{task["id"]}"' not in lead.page


async def test_a_question_is_answered_on_the_page(lead: Browser) -> None:
    path = await raised(lead)
    await moved(lead, path, "assess", "activate", "respond")
    asked = (await lead.world.get(f"/api/v1{path}/decisions"))["items"]
    open_ = [one for one in asked if one["state"] == "asked"]
    assert open_, "the plan of a level 1 outage asks for an approval at once"
    await lead.get(path)
    assert open_[0]["options"][0] in lead.form(f"decision-{open_[0]['id']}")

    await lead.post(f"{path}/decisions/{open_[0]['id']}", {"choice": "nonsense"}, expect=409)
    await lead.post(f"{path}/decisions/{open_[0]['id']}", {"choice": open_[0]["options"][0], "note": "同意"})

    assert "同意" in lead.text


async def test_facts_are_added_changed_and_removed(lead: Browser) -> None:
    path = await raised(lead)
    fields: dict[str, Any] = {"form": "facts", "fact_name": ["agents", "site"], "fact_was": ["", ""]}
    await lead.post(f"{path}/facts", {**fields, "fact_value": ["120", "上海"]})
    assert (await lead.world.get(f"/api/v1{path}"))["facts"] == {"agents": 120, "site": "上海"}

    await lead.post(f"{path}/facts", {**fields, "fact_was": ["120", "上海"], "fact_value": ["", "上海"]})

    assert (await lead.world.get(f"/api/v1{path}"))["facts"] == {"site": "上海"}


@pytest.mark.parametrize(
    "value", ["words", "12", " spaced ", "true", "", 12, 1.5, True, ["a", 1], {"a": None}]
)
def test_a_fact_that_is_shown_and_sent_back_is_the_same_fact(value: Any) -> None:
    shown = fact_text(value)
    assert changed_facts(["f"], [shown], [shown]) == {}
    assert changed_facts(["f"], [""], [shown]) == {"f": value}


async def test_an_update_is_posted_and_pays_what_is_owed(lead: Browser) -> None:
    path = await raised(lead)
    await moved(lead, path, "assess", "activate")
    assert "owed: status update" in lead.text
    await lead.world.advance(hours=1)
    await lead.get(path)
    assert "Overdue: status update" in lead.text

    await lead.post(
        f"{path}/updates", {"form": "update", "text": "已切换到备用系统", "audience": "leadership"}
    )

    assert "已切换到备用系统" in lead.text
    assert ">Overdue: status update<" not in lead.page, "the warning is gone; the timeline remembers"


async def test_who_was_told_and_why_not_is_on_the_page(lead: Browser) -> None:
    path = await raised(lead)
    await lead.world.advance(minutes=6)
    await lead.get(path)

    notices = lead.page[lead.page.index('id="notices"') :]
    assert "Lin" in notices
    assert "lin@centre.example" not in lead.page
    assert "sent" in notices


async def test_a_drill_says_so_on_every_page(lead: Browser) -> None:
    path = await raised(lead, exercise="yes")
    assert "DRILL · this did not happen" in lead.text
    await lead.get("/board")
    assert re.search(r'<strong class="drill-tag">DRILL', lead.page)
    assert path in lead.page


@pytest.mark.parametrize(
    ("state", "now"),
    [
        (State.DETECTED, "warning"), (State.ASSESSED, "warning"), (State.ACTIVATED, "activation"),
        (State.RESPONDING, "handling"), (State.RECOVERING, "recovery"), (State.CLOSED, "summary"),
        (State.REVIEWED, None), (State.CANCELLED, None),
    ],
)  # fmt: skip
def test_the_progress_line_shows_the_phases_of_the_plan(state: State, now: str | None) -> None:
    line = incident_view.phases(state)
    assert [name for name, _ in line] == ["warning", "activation", "handling", "recovery", "summary"]
    assert [name for name, where in line if where == "now"] == ([now] if now else [])


async def test_a_review_is_written_published_and_kept_as_a_document(lead: Browser) -> None:
    path = await raised(lead, level="4", type="other")
    await moved(lead, path, "assess", "activate", "respond")
    waived = re.findall(r'name="waive" value="(\w+)"', lead.form("event-close"))
    await lead.post(f"{path}/transitions", {"event": "close", "waive": waived, "reason": "over"})
    await lead.get(f"{path}/review")
    version = re.findall(r'name="version" value="(\d+)"', lead.page)[0]
    fields: dict[str, Any] = {
        "form": "review", "version": version, "summary": "经过如下", "causes": "光缆被挖断\n没有备用链路",
        "went_well": "", "went_wrong": "通知太晚", "item_id": ["", ""], "item_title": ["增设备用链路", ""],
        "item_owner": ["technical_head", ""], "item_due": ["", ""],
    }  # fmt: skip
    await lead.post(f"{path}/review", fields, expect=422)
    assert "光缆被挖断" in lead.form("review")
    assert 'value="增设备用链路"' in lead.form("review")

    await lead.post(f"{path}/review", {**fields, "item_due": ["2026-12-31", ""]})
    review = await lead.world.get(f"/api/v1{path}/review")
    assert [cause["text"] for cause in review["causes"]] == ["光缆被挖断", "没有备用链路"]
    assert "增设备用链路" in [item["title"] for item in review["improvements"]]

    await lead.post(f"{path}/review", fields, expect=409)  # an older version
    assert "经过如下" in lead.form("review")
    await lead.get(f"{path}/review")
    await lead.post(f"{path}/review/publish", {"form": "publish"})
    assert 'data-form="review"' not in lead.page
    document = await lead.client.get(f"{path}/review.md")
    assert document.headers["content-type"].startswith("text/markdown")
    assert "光缆被挖断" in document.text
    assert "attachment" in document.headers["content-disposition"]


async def test_bytes_that_are_no_form_are_refused_and_never_break_a_page(lead: Browser) -> None:
    path = await raised(lead)
    kinds = (
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "text/plain",
    )
    for kind in kinds:
        for body in (b"", b"\xff\xfe\x00", b"--x\r\nbroken", b"csrf=%00", b"a" * 9000):
            answer = await lead.client.post(f"{path}/updates", content=body, headers={"Content-Type": kind})
            assert 400 <= answer.status_code < 500, (kind, body[:20], answer.status_code)


def test_the_sample_is_reached_by_the_log_alone() -> None:
    sample = Path(__file__).parents[2] / "app" / "console" / "sample_people.csv"
    head, *lines = sample.read_text(encoding="utf-8").splitlines()
    assert "mail" not in head.split(",")
    assert "webhook" not in head.split(",")
    assert len(lines) > 30
    assert "@" not in "".join(lines)


async def test_the_check_of_the_plan_shows_what_would_happen_and_when(lead: Browser) -> None:
    await lead.get("/plan/check")
    for words in ("Would the plan hold?", "reaches nobody", "Nobody holds", "EP-4.2.1", "does not hold"):
        assert words in lead.text
