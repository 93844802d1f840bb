"""Commands on an incident: gathers what the guards of the lifecycle look at, then lets it decide."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound, Refused, WrongShape
from app.incidents import lifecycle, record
from app.incidents.lifecycle import Event, Move
from app.incidents.tables import (
    OPEN_STATES,
    Announcement,
    AnnouncementState,
    Decision,
    DecisionState,
    Incident,
    Obligation,
    ObligationState,
    State,
    Status,
    Task,
    TaskState,
    TimelineEntry,
)
from app.levels import grading, matrix
from app.levels.document import ClosingCondition, Levels
from app.vocabulary import Layer
from app.wording import Wording, kept, say


@dataclass(frozen=True)
class Assessment:
    """A judgement of the event: how likely it is to go on or come back, and how hard it hits, 1 to 5 each (EP-3.2)."""

    method: str  # quantitative, qualitative, combined
    likelihood: int
    impact: int


class By(StrEnum):
    """What gives the level of an assessed incident (EP-4.2.2)."""

    MATRIX = "matrix"  # the cell of likelihood and impact
    RULES = "rules"  # the rules of its type over its facts
    HAND = "hand"  # a person


@dataclass(frozen=True)
class Command:
    """What somebody wants done."""

    event: Event
    reason: str | Wording | None = None
    level: int | None = None
    assessment: Assessment | None = None
    by: By | None = None  # none: by hand where a level is given, else by the matrix, else by the rules
    playbook: str | None = None
    merge_into: str | None = None
    waive: Collection[str] = ()


async def carry_out(
    session: AsyncSession,
    incident: Incident,
    command: Command,
    *,
    actor: str,
    layer: Layer | None,
    at: datetime,
) -> TimelineEntry:
    """Do it to a locked incident, or raise what stands against it. `layer` is none when the plan itself acts."""
    levels = await _matrix_for(session, incident, command.event)
    if command.event is Event.REOPEN:
        await _refuse_second(session, incident)
    graded = _graded(incident, command, levels)
    move = Move(
        spec=levels.levels[incident.level],
        reason=command.reason,
        level=graded.level if graded else command.level,
        level_reason=graded.reason if graded else None,
        gravity=str(graded.gravity) if graded and graded.gravity else None,
        assessment=_assessed_on(incident, command, graded),
        playbook=_playbook(command, levels),
        merge_into=await _merge_target(session, incident, command),
        by_layer=layer,
        unmet=await unmet(session, incident, levels, at=at) if command.event is Event.CLOSE else {},
        waived=_waived(command),
    )
    return lifecycle.apply(session, incident, command.event, actor=actor, at=at, move=move)


async def grade(
    session: AsyncSession, incident: Incident, assessment: Assessment, *, actor: str, layer: Layer | None, at: datetime,
    reason: str | None,
) -> None:  # fmt: skip
    """Give a locked incident the level and the gravity of an assessment, whether it had been assessed before or not."""
    if incident.state not in OPEN_STATES:
        raise Refused(
            say("incidents.over"), state=incident.state, allowed=lifecycle.allowed(State(incident.state))
        )
    if incident.state == State.DETECTED:
        command = Command(Event.ASSESS, reason=reason, assessment=assessment)
        await carry_out(session, incident, command, actor=actor, layer=layer, at=at)
        return
    levels = await _matrix_for(session, incident, Event.RELEVEL)
    graded = _graded(incident, Command(Event.RELEVEL, assessment=assessment), levels)
    if graded is not None and graded.level == incident.level:
        # The response stays as it is; how grave the event is may have changed.
        incident.gravity, incident.version = str(graded.gravity), incident.version + 1
        incident.level_reason, incident.level_suggested = kept(graded.reason), None
        return
    because = reason or (graded.reason if graded else None)
    command = Command(Event.RELEVEL, reason=because, assessment=assessment)
    await carry_out(session, incident, command, actor=actor, layer=layer, at=at)


async def _refuse_second(session: AsyncSession, incident: Incident) -> None:
    """The same problem was raised again since: that incident is the open one."""
    if incident.dedup_key is not None and incident.state == State.CLOSED:
        other = await record.open_with_key(session, incident.dedup_key, Status(incident.status))
        if other is not None:
            raise Refused(say("lifecycle.same_problem_open", number=other.number), open_incident=other.id)


async def unmet(
    session: AsyncSession, incident: Incident, levels: Levels, *, at: datetime
) -> dict[str, Wording]:
    """The closing conditions of the incident's level that do not hold now, by name (EP-4.2.5)."""
    found: dict[str, Wording] = {}
    for condition in levels.levels[incident.level].closing:
        if (wording := await _unmet(session, incident, condition, at)) is not None:
            found[condition.value] = wording
    return found


async def _unmet(
    session: AsyncSession, incident: Incident, condition: ClosingCondition, at: datetime
) -> Wording | None:
    match condition:
        case ClosingCondition.TASKS_DONE:
            unfinished = Task.state.in_([TaskState.OPEN, TaskState.STARTED, TaskState.DECLINED])
            number = await _count(session, Task, incident, unfinished)
            return say("closing.tasks_done", number=number) if number else None
        case ClosingCondition.UPDATES_PAID:
            overdue = (Obligation.state == ObligationState.MISSED) | (
                (Obligation.state == ObligationState.OWED) & (Obligation.due_at <= at)
            )
            number = await _count(session, Obligation, incident, (Obligation.kind == "update") & overdue)
            return say("closing.updates_paid") if number else None
        case ClosingCondition.CUSTOMERS_TOLD:
            told = [AnnouncementState.PUBLISHED, AnnouncementState.ENDED]
            published = Announcement.state.in_(told) & (
                Announcement.audience.in_(["customers", "affected_customers"])
            )
            return (
                None
                if await _count(session, Announcement, incident, published)
                else say("closing.customers_told")
            )
        case ClosingCondition.APPROVALS_DECIDED:
            number = await _count(session, Decision, incident, Decision.state == DecisionState.ASKED)
            return say("closing.approvals_decided", number=number) if number else None


async def _count(session: AsyncSession, table: type, incident: Incident, condition: object) -> int:
    query = select(func.count()).select_from(table).where(table.incident_id == incident.id, condition)  # type: ignore[attr-defined,arg-type]
    return int(await session.scalar(query) or 0)


async def _matrix_for(session: AsyncSession, incident: Incident, event: Event) -> Levels:
    """The matrix in force until activation, which pins the incident to it; afterwards the pinned one."""
    if incident.state in (State.DETECTED, State.ASSESSED):
        revision_id, levels = await matrix.in_force(session)
        # A newer plan that no longer has the incident's type or playbook cannot carry it; the one it was raised under can.
        if incident.type not in levels.types or incident.playbook not in levels.playbooks:
            return await matrix.of(session, incident.plan_revision)
        if event in (Event.ASSESS, Event.ACTIVATE):
            incident.plan_revision = revision_id
        return levels
    return await matrix.of(session, incident.plan_revision)


def _graded(incident: Incident, command: Command, levels: Levels) -> grading.Graded | None:
    if command.event not in (Event.ASSESS, Event.RELEVEL):
        return None
    cell = None
    if (judged := command.assessment) is not None:
        cell = grading.by_matrix(
            levels, likelihood=judged.likelihood, impact=judged.impact, incident=record.scope(incident), facts=incident.facts,
        )  # fmt: skip
    _refuse_contradiction(command)
    if command.level is not None:
        by_hand = (
            say("levels.by_hand", reason=command.reason) if command.reason else say("levels.by_hand_unsaid")
        )
        return grading.Graded(command.level, by_hand, cell.gravity if cell else None)
    if command.by is not By.RULES and (cell is not None or command.event is Event.RELEVEL):
        return cell
    _, kind = levels.type_of(incident.type)
    ruled = grading.by_rules(kind, record.scope(incident), incident.facts)
    if ruled is None and command.by is By.RULES:
        raise Refused(say("levels.no_rule_holds"), allowed=lifecycle.allowed(State(incident.state)))
    if ruled is not None and cell is not None:
        # Two facts: how grave the event is, and how large the response (ST-1).
        return replace(ruled, gravity=cell.gravity)
    return ruled or grading.Graded(incident.level, say("levels.confirmed"))


def _assessed_on(
    incident: Incident, command: Command, graded: grading.Graded | None
) -> Mapping[str, Any] | None:
    """By what and on what facts a level was given; the timeline has by whom, when and why."""
    if graded is None:
        return None
    judged = command.assessment
    by = command.by or (By.HAND if command.level is not None else By.MATRIX if judged else By.RULES)
    return {"by": by, "facts": dict(incident.facts), **(asdict(judged) if judged else {})}


def _refuse_contradiction(command: Command) -> None:
    """What is to give the level must have been said, and nothing else."""
    needs = {By.HAND: ("level", command.level), By.MATRIX: ("assessment", command.assessment)}
    if command.by in needs and needs[command.by][1] is None:
        path = needs[command.by][0]
        raise WrongShape(say(f"levels.by_needs_{path}"), errors=[{"path": path}])
    if command.by in (By.RULES, By.MATRIX) and command.level is not None:
        raise WrongShape(say("levels.not_by_hand"), errors=[{"path": "level"}])


def _playbook(command: Command, levels: Levels) -> str | None:
    if command.playbook is not None and command.playbook not in levels.playbooks:
        raise WrongShape(
            say("lifecycle.no_such_playbook", playbook=command.playbook),
            errors=[{"path": "playbook"}],
            known=levels.playbooks,
        )
    return command.playbook


def _waived(command: Command) -> frozenset[str]:
    known = {condition.value for condition in ClosingCondition}
    if unknown := sorted(set(command.waive) - known):
        raise WrongShape(
            say("lifecycle.no_such_condition", names=unknown), errors=[{"path": "waive"}], known=sorted(known)
        )
    return frozenset(command.waive)


async def _merge_target(session: AsyncSession, incident: Incident, command: Command) -> str | None:
    if command.event is not Event.CANCEL or command.merge_into is None:
        return None
    try:
        # Locked: two that are merged into each other at the same moment would both be over.
        other = await record.locked(session, command.merge_into)
    except NotFound as error:
        raise WrongShape(error.detail, errors=[{"path": "merge_into"}]) from error
    if other.id == incident.id or other.state not in OPEN_STATES:
        raise Refused(
            say("lifecycle.cannot_merge", number=other.number),
            allowed=lifecycle.allowed(State(incident.state)),
        )
    if other.status != incident.status:  # an alarm that is real must not end in a drill
        raise Refused(
            say("lifecycle.merges_own_kind", number=other.number),
            allowed=lifecycle.allowed(State(incident.state)),
        )
    return other.id
