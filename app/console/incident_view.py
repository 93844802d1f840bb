"""One incident as the console shows it: everything known of it, and what this reader can do to it now.

Reads the record through the rooms' own functions; the buttons are what the tables of transitions and of rights say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.keys import Principal
from app.access.paging import Slice
from app.access.tables import Role
from app.console import board
from app.console.pages import may
from app.errors import Problem
from app.incidents import (
    announcements,
    authority,
    command_post,
    decisions,
    lifecycle,
    obligations,
    tasks,
    timeline,
    transitions,
    updates,
)
from app.incidents.lifecycle import Event
from app.incidents.tables import (
    Announcement,
    CommandPost,
    Decision,
    DecisionState,
    Incident,
    Obligation,
    ObligationState,
    State,
    StatusUpdate,
    Task,
    TaskState,
    TimelineEntry,
)
from app.incidents.tasks import TaskEvent
from app.levels import matrix
from app.levels.document import Levels
from app.meetings import calling
from app.meetings.tables import Guest, Meeting, MeetingState
from app.notify import delivery_log
from app.notify.delivery_log import LoggedNotice
from app.parties import register, requests
from app.parties.tables import Party, PartyAnswer, PartyRequest
from app.people import holders, organisation
from app.plan import following
from app.plan.following import Prospect
from app.playbooks import progress
from app.playbooks.tables import Run, StepRow
from app.resources import reservation
from app.resources.reservation import Held
from app.resources.tables import Pool
from app.wording import Wording, restored, say

# The phases of EP-2.5, and the states that belong to each.
PHASES: Final[Mapping[str, frozenset[State]]] = {
    "warning": frozenset({State.DETECTED, State.ASSESSED}),
    "activation": frozenset({State.ACTIVATED}),
    "handling": frozenset({State.RESPONDING}),
    "recovery": frozenset({State.RECOVERING}),
    "summary": frozenset({State.CLOSED, State.REVIEWED}),
}
# Events that lead on; the others are offered apart from them.
ONWARD: Final = (Event.ASSESS, Event.ACTIVATE, Event.RESPOND, Event.RECOVER, Event.CLOSE)
_ENTRIES: Final = 200
_NOTICES: Final = 100


@dataclass(frozen=True)
class TaskLine:
    task: Task
    allowed: Sequence[TaskEvent]  # empty: not the reader's to do

    @property
    def is_over(self) -> bool:
        return self.task.state in (TaskState.DONE, TaskState.WAIVED, TaskState.WITHDRAWN)


@dataclass(frozen=True)
class Question:
    decision: Decision
    may_answer: bool

    @property
    def is_open(self) -> bool:
        return self.decision.state == DecisionState.ASKED


@dataclass(frozen=True)
class Shared:
    """What a party outside was told and asked, and what it said."""

    request: PartyRequest
    party: Party
    answers: Sequence[PartyAnswer]


@dataclass(frozen=True)
class Called:
    """A meeting and who is invited to it."""

    meeting: Meeting
    guests: Sequence[Guest]

    @property
    def is_to_come(self) -> bool:
        return self.meeting.state == MeetingState.CALLED


@dataclass(frozen=True)
class View:
    """Everything on the page; what the reader may not see is `None`."""

    incident: Incident
    levels: Levels
    phases: Sequence[tuple[str, str]]  # each with past, now or ahead
    warnings: Sequence[Wording]
    events: Sequence[Event]  # that the table permits and the reader's role may ask for
    unmet: Mapping[str, Wording]  # closing conditions that do not hold
    can_acknowledge: bool
    command_post: CommandPost | None
    tasks: Sequence[TaskLine]
    questions: Sequence[Question] | None
    run: Run | None
    steps: Sequence[StepRow]
    held: Sequence[Held] | None
    updates: Sequence[StatusUpdate]
    owed: Sequence[Obligation]
    notices: Sequence[LoggedNotice] | None
    announcements: Sequence[Announcement]
    shared: Sequence[Shared] | None  # with parties outside
    parties: Sequence[Party]  # that may be asked now
    meetings: Sequence[Called] | None
    groups: Mapping[str, Any]  # who may be invited as one: titles of positions and departments
    entries: Sequence[TimelineEntry]  # newest first
    earlier: int  # entries left out
    intact: bool
    positions: Mapping[str, Any]  # titles by slug
    pools: Mapping[str, Any]
    prospect: (
        Prospect | None
    )  # another plan is in force than it follows, and the reader may ask to move it there

    def needs_of(self, step: StepRow) -> Sequence[StepRow]:
        """The steps of this run it waits for; the level may leave some of the playbook's out."""
        return [one for one in self.steps if one.name in step.document["needs"]]

    @property
    def onward(self) -> Sequence[Event]:
        return [event for event in self.events if event in ONWARD]

    @property
    def aside(self) -> Sequence[Event]:
        return [event for event in self.events if event not in ONWARD and event is not Event.REVIEW]


async def of(session: AsyncSession, who: Principal, name: str, *, at: datetime, whole: bool = False) -> View:
    """The incident of that id or number as `who` may see it. Raises `NotFound`."""
    incident = await authority.seen(session, who, name)
    levels = await matrix.of(session, incident.plan_revision)
    events = _events(who, incident)
    chain = await timeline.entries(session, incident.id)
    shown = chain if whole else chain[-_ENTRIES:]
    post = await command_post.of_incident(session, incident.id)
    run = await progress.latest_for(session, incident.id) if _sees(who, "run") else None
    owed = await obligations.unpaid(session, incident.id)
    logged: Sequence[LoggedNotice] | None = None
    if _sees(who, "notices"):
        logged, _ = await delivery_log.notices(session, incident.id, Slice(_NOTICES, None))
    return View(
        incident=incident, levels=levels, phases=phases(State(incident.state)), events=events,
        warnings=await _warnings(session, incident, post, owed, at),
        unmet=await transitions.unmet(session, incident, levels, at=at) if Event.CLOSE in events else {},
        can_acknowledge=_is_open(incident) and may(who, "POST", "/incidents/{incident_id}/acknowledgements"),
        command_post=post, tasks=await _tasks(session, who, incident),
        questions=await _questions(session, who, incident) if _sees(who, "decisions") else None,
        run=run, steps=await progress.steps_of(session, run.id) if run else [],
        held=await reservation.held_by(session, incident.id) if _sees(who, "reservations") else None,
        updates=list(reversed(await updates.of_incident(session, incident.id))), owed=owed, notices=logged,
        announcements=await announcements.of_incident(session, incident.id),
        shared=await _shared(session, incident) if _sees(who, "party-requests") else None,
        parties=await _parties(session, who, incident),
        meetings=await _meetings(session, incident) if _sees(who, "meetings") else None,
        groups=await _groups(session),
        entries=shown[::-1], earlier=len(chain) - len(shown), intact=timeline.first_break(chain) is None,
        positions={one.id: one.title for one in await organisation.positions(session)},
        pools={one.id: one.title for one in await session.scalars(select(Pool))},
        prospect=await _prospect(session, who, incident),
    )  # fmt: skip


async def _shared(session: AsyncSession, incident: Incident) -> list[Shared]:
    found = await requests.of_incident(session, incident.id)
    said = await requests.answers_to(session, [one.id for one in found])
    return [Shared(one, await register.found(session, one.party_id), said[one.id]) for one in reversed(found)]


async def _meetings(session: AsyncSession, incident: Incident) -> list[Called]:
    found = await calling.of_incident(session, incident.id)
    return [Called(one, await calling.guests_of(session, one.id)) for one in reversed(found)]


async def _groups(session: AsyncSession) -> Mapping[str, Any]:
    departments = {one.id: one.title for one in await organisation.departments(session)}
    return departments | {one.id: one.title for one in await organisation.positions(session)}


async def _parties(session: AsyncSession, who: Principal, incident: Incident) -> list[Party]:
    if not _is_open(incident) or not may(who, "POST", "/incidents/{incident_id}/party-requests"):
        return []
    return list(await session.scalars(register.listing().order_by(Party.id)))


def phases(state: State) -> list[tuple[str, str]]:
    """The progress line: each phase is past, now or ahead; after a cancellation none is now."""
    names = list(PHASES)
    current = next((number for number, name in enumerate(names) if state in PHASES[name]), None)
    if current is None:
        return [(name, "ahead") for name in names]
    if state is State.REVIEWED:
        return [(name, "past") for name in names]
    return [
        (name, "past" if n < current else "now" if n == current else "ahead") for n, name in enumerate(names)
    ]


def _sees(who: Principal, part: str) -> bool:
    return may(who, "GET", f"/api/v1/incidents/{{incident_id}}/{part}")


def _is_open(incident: Incident) -> bool:
    return Event.CANCEL in lifecycle.allowed(State(incident.state))


def _events(who: Principal, incident: Incident) -> list[Event]:
    if not may(who, "POST", "/incidents/{incident_id}/transitions"):
        return []
    return lifecycle.allowed(State(incident.state))


async def _prospect(session: AsyncSession, who: Principal, incident: Incident) -> Prospect | None:
    if not _is_open(incident) or not may(who, "POST", "/incidents/{incident_id}/plan"):
        return None
    try:
        found = await following.prospect(session, incident, None)
        return None if found.revision.id == incident.plan_revision else found
    except Problem:
        return None  # it follows the plan in force, or that one has no place for it


async def _warnings(
    session: AsyncSession,
    incident: Incident,
    post: CommandPost | None,
    owed: Sequence[Obligation],
    at: datetime,
) -> list[Wording]:
    """What is amiss and nobody may have noticed."""
    found: list[Wording] = []
    if not await holders.anyone(session):
        found.append(say("incidents.nobody_to_tell"))
    elif (await board.reached(session, [incident.id])).get(incident.id) is False:
        found.append(say("console.warning.nobody_reached"))
    if incident.warned_because is not None:
        found.append(say("console.warning.near", because=restored(incident.warned_because)))
    if incident.level_suggested is not None:
        found.append(say("console.warning.level_suggested", level=incident.level_suggested))
    late = [one for one in owed if one.state == ObligationState.MISSED or one.due_at <= at]
    found += [say("console.warning.overdue", what=say(f"duty.{one.kind}")) for one in late]
    if post is not None and (vacant := [member["title"] for member in post.members if not member["name"]]):
        found.append(say("console.warning.vacant", roles=vacant))
    return found


async def _tasks(session: AsyncSession, who: Principal, incident: Incident) -> list[TaskLine]:
    role_may = may(who, "POST", "/incidents/{incident_id}/tasks/{task_id}")
    found: list[TaskLine] = []
    for task in await tasks.of_incident(session, incident.id):
        theirs = role_may and (
            who.role is not Role.COLLABORATION or await authority.may_act_for(session, who, [task.position])
        )
        found.append(TaskLine(task, tasks.allowed(TaskState(task.state)) if theirs else []))
    return sorted(found, key=lambda line: line.is_over)


async def _questions(session: AsyncSession, who: Principal, incident: Incident) -> list[Question]:
    role_may = may(who, "POST", "/incidents/{incident_id}/decisions/{decision_id}")
    found: list[Question] = []
    for decision in await decisions.of_incident(session, incident.id):
        asked = decision.state == DecisionState.ASKED and role_may
        entitled = asked and await authority.may_act_for(session, who, decision.positions)
        found.append(Question(decision, entitled))
    return sorted(found, key=lambda question: not question.is_open)
