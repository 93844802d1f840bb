"""The register of risks, its history, and the assessments of risks and of incidents."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.levels.assessing import Score


class Risk(Base):
    __tablename__ = "risks"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    name: Mapped[str | None] = mapped_column(String(63), unique=True)  # the plan's, where it came from there
    title: Mapped[dict[str, Any]]  # Localised; typed by a person: the same in both
    category: Mapped[str] = mapped_column(String(16))
    owner: Mapped[str] = mapped_column(String(63))  # a position
    likelihood: Mapped[int]  # 1 to 5
    impact: Mapped[int]  # 1 to 5
    strategy: Mapped[str] = mapped_column(String(16))
    type: Mapped[str | None] = mapped_column(String(63))  # of incident
    playbook: Mapped[str | None] = mapped_column(String(63))
    review_on: Mapped[date]
    reviewed_at: Mapped[datetime | None]
    retired_at: Mapped[datetime | None]  # no longer a risk; kept, and reminded of no more
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)


class RiskChange(Base):
    """What was changed of a risk, by whom and why; one for each version."""

    __tablename__ = "risk_changes"

    risk_id: Mapped[str] = mapped_column(ForeignKey("risks.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(200))
    changes: Mapped[dict[str, Any]]  # column: before, after
    reason: Mapped[str | None] = mapped_column(Text)
    assessment_id: Mapped[str | None] = mapped_column(String(26))  # where one gave the new scores


class Method(StrEnum):
    """How likelihood and impact are found (EP-3.2)."""

    QUANTITATIVE = "quantitative"  # from recorded incidents of the type
    QUALITATIVE = "qualitative"  # from several assessors, each by themselves
    COMBINED = "combined"  # from both, weighted


class AssessmentState(StrEnum):
    OPEN = "open"  # scores are awaited, or somebody must conclude it
    CONCLUDED = "concluded"  # likelihood and impact were taken over
    WITHDRAWN = "withdrawn"  # no longer wanted


class Assessment(Base):
    """One assessment of a risk of the register, or of an incident; exactly one of the two."""

    __tablename__ = "assessments"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    risk_id: Mapped[str | None] = mapped_column(ForeignKey("risks.id"))
    incident_id: Mapped[str | None] = mapped_column(ForeignKey("incidents.id"))
    method: Mapped[Method] = mapped_column(String(16))
    state: Mapped[AssessmentState] = mapped_column(String(16), default=AssessmentState.OPEN)
    type: Mapped[str | None] = mapped_column(String(63))  # of the incidents that were counted
    start: Mapped[datetime | None]  # of the time they were counted over
    end: Mapped[datetime | None]
    figures: Mapped[dict[str, Any] | None]  # app.levels.assessing.Figures
    due_at: Mapped[datetime]
    asked_by: Mapped[str] = mapped_column(String(200))
    asked_at: Mapped[datetime]
    likelihood: Mapped[int | None]
    impact: Mapped[int | None]
    ended_by: Mapped[str | None] = mapped_column(String(200))
    ended_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index("ix_assessments_risk", "risk_id"),
        Index("ix_assessments_incident", "incident_id"),
    )


class Assessor(Base):
    """A position that was asked to score, and what it said: once, and seen by no other until all have scored."""

    __tablename__ = "assessors"

    assessment_id: Mapped[str] = mapped_column(ForeignKey("assessments.id"), primary_key=True)
    position: Mapped[str] = mapped_column(String(63), primary_key=True)
    at: Mapped[datetime | None]  # has not scored yet: none, and so is all below
    by: Mapped[str | None] = mapped_column(String(200))
    key_id: Mapped[str | None] = mapped_column(String(26))
    likelihood: Mapped[int | None]
    impact: Mapped[int | None]
    note: Mapped[str | None] = mapped_column(Text)

    @property
    def given(self) -> Score | None:
        """The score, once there is one."""
        if self.likelihood is None or self.impact is None:
            return None
        return Score(self.likelihood, self.impact)
