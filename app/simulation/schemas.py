"""An outcome as it crosses the wire: what `muster simulate --json` prints, and what `POST /api/v1/simulations` answers."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.incidents.tables import State
from app.readiness.tables import DrillState
from app.simulation.document import Manners
from app.vocabulary import LevelNumber


class TargetRead(BaseModel):
    limit: str
    """Such as `15m`."""
    took: str | None
    standing: Literal["met", "missed", "open"]


class ToldRead(BaseModel):
    """One message to one person, and what became of it."""

    at: datetime
    position: str
    person: str | None
    channel: str | None
    kind: str
    level: int | None
    lap: int | None
    hop: int | None
    """The rung of the reporting chain, from 1; none: it was not the chain that told them."""
    state: str
    attempts: int
    reason: str | None


class ShortRead(BaseModel):
    at: datetime
    question: str
    choice: str | None


class DutyRead(BaseModel):
    title: str
    position: str
    given_at: datetime
    due_at: datetime
    state: str
    late: bool
    ended_at: datetime | None


class EntryRead(BaseModel):
    seq: int
    at: datetime
    actor: str
    kind: str
    hash: str
    text: str


class CourseRead(BaseModel):
    """How one incident went."""

    number: str
    name: str | None
    """As the scenario calls it."""
    title: str
    type: str
    level: LevelNumber | None
    state: State
    detected_at: datetime
    targets: dict[str, TargetRead]
    updates: dict[str, int]
    told: list[ToldRead]
    short: list[ShortRead]
    tasks: list[DutyRead]
    timeline: list[EntryRead]


class PlayedPlan(BaseModel):
    title: str
    version: str


class CallRead(BaseModel):
    """What another system would have been sent."""

    at: datetime
    method: str
    to: str
    body: Any
    status: int | None
    """What it would have answered; none: it was out of order."""


class DeedRead(BaseModel):
    at: datetime
    kind: str
    by: str | None
    position: str | None
    text: str
    refused: str | None


class VerdictRead(BaseModel):
    at: datetime
    incident: str | None
    what: str
    wanted: str
    found: str
    held: bool


class SimulationRead(BaseModel):
    """What came of a scenario. The same plan, people, stock and scenario give the same to the byte."""

    schema_: int = Field(alias="schema")
    title: str
    plan: PlayedPlan
    begins: datetime
    lasts: str
    missed: bool
    """A target of a level was missed."""
    as_expected: bool
    """Every expectation of the scenario held, and nothing broke."""
    incidents: list[CourseRead]
    calls: list[CallRead]
    deeds: list[DeedRead]
    expected: list[VerdictRead]
    faults: list[str]
    messages_elsewhere: int
    seed: str
    seal: str


class PlayDrill(BaseModel, extra="forbid"):
    people: Manners = Manners.ANSWER
    """How everybody behaves."""


class DrillPlayed(BaseModel):
    """What a simulated drill came to."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    state: DrillState
    figures: dict[str, Any]
    """Times beside the targets of the level (`times`), updates, people told, shortages, and the seal of the run."""
