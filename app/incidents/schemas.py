"""What crosses the wire about incidents."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from app.incidents import announcements, lifecycle, tasks, timeline
from app.incidents.acknowledging import Answer
from app.incidents.lifecycle import Event
from app.incidents.tables import (
    Announcement,
    AnnouncementWording,
    CommandPost,
    Decision,
    Incident,
    Obligation,
    Stage,
    State,
    StatusUpdate,
    Task,
    TaskState,
    TimelineEntry,
    WordingState,
)
from app.incidents.tasks import TaskEvent
from app.incidents.transitions import By
from app.vocabulary import LevelNumber, Moment
from app.wording import Wording, render, spoken

Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Long = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]
Fact = (
    str
    | int
    | float
    | bool
    | None
    | list[str | int | float | bool]
    | dict[str, str | int | float | bool | None]
)


def _unwrapped(given: Any) -> Any:
    # Raising names its facts `facts`, and people write a change of them in the same way.
    if isinstance(given, dict) and given.keys() == {"facts"} and isinstance(given["facts"], dict):
        return given["facts"]
    return given


Facts = Annotated[
    dict[Annotated[str, StringConstraints(min_length=1, max_length=100)], Fact], Field(max_length=500)
]
ChangedFacts = Annotated[Facts, BeforeValidator(_unwrapped)]


def _several(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class RaiseIncident(_Asked):
    title: Short
    type: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = "other"
    """One of the plan's types; an unknown one is taken as `other`, and what was said is kept."""
    description: Long | None = None
    department: Annotated[str, StringConstraints(min_length=1, max_length=63)] | None = None
    occurred_at: Moment | None = None
    reporter: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    facts: Facts = Field(default_factory=dict)
    level: LevelNumber | None = None
    """What the reporter thinks; provisional until it is assessed."""
    dedup_key: Annotated[str, StringConstraints(min_length=1, max_length=250)] | None = None
    """The same key again, while the incident is open, is the same incident."""
    exercise: bool = False
    """A drill: every message says so."""


class AssessmentGiven(_Asked):
    method: Literal["quantitative", "qualitative", "combined"] = "qualitative"
    likelihood: Annotated[int, Field(ge=1, le=5)]
    impact: Annotated[int, Field(ge=1, le=5)]


class ApplyEvent(_Asked):
    event: Event
    reason: Long | None = None
    level: LevelNumber | None = None
    assessment: AssessmentGiven | None = None
    by: By | None = None
    """assess, relevel: what gives the level; unsaid, a level given is by hand, else an assessment goes by the matrix, else the
    rules decide."""
    playbook: str | None = None
    merge_into: str | None = None
    """cancel: the id or number of the open incident this one is a duplicate of."""
    waive: list[str] = Field(default_factory=list)
    """close: closing conditions that are waived; needs a reason."""

    @model_validator(mode="after")
    def _level_only_where_it_counts(self) -> Self:
        if self.level is not None and self.event not in (Event.ASSESS, Event.RELEVEL):
            raise ValueError("a level is given with assess or relevel")
        return self


class Acknowledge(_Asked):
    note: Long | None = None
    answer: Answer = "take"
    """`take`: I have it, the chain stops. `cannot`: the next is told at once; whoever has it hands it back. `add`: say nothing of
    the two and call others."""
    add: Annotated[list[Short], Field(max_length=10), BeforeValidator(_several)] = Field(default_factory=list)
    """take, add: positions (slug or title) and people (name or staff number) who are called as well."""

    @model_validator(mode="after")
    def _somebody_to_add(self) -> Self:
        if (self.answer == "add") > bool(self.add) or (self.answer == "cannot" and self.add):
            raise ValueError("`add` names whom to call: with add at least one, with cannot none")
        return self


class PostUpdate(_Asked):
    text: Long
    audience: Literal["internal", "leadership", "partners"] = "internal"


class MoveTask(_Asked):
    event: TaskEvent
    note: Long | None = None
    evidence: Annotated[list[Short], Field(max_length=50), BeforeValidator(_several)] = Field(
        default_factory=list
    )
    """Links or words; one of them may stand alone."""


class Choose(_Asked):
    choice: Annotated[str, StringConstraints(min_length=1, max_length=16)]
    note: Long | None = None


class _Told(BaseModel):
    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class TimelineEntryRead(_Told):
    seq: int
    at: datetime
    actor: str
    kind: str
    summary: str
    data: dict[str, Any]
    hash: str

    @classmethod
    def of(cls, entry: TimelineEntry, language: str, zone: tzinfo = UTC) -> "TimelineEntryRead":
        return cls(
            seq=entry.seq, at=entry.at, actor=entry.actor, kind=entry.kind, summary=timeline.summary(entry, language, zone),
            data=entry.data, hash=entry.hash,
        )  # fmt: skip


class Timeline(_Told):
    items: list[TimelineEntryRead]
    next: None = None
    intact: bool
    """Whether every entry follows from the one before it."""


class CommandPostRead(_Told):
    template: str
    title: dict[str, Any]
    formed_at: datetime
    members: list[dict[str, Any]]


class ObligationRead(_Told):
    id: str
    kind: str
    owner: str
    owed_to: list[str]
    """Positions; empty: the commander."""
    due_at: datetime
    state: str
    settled_at: datetime | None
    settled_by: str | None
    missed_at: datetime | None
    note: str | None


class DebtRead(ObligationRead):
    """A duty that is owed or was missed, with the incident it belongs to."""

    incident_id: str
    number: str
    title: str
    level: int

    @classmethod
    def about(cls, owed: Obligation, incident: Incident) -> "DebtRead":
        said = ObligationRead.model_validate(owed).model_dump()
        return cls(
            **said,
            incident_id=incident.id,
            number=incident.number,
            title=incident.title,
            level=incident.level,
        )


class WaiveDebt(_Asked):
    reason: Long


class IncidentSummary(_Told):
    id: str
    number: str
    title: str
    type: str
    category: str
    state: State
    level: int
    provisional: bool
    status: str
    version: int
    department: str
    occurred_at: datetime
    detected_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    closed_at: datetime | None
    signals: int
    """Problems of monitoring it stands for; many in a storm."""
    flapping: bool
    """What it stands for comes and goes; it is over once that has been quiet for its dwell time."""


class IncidentRead(IncidentSummary):
    description: str | None
    type_said: str | None
    allowed: list[Event]
    """What the lifecycle permits now; a guard may still say what is missing."""
    level_reason: str
    level_suggested: int | None
    warned_of: int | None
    """In the warning state: the level whose conditions are not quite met (ST-1)."""
    warned_because: str | None
    gravity: str | None
    occurrence: int
    facts: dict[str, Any]
    reporter: str | None
    raised_by: str
    source: str | None
    dedup_key: str | None
    plan_revision: str
    playbook: str
    merged_into: str | None
    command_post: CommandPostRead | None
    obligations: list[ObligationRead]
    assessed_at: datetime | None
    activated_at: datetime | None
    responding_at: datetime | None
    first_task_at: datetime | None
    recovering_at: datetime | None
    reviewed_at: datetime | None
    cancelled_at: datetime | None
    warnings: list[str]
    """What is wrong with this incident's handling that nobody may have noticed, such as that nobody can be told."""

    @classmethod
    def of(
        cls, incident: Incident, *, command_post: CommandPost | None, obligations: list[Obligation],
        warnings: list[Wording], language: str,
    ) -> "IncidentRead":  # fmt: skip
        columns = {column.key: getattr(incident, column.key) for column in Incident.__table__.columns}
        columns |= {
            "flapping": incident.flapping,
            "allowed": lifecycle.allowed(State(incident.state)),
            "level_reason": spoken(incident.level_reason, language),
            "warned_because": spoken(incident.warned_because, language) if incident.warned_because else None,
            "command_post": CommandPostRead.model_validate(command_post) if command_post else None,
            "obligations": [ObligationRead.model_validate(owed) for owed in obligations],
            "warnings": [render(warning, language) for warning in warnings],
        }
        return cls.model_validate(columns)


class TaskRead(_Told):
    id: str
    incident_id: str
    title: dict[str, Any]
    text: dict[str, Any]
    position: str
    state: TaskState
    assignee: str | None
    due_at: datetime
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    note: str | None
    evidence: list[Any]
    version: int
    allowed: list[TaskEvent]

    @classmethod
    def of(cls, task: Task) -> "TaskRead":
        columns = {column.key: getattr(task, column.key) for column in Task.__table__.columns}
        return cls.model_validate(columns | {"allowed": tasks.allowed(TaskState(task.state))})


class Tasks(_Told):
    items: list[TaskRead]
    next: None = None


class DecisionRead(_Told):
    id: str
    incident_id: str
    kind: str
    question: dict[str, Any]
    options: list[str]
    positions: list[str]
    state: str
    choice: str | None
    decided_by: str | None
    decided_at: datetime | None
    note: str | None
    asked_at: datetime
    due_at: datetime
    version: int

    @classmethod
    def of(cls, decision: Decision) -> "DecisionRead":
        return cls.model_validate(decision)


class Decisions(_Told):
    items: list[DecisionRead]
    next: None = None


class UpdateRead(_Told):
    id: str
    at: datetime
    author: str
    text: dict[str, Any]
    audience: str

    @classmethod
    def of(cls, update: StatusUpdate) -> "UpdateRead":
        return cls.model_validate(update)


class Updates(_Told):
    items: list[UpdateRead]
    next: None = None


class WordingRead(_Told):
    """One version of what an announcement says."""

    number: int
    stage: Stage
    title: dict[str, Any]
    text: dict[str, Any]
    state: WordingState
    by: str
    at: datetime
    decided_by: str | None
    decided_at: datetime | None
    published_at: datetime | None


class AnnouncementRead(_Told):
    id: str
    incident_id: str
    audience: str
    text: dict[str, Any]
    """What was published last; before that, what is drafted."""
    state: str
    outlets: list[str]
    drafted_at: datetime
    approved_by: str | None
    published_at: datetime | None
    updated_at: datetime | None
    ended_at: datetime | None
    version: int
    allowed: list[str] = Field(default_factory=list)
    """Events that are possible now."""
    versions: list[WordingRead] = Field(default_factory=list)
    """All that was ever written of it, the newest last."""

    @classmethod
    def of(cls, announcement: Announcement, wordings: Sequence[AnnouncementWording]) -> "AnnouncementRead":
        read = cls.model_validate(announcement)
        read.versions = [WordingRead.model_validate(one) for one in wordings]
        read.allowed = [str(event) for event in announcements.allowed(announcement, wordings[-1])]
        return read


class Announcements(_Told):
    items: list[AnnouncementRead]
    next: None = None
