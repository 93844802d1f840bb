"""What clients do in a run: a seeded mixture of everything that changes something.

A call is written down before it is sent and after its answer. One whose answer was lost is sent again by the next life, with
the same `Idempotency-Key`, as a client does.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import select

from app.incidents import lifecycle
from app.incidents.lifecycle import Event
from app.incidents.tables import Incident, State, Task, TaskState
from tests.faults.history import Event as Noted
from tests.faults.lives import Service, next_due

_INTAKE = "/intake/prom"


class Clients:
    """All clients of one life."""

    def __init__(self, service: Service, client: httpx.AsyncClient, chance: random.Random, life: str) -> None:
        self.service, self.client, self.chance, self.life = service, client, chance, life
        self._calls = 0

    async def again(self, history: Sequence[Noted]) -> None:
        """Repeat every call that got no answer."""
        answered = {one["id"] for one in history if one["what"] == "answered"}
        for call in [one for one in history if one["what"] == "asked" and one["id"] not in answered]:
            self.service.house.history.note("repeated", id=call["id"])
            await self._send(call)

    async def act(self) -> None:
        """One thing, and mostly what follows from it."""
        doing: Sequence[tuple[int, Callable[[], Awaitable[None]]]] = (
            (4, self._raise), (5, self._signal), (4, self._acknowledge), (8, self._transition), (2, self._contend),
            (2, self._update), (3, self._task), (3, self._reserve), (6, self._let_time_pass),
        )  # fmt: skip
        (what,) = self.chance.choices([one for _, one in doing], [weight for weight, _ in doing])
        await what()
        if self.chance.random() < 0.8:
            await self.service.engine.settle()

    async def ask(
        self, path: str, body: Any, *, key: bool = True, headers: Mapping[str, str] | None = None
    ) -> None:
        self._calls += 1
        call = {
            "id": f"{self.life}.{self._calls}", "path": path, "body": body, "headers": dict(headers or {}), "keyed": key,
            "at": self.service.clock.now().isoformat(),
        }  # fmt: skip
        self.service.house.history.note("asked", **call)
        await self._send(call)

    async def _send(self, call: Mapping[str, Any]) -> None:
        house = self.service.house
        shown = house.source_key if call["path"] == _INTAKE else house.keys["leadership"]
        headers = {"Authorization": f"Bearer {shown}", "Accept-Language": "en", **call["headers"]}
        if call["keyed"]:
            headers["Idempotency-Key"] = call["id"]
        answer = await self.client.post(call["path"], json=call["body"], headers=headers)
        said = answer.json() if "json" in answer.headers.get("content-type", "") else None
        house.history.note(
            "answered", id=call["id"], status=answer.status_code, body=said, at=self.service.clock.now().isoformat(),
        )  # fmt: skip
        self.service.seams.reached("answer.after")

    async def _raise(self) -> None:
        chance = self.chance
        body: dict[str, Any] = {
            "title": "Trial",
            "type": chance.choice(["trial", "trial", "other"]),
            "level": chance.randint(1, 4),
        }
        if chance.random() < 0.3:
            body["dedup_key"] = f"problem-{chance.randrange(4)}"
        await self.ask("/api/v1/incidents", body)

    async def _signal(self) -> None:
        number, hour = self.chance.randrange(4), self.chance.randrange(3)
        alert = {
            "status": self.chance.choice(["firing", "firing", "resolved"]),
            "labels": {"alertname": f"Queue{number}", "severity": self.chance.choice(["warning", "critical"])},
            "annotations": {"summary": "waiting"}, "startsAt": f"2026-11-22T1{6 + hour}:00:00Z",
            "endsAt": "2026-11-22T18:59:00Z", "generatorURL": "http://prom.example", "fingerprint": f"{number:016x}",
        }  # fmt: skip
        body = {
            "version": "4", "groupKey": "{}", "status": alert["status"], "receiver": "muster", "truncatedAlerts": 0,
            "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://alerts.example",
            "alerts": [alert],
        }  # fmt: skip
        for _ in range(self.chance.choice([1, 1, 2])):
            await self.ask(_INTAKE, body, key=False)

    async def _incident(self) -> Incident | None:
        async with self.service.parts.db.reading() as session:
            found = list(await session.scalars(select(Incident).order_by(Incident.number.desc()).limit(8)))
        return self.chance.choice(found) if found else None

    async def _acknowledge(self) -> None:
        if (incident := await self._incident()) is None:
            return
        links = [
            one["link"] for one in self.service.house.history.read()
            if one["what"] == "send" and one["link"] and one["ref"] == incident.id
        ]  # fmt: skip
        if links and self.chance.random() < 0.4:
            path = self.chance.choice(links).removeprefix("http://muster.example")
            await self.ask(path, {}, key=False)
        else:
            await self.ask(f"/api/v1/incidents/{incident.id}/acknowledgements", {})

    def _command(self, incident: Incident) -> dict[str, Any] | None:
        events = [
            one for one in lifecycle.allowed(State(incident.state)) if one is not Event.REVIEW for _ in range(_LIKES[one])
        ]  # fmt: skip
        if not events:
            return None
        event = self.chance.choice(events)
        body: dict[str, Any] = {"event": event.value, "reason": "so it is"}
        if event in (Event.ASSESS, Event.RELEVEL):
            body["level"] = self.chance.randint(1, 4)
        if event is Event.CLOSE:
            body["waive"] = ["tasks_done", "updates_paid", "customers_told", "approvals_decided"]
        return body

    async def _transition(self) -> None:
        incident = await self._incident()
        if incident is not None and (body := self._command(incident)) is not None:
            await self._move(incident, body)

    async def _contend(self) -> None:
        """Two commands on the version both have seen."""
        incident = await self._incident()
        if incident is None:
            return
        bodies = [body for _ in range(2) if (body := self._command(incident)) is not None]
        await asyncio.gather(*(self._move(incident, body) for body in bodies))

    async def _move(self, incident: Incident, body: Mapping[str, Any]) -> None:
        path = f"/api/v1/incidents/{incident.id}/transitions"
        await self.ask(path, body, headers={"If-Match": f'"{incident.version}"'})

    async def _update(self) -> None:
        if (incident := await self._incident()) is not None:
            await self.ask(f"/api/v1/incidents/{incident.id}/updates", {"text": "we are at it"})

    async def _task(self) -> None:
        async with self.service.parts.db.reading() as session:
            query = (
                select(Task.id).where(Task.state.in_([TaskState.OPEN, TaskState.STARTED])).order_by(Task.id)
            )
            found = list(await session.scalars(query))
        if found:
            body = {"event": self.chance.choice(["start", "complete", "decline"]), "note": "so it is"}
            await self.ask(f"/api/v1/tasks/{self.chance.choice(found)}/transitions", body)

    async def _reserve(self) -> None:
        if (incident := await self._incident()) is not None:
            ask = [{"pool": "front_line_team", "quantity": self.chance.randint(1, 3)}]
            until = (self.service.clock.now() + timedelta(hours=2)).isoformat()
            await self.ask("/api/v1/reservations", {"ref": incident.id, "ask": ask, "until": until})

    async def _let_time_pass(self) -> None:
        """To the next row that is due, or a little further."""
        due = await next_due(self.service.parts.db)
        clock = self.service.clock
        if due is None or due - clock.now() >= timedelta(hours=2):
            due = clock.now() + timedelta(seconds=self.chance.randint(1, 60))
        later = max(due, clock.now())
        self.service.house.history.note(
            "clock", at=later.isoformat()
        )  # first: the next life must not begin before it
        clock.move_to(later)


_LIKES = {
    Event.ASSESS: 4, Event.ACTIVATE: 6, Event.RESPOND: 4, Event.RELEVEL: 1, Event.RECOVER: 3, Event.CLOSE: 3, Event.REVIEW: 0,
    Event.CANCEL: 1, Event.REOPEN: 1,
}  # fmt: skip
