"""Where a scenario is played: the product's own engine, a database in memory, and nothing that leads out.

Channels take messages and keep them; the outgoing door is shut, and writes down who knocked. Addresses of people never come in:
what is copied of a contact point is its channel and its mask.
"""

import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final, get_args
from urllib.parse import urlsplit

from pydantic import SecretStr

from app.access.parts import Parts
from app.breaker import Breakers
from app.carrying import Reach
from app.clock import Clock, ManualClock
from app.db import Database
from app.engine import Engine
from app.notify.channel import DeliveryError, Message, Receipt
from app.outgoing import BYTE_CAP, DEADLINE, CallFailed, FailureKind, Outgoing, Reply
from app.plan.document import PlanDocument
from app.playbooks.document import HttpStep
from app.settings import Connection, Settings
from app.vault import Vault
from app.vocabulary import ChannelName
from app.wording import Wording, say

CHANNELS: Final[tuple[str, ...]] = get_args(ChannelName)
_NOWHERE: Final = "simulated.invalid"  # a name that can never be looked up (RFC 6761)
_KEY: Final = b"simulation"  # it seals nothing but masks


@dataclass
class TakenDown:
    """A channel that keeps what it is given; out of order, it refuses as one whose far side cannot be reached."""

    name: ClassVar[str] = "taken_down"
    stands_for: str
    works: bool = True
    is_set_up: bool = True
    taken: int = 0

    def address_problem(self, to: str) -> Wording | None:
        return None

    def mask(self, to: str) -> str:
        return to

    async def send(self, to: str, message: Message) -> Receipt:
        if not self.is_set_up:
            raise DeliveryError(say("simulation.channel_missing", channel=self.stands_for), permanent=True)
        if not self.works:
            raise DeliveryError(say("simulation.channel_down", channel=self.stands_for))
        self.taken += 1
        return Receipt("simulated")


@dataclass(frozen=True)
class Knock:
    """A call another system would have got, and what it would have answered; `status` none: nothing."""

    at: datetime
    method: str
    where: str  # the name of a connection, or the host of a URL
    body: Any
    status: int | None


@dataclass
class _System:
    works: bool = True
    answers: Mapping[str, Any] = field(default_factory=dict)


class ShutDoor(Outgoing):
    """Writes down each call and answers it itself. It has no client: there is nothing in it that could connect to anywhere."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.breakers = clock, Breakers()
        self.knocks: list[Knock] = []
        self._systems: dict[str, _System] = {}

    def let(self, name: str, *, works: bool, answers: Mapping[str, Any]) -> None:
        """From now on the system of that name answers, or does not."""
        self._systems[name] = _System(works, answers)

    def apart(self) -> "ShutDoor":
        return self

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, content: bytes | None = None,
        deadline: timedelta = DEADLINE, byte_cap: int = BYTE_CAP, even_cooling: bool = False,
    ) -> Reply:  # fmt: skip
        parts = urlsplit(url)
        where = parts.path.strip("/") if parts.hostname == _NOWHERE else parts.hostname or "–"
        system = self._systems.get(where, _System())
        status = 200 if system.works else None
        self.knocks.append(Knock(self.clock.now(), method, where, json.loads(content or b"null"), status))
        if not system.works:
            raise CallFailed(FailureKind.CONNECT, where)
        return Reply(200, {"content-type": "application/json"}, json.dumps(dict(system.answers)).encode())

    async def aclose(self) -> None:
        """There is nothing to close."""


@dataclass(frozen=True)
class Stage:
    """The parts of one simulation."""

    parts: Parts
    clock: ManualClock
    engine: Engine
    channels: Mapping[str, TakenDown]
    door: ShutDoor

    def set_up(self, channels: Collection[str]) -> None:
        """Only these are set up; a message by another fails at once. The log always is."""
        for name, channel in self.channels.items():
            channel.is_set_up = name in channels or name == "log"


@asynccontextmanager
async def a_stage(
    plan: PlanDocument, begins: datetime, *, settings: Settings | None = None
) -> AsyncIterator[Stage]:
    """An empty database with every table, on a clock that stands at `begins`. Of `settings` only what changes who is told what."""
    clock = ManualClock(begins)
    made = Settings.model_construct(
        database_url="sqlite://", plan=Path(), base_url=f"https://{_NOWHERE}", secret_key=SecretStr(_KEY.decode()),
        connections=_connections(plan), self_test_every=timedelta(), egress_allow="",
        **{name: getattr(settings, name) for name in ("language", "messages_per_person") if settings is not None},
    )  # fmt: skip
    parts = Parts(made, Database(made.database), clock, Vault(_KEY))
    door = ShutDoor(clock)
    channels = {name: TakenDown(name) for name in CHANNELS}
    engine = Engine(parts, Reach(door, channels), steady=lambda: 0.0)
    try:
        await parts.db.create_all()
        yield Stage(parts, clock, engine, channels, door)
    finally:
        await parts.db.dispose()


def _connections(plan: PlanDocument) -> dict[str, Connection]:
    """Every system the plan calls by name is there."""
    steps = [
        step for playbook in plan.playbooks.values() for step in playbook.steps if isinstance(step, HttpStep)
    ]
    named = {step.params.connection for step in steps if step.params.connection is not None}
    return {name: Connection(url=f"https://{_NOWHERE}/{name}") for name in sorted(named)}
