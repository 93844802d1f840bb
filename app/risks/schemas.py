"""Risks and assessments as they cross the wire."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.access.keys import Principal
from app.levels import grading
from app.levels.document import Levels, RiskCategory, RiskLevel, Strategy
from app.risks import assessments
from app.risks.assessments import AssessmentEvent
from app.risks.tables import Assessment, AssessmentState, Assessor, Method, Risk, RiskChange
from app.vocabulary import Localised, Moment
from app.wording import render

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=63)]
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2200, 1, 1))]
OneToFive = Annotated[int, Field(strict=True, ge=1, le=5)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class AddRisk(_Asked):
    title: Title
    category: RiskCategory
    owner: Name
    """A position."""
    likelihood: OneToFive
    impact: OneToFive
    strategy: Strategy
    type: Name | None = None
    """The type of incident it would be."""
    playbook: Name | None = None
    review_on: Day
    """The last day on which it is to be reviewed."""

    def values(self) -> dict[str, Any]:
        return self.model_dump() | {"title": {"zh": self.title, "en": self.title, "zh_hant": None}}


class ChangeRisk(_Asked):
    title: Title | None = None
    category: RiskCategory | None = None
    owner: Name | None = None
    likelihood: OneToFive | None = None
    impact: OneToFive | None = None
    strategy: Strategy | None = None
    type: Name | None = None
    playbook: Name | None = None
    review_on: Day | None = None
    """A new date says that the risk was reviewed."""
    retired: bool | None = None
    """No longer a risk: kept, and reminded of no more."""
    reason: Reason | None = None

    def values(self, risk: Risk, language: str, at: datetime) -> dict[str, Any]:
        """What is to stand there; a title is set in the language it is given in."""
        said = {name: getattr(self, name) for name in self.model_fields_set - {"reason", "retired", "title"}}
        said = {
            name: value for name, value in said.items() if value is not None or name in ("type", "playbook")
        }
        if self.title is not None:
            tongue = {"zh-Hans": "zh", "zh-Hant": "zh_hant"}.get(language, "en")
            said["title"] = {**risk.title, tongue: self.title}
        if self.retired is not None:
            said["retired_at"] = (risk.retired_at or at) if self.retired else None
        return said


class RiskRead(BaseModel):
    """A risk, with the level its cell of the matrix in force gives."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    name: str | None
    title: str
    category: RiskCategory
    owner: str
    likelihood: int
    impact: int
    gravity: RiskLevel
    """Its level of risk."""
    response_level: int
    """The response it would call for."""
    level_reason: str
    """The cell of the matrix that gave the level."""
    measures: str
    """What the plan says is done about risks of this level."""
    strategy: Strategy
    type: str | None
    playbook: str | None
    review_on: date
    reviewed_at: datetime | None
    retired_at: datetime | None
    version: int

    @classmethod
    def of(cls, risk: Risk, levels: Levels, language: str) -> "RiskRead":
        graded = grading.by_matrix(levels, likelihood=risk.likelihood, impact=risk.impact)
        assert graded.gravity is not None
        known = {name: getattr(risk, name) for name in cls.model_fields if hasattr(risk, name)}
        return cls.model_validate(
            known
            | {
                "title": Localised.model_validate(risk.title).in_language(language),
                "gravity": graded.gravity,
                "response_level": graded.level,
                "level_reason": render(graded.reason, language),
                "measures": levels.risk.grades[graded.gravity].strategy.in_language(language),
            }
        )


class RiskChangeRead(BaseModel):
    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)

    version: int
    at: datetime
    actor: str
    changes: dict[str, Any]
    """Each with what it was before and after."""
    reason: str | None
    assessment_id: str | None


class RiskHistory(BaseModel):
    items: list[RiskChangeRead]
    next: None = None

    @classmethod
    def of(cls, changes: Collection[RiskChange]) -> "RiskHistory":
        return cls(items=[RiskChangeRead.model_validate(one) for one in changes])


class AskAssessment(_Asked):
    risk: str | None = None
    """The risk that is assessed, or else `incident`."""
    incident: str | None = None
    method: Method
    positions: Annotated[list[Name], Field(max_length=50)] = Field(default_factory=list)
    """Asked to score, each without seeing the others."""
    start: Annotated[Moment | None, Field(alias="from")] = None
    """Incidents are counted from here; the plan says how far back otherwise."""
    end: Annotated[Moment | None, Field(alias="to")] = None
    due_at: Moment | None = None

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.risk is None) == (self.incident is None):
            raise ValueError("give a risk or an incident, and not both")
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError("from lies before to")
        return self


class GiveScore(_Asked):
    position: Name
    likelihood: OneToFive
    impact: OneToFive
    note: Reason | None = None


class MoveAssessment(_Asked):
    event: AssessmentEvent
    reason: Reason | None = None


class MeasureRead(BaseModel):
    recorded: int
    mean: float
    most: float
    score: int


class FiguresRead(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    incidents: int
    days: float
    per_year: float
    likelihood: int | None
    impact: int | None
    measures: dict[str, MeasureRead]
    lacking: str | None
    """Why there is not enough to judge by."""


class ScoreRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    position: str
    by: str
    likelihood: int
    impact: int
    note: str | None
    at: datetime


class SpreadRead(BaseModel):
    median: float
    lowest: int
    highest: int


class AssessmentRead(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    risk_id: str | None
    incident_id: str | None
    method: Method
    state: AssessmentState
    allowed: list[AssessmentEvent]
    type: str | None
    start: datetime | None
    end: datetime | None
    figures: FiguresRead | None
    positions: list[str]
    missing: list[str]
    """Have not scored yet."""
    scores: list[ScoreRead]
    """The caller's own, until all have scored."""
    spread: dict[str, SpreadRead]
    due_at: datetime
    asked_by: str
    asked_at: datetime
    likelihood: int | None
    impact: int | None
    ended_by: str | None
    ended_at: datetime | None
    reason: str | None

    @classmethod
    def of(
        cls, assessment: Assessment, asked: list[Assessor], *, to: Principal, language: str
    ) -> "AssessmentRead":
        known = {name: getattr(assessment, name) for name in cls.model_fields if hasattr(assessment, name)}
        seen, spread = assessments.shown(assessment, asked, to=to)
        figures = assessments.figures_of(assessment)
        known |= {
            "allowed": assessments.allowed(AssessmentState(assessment.state)),
            "positions": [one.position for one in asked],
            "missing": [one.position for one in asked if one.given is None],
            "scores": [ScoreRead.model_validate(one) for one in seen],
            "spread": {name: asdict(one) for name, one in spread.items()},
            "figures": None,
        }
        if figures is not None:
            lacking = render(figures.lacking, language) if figures.lacking else None
            known["figures"] = {**asdict(figures), "lacking": lacking}
        return cls.model_validate(known)
