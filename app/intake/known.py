"""What a group of signals is held against: looked up once for all of them, and kept up to date while they are judged.

Lives within one transaction. The incidents in it are locked, so nobody else changes them meanwhile; and of a problem nobody else
has the signals, because the engine gives a `ref` to one transaction at a time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db import inline
from app.incidents import record
from app.incidents.tables import Incident, Status
from app.intake import storms, windows
from app.intake.routed import Taken
from app.intake.signals import Signal, SignalState
from app.intake.storms import Place
from app.intake.tables import MaintenanceWindow, Problem, Source
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
    _groups: dict[str, Incident] = field(default_factory=dict)
    _wrong: dict[str, int] = field(default_factory=dict)  # problems of an incident that have not ended
    _windows: Sequence[MaintenanceWindow] | None = None
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

    async def holder(self, taken: Taken, signal: Signal) -> MaintenanceWindow | None:
        """The maintenance window that holds the signal; the windows are read once for all of them."""
        if self._windows is None:
            self._windows = await windows.holding(self.session, at=self.at)
        return windows.holder(self._windows, taken, signal) if self._windows else None

    async def group(self, taken: Taken) -> Incident | None:
        """The open incident, locked, that the routing rule makes it a part of, unless it is graver; asked of the database until
        one is found."""
        rule, key = taken.route.rule, taken.route.group
        if key is None or rule is None or rule.group is None or taken.alarm.dedup_key in self._open_keys:
            return None
        found = self._groups.get(key)
        if (
            found is None
            or found.state in storms.OVER
            or not storms.grew_within(found, rule.group.within, self.at)
        ):
            found = await storms.group_for(self.session, key, rule.group.within, at=self.at)
            if found is not None:
                self._groups[key] = self._held[found.id] = found
                self.changed(found.id)
        return None if found is None or grading.is_graver(taken.graded.level, found.level) else found

    async def storm(self, taken: Taken) -> Incident | None:
        """`storms.incident_for`, asked of the database until a storm is found, and once more after each new incident."""
        alarm = taken.alarm
        if alarm.dedup_key in self._open_keys:
            return None
        place = Place(alarm.source, taken.type, alarm.status)
        found = self._storms.get(place)
        if found is None or found.state in storms.OVER:
            found = await self._look_for_storm(place)
        return None if found is None or grading.is_graver(taken.graded.level, found.level) else found

    async def raised(self, incident: Incident) -> None:
        """A new incident beside a storm that is known here is graver than that, and takes it over."""
        place = Place(incident.source, incident.type, Status(incident.status))
        if self._storms.pop(place, None) is not None:
            await self._look_for_storm(place)
        if incident.group_key is not None:
            self._groups[incident.group_key] = self._held[incident.id] = incident

    async def _look_for_storm(self, place: Place) -> Incident | None:
        levels = await self.levels_in_force()
        found = await storms.incident_for(self.session, place, levels.storm, at=self.at)
        if found is not None:
            self._storms[place] = self._held[found.id] = found
            self.changed(found.id)
        return found

    async def levels_in_force(self) -> Levels:
        """What the plan in force says of types, levels and routing; read once for all of them."""
        if self._levels is None:
            _, self._levels = await matrix.in_force(self.session)
        return self._levels

    def changed(self, incident_id: str | None) -> None:
        """A problem of it began, again or for the first time."""
        if incident_id is not None:
            self._wrong.pop(incident_id, None)

    async def still_wrong(self, incident: Incident) -> int:
        """How many problems of the incident, and of those merged into it, have not ended or not been quiet for long enough, now
        that one more has."""
        if (known := self._wrong.get(incident.id)) is None:
            await self.session.flush()
            merged = select(Incident.id).where(Incident.merged_into == incident.id)
            query = select(func.count()).where(
                or_(Problem.incident_id == incident.id, Problem.incident_id.in_(merged)),
                or_(Problem.state != SignalState.RECOVERED, Problem.quiet_at.is_not(None)),
            )
            known = int(await self.session.scalar(query) or 0) + 1
        self._wrong[incident.id] = known - 1
        return known - 1
