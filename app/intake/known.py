"""What a group of signals is held against: looked up once for all of them, and kept up to date while they are judged.

Lives within one transaction. The incidents in it are locked, so nobody else changes them meanwhile; and of a problem nobody else
has the signals, because the engine gives a `ref` to one transaction at a time.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import inline
from app.incidents import record
from app.incidents.raising import Alarm
from app.incidents.tables import Incident, State, Status
from app.intake import storms
from app.intake.signals import SignalState
from app.intake.storms import Place
from app.intake.tables import Problem, Source
from app.levels import grading, matrix
from app.levels.document import Levels


@dataclass
class Known:
    session: AsyncSession
    at: datetime
    sources: dict[str, Source] = field(default_factory=dict)
    problems: dict[tuple[str, str], Problem] = field(default_factory=dict)  # by source and key
    _open_keys: set[str] = field(default_factory=set)  # of incidents that may take a new problem in
    _held: dict[str, Incident] = field(default_factory=dict)
    _storms: dict[Place, Incident] = field(default_factory=dict)
    _wrong: dict[str, int] = field(default_factory=dict)  # problems of an incident that have not ended
    _levels: Levels | None = None

    async def look(self, keys: Iterable[tuple[str, str]]) -> None:
        """Read the sources and the problems, given by the id of the source and the key."""
        asked = set(keys)
        ids, names = {source for source, _ in asked}, {name for _, name in asked}
        for source in await self.session.scalars(select(Source).where(Source.id.in_(ids))):
            self.sources[source.id] = source
        problems = select(Problem).where(Problem.source_id.in_(ids), Problem.dedup_key.in_(names))
        for problem in await self.session.scalars(problems):
            self.problems[problem.source_id, problem.dedup_key] = problem

    async def look_for_open(self, incident_keys: Iterable[str]) -> None:
        """Read which of these keys have an open incident already."""
        if wanted := set(incident_keys):
            query = select(Incident.dedup_key).where(
                Incident.dedup_key.in_(wanted), Incident.state.not_in(inline(storms.OVER))
            )
            self._open_keys.update(key for key in await self.session.scalars(query) if key)

    def remember(self, problem: Problem) -> None:
        self.session.add(problem)
        self.problems[problem.source_id, problem.dedup_key] = problem

    async def held(self, name: str) -> Incident:
        """The incident, locked until the transaction ends."""
        if name not in self._held:
            self._held[name] = await record.locked(self.session, name)
        return self._held[name]

    async def storm(self, alarm: Alarm) -> Incident | None:
        """`storms.incident_for`, asked of the database until a storm is found, and once more after each new incident."""
        if alarm.dedup_key in self._open_keys:
            return None
        levels = await self._levels_in_force()
        type_name, kind = levels.type_of(alarm.type)
        place = Place(alarm.source, type_name, alarm.status)
        found = self._storms.get(place)
        if found is None or found.state in storms.OVER:
            found = await self._look_for_storm(place)
        if found is None:
            return None
        # By its own words, as if it were raised for itself.
        scope = {
            **record.scope(found), "title": alarm.title, "description": alarm.description or "", "level": kind.default_level,
            "department": alarm.department or kind.department, "state": str(State.DETECTED),
            "occurred_at": alarm.occurred_at or self.at, "detected_at": self.at,
        }  # fmt: skip
        graded = grading.at_first(kind, scope, alarm.facts, said=alarm.level, hint=alarm.level_hint)
        return None if grading.is_graver(graded.level, found.level) else found

    async def raised(self, incident: Incident) -> None:
        """A new incident beside a storm that is known here is graver than that, and takes it over."""
        place = Place(incident.source, incident.type, Status(incident.status))
        if self._storms.pop(place, None) is not None:
            await self._look_for_storm(place)

    async def _look_for_storm(self, place: Place) -> Incident | None:
        levels = await self._levels_in_force()
        found = await storms.incident_for(self.session, place, levels.storm, at=self.at)
        if found is not None:
            self._storms[place] = self._held[found.id] = found
            self.changed(found.id)
        return found

    async def _levels_in_force(self) -> Levels:
        if self._levels is None:
            _, self._levels = await matrix.in_force(self.session)
        return self._levels

    def changed(self, incident_id: str | None) -> None:
        """A problem of it began, again or for the first time."""
        if incident_id is not None:
            self._wrong.pop(incident_id, None)

    async def still_wrong(self, incident: Incident) -> int:
        """How many problems of the incident, and of those merged into it, have not ended, now that one more has."""
        if (known := self._wrong.get(incident.id)) is None:
            await self.session.flush()
            merged = select(Incident.id).where(Incident.merged_into == incident.id)
            query = select(func.count()).where(
                or_(Problem.incident_id == incident.id, Problem.incident_id.in_(merged)),
                Problem.state != SignalState.RECOVERED,
            )
            known = int(await self.session.scalar(query) or 0) + 1
        self._wrong[incident.id] = known - 1
        return known - 1
