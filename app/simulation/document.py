"""A scenario as a file: what happens at which minute, how people behave, and what must then be so.

Strict YAML like the plan: every mistake at once, each with its line. Moments count from the beginning of the scenario.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from app.errors import WrongShape
from app.incidents.lifecycle import Event
from app.incidents.tables import State
from app.incidents.tasks import TaskEvent
from app.intake.signals import SignalState
from app.people.tables import Availability
from app.plan import strict_yaml
from app.plan.strict_yaml import Mistake
from app.playbooks.tables import StepState
from app.vocabulary import ChannelName, LevelNumber, Localised, Moment, Part, Slug, Span
from app.wording import say

BEGINS: Final = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
"""A Monday morning in Shanghai, where a scenario says nothing else: the same run on any day gives the same."""
LONGEST: Final = timedelta(days=31)
Never = Literal["never"]
Facts = dict[Slug, bool | int | float | str]


class Manner(Part):
    """How the holders of a position behave. What is not said is as with `everybody`."""

    answers: Span | Never | None = None
    """So long after a message that asks for an answer reached them."""
    leads: Span | Never | None = None
    """So long they take for each move of the incident: assess, activate, respond, recover, close."""
    works: Span | Never | Literal["in_time"] | None = None
    """So long they take for a task; `in_time`: half of the time they are given."""
    decides: Span | Never | Literal["in_time"] | None = None
    """So long they take for a decision they are asked for."""
    reports: bool | None = None
    """Whether they give the status updates they owe, when they are reminded."""


class Manners(StrEnum):
    """Ways in which a whole centre may behave."""

    ANSWER = "answer"  # within two minutes, work and decisions in half of the time given
    LATE = "late"  # after a quarter of an hour, and so in everything
    SILENT = "silent"  # nobody does anything


SPELLED_OUT: Final = {
    Manners.ANSWER: Manner(
        answers=timedelta(minutes=2), leads=timedelta(minutes=2), works="in_time", decides="in_time", reports=True
    ),
    Manners.LATE: Manner(
        answers=timedelta(minutes=15), leads=timedelta(minutes=15), works=timedelta(hours=1), decides=timedelta(hours=1),
        reports=False,
    ),
    Manners.SILENT: Manner(answers="never", leads="never", works="never", decides="never", reports=False),
}  # fmt: skip


Question = Literal["approval", "shortage", "failure"]


def _by_default() -> dict[Question, str]:
    return {"failure": "skip"}


class People(Part):
    """How people behave in this scenario."""

    everybody: Manners | Manner = Manners.ANSWER
    positions: dict[Slug, Manner] = Field(default_factory=dict)
    """Those who behave otherwise."""
    choose: dict[Question, str] = Field(default_factory=_by_default)
    """What they choose for each kind of question; else the first that is offered."""


class Source(Part):
    """A monitoring source of the scenario."""

    expect_every: Span | None = None
    """It is taken for silent when nothing came of it for so long."""
    default_type: Slug = "other"


class Raise(Part):
    """Somebody raises an incident."""

    title: str
    type: Slug = "other"
    level: LevelNumber | None = None
    facts: Facts = Field(default_factory=dict)
    playbook: Slug | None = None
    """Followed at activation, in place of the one of its type."""


class Say(Part):
    """A source says something about a problem."""

    source: Slug = "monitoring"
    key: str
    title: str
    state: SignalState = SignalState.PROBLEM
    type: Slug | None = None
    level: LevelNumber | None = None
    facts: Facts = Field(default_factory=dict)


class Move(Part):
    """Somebody moves an incident on in its life."""

    event: Event
    level: LevelNumber | None = None
    likelihood: Annotated[int, Field(ge=1, le=5)] | None = None
    impact: Annotated[int, Field(ge=1, le=5)] | None = None
    reason: str | None = None


class Task(Part):
    """Somebody does something about the task of a step."""

    step: Slug
    event: TaskEvent = TaskEvent.COMPLETE


class Decide(Part):
    """Somebody answers the question of a step."""

    step: Slug
    choice: str


class Channel(Part):
    """A way out to people breaks, or works again."""

    name: ChannelName
    works: bool


class Connection(Part):
    """Another system stops answering, or answers again."""

    name: Slug
    works: bool
    answers: dict[str, Any] = Field(default_factory=dict)
    """Its JSON, while it works."""


class Person(Part):
    """Whoever holds a position now is there or not. One of several: the first in order, or the one of that name."""

    position: Slug
    availability: Availability
    name: str | None = None


_DEEDS: Final = (
    "raise_", "signal", "acknowledge", "move", "facts", "task", "decide", "update", "channel", "connection", "person",
)  # fmt: skip


class Happening(Part):
    """One thing that happens at a moment."""

    at: Span
    incident: Slug | None = None
    """Which incident it is about: the name it was raised `as`; none: the first."""
    by: Slug | None = None
    """The position that does it; none: the one that would."""
    as_: Slug | None = Field(default=None, alias="as")
    raise_: Raise | None = Field(default=None, alias="raise")
    signal: Say | None = None
    acknowledge: Literal[True] | None = None
    move: Move | None = None
    facts: Facts | None = None
    task: Task | None = None
    decide: Decide | None = None
    update: str | None = None
    channel: Channel | None = None
    connection: Connection | None = None
    person: Person | None = None

    @model_validator(mode="after")
    def _one_deed(self) -> Self:
        if sum(getattr(self, name) is not None for name in _DEEDS) != 1:
            raise ValueError(f"one thing happens at a time: {', '.join(name.rstrip('_') for name in _DEEDS)}")
        if self.as_ is not None and self.raise_ is None and self.signal is None:
            raise ValueError("only an incident that is raised gets a name")
        return self

    @property
    def deed(self) -> str:
        return next(name for name in _DEEDS if getattr(self, name) is not None)


class Expectation(Part):
    """What must be so at a moment, once all that is due then has happened."""

    at: Span
    incident: Slug | None = None
    level: LevelNumber | None = None
    state: State | None = None
    acknowledged_by: Slug | None = None
    """A holder of this position has it."""
    told: list[Slug] = Field(default_factory=list)
    """A message about the incident has reached a holder of each of these positions."""
    not_told: list[Slug] = Field(default_factory=list)
    steps: dict[Slug, StepState] = Field(default_factory=dict)
    short: bool | None = None
    """Whether a pool had too little."""
    met: list[Literal["acknowledge", "activate", "respond", "restore"]] = Field(default_factory=list)
    """Targets of the level that were met by then."""
    missed: list[Literal["acknowledge", "activate", "respond", "restore"]] = Field(default_factory=list)
    """Targets whose time has passed by then without them being met."""


class Scenario(Part):
    """A scenario file."""

    title: Localised
    begins: Moment = BEGINS
    lasts: Annotated[Span, Field(gt=timedelta(), le=LONGEST)] = timedelta(days=1)
    people: People = People()
    sources: dict[Slug, Source] = Field(default_factory=dict)
    happens: Annotated[list[Happening], Field(min_length=1, max_length=1000)]
    expect: Annotated[list[Expectation], Field(max_length=1000)] = Field(default_factory=list)

    @model_validator(mode="after")
    def _known_names_in_time(self) -> Self:
        names = {one.as_ for one in self.happens}
        things: list[Happening | Expectation] = [*self.happens, *self.expect]
        for one in things:
            if one.incident is not None and one.incident not in names:
                raise ValueError(f"no incident is raised as {one.incident!r}")
            if one.at > self.lasts:
                raise ValueError("something happens after the end")
        return self

    def changed(self, *, begins: datetime | None = None, lasts: timedelta | None = None) -> "Scenario":
        """The same at another time, or for so long only: what would be later is left out."""
        ends = self.lasts if lasts is None else lasts
        return self.model_copy(
            update={
                "begins": begins or self.begins, "lasts": ends,
                "happens": [one for one in self.happens if one.at <= ends],
                "expect": [one for one in self.expect if one.at <= ends],
            }
        )  # fmt: skip


class BadScenario(WrongShape, slug="bad-scenario"):
    """This file is not a scenario; `errors` lists every mistake."""

    def __init__(self, mistakes: list[Mistake], *, file: str) -> None:
        errors = [{"path": m.path, "line": m.line, "message": m.message} for m in mistakes]
        super().__init__(
            say("simulation.unreadable", file=file, count=len(mistakes)), errors=errors, file=file
        )
        self.mistakes = mistakes
        self.file = file


def read(text: str | bytes, *, file: str) -> Scenario:
    """The scenario in this text, or `BadScenario` with all its mistakes."""
    try:
        loaded = strict_yaml.load(text)
    except strict_yaml.BadYaml as error:
        raise BadScenario(error.mistakes, file=file) from None
    try:
        return Scenario.model_validate(loaded.document)
    except ValidationError as error:
        raise BadScenario(strict_yaml.mistakes_of(error, loaded, Scenario), file=file) from None
