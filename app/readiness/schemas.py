"""Recurring duties and capacities as they cross the wire."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.readiness.capacity import HOUR, Capacity
from app.readiness.tables import DutyOccurrence, DutyState
from app.vocabulary import Localised


class DutyRead(BaseModel):
    """One occurrence of a recurring duty."""

    model_config = ConfigDict(from_attributes=True)

    key: str
    duty: str
    title: str
    clause: str
    owner: str
    """A position."""
    fired_at: datetime
    """When it fell due to be done."""
    due_at: datetime
    """Until when."""
    state: DutyState
    done_at: datetime | None
    done_by: str | None
    note: str | None

    @classmethod
    def of(cls, row: DutyOccurrence, language: str) -> "DutyRead":
        title = Localised.model_validate(row.title).in_language(language)
        columns = {name: getattr(row, name) for name in cls.model_fields if name != "title"}
        return cls(title=title, **columns)


class CompleteDuty(BaseModel, extra="forbid"):
    note: Annotated[str | None, Field(max_length=4000)] = None
    """What was found, where the evidence is."""


class HourRead(BaseModel):
    begins: datetime
    available: int
    """How many are not away in any part of the hour."""


class CapacityRead(BaseModel):
    """The people of one pool over some hours."""

    pool: str
    title: str
    minimum: int
    """The least the plan asks for at any hour; 0: it asks for none."""
    members: int
    hours: list[HourRead]

    @classmethod
    def of(cls, row: Capacity, start: datetime, language: str) -> "CapacityRead":
        hours = [
            HourRead(begins=start + number * HOUR, available=available)
            for number, available in enumerate(row.available)
        ]
        title = row.title.in_language(language)
        return cls(pool=row.pool, title=title, minimum=row.minimum, members=row.members, hours=hours)
