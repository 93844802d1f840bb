"""People who behave as the scenario says: they answer, lead, work, decide and report, each after a time of their own.

A look at the rows after each moment gives what people will do, and when (`Intention`). Nothing is done here (`acting` does it), and
nobody knows more than their messages, tasks and questions say.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.incidents.lifecycle import Event
from app.incidents.tables import (
    OPEN_STATES,
    Decision,
    DecisionState,
    Incident,
    Obligation,
    ObligationState,
    State,
    Task,
    TaskState,
)
from app.notify.tables import Delivery, DeliveryState
from app.plan.document import PlanDocument
from app.playbooks.tables import ENDED, Run, RunState, StepRow
from app.simulation.document import SPELLED_OUT, Manner, Manners, People
from app.vocabulary import Layer

TRIES_AGAIN: Final = timedelta(minutes=30)
"""After a refusal: what stands in the way may be gone by then."""
_NEXT: Final = {
    State.DETECTED: Event.ASSESS, State.ASSESSED: Event.ACTIVATE, State.ACTIVATED: Event.RESPOND,
    State.RESPONDING: Event.RECOVER, State.RECOVERING: Event.CLOSE,
}  # fmt: skip
_AT_AN_END: Final = (RunState.DONE, RunState.STOPPED)


class Kind(StrEnum):
    """What people do of themselves."""

    ANSWER = "answer"
    LEAD = "lead"
    BEGIN = "begin"
    WORK = "work"
    DECIDE = "decide"
    REPORT = "report"


@dataclass(frozen=True)
class Intention:
    """Somebody will do something at a moment, unless it is no longer wanted then."""

    at: datetime
    kind: Kind
    subject: str  # id of the delivery, incident, task, decision or obligation
    positions: Sequence[str]  # those who would, the first in order who is there
    event: Event | None = None


class Cast:
    """Everybody of one simulation."""

    def __init__(self, people: People, plan: PlanDocument) -> None:
        self._plan, self._people = plan, people
        everybody = people.everybody
        self._everybody = SPELLED_OUT[everybody] if isinstance(everybody, Manners) else _filled(everybody)
        self._thought_of: set[tuple[Kind, str]] = set()
        self._since: datetime | None = None

    def next_move(self, incident: Incident) -> Event | None:
        """How an incident goes on in its life, when all goes well; none: it has ended."""
        return _NEXT.get(State(incident.state))

    def choice(self, kind: str, options: Sequence[str]) -> str:
        """What they choose of what is offered."""
        wanted = self._people.choose.get(kind, options[0])  # type: ignore[call-overload]
        return wanted if wanted in options else options[0]

    async def look(self, session: AsyncSession, *, at: datetime) -> list[Intention]:
        """What people now come to know of, and when they will act on it."""
        found = [
            *await self._answers(session, at), *await self._moves(session, at), *await self._tasks(session),
            *await self._decisions(session), *await self._reports(session, at),
        ]  # fmt: skip
        self._since = at
        return found

    async def _answers(self, session: AsyncSession, at: datetime) -> list[Intention]:
        query = select(Delivery.id, Delivery.position, Delivery.sent_at).where(
            Delivery.asks, Delivery.state == DeliveryState.SENT
        )
        if self._since is not None:
            query = query.where(Delivery.sent_at >= self._since)
        return [
            Intention((row.sent_at or at) + wait, Kind.ANSWER, row.id, [row.position])
            for row in await session.execute(query.order_by(Delivery.id))
            if isinstance(wait := self._manner(row.position).answers, timedelta)
            and self._is_new(Kind.ANSWER, row.id)
        ]

    async def _moves(self, session: AsyncSession, at: datetime) -> list[Intention]:
        query = select(Incident).where(Incident.state.in_(OPEN_STATES)).order_by(Incident.id)
        found = []
        for incident in await session.scalars(query.execution_options(populate_existing=True)):
            event = self.next_move(incident)
            if incident.acknowledged_at is None and event is Event.ASSESS:
                continue
            if not self._is_new(
                Kind.LEAD, f"{incident.id}:{incident.state}:{incident.occurrence}", remember=False
            ):
                continue
            if event in (Event.RECOVER, Event.CLOSE) and not await _is_ready(session, incident, event):
                continue
            leaders = [one for one in self.leaders(incident.level) if self._manner(one).leads != "never"]
            if leaders and isinstance(wait := self._manner(leaders[0]).leads, timedelta):
                self._is_new(Kind.LEAD, f"{incident.id}:{incident.state}:{incident.occurrence}")
                found.append(Intention(at + wait, Kind.LEAD, incident.id, leaders, event))
        return found

    async def _tasks(self, session: AsyncSession) -> list[Intention]:
        """A task is begun as a call is answered, and done when it is worked on for long enough."""
        query = select(Task).where(Task.state == TaskState.OPEN).order_by(Task.id)
        found = []
        for task in await session.scalars(query):
            manner = self._manner(task.position)
            wait = _time(manner.works, task.due_at - task.created_at)
            if wait is None or not self._is_new(Kind.WORK, task.id):
                continue
            if isinstance(manner.answers, timedelta) and manner.answers < wait:
                found.append(
                    Intention(task.created_at + manner.answers, Kind.BEGIN, task.id, [task.position])
                )
            found.append(Intention(task.created_at + wait, Kind.WORK, task.id, [task.position]))
        return found

    async def _decisions(self, session: AsyncSession) -> list[Intention]:
        query = select(Decision).where(Decision.state == DecisionState.ASKED).order_by(Decision.id)
        found = []
        for asked in await session.scalars(query):
            given = asked.due_at - asked.asked_at
            waits = {one: _time(self._manner(one).decides, given) for one in asked.positions}
            willing = sorted(
                (wait, place, one) for place, (one, wait) in enumerate(waits.items()) if wait is not None
            )
            if willing and self._is_new(Kind.DECIDE, asked.id):
                positions = [one for _, _, one in willing]
                found.append(Intention(asked.asked_at + willing[0][0], Kind.DECIDE, asked.id, positions))
        return found

    async def _reports(self, session: AsyncSession, at: datetime) -> list[Intention]:
        query = select(Obligation).where(
            Obligation.state == ObligationState.OWED, Obligation.kind == "update"
        )
        found = []
        for owed in await session.scalars(query.order_by(Obligation.id)):
            if self._manner(owed.owner).reports and self._is_new(Kind.REPORT, owed.id):
                incident = await session.get_one(Incident, owed.incident_id)
                before = self._plan.levels[incident.level].remind_before / 2
                found.append(Intention(max(at, owed.due_at - before), Kind.REPORT, owed.id, [owed.owner]))
        return found

    def leaders(self, level: int) -> Iterator[str]:
        """Who may declare this level: the duty lead first, where the layer allows; leadership always."""
        declared_by, default = self._plan.levels[level].declared_by, self._plan.organisation.default_position
        positions = self._plan.organisation.positions
        layers = [declared_by] if declared_by is Layer.LEADERSHIP else [declared_by, Layer.LEADERSHIP]
        for layer in layers:
            within = [name for name, position in positions.items() if position.layer is layer]
            yield from sorted(within, key=lambda name: name != default)

    def _manner(self, position: str) -> Manner:
        own = self._people.positions.get(position)
        return self._everybody if own is None else _over(self._everybody, own)

    def _is_new(self, kind: Kind, subject: str, *, remember: bool = True) -> bool:
        known = (kind, subject) in self._thought_of
        if remember:
            self._thought_of.add((kind, subject))
        return not known


async def _is_ready(session: AsyncSession, incident: Incident, event: Event) -> bool:
    """Whether the run is done; for recovery, it is enough that nothing is waited for any more that was."""
    run = await session.scalar(select(Run).where(Run.ref == incident.id).order_by(Run.id.desc()).limit(1))
    if run is None or run.state in _AT_AN_END:
        return True
    steps = await session.scalars(select(StepRow).where(StepRow.run_id == run.id, StepRow.kind == "wait"))
    waits = [step.state for step in steps if "until" in step.document.get("with", {})]
    return event is Event.RECOVER and bool(waits) and ENDED.issuperset(waits)


def _time(manner: timedelta | str | None, given: timedelta) -> timedelta | None:
    match manner:
        case timedelta():
            return manner
        case "in_time":
            return given / 2
        case _:
            return None


def _filled(manner: Manner) -> Manner:
    return _over(SPELLED_OUT[Manners.ANSWER], manner)


def _over(base: Manner, own: Manner) -> Manner:
    said: Iterable[str] = own.model_fields_set
    return base.model_copy(
        update={name: getattr(own, name) for name in said if getattr(own, name) is not None}
    )
