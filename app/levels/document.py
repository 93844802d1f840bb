"""The levels' part of the plan: the matrix, the risk levels, the incident types and how each is graded."""

from datetime import timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from app.levels.routing import Flapping, RoutingRule
from app.vocabulary import Layer, LevelNumber, Localised, Part, Slug, Span, When


class Colour(StrEnum):
    """The warning colours of the levels; never the only sign of one (ISO 22324)."""

    RED = "red"  # 红, level 1
    ORANGE = "orange"  # 橙, level 2
    YELLOW = "yellow"  # 黄, level 3
    BLUE = "blue"  # 蓝, level 4


class ClosingCondition(StrEnum):
    """What must hold before an incident may be closed (EP-4.2.5, EP-7.1.4)."""

    TASKS_DONE = "tasks_done"  # every task completed, or waived with a reason
    UPDATES_PAID = "updates_paid"  # no status update is overdue
    CUSTOMERS_TOLD = "customers_told"  # at least one notice to customers was published
    APPROVALS_DECIDED = "approvals_decided"  # nobody is still being asked for a decision


class Targets(Part):
    """The times a level promises, counted from detection unless said otherwise (EP-4)."""

    acknowledge: Span
    """Somebody has it."""
    activate: Span
    """The plan of the level is started."""
    respond: Span
    """The first task is started."""
    restore: Span
    """Service is back: closed or in recovery."""
    update_every: Span
    """A status update is due this long after the last one."""
    review_within: Span
    """The review is published, counted from the close."""


class ToldWithin(Part):
    """By when each of these has been told at the latest, if nobody answers before (EP-4.2.1).

    Counted from the start of the chain to the sending of the message; how soon a person reads it is not
    the plan's to promise.
    """

    first: Span | None = None
    """Anybody at all."""
    department_head: Span | None = None
    """Somebody who holds the position that heads the incident's department."""
    leadership: Span | None = None
    """Somebody who holds a position of the leadership: the general manager or a deputy."""


class LevelSpec(Part):
    """One level of the response matrix (EP-4.1)."""

    title: Localised
    colour: Colour
    meaning: Localised
    targets: Targets
    told_within: ToldWithin = ToldWithin()
    """What `muster check` holds the chain of this level to."""
    update_owner: Slug
    """The position that owes the status updates."""
    update_to: list[Slug] = Field(default_factory=list)
    """The positions they are owed to, whatever audience an update is for; empty: the commander alone (EP-5.3)."""
    declared_by: Layer = Layer.MANAGEMENT
    """The layer that activates and closes this level (EP-2.1, EP-2.2)."""
    start: Literal["by_decision", "automatic"] = "by_decision"
    """Whether a graded incident of this level activates its plan by itself (ST-1)."""
    recovery: Literal["required", "optional"] = "optional"
    """Whether `recovering` must be passed before closing (EP-4.2)."""
    command_post: Slug
    """The command post formed at activation (EP-2.5)."""
    closing: list[ClosingCondition] = Field(default_factory=list)
    answer_holds: Span | None = None
    """How long "I have it" holds with nothing done; then the chain asks again (EP-5.2). None: as long as `targets.update_every`."""
    remind_before: Span = timedelta(minutes=5)
    """How long before an update is due its owner is reminded (EP-5.3)."""
    party_answers_within: Annotated[Span, Field(ge=timedelta(seconds=1))] = timedelta(minutes=15)
    """How long a contact of a party outside has to answer (EP-2.4, EP-5.2). Then the next one is told, and after the last the
    position of ours that owns the contract."""


class RiskLevel(StrEnum):
    """Gravity of the event, apart from the level of the response (EP-3.3, ST-1)."""

    MINOR = "minor"  # 轻微
    MODERATE = "moderate"  # 一般
    CONSIDERABLE = "considerable"  # 较大
    MAJOR = "major"  # 重大
    EXTRAORDINARILY_MAJOR = "extraordinarily_major"  # 特别重大


class RiskCategory(StrEnum):
    """The five categories of risk (EP-3.1)."""

    TECHNICAL = "technical"  # 技术: system failure, network outage, data leak
    OPERATIONAL = "operational"  # 操作: human error, irregular process
    LEGAL = "legal"  # 法律法规: violations, infringement
    MARKET = "market"  # 市场: demand, competitors
    CUSTOMER = "customer"  # 客户: complaints, malicious acts


_Row = Annotated[list[RiskLevel], Field(min_length=5, max_length=5)]


class RiskGrade(Part):
    """What one level of risk is called, how it is met and which response it calls for."""

    title: Localised
    strategy: Localised
    level: LevelNumber


class Strategy(StrEnum):
    """How a risk is met (EP-3.3)."""

    PREVENTION = "prevention"  # 预防: make it less likely
    MONITORING = "monitoring"  # 监测: see it come
    TRANSFER = "transfer"  # 转移: let another bear it
    ACCEPTANCE = "acceptance"  # 接受: live with it, knowingly


def _rising(steps: list[float]) -> list[float]:
    if any(one >= next_ for one, next_ in pairwise(steps)):
        raise ValueError("each figure must be above the one before it")
    return steps


Steps = Annotated[
    list[Annotated[float, Field(gt=0)]], Field(min_length=4, max_length=4), AfterValidator(_rising)
]
"""The figures from which 2, 3, 4 and 5 are given; below the first it is 1."""


class Assessing(Part):
    """How a risk is assessed by figures, by several people, or by both (EP-3.2)."""

    period: Span = timedelta(days=365)
    """How far back incidents are counted, unless somebody asks otherwise."""
    per_year: Steps = Field(default=[1.0, 3.0, 12.0, 52.0])
    """Incidents of the type in a year, for the likelihood."""
    money: list[Annotated[str, Field(min_length=1, max_length=100)]] = Field(
        default=[
            "money",
            "refunds",
            "compensation",
            "penalties",
            "revenue",
            "金额",
            "退款",
            "赔偿",
            "罚款",
            "收入",
        ]
    )
    """The kinds of loss a review states in the currency of the plan; others (calls, customers) are not added to them."""
    loss: Steps = Field(default=[10_000.0, 100_000.0, 1_000_000.0, 10_000_000.0])
    """Mean loss of an incident, in the currency of the plan, for the impact."""
    customers: Steps = Field(default=[10.0, 100.0, 1_000.0, 10_000.0])
    """Mean number of customers affected by an incident, for the impact."""
    minutes: Steps = Field(default=[15.0, 60.0, 240.0, 1440.0])
    """Mean minutes of outage of an incident, for the impact."""
    least_incidents: Annotated[int, Field(ge=1, le=1000)] = 3
    """Fewer recorded incidents of the type than this are not enough to judge by."""
    least_watched: Span = timedelta(days=30)
    """Incidents recorded for a shorter time than this are not enough to judge by."""
    least_assessors: Annotated[int, Field(ge=1, le=50)] = 2
    weight_of_figures: Annotated[float, Field(ge=0, le=1)] = 0.5
    """In a combined assessment; the rest is the assessors'."""
    within: Span = timedelta(days=7)
    """How long the assessors of a risk have."""
    incident_within: Span = timedelta(minutes=30)
    """How long those of an incident have."""
    remind_before: Span = timedelta(days=1)
    """How long before that those who have not scored are reminded; in the last half of their time at the earliest."""
    review_every: Span = timedelta(days=180)
    """When a risk that was assessed is next to be reviewed, unless its date lies later."""
    review_notice: Span = timedelta(days=14)
    """How long before its review date a risk's owner is reminded."""


class Shift(Part):
    """What moves the level of the response away from the gravity of the event: spread, one's own power to control (ST-1)."""

    condition: Annotated[When, Field(alias="if")]
    by: Literal["graver", "lighter"]
    because: Localised


class Risk(Part):
    """The risk matrix (EP-3.3), and what is asked besides it."""

    matrix: Annotated[list[_Row], Field(min_length=5, max_length=5)]
    """Row: likelihood 1 to 5; column: impact 1 to 5."""
    grades: dict[RiskLevel, RiskGrade]
    response: list[Shift] = Field(default_factory=list)
    """Each that holds moves the response by one level from what the gravity alone would call for."""
    assessing: Assessing = Field(default_factory=Assessing)

    @model_validator(mode="after")
    def _every_grade(self) -> Self:
        if missing := [grade.value for grade in RiskLevel if grade not in self.grades]:
            raise ValueError(f"no grade for {', '.join(missing)}")
        return self


class PlannedRisk(Part):
    """A risk the register begins with (EP-3.1); it is kept there afterwards, not here."""

    title: Localised
    category: RiskCategory
    owner: Slug
    likelihood: Annotated[int, Field(ge=1, le=5)]
    impact: Annotated[int, Field(ge=1, le=5)]
    strategy: Strategy
    type: Slug | None = None
    """The type of incident it would be; what was recorded of that type is what figures are taken from."""
    playbook: Slug | None = None
    review_every: Span = timedelta(days=180)


class GradingRule(Part):
    """If the condition over the incident's facts holds, this is the level, and this is why."""

    condition: Annotated[When, Field(alias="if")]
    level: LevelNumber
    because: Localised


class NearRule(Part):
    """Close to what a level asks for, but not there: until its response starts, the event is tracked (ST-1)."""

    condition: Annotated[When, Field(alias="if")]
    level: LevelNumber
    because: Localised


class IncidentType(Part):
    """A kind of incident (EP-1.3)."""

    title: Localised
    category: RiskCategory
    department: Slug
    playbook: Slug
    default_level: LevelNumber
    command_post: Slug | None = None
    """A command post of its own, in place of the level's (EG-1)."""
    grading: list[GradingRule] = Field(default_factory=list)
    """Asked from the top; the first rule that holds decides. A rule whose facts are missing is passed over."""
    near: list[NearRule] = Field(default_factory=list)
    """Asked from the top while no response has been started; the first that holds puts the incident into the warning state."""


class Storm(Part):
    """When many problems of one source and type are one incident with a count (OR-2)."""

    after: Annotated[int, Field(ge=1, le=1000)] = 10
    """So many incidents of one source and type, raised `within` that time, stand for themselves; with the next problem they
    become one, but for those that somebody deals with already."""
    within: Span = timedelta(minutes=5)
    """A storm is over when no new problem has come for this long."""


class Levels(Part):
    """All that grading reads, and what `GET /api/v1/levels` shows."""

    levels: dict[LevelNumber, LevelSpec]
    risk: Risk
    types: dict[Slug, IncidentType]
    playbooks: list[Slug] = Field(default_factory=list)
    """The playbooks an incident can be activated with."""
    storm: Storm = Field(default_factory=Storm)
    routing: list[RoutingRule] = Field(default_factory=list)
    """What signals are taken for: the first rule that holds decides."""
    flapping: Flapping = Field(default_factory=Flapping)
    time_zone: str = "UTC"
    """IANA name; the zone in which the centre lives."""

    @model_validator(mode="after")
    def _all_four_and_other(self) -> Self:
        if missing := [str(n) for n in (1, 2, 3, 4) if n not in self.levels]:
            raise ValueError(f"the matrix has four levels; missing: {', '.join(missing)}")
        if "other" not in self.types:
            raise ValueError(
                "there must be a type 'other': an emergency is never lost for want of a category"
            )
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The clocks people read their messages by."""
        return ZoneInfo(self.time_zone)

    def type_of(self, name: str) -> tuple[str, IncidentType]:
        """The type of that name, or `other`."""
        return (name, self.types[name]) if name in self.types else ("other", self.types["other"])
