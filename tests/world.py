"""The test world: the whole service on a clock that jumps from due row to due row. Nothing in it sleeps.

Ada is the general manager, Deng her deputy, Ben heads customer service, Tao the technical department, Lin is the duty lead.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from sqlalchemy import select

from app import installation
from app.access import keys
from app.access.parts import Parts
from app.access.tables import Role
from app.carrying import Reach
from app.clock import ManualClock
from app.db import Database
from app.engine import Engine
from app.incidents import timeline
from app.incidents.tables import Incident
from app.main import channels_of, create_app, parts_of
from app.outbox import OutboxMessage
from app.outgoing import LOCAL, Outgoing
from app.people import contact_points, csv_import
from app.service import starting
from app.settings import Settings
from app.simulation import passing
from app.simulation.organisation import Rows
from app.watch import auditor
from tests.fakes import FakeChannel

NIGHT = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)  # 03:00 on a Monday morning in Shanghai
PLAN = Path(__file__).parent.parent / "playbooks.yaml"

PEOPLE = """name,staff_number,department,positions,skills,mail,webhook
Ada,001,centre_management,general_manager,,ada@centre.example,
Deng,002,centre_management,deputy_general_manager,,deng@centre.example,
Ben,010,customer_service,customer_service_head,,ben@centre.example,
Tao,020,technical_support,technical_head,,tao@centre.example,
Lin,030,customer_service,duty_lead,,lin@centre.example,https://phone.example/lin
Ops,031,operations,operations_supervisor;shift_supervisor,,ops@centre.example,
It1,040,technical_support,it_engineer,,it1@centre.example,
It2,041,technical_support,it_engineer,,it2@centre.example,
Care,050,customer_service,customer_care_specialist;service_coach,,care@centre.example,
Pr,060,marketing,public_relations_officer,,pr@centre.example,
Fin,061,finance,finance_officer,,fin@centre.example,
Cs1,101,customer_service,customer_service_agent,,cs1@centre.example,
Cs2,102,customer_service,customer_service_agent,,cs2@centre.example,
Cs3,103,customer_service,customer_service_agent,,cs3@centre.example,
Cs4,104,customer_service,customer_service_agent,,cs4@centre.example,
Re1,111,customer_service,reserve_agent,,re1@centre.example,
Re2,112,customer_service,reserve_agent,,re2@centre.example,
"""


@dataclass(frozen=True)
class Told:
    """One message that reached a channel."""

    who: str
    channel: str
    subject: str
    text: str
    link: str | None
    key: str


@dataclass
class World:
    parts: Parts
    clock: ManualClock
    engine: Engine
    channels: Mapping[str, FakeChannel]
    client: httpx.AsyncClient
    keys: dict[Role, str] = field(default_factory=dict)
    _heard: int = 0
    log: list[Told] = field(default_factory=list)

    def as_(self, role: Role | str) -> dict[str, str]:
        """Headers of somebody with this role."""
        return {"Authorization": f"Bearer {self.keys[Role(role)]}", "Accept-Language": "en"}

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str = "leadership",
        expect: int | None = None,
        **more: Any,
    ) -> Any:
        """One request; its JSON. Fails with the refusal when the status is another than the one expected."""
        headers = self.as_(role) | more.pop("headers", {})
        path = (
            path
            if path.startswith(("/api", "/a/", "/intake", "/v2", "/health", "/metrics", "/ready"))
            else f"/api/v1{path}"
        )
        answer = await self.client.request(method, path, json=body, headers=headers, **more)
        wanted = [expect] if expect else [200, 201, 202, 204]
        assert answer.status_code in wanted, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text

    async def get(self, path: str, **more: Any) -> Any:
        return await self.call("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> Any:
        return await self.call("POST", path, body if body is not None else {}, **more)

    async def apply(self, incident_id: str, event: str, **more: Any) -> Any:
        """A transition, and what follows from it."""
        role, expect = more.pop("role", "leadership"), more.pop("expect", 201)
        entry = await self.post(
            f"/incidents/{incident_id}/transitions", {"event": event, **more}, role=role, expect=expect
        )
        await self.engine.settle()
        return entry

    async def settle(self) -> None:
        await self.engine.settle()

    async def advance(self, **by: float) -> None:
        """Let time pass, stopping at every row that falls due on the way."""
        await passing.advance(self.engine, self.clock, self.clock.now() + timedelta(**by))

    def told(self) -> list[str]:
        """Who was told since the last look, in order."""
        return [one.who for one in self.messages()]

    def messages(self) -> list[Told]:
        """What was told since the last look."""
        news = self.log[self._heard :]
        self._heard = len(self.log)
        return news

    async def import_people(self, csv: str = PEOPLE) -> None:
        async with self.parts.db.transaction() as session:
            await csv_import.import_people(
                session,
                self.parts.vault,
                csv.encode(),
                check=contact_points.shape_problem,
                at=self.clock.now(),
            )
        await self.engine.settle()

    async def nothing_failed(self) -> None:
        """No reaction failed along the way, not even one that went well the second time."""
        async with self.parts.db.reading() as session:
            failed = list(await session.scalars(select(OutboxMessage).where(OutboxMessage.attempts > 0)))
        assert not failed, [(one.topic, one.last_error) for one in failed]

    async def the_record_holds(self) -> None:
        """Every timeline is gapless and sealed, and tells of the state its incident is in (guarantee 7)."""
        async with self.parts.db.reading() as session:
            for incident in await session.scalars(select(Incident)):
                chain = await timeline.entries(session, incident.id)
                assert timeline.first_break(chain) is None
                assert (len(chain), timeline.fold(chain)) == (incident.last_seq, incident.state)

    async def the_auditor_finds_nothing(self) -> None:
        """No row stands as it should not, whatever the test has been through."""
        async with self.parts.db.reading() as session:
            assert await auditor.findings(session, at=self.clock.now()) == []


class Recording(FakeChannel):
    """A fake channel that writes into the world's log, whichever channel it stands for."""

    def __init__(self, name: str, log: list[Told]) -> None:
        super().__init__()
        self.stands_for, self._log = name, log

    async def send(self, to: str, message: Any) -> Any:
        receipt = await super().send(to, message)
        who = to.partition("@")[0].rpartition("/")[2].capitalize()
        self._log.append(Told(who, self.stands_for, message.subject, message.text, message.link, message.key))
        return receipt


@dataclass(frozen=True)
class Founded:
    """A service as it stands after its first start, with a key of each role; and what its database then holds."""

    rows: Rows
    keys: dict[Role, str]


_FOUNDED: dict[tuple[str, bool], Founded] = {}
"""By the text of the plan and whether there are people: each test process starts a plan once, and later worlds begin there,
whichever database they are on. The one not used for longest comes first, and goes when there are too many."""
_KEPT = 6


@asynccontextmanager
async def a_world(
    url: str,
    tmp_path: Path,
    *,
    people: bool = True,
    plan: Path = PLAN,
    real_channels: bool = False,
    **settings: Any,
) -> AsyncIterator[World]:
    """A service of its own on a fresh database, with the shipped plan and the people above."""
    made = Settings(
        _env_file=None, database_url=url, data_dir=tmp_path, plan=plan, secret_key=SecretStr("not a secret"),
        base_url="http://muster.example", language="en", **settings,
    )  # fmt: skip
    clock = ManualClock(NIGHT)
    parts = parts_of(made, clock)
    await _refuse_inhabited(parts.db)
    log: list[Told] = []
    channels = {name: Recording(name, log) for name in ("mail", "webhook", "log")}
    outgoing = Outgoing(allow=LOCAL, clock=clock)
    reached = channels_of(made, parts.vault, outgoing) if real_channels else channels
    app = create_app(made, parts=parts, reach=Reach(outgoing, reached))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://muster.example", verify=False, trust_env=False
    ) as client:
        world = World(parts, clock, app.state.engine, channels, client, log=log)
        begins = (await asyncio.to_thread(plan.read_text, "utf-8"), people)
        if (founded := _FOUNDED.pop(begins, None)) is not None:
            await founded.rows.put(parts.db)
            async with parts.db.transaction() as session:
                await installation.move_in(session, at=clock.now())
            world.keys |= founded.keys
        else:
            await _found(world, people=people)
            founded = Founded(await Rows.of(parts.db), dict(world.keys))
        _FOUNDED[begins] = founded
        if len(_FOUNDED) > _KEPT:
            del _FOUNDED[next(iter(_FOUNDED))]
        await world.settle()
        yield world
        await world.nothing_failed()
        await world.the_record_holds()
        await world.the_auditor_finds_nothing()
    await outgoing.aclose()
    await parts.db.dispose()


async def _refuse_inhabited(database: Database) -> None:
    """A world is begun by putting rows, of its own clock and keys: over those of another it would be neither."""
    async with database.reading() as session:
        lived_in = await session.scalar(select(installation.Installation.id)) is not None
    if lived_in:
        await database.dispose()
        raise AssertionError(
            "a second world on one database: give it one of its own with `fresh_database(kind)`; "
            "to start the same service again, call `create_app` with its `parts` while the first world is open"
        )


async def _found(world: World, *, people: bool) -> None:
    """The first start of a service."""
    await starting.prepare(world.parts)
    async with world.parts.db.transaction() as session:
        for role in Role:
            if role is not Role.INGEST:
                _, world.keys[role] = await keys.issue(
                    session, name=role.value, role=role, by="test", at=world.clock.now()
                )
    if people:
        await world.import_people()
    await world.settle()
    assert not world.log, "a start that tells somebody cannot be copied"
