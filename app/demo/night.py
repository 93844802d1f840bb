"""The story: what happens in the night, in order. Every wait looks at the service again until it has happened."""

import csv
import io
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from app.clock import SystemClock
from app.demo.asking import Asking
from app.demo.phones import Phones
from app.demo.telling import Teller
from app.demo.waiting import PATIENCE, DemoFailed, looks, must
from app.vocabulary import parse_span
from app.wording import render, say

T = TypeVar("T")

PEOPLE: Final = Path(__file__).parent / "people.csv"
_SHOWN_OF_REVIEW: Final = 30  # lines
_GENERAL_MANAGER, _DUTY_LEAD, _HEADS = "001", "030", ("010", "020")


class Night:
    """What happens, in order. Every wait looks at the service again until it has happened."""

    def __init__(self, teller: Teller, phones: Phones, api: Asking, language: str) -> None:
        self._teller, self._phones, self._api, self._language = teller, phones, api, language
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
        if (await self._api.ask("GET", "/people"))["items"]:
            raise DemoFailed(say("demo.people_there"))
        done = await self._api.ask("POST", "/people/import", self._sample(), content_type="text/csv")
        self._api.people = (await self._api.ask("GET", "/people?limit=100"))["items"]
        self._phones.names = {person["staff_number"]: self._name_of(person) for person in self._api.people}
        positions = (await self._api.ask("GET", "/positions"))["items"]
        self._api.layers = {one["id"]: one["layer"] for one in positions}
        self._pools = {
            one["id"]: self._teller.of(one["title"])
            for one in (await self._api.ask("GET", "/pools"))["items"]
        }
        chain = (await self._api.ask("GET", "/plan"))["document"]["chains"]["1"]
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
        source = await self._api.ask("POST", "/sources", {"slug": "monitoring", "kind": "alertmanager"})
        alert = _alert(render(say("demo.alert"), self._language), at=SystemClock().now())
        self._teller.began = SystemClock().now()
        taken = await self._api.call("POST", "/intake/monitoring", source["key"], alert)
        self._teller.says("demo.alarm_taken", receipt=taken["receipt"], signals=taken["signals"])
        listed = await self._until("demo.wait.incident", self._open_incident, PATIENCE)
        self._id = listed["id"]
        incident = await self._incident()
        self._teller.says(
            "demo.incident", number=incident["number"], title=incident["title"], level=incident["level"],
            reason=incident["level_reason"],
        )  # fmt: skip

    async def _open_incident(self) -> Any:
        found = (await self._api.ask("GET", "/incidents?open=true"))["items"]
        return found[0] if found else None

    async def _silence(self) -> None:
        """The duty lead does not answer, nor do the heads."""
        await self._chapter("demo.chapter.silence")
        await self._rings([_DUTY_LEAD], PATIENCE)
        await self._rings(_HEADS, self._hop + PATIENCE)
        await self._rings([_GENERAL_MANAGER], self._hop + PATIENCE)

    async def _rings(self, staff_numbers: Sequence[str], within: float) -> None:
        async def rang() -> bool | None:
            return all(self._phones.link_of(number) for number in staff_numbers) or None

        await self._until("demo.wait.call", rang, within)

    async def _answer(self) -> None:
        """The general manager follows the link: looking changes nothing, the button does."""
        await self._chapter("demo.chapter.answer")
        link = self._phones.link_of(_GENERAL_MANAGER)
        assert link is not None
        page = await self._api.client.get(link)
        must(page.status_code == 200 and "<form" in page.text, "demo.no_button")
        before = await self._incident()
        must(before["acknowledged_at"] is None, "demo.looking_answered")
        self._teller.says("demo.page_shown", status=page.status_code)
        pressed = await self._api.client.post(
            link, headers={"Origin": str(self._api.client.base_url).rstrip("/")}
        )
        must(pressed.status_code in (200, 303), "demo.no_button")

        async def answered() -> Any:
            return (await self._incident())["acknowledged_by"]

        by = await self._until("demo.wait.answer", answered, PATIENCE)
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

        post = await self._until("demo.wait.command_post", formed, PATIENCE)
        self._teller.says("demo.command_post", title=self._teller.of(post["title"]))
        for member in post["members"]:
            self._teller.shows(f"{self._teller.of(member['title'])}: {member['name'] or '–'}", mark="·")
        await self._apply("respond")

    async def _plan_at_work(self) -> None:
        """Resources, of which the first tier has too few, and the failover over HTTP."""
        await self._chapter("demo.chapter.resources")
        await self._step_done("reserve_service_team")
        await self._step_done("reserve_standby_systems")
        for held in (await self._api.ask("GET", f"/incidents/{self._id}/reservations"))["items"]:
            pool = self._pools[held["pool"]]
            self._teller.shows(f"{pool}: {self._teller.of(held['title'])} × {held['quantity']}", mark="·")
        called = await self._step_done("fail_over")
        result = called["result"]
        self._teller.says("demo.failover_answered", status=result["status"], body=json.dumps(result["body"]))

    async def _customers(self) -> None:
        """Customers hear nothing before leadership has said yes."""
        await self._chapter("demo.chapter.customers")
        asked = await self._until("demo.wait.question", self._question, PATIENCE)
        state = await self._state_of("tell_customers")
        self._teller.says("demo.question", question=self._teller.of(asked["question"]), state=state)
        must(state == "pending", "demo.told_too_early")
        await self._decide(asked)
        await self._step_done("tell_customers")
        for told in (await self._api.ask("GET", f"/incidents/{self._id}/announcements"))["items"]:
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
        await self._api.ask("PATCH", f"/incidents/{self._id}/facts", facts, by=_GENERAL_MANAGER)
        await self._step_done("update_restored")
        await self._work_done("verify_recovery", "compensate", "explain_to_customers")
        await self._apply("recover")

    async def _work_done(self, *steps: str) -> None:
        """Tasks are completed by who holds them and questions answered, until these steps have ended."""

        async def ended() -> bool | None:
            for task in (await self._api.ask("GET", f"/incidents/{self._id}/tasks"))["items"]:
                if task["state"] in ("open", "started"):
                    done = {"event": "complete", "note": render(say("demo.task_note"), self._language)}
                    await self._api.ask(
                        "POST",
                        f"/tasks/{task['id']}/transitions",
                        done,
                        by=self._api.holder_of(task["position"]),
                    )
            if (asked := await self._question()) is not None:
                await self._decide(asked)
            states = [await self._state_of(step) for step in steps]
            return all(state == "done" for state in states) or None

        await self._until("demo.wait.tasks", ended, PATIENCE)

    async def _close(self) -> None:
        """A status update falls due and is not given: closing is refused until it is."""
        await self._chapter("demo.chapter.owed")
        owed = [one for one in (await self._incident())["obligations"] if one["state"] == "owed"]
        must(bool(owed), "demo.nothing_owed")
        wait = (datetime.fromisoformat(owed[0]["due_at"]) - SystemClock().now()).total_seconds()
        self._teller.says("demo.update_owed", owner=owed[0]["owner"], seconds=max(0, round(wait)))

        async def missed() -> bool | None:
            return any(one["state"] == "missed" for one in (await self._incident())["obligations"]) or None

        await self._until("demo.wait.missed", missed, max(0.0, wait) + PATIENCE)
        refusal = await self._apply("close", expect=409)
        self._teller.says(
            "demo.refused", status=refusal["status"], title=refusal["title"], detail=refusal["detail"]
        )
        must(refusal["unmet"] == ["updates_paid"], "demo.refused_otherwise")
        update = {"text": render(say("demo.update"), self._language)}
        await self._api.ask("POST", f"/incidents/{self._id}/updates", update, by=_HEADS[0])
        await self._apply("close")
        held = (await self._api.ask("GET", f"/incidents/{self._id}/reservations"))["items"]

        async def released() -> bool | None:
            return not (await self._api.ask("GET", f"/incidents/{self._id}/reservations"))["items"] or None

        await self._until("demo.wait.released", released, PATIENCE)
        self._teller.says("demo.closed", held=len(held))

    async def _review(self) -> None:
        await self._chapter("demo.chapter.review")
        where = f"/incidents/{self._id}/review"

        async def drafted() -> Any:
            found = await self._api.send("GET", f"/api/v1{where}", self._api.first)
            return found.json() if found.status_code == 200 else None

        draft = await self._until("demo.wait.draft", drafted, PATIENCE)
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
        await self._api.ask("PATCH", where, edit, by=_DUTY_LEAD)
        published = await self._api.ask("POST", f"{where}/publish", by=_GENERAL_MANAGER)
        self._teller.says(
            "demo.published", by=published["published_by"], state=(await self._incident())["state"]
        )
        document = await self._api.send("GET", f"/api/v1{where}", self._api.first, accept="text/markdown")
        lines = document.text.splitlines()
        for line in lines[:_SHOWN_OF_REVIEW]:
            self._teller.shows(line, mark="|")
        self._teller.says("demo.and_so_on", more=max(0, len(lines) - _SHOWN_OF_REVIEW))
        record = await self._api.ask("GET", f"/incidents/{self._id}/timeline")
        must(record["intact"], "demo.record_broken")
        self._teller.says("demo.intact", entries=len(record["items"]), messages=len(self._phones.calls))

    # what the chapters are made of

    async def _chapter(self, key: str) -> None:
        if self._id:
            await self._follow()
        self._teller.chapter(key)

    async def _apply(self, event: str, *, expect: int = 201, **more: Any) -> Any:
        path = f"/incidents/{self._id}/transitions"
        answer = await self._api.ask(
            "POST", path, {"event": event, **more}, by=_GENERAL_MANAGER, expect=expect
        )
        await self._follow()
        return answer

    async def _incident(self) -> Any:
        return await self._api.ask("GET", f"/incidents/{self._id}")

    async def _state_of(self, step: str) -> str:
        return str((await self._step(step))["state"])

    async def _step(self, name: str) -> Any:
        run = await self._api.ask("GET", f"/incidents/{self._id}/run")
        return next(step for step in run["steps"] if step["name"] == name)

    async def _step_done(self, name: str) -> Any:
        async def done() -> Any:
            response = await self._api.send("GET", f"/api/v1/incidents/{self._id}/run", self._api.first)
            steps = response.json().get("steps", [])
            return next((step for step in steps if step["name"] == name and step["state"] == "done"), None)

        return await self._until("demo.wait.step", done, PATIENCE, step=name)

    async def _question(self) -> Any:
        asked = (await self._api.ask("GET", f"/incidents/{self._id}/decisions"))["items"]
        return next((one for one in asked if one["state"] == "asked"), None)

    async def _decide(self, asked: Mapping[str, Any]) -> None:
        path = f"/decisions/{asked['id']}/choices"
        await self._api.ask("POST", path, {"choice": "approve"}, by=_GENERAL_MANAGER)

    async def _until(
        self, what: str, happened: Callable[[], Awaitable[T | None]], within: float, **params: Any
    ) -> T:
        """What `happened` finds, as soon as it does; every look shows what is new on the timeline."""
        async for _ in looks(within, self._phones.bell):
            if self._id:
                await self._follow()
            must(not self._phones.forged, "demo.forged")
            if (found := await happened()) is not None:
                return found
        raise DemoFailed(say("demo.did_not_happen", what=say(what, **params), seconds=round(within)))

    async def _follow(self) -> None:
        """Show what is new on the timeline."""
        news = await self._api.ask("GET", f"/incidents/{self._id}/timeline?after={self._seen}")
        for entry in news["items"]:
            self._seen = entry["seq"]
            self._teller.shows(
                f"{entry['summary']}  [{entry['actor']}]", at=datetime.fromisoformat(entry["at"])
            )


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
