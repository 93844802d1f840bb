"""What other rules would have made of stored signals, as it crosses the wire."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict

from app.intake.preview import Course, Fate, Otherwise, Preview
from app.wording import render


class CourseRead(BaseModel):
    """How one signal goes by the rules alone."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    fate: Fate
    type: str | None
    department: str | None
    level: int | None
    rule: str | None
    """The routing rule that holds for it."""
    incident: int | None
    """Which of the incidents it belongs to, counted from 1 in the order they are raised."""

    @classmethod
    def of(cls, course: Course) -> Self:
        return cls(
            fate=course.fate, type=course.type, department=course.department, level=course.level, rule=course.rule,
            incident=course.incident,
        )  # fmt: skip


class OtherwiseRead(BaseModel):
    """A signal that goes otherwise."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    receipt: str
    position: int
    received_at: datetime
    source: str
    title: str
    was: CourseRead
    """By the rules in force."""
    now: CourseRead
    differences: list[str]

    @classmethod
    def of(cls, one: Otherwise, language: str) -> Self:
        stored = one.stored
        return cls(
            receipt=stored.receipt_id, position=stored.position, received_at=stored.received_at,
            source=stored.source.slug, title=stored.signal.title, was=CourseRead.of(one.was), now=CourseRead.of(one.now),
            differences=[render(said, language) for said in one.said],
        )  # fmt: skip


class PreviewRead(BaseModel):
    """The last stored signals through the rules in force and through others; nothing is kept, nobody is told."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    signals: int
    begins: datetime | None
    ends: datetime | None
    incidents_were: dict[int, int]
    """How many the rules in force raise, by their level at first."""
    incidents_now: dict[int, int]
    otherwise: list[OtherwiseRead]
    """The signals that go otherwise, oldest first."""
    left_out: int
    """How many more go otherwise than are listed."""

    @classmethod
    def of(cls, found: Preview, language: str) -> Self:
        return cls(
            signals=found.signals, begins=found.begins, ends=found.ends, incidents_were=dict(found.was),
            incidents_now=dict(found.now), otherwise=[OtherwiseRead.of(one, language) for one in found.otherwise],
            left_out=found.left_out,
        )  # fmt: skip
