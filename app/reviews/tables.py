"""Reviews and improvement items."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class ReviewState(StrEnum):
    DRAFT = "draft"  # being written
    PUBLISHED = "published"  # fixed


class Review(Base):
    __tablename__ = "reviews"

    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), primary_key=True)
    state: Mapped[ReviewState] = mapped_column(String(16), default=ReviewState.DRAFT)
    summary: Mapped[str] = mapped_column(Text)
    causes: Mapped[list[Any]]  # of {"text", "category"?}
    losses: Mapped[dict[str, Any]]  # kinds and amounts
    went_well: Mapped[list[str]]
    went_wrong: Mapped[list[str]]
    figures: Mapped[dict[str, Any]]  # computed at the draft and again at publication
    drafted_at: Mapped[datetime]
    due_at: Mapped[datetime]
    edited_by: Mapped[str | None] = mapped_column(String(200))  # the last; none: no word is a person's
    published_at: Mapped[datetime | None]
    published_by: Mapped[str | None] = mapped_column(String(200))
    version: Mapped[int] = mapped_column(default=1)


class ImprovementState(StrEnum):
    PROPOSED = "proposed"  # in a draft review
    OPEN = "open"  # to be done
    DONE = "done"  # its owner says so, with evidence
    VERIFIED = "verified"  # somebody else saw it
    DROPPED = "dropped"  # will not be done, with a reason


class Improvement(Base):
    __tablename__ = "improvements"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    incident_id: Mapped[str | None] = mapped_column(ForeignKey("incidents.id"), index=True)
    drill_id: Mapped[str | None] = mapped_column(
        String(26), index=True
    )  # the drill that found it; of another room
    title: Mapped[str] = mapped_column(String(500))
    owner: Mapped[str] = mapped_column(String(200))  # a position, a department or a person's name
    due_on: Mapped[date]
    state: Mapped[ImprovementState] = mapped_column(String(16), default=ImprovementState.PROPOSED)
    evidence: Mapped[str | None] = mapped_column(Text)
    done_by: Mapped[str | None] = mapped_column(String(200))
    done_key: Mapped[str | None] = mapped_column(String(8))  # with which; its holder does not verify
    verified_by: Mapped[str | None] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)
