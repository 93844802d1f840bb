"""Recurring duties as they cross the wire."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

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
