"""One signal of a source, held against what is known of its problem; and how it is put down on a timeline."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.incidents import timeline
from app.incidents.tables import OPEN_STATES, Incident
from app.intake import routed, signals
from app.intake.known import Known
from app.intake.routed import Taken
from app.intake.signals import Signal
from app.intake.tables import Problem, Source

COUNTED_FROM: Final = 10  # problems of one incident: the end of each is counted, and not told of singly
_EACH_UP_TO: Final = 3  # repeats that get a line on the timeline each; later ones at 10, 100, 1000 …
_KEY_LENGTH: Final = 300


@dataclass(frozen=True)
class Word:
    """One signal, by whom, and when."""

    known: Known
    source: Source
    signal: Signal
    payload: Mapping[str, Any]  # as the engine was told of it
    at: datetime

    @property
    def received_at(self) -> datetime:
        return datetime.fromisoformat(self.payload["received_at"])

    @property
    def was_held(self) -> bool:
        """Whether a maintenance window held it, and is over."""
        return "held_by" in self.payload

    @property
    def session(self) -> AsyncSession:
        return self.known.session

    @property
    def actor(self) -> str:
        return f"source:{self.source.slug}"

    @property
    def problem(self) -> Problem | None:
        """What it speaks of, if we have heard of that."""
        return self.known.problems.get((self.source.id, self.signal.dedup_key))

    @property
    def incident_key(self) -> str:
        return signals.fit(f"{self.source.slug}:{self.signal.dedup_key}", _KEY_LENGTH)

    async def taken(self) -> Taken:
        """What the plan in force takes it for."""
        levels = await self.known.levels_in_force()
        return routed.taken(
            levels,
            self.source,
            self.signal,
            dedup_key=self.incident_key,
            received_at=self.received_at,
            at=self.at,
        )

    def note(self, incident: Incident, kind: str, **data: Any) -> None:
        signal = self.signal
        timeline.append(
            self.session,
            incident,
            kind,
            actor=self.actor,
            at=self.at,
            source=self.source.slug,
            problem=signal.dedup_key,
            occurrence=signal.occurrence or None,
            title=signal.title,
            **data,
        )

    async def open_incident(self, problem: Problem) -> Incident | None:
        """The open incident of the problem, locked; one that was merged into another is found there."""
        name, seen = problem.incident_id, set[str]()
        while name is not None and name not in seen:  # two may be merged into each other
            seen.add(name)
            incident = await self.known.held(name)
            if incident.state in OPEN_STATES:
                problem.incident_id = incident.id
                return incident
            name = incident.merged_into
        return None


def gets_a_line(count: int) -> bool:
    """Whether the timeline tells of this one of many."""
    return count <= _EACH_UP_TO or str(count).strip("0") == "1"
