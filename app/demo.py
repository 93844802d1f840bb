"""The demonstration: one night's incident, from the monitoring's alarm to the published review, on a service that really runs.

Holds the sample organisation's telephones (a local receiver that checks every signature, and the failover system the plan
calls), a copy of the plan whose minutes are seconds, and the story. Each line it prints comes from an answer of the service or
from a request that arrived; what does not happen in time ends it. It never plays on a service that knows people: they
would be called.
"""

import asyncio
import base64
import csv
import hashlib
import hmac
import io
import json
import re
import secrets
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import yaml
from aiohttp import web
from pydantic import BaseModel

from app.clock import SystemClock
from app.plan.document import PlanDocument
from app.plan.reading import read
from app.vocabulary import parse_span
from app.wording import Wording, render, say

T = TypeVar("T")

FASTER: Final = 60  # a minute of the plan is a second of the demonstration
PEOPLE: Final = Path(__file__).parent / "sample" / "people.csv"

_PATIENCE: Final = 20.0  # seconds beyond what the plan says, for whatever is due at once
_LOOK_EVERY: Final = 0.2
_SHOWN_OF_REVIEW: Final = 30  # lines
_KEY: Final = re.compile(r"mst_\w+")
_GENERAL_MANAGER, _DUTY_LEAD, _HEADS = "001", "030", ("010", "020")


class DemoFailed(Exception):
    """Something that had to happen did not."""

    def __init__(self, wording: Wording) -> None:
        super().__init__(str(wording))
        self.wording = wording


@dataclass(frozen=True)
class Stage:
    """The service that is played on."""

    url: str
    key: str = field(repr=False)
    secret: bytes = field(repr=False)  # signs its webhooks
    speed: int


async def play(language: str, *, given: Stage | None = None, port: int = 0, plan: Path) -> None:
    """Tell the story on `given`, or on a service of its own. Raises `DemoFailed`."""
    clock = SystemClock()
    began = clock.now()
    teller = Teller(language)
    async with AsyncExitStack() as stack:
        phones = await stack.enter_async_context(Phones.ringing(teller, port))
        if given is None:
            given = await stack.enter_async_context(own_service(phones, language, plan))
            teller.says("demo.own_service", url=given.url, faster=FASTER)
        else:
            teller.says("demo.given_service", url=given.url)
        phones.secret, teller.speed = given.secret, given.speed
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=given.url, timeout=15, trust_env=False)
        )
        await Night(teller, phones, client, given.key, language).from_alarm_to_review()
    teller.says("demo.end", seconds=round((clock.now() - began).total_seconds()))


# ── a plan whose minutes are seconds ──────────────────────────────────────────────────────────────────────


def quickened(document: PlanDocument, by: int = FASTER) -> str:
    """The plan as YAML with every duration divided, and nothing else changed."""
    quick = _divided(document, by)
    plain = quick.model_dump(mode="json", by_alias=True, exclude_none=True)
    return yaml.dump(plain, Dumper=_Plain, allow_unicode=True, sort_keys=False, width=110)


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True  # a plan may hold no anchors


def _divided(value: Any, by: int) -> Any:
    match value:
        case timedelta():
            # What was short stays above nought: a retry without a pause would be another plan.
            return (
                max(timedelta(seconds=1), timedelta(seconds=round(value.total_seconds() / by)))
                if value
                else value
            )
        case BaseModel():
            return value.model_copy(update={name: _divided(inner, by) for name, inner in value})
        case dict():
            return {key: _divided(inner, by) for key, inner in value.items()}
        case list():
            return [_divided(inner, by) for inner in value]
        case _:
            return value


# ── a service of its own ──────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def own_service(phones: "Phones", language: str, plan: Path) -> AsyncIterator[Stage]:
    """`muster serve` as it is, in a process of its own, on a data directory that goes when it ends."""
    with tempfile.TemporaryDirectory(prefix="muster-demo-") as made:
        home = Path(made)
        quick = quickened(read(await asyncio.to_thread(plan.read_bytes), file=plan.name))
        (home / "playbooks.yaml").write_text(quick, encoding="utf-8")
        url, secret = f"http://127.0.0.1:{_free_port()}", secrets.token_bytes(32)
        # Nothing of our own environment: a database that stands there must not be played on.
        environment = {
            "MUSTER_DATA_DIR": made, "MUSTER_PLAN": str(home / "playbooks.yaml"), "MUSTER_BASE_URL": url,
            "MUSTER_LANGUAGE": language, "MUSTER_WEBHOOK_SECRETS": f"whsec_{base64.b64encode(secret).decode()}",
            "MUSTER_CONNECTIONS__TELEPHONY_FAILOVER__URL": phones.url("failover"), "MUSTER_POLL_EVERY": "PT0.25S",
            "LANG": "C.UTF-8", "HOME": made,
        }  # fmt: skip
        log = home / "service.log"
        with log.open("wb") as out:
            service = await asyncio.create_subprocess_exec(
                sys.executable, "-c", "from app.cli import main; main()", "serve", "--port", url.rpartition(":")[2],
                cwd=home, env=environment, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
            try:
                key = await _first_key(service, log, url)
                yield Stage(url, key, secret, FASTER)
            except DemoFailed as failed:
                # What the service had to complain about goes when its directory does.
                written = await asyncio.to_thread(log.read_text, "utf-8")
                errors = [line for line in written.splitlines() if '"level": "error"' in line]
                if not errors:
                    raise
                raise DemoFailed(
                    say("demo.with_log", failed=failed.wording, log="\n".join(errors[-3:]))
                ) from failed
            finally:
                await _stop(service)


async def _first_key(service: asyncio.subprocess.Process, log: Path, url: str) -> str:
    """The key the service shows once, as soon as it answers."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        async for _ in _looks(_PATIENCE * 2, asyncio.Event()):
            if service.returncode is not None:
                break
            found = _KEY.search(await asyncio.to_thread(log.read_text, "utf-8"))
            if found and await _answers(client):
                return found[0]
    written = _KEY.sub("mst_…", await asyncio.to_thread(log.read_text, "utf-8"))
    raise DemoFailed(say("demo.no_service", log="\n".join(written.splitlines()[-15:])))


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/healthz")).status_code == 200
    except httpx.TransportError:
        return False


async def _stop(service: asyncio.subprocess.Process) -> None:
    if service.returncode is not None:
        return
    service.terminate()
    try:
        await asyncio.wait_for(service.wait(), 10)
    except TimeoutError:
        service.kill()
        await service.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _looks(within: float, bell: asyncio.Event) -> AsyncIterator[None]:
    """Look now, at every ring of the bell, and now and then; end when the time is over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while loop.time() < end:
        yield
        bell.clear()
        try:
            await asyncio.wait_for(bell.wait(), _LOOK_EVERY)
        except TimeoutError:
            continue


# ── what is shown ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Teller:
    """The terminal. The clock on the left starts at 03:00 with the alarm and runs as fast as the plan is played."""

    language: str
    speed: int = 1
    began: datetime | None = None

    def chapter(self, key: str) -> None:
        print(f"\n── {render(say(key), self.language)} ──", flush=True)

    def says(self, key: str, *, at: datetime | None = None, **params: Any) -> None:
        """A sentence of the catalogue about what was answered."""
        self.shows(render(say(key, **params), self.language), at=at)

    def shows(self, text: str, *, mark: str = " ", at: datetime | None = None) -> None:
        """Words of the service itself."""
        clock = self._clock(at) if at is not None and self.began is not None else ""
        print(f"{clock:5} {mark} {text}", flush=True)

    def of(self, text: Mapping[str, Any]) -> str:
        """A text the plan has in its languages, in the reader's."""
        own = text.get("zh_hant") if self.language == "zh-Hant" else None
        return str(text["en"] if self.language == "en" else own or text["zh"])

    def _clock(self, at: datetime) -> str:
        assert self.began is not None
        passed = max(timedelta(), at - self.began) * self.speed
        minutes = 3 * 60 + int(passed.total_seconds()) // 60
        return f"{minutes // 60 % 24:02}:{minutes % 60:02}"


@dataclass(frozen=True)
class Call:
    """One message that rang a telephone."""

    staff_number: str
    link: str | None
    kind: str


class Phones:
    """Where the sample organisation is reached, and the failover system: a receiver in this process."""

    def __init__(self, teller: Teller) -> None:
        self.calls: list[Call] = []
        self.bell = asyncio.Event()
        self.secret = b""
        self.forged = 0
        self.names: Mapping[str, str] = {}
        self._teller = teller
        self._base = ""

    @classmethod
    @asynccontextmanager
    async def ringing(cls, teller: Teller, port: int) -> AsyncIterator["Phones"]:
        phones = cls(teller)
        served = web.Application()
        served.router.add_post("/phone/{number}", phones._ring)
        served.router.add_post("/failover", phones._fail_over)
        runner = web.AppRunner(served, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            phones._base = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield phones
        finally:
            await runner.cleanup()

    def url(self, path: str) -> str:
        return f"{self._base}/{path}"

    def link_of(self, staff_number: str) -> str | None:
        return next(
            (call.link for call in self.calls if call.staff_number == staff_number and call.link), None
        )

    async def _ring(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not is_genuine(request.headers, body, self.secret):
            self.forged += 1
            self.bell.set()
            return web.Response(status=401)
        said = json.loads(body)
        number, data = request.match_info["number"], said["data"]
        self.calls.append(Call(number, data["link"], said["type"]))
        at = datetime.fromisoformat(said["timestamp"])
        self._teller.shows(f"{self.names.get(number, number)} ← {data['subject']}", mark="☎", at=at)
        self.bell.set()
        return web.Response(status=204)

    async def _fail_over(self, request: web.Request) -> web.Response:
        """The other system of the plan's `http` step."""
        asked = await request.json()
        idempotency_key = request.headers.get("Idempotency-Key")
        self._teller.says("demo.failover_called", idempotency_key=idempotency_key, target=asked["target"])
        self.bell.set()
        return web.json_response({"switched": asked["target"]})


def is_genuine(headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:
    """Whether the body bears a signature of this secret (Standard Webhooks)."""
    signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
    expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(f"v1,{expected}", one) for one in given)


# ── the story ─────────────────────────────────────────────────────────────────────────────────────────────


class Night:
    """What happens, in order. Every wait looks at the service again until it has happened."""

    def __init__(
        self, teller: Teller, phones: Phones, client: httpx.AsyncClient, key: str, language: str
    ) -> None:
        self._teller, self._phones, self._client, self._language = teller, phones, client, language
        self._first = key
        self._keys: dict[str, str] = {}  # by staff number
        self._people: list[dict[str, Any]] = []
        self._layers: dict[str, str] = {}  # of positions
        self._pools: dict[str, str] = {}  # their titles
        self._hop = 0.0  # seconds each rung of the chain has
        self._seen = 0  # timeline entries that were shown
        self._id = ""

    async def from_alarm_to_review(self) -> None:
        await self._organisation()
        await self._alarm()
        await self._silence()
        await self._answer()
        await self._assessment()
        await self._plan_at_work()
        await self._customers()
        await self._restoration()
        await self._close()
        await self._review()

    async def _organisation(self) -> None:
        """The sample people are loaded, each with a telephone of ours; nobody else may be there."""
        await self._chapter("demo.chapter.organisation")
        if (await self._ask("GET", "/people"))["items"]:
            raise DemoFailed(say("demo.people_there"))
        done = await self._ask("POST", "/people/import", self._sample(), content_type="text/csv")
        self._people = (await self._ask("GET", "/people?limit=100"))["items"]
        self._phones.names = {person["staff_number"]: self._name_of(person) for person in self._people}
        positions = (await self._ask("GET", "/positions"))["items"]
        self._layers = {one["id"]: one["layer"] for one in positions}
        self._pools = {
            one["id"]: self._teller.of(one["title"]) for one in (await self._ask("GET", "/pools"))["items"]
        }
        chain = (await self._ask("GET", "/plan"))["document"]["chains"]["1"]
        self._hop = _seconds(chain["hops"][0]["within"])
        self._teller.says("demo.people_loaded", number=done["created"])

    def _sample(self) -> bytes:
        """The sample people as CSV, reached by a webhook to this process."""
        rows = list(csv.DictReader(io.StringIO(PEOPLE.read_text(encoding="utf-8"))))
        for row in rows:
            row["contact_1"] = f"webhook:{self._phones.url('phone/' + row['staff_number'])}"
            row["language"] = self._language
        made = io.StringIO()
        writer = csv.DictWriter(made, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        return made.getvalue().encode()

    def _name_of(self, person: Mapping[str, Any]) -> str:
        return f"{person['name']} ({', '.join(person['positions'])})"

    async def _alarm(self) -> None:
        await self._chapter("demo.chapter.alarm")
        source = await self._ask("POST", "/sources", {"slug": "monitoring", "kind": "alertmanager"})
        alert = _alert(render(say("demo.alert"), self._language), at=SystemClock().now())
        self._teller.began = SystemClock().now()
        taken = await self._call("POST", "/intake/monitoring", source["key"], alert)
        self._teller.says("demo.alarm_taken", receipt=taken["receipt"], signals=taken["signals"])
        listed = await self._until("demo.wait.incident", self._open_incident, _PATIENCE)
        self._id = listed["id"]
        incident = await self._incident()
        self._teller.says(
            "demo.incident", number=incident["number"], title=incident["title"], level=incident["level"],
            reason=incident["level_reason"],
        )  # fmt: skip

    async def _open_incident(self) -> Any:
        found = (await self._ask("GET", "/incidents?open=true"))["items"]
        return found[0] if found else None

    async def _silence(self) -> None:
        """The duty lead does not answer, nor do the heads."""
        await self._chapter("demo.chapter.silence")
        await self._rings([_DUTY_LEAD], _PATIENCE)
        await self._rings(_HEADS, self._hop + _PATIENCE)
        await self._rings([_GENERAL_MANAGER], self._hop + _PATIENCE)

    async def _rings(self, staff_numbers: Sequence[str], within: float) -> None:
        async def rang() -> bool | None:
            return all(self._phones.link_of(number) for number in staff_numbers) or None

        await self._until("demo.wait.call", rang, within)

    async def _answer(self) -> None:
        """The general manager follows the link: looking changes nothing, the button does."""
        await self._chapter("demo.chapter.answer")
        link = self._phones.link_of(_GENERAL_MANAGER)
        assert link is not None
        page = await self._client.get(link)
        _must(page.status_code == 200 and "<form" in page.text, "demo.no_button")
        before = await self._incident()
        _must(before["acknowledged_at"] is None, "demo.looking_answered")
        self._teller.says("demo.page_shown", status=page.status_code)
        pressed = await self._client.post(link, headers={"Origin": str(self._client.base_url).rstrip("/")})
        _must(pressed.status_code in (200, 303), "demo.no_button")

        async def answered() -> Any:
            return (await self._incident())["acknowledged_by"]

        by = await self._until("demo.wait.answer", answered, _PATIENCE)
        self._teller.says("demo.answered_by", by=by)

    async def _assessment(self) -> None:
        await self._chapter("demo.chapter.assessment")
        judged = {"method": "qualitative", "likelihood": 5, "impact": 4}
        await self._apply("assess", assessment=judged)
        incident = await self._incident()
        self._teller.says("demo.graded", level=incident["level"], reason=incident["level_reason"])
        await self._apply("activate")

        async def formed() -> Any:
            return (await self._incident())["command_post"]

        post = await self._until("demo.wait.command_post", formed, _PATIENCE)
        self._teller.says("demo.command_post", title=self._teller.of(post["title"]))
        for member in post["members"]:
            self._teller.shows(f"{self._teller.of(member['title'])}: {member['name'] or '–'}", mark="·")
        await self._apply("respond")

    async def _plan_at_work(self) -> None:
        """Resources, of which the first tier has too few, and the failover over HTTP."""
        await self._chapter("demo.chapter.resources")
        await self._step_done("reserve_service_team")
        await self._step_done("reserve_standby_systems")
        for held in (await self._ask("GET", f"/incidents/{self._id}/reservations"))["items"]:
            pool = self._pools[held["pool"]]
            self._teller.shows(f"{pool}: {self._teller.of(held['title'])} × {held['quantity']}", mark="·")
        called = await self._step_done("fail_over")
        result = called["result"]
        self._teller.says("demo.failover_answered", status=result["status"], body=json.dumps(result["body"]))

    async def _customers(self) -> None:
        """Customers hear nothing before leadership has said yes."""
        await self._chapter("demo.chapter.customers")
        asked = await self._until("demo.wait.question", self._question, _PATIENCE)
        state = await self._state_of("tell_customers")
        self._teller.says("demo.question", question=self._teller.of(asked["question"]), state=state)
        _must(state == "pending", "demo.told_too_early")
        await self._decide(asked)
        await self._step_done("tell_customers")
        for told in (await self._ask("GET", f"/incidents/{self._id}/announcements"))["items"]:
            if told["state"] == "published":
                self._teller.says(
                    "demo.announced", audience=told["audience"], text=self._teller.of(told["text"])
                )

    async def _restoration(self) -> None:
        """Everybody does what they were given; the fault is found, and service is back."""
        await self._chapter("demo.chapter.work")
        await self._work_done("diagnose")
        await self._chapter("demo.chapter.restored")
        facts = {"cause": render(say("demo.cause"), self._language), "service_restored": True}
        await self._ask("PATCH", f"/incidents/{self._id}/facts", facts, by=_GENERAL_MANAGER)
        await self._step_done("update_restored")
        await self._work_done("verify_recovery", "compensate", "explain_to_customers")
        await self._apply("recover")

    async def _work_done(self, *steps: str) -> None:
        """Tasks are completed by who holds them and questions answered, until these steps have ended."""

        async def ended() -> bool | None:
            for task in (await self._ask("GET", f"/incidents/{self._id}/tasks"))["items"]:
                if task["state"] in ("open", "started"):
                    holder = next(p for p in self._people if task["position"] in p["positions"])
                    done = {"event": "complete", "note": render(say("demo.task_note"), self._language)}
                    await self._ask(
                        "POST", f"/tasks/{task['id']}/transitions", done, by=holder["staff_number"]
                    )
            if (asked := await self._question()) is not None:
                await self._decide(asked)
            states = [await self._state_of(step) for step in steps]
            return all(state == "done" for state in states) or None

        await self._until("demo.wait.tasks", ended, _PATIENCE)

    async def _close(self) -> None:
        """A status update falls due and is not given: closing is refused until it is."""
        await self._chapter("demo.chapter.owed")
        owed = [one for one in (await self._incident())["obligations"] if one["state"] == "owed"]
        _must(bool(owed), "demo.nothing_owed")
        wait = (datetime.fromisoformat(owed[0]["due_at"]) - SystemClock().now()).total_seconds()
        self._teller.says("demo.update_owed", owner=owed[0]["owner"], seconds=max(0, round(wait)))

        async def missed() -> bool | None:
            return any(one["state"] == "missed" for one in (await self._incident())["obligations"]) or None

        await self._until("demo.wait.missed", missed, max(0.0, wait) + _PATIENCE)
        refusal = await self._apply("close", expect=409)
        self._teller.says(
            "demo.refused", status=refusal["status"], title=refusal["title"], detail=refusal["detail"]
        )
        _must(refusal["unmet"] == ["updates_paid"], "demo.refused_otherwise")
        update = {"text": render(say("demo.update"), self._language)}
        await self._ask("POST", f"/incidents/{self._id}/updates", update, by=_HEADS[0])
        await self._apply("close")
        held = (await self._ask("GET", f"/incidents/{self._id}/reservations"))["items"]

        async def released() -> bool | None:
            return not (await self._ask("GET", f"/incidents/{self._id}/reservations"))["items"] or None

        await self._until("demo.wait.released", released, _PATIENCE)
        self._teller.says("demo.closed", held=len(held))

    async def _review(self) -> None:
        await self._chapter("demo.chapter.review")
        where = f"/incidents/{self._id}/review"

        async def drafted() -> Any:
            found = await self._send("GET", f"/api/v1{where}", self._first)
            return found.json() if found.status_code == 200 else None

        draft = await self._until("demo.wait.draft", drafted, _PATIENCE)
        self._teller.says(
            "demo.drafted", due=datetime.fromisoformat(draft["due_at"]), items=len(draft["improvements"])
        )
        due_on = (SystemClock().now() + timedelta(days=30)).date().isoformat()
        words = {
            name: render(say(f"demo.review.{name}"), self._language) for name in ("summary", "cause", "item")
        }
        edit = {
            "summary": words["summary"], "causes": [{"text": words["cause"]}],
            "improvements": [{"title": words["item"], "owner": "technical_head", "due_on": due_on}],
        }  # fmt: skip
        await self._ask("PATCH", where, edit, by=_DUTY_LEAD)
        published = await self._ask("POST", f"{where}/publish", by=_GENERAL_MANAGER)
        self._teller.says(
            "demo.published", by=published["published_by"], state=(await self._incident())["state"]
        )
        document = await self._send("GET", f"/api/v1{where}", self._first, accept="text/markdown")
        lines = document.text.splitlines()
        print()
        for line in lines[:_SHOWN_OF_REVIEW]:
            print(f"      | {line}")
        self._teller.says("demo.and_so_on", more=max(0, len(lines) - _SHOWN_OF_REVIEW))
        record = await self._ask("GET", f"/incidents/{self._id}/timeline")
        _must(record["intact"], "demo.record_broken")
        self._teller.says("demo.intact", entries=len(record["items"]), messages=len(self._phones.calls))

    # what the chapters are made of

    async def _chapter(self, key: str) -> None:
        if self._id:
            await self._follow()
        self._teller.chapter(key)

    async def _apply(self, event: str, *, expect: int = 201, **more: Any) -> Any:
        path = f"/incidents/{self._id}/transitions"
        answer = await self._ask("POST", path, {"event": event, **more}, by=_GENERAL_MANAGER, expect=expect)
        await self._follow()
        return answer

    async def _incident(self) -> Any:
        return await self._ask("GET", f"/incidents/{self._id}")

    async def _state_of(self, step: str) -> str:
        return str((await self._step(step))["state"])

    async def _step(self, name: str) -> Any:
        run = await self._ask("GET", f"/incidents/{self._id}/run")
        return next(step for step in run["steps"] if step["name"] == name)

    async def _step_done(self, name: str) -> Any:
        async def done() -> Any:
            response = await self._send("GET", f"/api/v1/incidents/{self._id}/run", self._first)
            steps = response.json().get("steps", [])
            return next((step for step in steps if step["name"] == name and step["state"] == "done"), None)

        return await self._until("demo.wait.step", done, _PATIENCE, step=name)

    async def _question(self) -> Any:
        asked = (await self._ask("GET", f"/incidents/{self._id}/decisions"))["items"]
        return next((one for one in asked if one["state"] == "asked"), None)

    async def _decide(self, asked: Mapping[str, Any]) -> None:
        path = f"/decisions/{asked['id']}/choices"
        await self._ask("POST", path, {"choice": "approve"}, by=_GENERAL_MANAGER)

    async def _until(
        self, what: str, happened: Callable[[], Awaitable[T | None]], within: float, **params: Any
    ) -> T:
        """What `happened` finds, as soon as it does; every look shows what is new on the timeline."""
        async for _ in _looks(within, self._phones.bell):
            if self._id:
                await self._follow()
            _must(not self._phones.forged, "demo.forged")
            if (found := await happened()) is not None:
                return found
        raise DemoFailed(say("demo.did_not_happen", what=say(what, **params), seconds=round(within)))

    async def _follow(self) -> None:
        """Show what is new on the timeline."""
        news = await self._ask("GET", f"/incidents/{self._id}/timeline?after={self._seen}")
        for entry in news["items"]:
            self._seen = entry["seq"]
            self._teller.shows(
                f"{entry['summary']}  [{entry['actor']}]", at=datetime.fromisoformat(entry["at"])
            )

    async def _ask(
        self, method: str, path: str, body: Any = None, *, by: str | None = None, **more: Any
    ) -> Any:
        """One request to the API as somebody, or as the holder of the first key; fails on any refusal not expected."""
        key = self._first if by is None else await self._key_of(by)
        return await self._call(method, f"/api/v1{path}", key, body, **more)

    async def _key_of(self, staff_number: str) -> str:
        """A key in this person's hands, with the rights of the layer of their position."""
        if staff_number not in self._keys:
            person = next(p for p in self._people if p["staff_number"] == staff_number)
            role = self._layers[person["positions"][0]]
            wanted = {"name": person["name"], "role": role, "person_id": person["id"]}
            self._keys[staff_number] = (await self._call("POST", "/api/v1/keys", self._first, wanted))["key"]
        return self._keys[staff_number]

    async def _call(
        self, method: str, path: str, key: str, body: Any = None, *, expect: int | None = None,
        content_type: str = "application/json",
    ) -> Any:  # fmt: skip
        answer = await self._send(method, path, key, body, content_type=content_type)
        if answer.status_code not in ((expect,) if expect else (200, 201, 202)):
            told = {"method": method, "path": path, "status": answer.status_code}
            raise DemoFailed(say("demo.refused_request", **told, body=answer.text[:500]))
        return answer.json()

    async def _send(
        self, method: str, path: str, key: str, body: Any = None, *, content_type: str = "application/json",
        accept: str = "application/json",
    ) -> httpx.Response:  # fmt: skip
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {key}", "Accept-Language": self._language, "Accept": accept}
        if content:
            headers["Content-Type"] = content_type
        return await self._client.request(method, path, content=content, headers=headers)


def _must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise DemoFailed(say(otherwise))


def _seconds(span: Any) -> float:
    """A duration of the plan as the API writes it."""
    return parse_span(span).total_seconds()


def _alert(summary: str, *, at: datetime) -> dict[str, Any]:
    """What Alertmanager's webhook would post."""
    labels = {"alertname": "CallCentreDown", "severity": "critical", "incident_type": "system_outage"}
    alert = {
        "status": "firing", "labels": labels, "annotations": {"summary": summary}, "startsAt": at.isoformat(),
        "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus.example/graph", "fingerprint": "45eef34ab06122bd",
    }  # fmt: skip
    return {
        "version": "4", "groupKey": '{}:{alertname="CallCentreDown"}', "truncatedAlerts": 0, "status": "firing",
        "receiver": "muster", "groupLabels": {"alertname": "CallCentreDown"}, "commonLabels": labels,
        "commonAnnotations": {}, "externalURL": "http://alertmanager.example", "alerts": [alert],
    }  # fmt: skip
