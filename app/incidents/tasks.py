"""Tasks: given to positions, started, completed, waived with a reason, or declined (EP-2.3)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import NotFound, Refused, Stale
from app.ids import new_id
from app.incidents import timeline
from app.incidents.tables import Incident, Task, TaskState
from app.people import holders
from app.wording import say


class TaskEvent(StrEnum):
    START = "start"  # somebody is at it
    COMPLETE = "complete"  # done
    WAIVE = "waive"  # not needed, with a reason
    DECLINE = "decline"  # its owner cannot, with a reason


S, E = TaskState, TaskEvent
TRANSITIONS: Final[Mapping[tuple[TaskState, TaskEvent], TaskState]] = {
    (S.OPEN, E.START): S.STARTED,
    (S.OPEN, E.COMPLETE): S.DONE,
    (S.OPEN, E.WAIVE): S.WAIVED,
    (S.OPEN, E.DECLINE): S.DECLINED,
    (S.STARTED, E.COMPLETE): S.DONE,
    (S.STARTED, E.WAIVE): S.WAIVED,
    (S.STARTED, E.DECLINE): S.DECLINED,
    (S.DECLINED, E.START): S.STARTED,
    (S.DECLINED, E.COMPLETE): S.DONE,
    (S.DECLINED, E.WAIVE): S.WAIVED,
}


class IllegalTaskTransition(Refused, slug="illegal-task-transition"):
    """That is not possible with this task now; `allowed` says what is."""


def allowed(state: TaskState) -> list[TaskEvent]:
    return [event for event in TaskEvent if (state, event) in TRANSITIONS]


async def give(
    session: AsyncSession, incident: Incident, *, title: Mapping[str, Any], text: Mapping[str, Any], position: str,
    due_at: datetime, at: datetime, step: str | None = None,
) -> Task:  # fmt: skip
    """Give a task to a position, in a locked incident."""
    task = Task(
        id=new_id(at), incident_id=incident.id, step=step, title=dict(title), text=dict(text), position=position,
        state=TaskState.OPEN, due_at=due_at, created_at=at, evidence=[], version=1,
    )  # fmt: skip
    session.add(task)
    timeline.append(
        session,
        incident,
        "task.given",
        actor="plan",
        at=at,
        task=task.id,
        title=dict(title),
        position=position,
        addressee=await holders.titles(session, [position]),
        due_at=due_at,
    )
    outbox.put(
        session, "task.given", {"incident_id": incident.id, "task_id": task.id}, ref=incident.id, at=at
    )
    return task


async def found(session: AsyncSession, task_id: str) -> Task:
    task = await session.get(Task, task_id)
    if task is None:
        raise NotFound(say("incidents.no_such_task", id=task_id))
    return task


async def of_incident(session: AsyncSession, incident_id: str) -> list[Task]:
    query = select(Task).where(Task.incident_id == incident_id).order_by(Task.created_at, Task.id)
    return list(await session.scalars(query))


def move(
    session: AsyncSession, incident: Incident, task: Task, event: TaskEvent, *, actor: str, at: datetime,
    note: str | None = None, evidence: Sequence[str] = (), version: int | None = None,
) -> Task:  # fmt: skip
    """Apply `event` to a task of a locked incident, or raise what stands against it."""
    Stale.unless(version, task.version)
    state = TaskState(task.state)
    to = TRANSITIONS.get((state, event))
    if to is None:
        raise IllegalTaskTransition(
            say("tasks.illegal", event=say(f"task_event.{event}"), state=say(f"task_state.{state}")),
            state=state, allowed=allowed(state),
        )  # fmt: skip
    if event in (TaskEvent.WAIVE, TaskEvent.DECLINE) and not note:
        raise Refused(say("tasks.note_needed"), allowed=allowed(state), needs=["note"])
    task.state = to
    task.version += 1
    task.note = note or task.note
    task.evidence = [*task.evidence, *evidence]
    if event is TaskEvent.START:
        task.assignee, task.started_at = actor, at
    if to in (TaskState.DONE, TaskState.WAIVED):
        task.ended_at = at
        task.assignee = task.assignee or actor
    if event in (TaskEvent.START, TaskEvent.COMPLETE) and incident.first_task_at is None:
        incident.first_task_at = at
    timeline.append(
        session, incident, f"task.{to}", actor=actor, at=at, task=task.id, title=task.title, note=note,
        evidence=list(evidence) or None,
    )  # fmt: skip
    payload = {"incident_id": incident.id, "task_id": task.id, "step": task.step, "state": to, "note": note}
    outbox.put(session, f"task.{to}", payload, ref=incident.id, at=at)
    return task


async def withdraw(
    session: AsyncSession, incident: Incident, *, at: datetime, step: str | None = None
) -> None:
    """The plan no longer asks for them: every unfinished task, or those of one step."""
    for task in await of_incident(session, incident.id):
        unfinished = task.state in (TaskState.OPEN, TaskState.STARTED, TaskState.DECLINED)
        if unfinished and (step is None or task.step == step):
            task.state, task.ended_at, task.version = TaskState.WITHDRAWN, at, task.version + 1
            timeline.append(
                session, incident, "task.withdrawn", actor="plan", at=at, task=task.id, title=task.title
            )
