"""Maintenance windows as they cross the wire."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.intake import windows
from app.intake.tables import MaintenanceWindow, Problem, Repeats
from app.intake.windows import Asked, WindowEvent
from app.vocabulary import Moment

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Names = Annotated[list[Name], Field(max_length=100)]


class SetWindow(BaseModel):
    """What is being worked on, and when. All that is named must match; of several of one kind, one is enough."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    title: Name
    reason: Reason
    begins_at: Moment | None = None
    """Now, if not given."""
    ends_at: Moment
    repeats: Repeats | None = None
    """By the clocks of the centre."""
    until: Moment | None = None
    """No time of one that repeats begins later."""
    sources: Names = Field(default_factory=list)
    """Slugs; that such a source is silent is held too."""
    labels: Annotated[dict[Name, Name], Field(max_length=100)] = Field(default_factory=dict)
    types: Names = Field(default_factory=list)
    """Of incidents, after the routing rules."""
    departments: Names = Field(default_factory=list)
    level_1: bool = False
    """Hold also what is of level 1, or hinted at as such; otherwise that calls as ever."""

    def asked(self, at: datetime) -> Asked:
        return Asked(
            title=self.title, reason=self.reason, begins_at=self.begins_at or at, ends_at=self.ends_at,
            repeats=self.repeats, until=self.until, sources=self.sources, labels=self.labels, types=self.types,
            departments=self.departments, holds_gravest=self.level_1,
        )  # fmt: skip


class MoveWindow(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    event: WindowEvent
    reason: Reason
    ends_at: Moment | None = None
    """For `extend`: when this time, or the next, ends instead."""


class WindowChange(BaseModel):
    event: str
    by: str
    at: datetime
    reason: str
    ends_at: datetime


class HeldProblem(BaseModel):
    """A problem that a window holds."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    source_id: str
    key: str
    title: str
    since: datetime
    """When it was first heard of."""
    last_seen_at: datetime
    times: int
    """How often it was told."""

    @classmethod
    def of(cls, problem: Problem) -> Self:
        signal: dict[str, Any] = (problem.held or {}).get("signal", {})
        return cls(
            source_id=problem.source_id, key=problem.dedup_key, title=signal.get("title", problem.dedup_key),
            since=problem.first_seen_at, last_seen_at=problem.last_seen_at, times=problem.count,
        )  # fmt: skip


class WindowRead(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    title: str
    reason: str
    begins_at: datetime
    """Of the time that holds now, or the next; of the first, where it is over."""
    ends_at: datetime
    active: bool
    """It holds at this moment."""
    over: bool
    """It holds never again."""
    repeats: Repeats | None
    until: datetime | None
    sources: list[str]
    labels: dict[str, str]
    types: list[str]
    departments: list[str]
    level_1: bool
    set_by: str
    set_at: datetime
    held: int
    """How many problems it holds."""
    allowed: list[WindowEvent]
    version: int

    @classmethod
    def of(cls, window: MaintenanceWindow, held: int, at: datetime, **more: Any) -> Self:
        begins, ends = windows.current(window, at) or (window.begins_at, window.ends_at)
        return cls(
            id=window.id, title=window.title, reason=window.reason, begins_at=begins, ends_at=ends,
            active=windows.holds_now(window, at) is not None, over=windows.is_over(window, at),
            repeats=Repeats(window.repeats) if window.repeats else None, until=window.until, sources=window.sources,
            labels=window.labels, types=window.types, departments=window.departments, level_1=window.holds_gravest,
            set_by=window.set_by, set_at=window.set_at, held=held, allowed=windows.allowed(window, at),
            version=window.version, **more,
        )  # fmt: skip


class WindowDetail(WindowRead):
    changes: list[WindowChange]
    """Who set it, ended it, extended or withdrew it, and why, in order."""
    problems: list[HeldProblem]

    @classmethod
    def whole(cls, window: MaintenanceWindow, problems: Sequence[Problem], held: int, at: datetime) -> Self:
        changes = [WindowChange.model_validate(one) for one in window.changes]
        return cls.of(window, held, at, changes=changes, problems=[HeldProblem.of(one) for one in problems])
