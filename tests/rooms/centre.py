"""A centre with the shipped plan in force, and the rooms that look back on an incident, over HTTP and directly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.access import keys
from app.access.keys import Principal
from app.access.parts import Parts
from app.access.tables import Role
from app.clock import ManualClock
from app.db import Database
from app.errors import Problem
from app.incidents import acknowledging, obligations, raising, record
from app.incidents.lifecycle import Event
from app.incidents.raising import Alarm
from app.incidents.tables import Incident
from app.incidents.transitions import Command, carry_out
from app.levels import matrix
from app.plan import revisions
from app.plan.routes import router as plan
from app.problems import as_response
from app.readiness.routes import router as readiness
from app.reviews import draft
from app.reviews.routes import router as reviews
from app.settings import Settings
from app.vault import Vault
from app.vocabulary import Layer

AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
PLAN = (Path(__file__).parent.parent.parent / "playbooks.yaml").read_text("utf-8")
ADA = Principal("Ada", Role.LEADERSHIP, "adas-key")
DENG = Principal("Deng", Role.LEADERSHIP, "dengskey")
BEN = Principal("Ben", Role.MANAGEMENT, "bens-key")


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


class Centre:
    def __init__(self, db: Database) -> None:
        self.db = db
        self.clock = ManualClock(AT)
        self.app = FastAPI()
        for router in (plan, readiness, reviews):
            self.app.include_router(router)
        self.app.add_exception_handler(Problem, _refuse)
        self.app.state.parts = Parts(Settings(), db, self.clock, Vault(b"a key of the tests"))
        self.app.state.running = set()
        self.keys: dict[str, str] = {}

    async def ask(self, method: str, path: str, role: str = "leadership", **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        headers = {
            "Authorization": f"Bearer {self.keys[role]}",
            "Accept-Language": "en",
            **more.pop("headers", {}),
        }
        async with httpx.AsyncClient(transport=transport, base_url="http://muster") as client:
            return await client.request(method, f"/api/v1{path}", headers=headers, **more)

    async def yaml(self, path: str, text: str | bytes, role: str = "management") -> httpx.Response:
        return await self.ask("POST", path, role, content=text, headers={"Content-Type": "application/yaml"})

    async def closed(
        self, *, title: str = "Nobody can sign in", acknowledged: float = 4, **alarm: Any
    ) -> str:
        """A level 2 outage, acknowledged after so many minutes, and closed after ninety."""
        async with self.db.transaction() as session:
            given = Alarm(title=title, type="partial_system_failure", level=2, **alarm)
            incident, _ = await raising.raise_incident(session, given, actor="Lin", at=self.clock.now())
            acknowledging.acknowledge(
                session, incident, by="Lin", at=self.clock.now() + minutes(acknowledged), via="api"
            )
            await self.through(session, incident, at=self.clock.now())
            return incident.id

    async def through(self, session: AsyncSession, incident: Incident, *, at: datetime) -> None:
        steps = ((Event.ASSESS, 5), (Event.ACTIVATE, 8), (Event.RESPOND, 12), (Event.RECOVER, 60))
        for event, after in steps:
            await do(session, incident, event, at=at + minutes(after))
        await self.close(session, incident, at=at + minutes(90))

    async def close(self, session: AsyncSession, incident: Incident, *, at: datetime) -> None:
        """Close it, and do what follows from a close."""
        waive = ("tasks_done", "updates_paid", "customers_told", "approvals_decided")
        await do(session, incident, Event.CLOSE, at=at, reason="over", waive=waive)
        levels = await matrix.of(session, incident.plan_revision)
        await obligations.owe_review(session, incident, levels.levels[incident.level], at=at)
        await draft.open_review(session, incident, at=at)


async def do(session: AsyncSession, incident: Incident, event: Event, *, at: datetime, **more: Any) -> None:
    await carry_out(session, incident, Command(event, **more), actor="Ada", layer=Layer.LEADERSHIP, at=at)


async def locked(session: AsyncSession, incident_id: str) -> Incident:
    return await record.locked(session, incident_id)


@asynccontextmanager
async def a_centre(url: str, *, with_plan: bool = True) -> AsyncIterator[Centre]:
    made = Centre(Database(url))
    async with made.db.transaction() as session:
        for role in Role:
            _, made.keys[role.value] = await keys.issue(session, name=role.value, role=role, by="test", at=AT)
        _, made.keys["deputy"] = await keys.issue(
            session, name="Deng", role=Role.LEADERSHIP, by="test", at=AT
        )
        if with_plan:
            await revisions.load_shipped(session, PLAN, "playbooks.yaml", at=AT)
    yield made
    await made.db.dispose()


async def _refuse(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return as_response(problem, request.state.language, request.url.path)
