"""The run of a playbook: a graph of rows that goes on wherever it was (EP-7).

Every function works under the incident's row lock, in the caller's transaction, and only writes rows; a restart therefore finds
exactly what was committed. Steps without an unfinished need start together; what they wait for comes back as a topic.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy.exc import DataError, DBAPIError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.db import Work, wake
from app.errors import Problem
from app.expressions import Condition
from app.ids import new_id
from app.incidents import announcements, command_post, decisions, record, tasks, timeline
from app.incidents.document import CommandPost
from app.incidents.tables import Incident
from app.levels import matrix
from app.playbooks.document import OnFailure, Playbook, WaitStep
from app.playbooks.kinds import KINDS, Done, Failed, Outcome, Queued, Short, Turn, Wait, Waiting
from app.playbooks.progress import (
    document_of,
    may_go_on,
    posts_of,
    row_of,
    running_for,
    steps_of,
    take_back,
    withdraw,
)
from app.playbooks.tables import ENDED, Run, RunState, StepRow, StepState
from app.vocabulary import parse_span
from app.wording import Wording, kept, localised, say

# How long the commander has to say what becomes of a failed step before it is asked again.
_ASKED_WITHIN: Final = parse_span("15m")


async def begin(
    session: AsyncSession, incident: Incident, name: str, playbook: Playbook, *, posts: Mapping[str, CommandPost],
    default_post: str, fallback: str, at: datetime,
) -> Run:  # fmt: skip
    """Start a run: copy the steps of the incident's level into rows and start what can start. Repeatable."""
    if (running := await running_for(session, incident.id)) is not None:
        return running
    run = Run(
        id=new_id(at), ref=incident.id, occurrence=incident.occurrence, playbook=name, title=playbook.title.model_dump(),
        plan_revision=incident.plan_revision, level=incident.level, state=RunState.RUNNING, started_at=at, fallback=fallback,
        command_posts=posts_of(posts, default_post),
    )  # fmt: skip
    session.add(run)
    await session.flush()
    for place, step in enumerate(playbook.steps):
        if incident.level in step.levels:
            session.add(row_of(run, step, place, at))
    timeline.append(
        session,
        incident,
        "run.begun",
        actor="plan",
        at=at,
        playbook=name,
        title=run.title,
        level=incident.level,
    )
    await session.flush()
    await advance(session, incident, run, at=at)
    return run


async def advance(session: AsyncSession, incident: Incident, run: Run, *, at: datetime) -> None:
    """Start every step whose needs have ended, until nothing more can start; end the run when all have ended.

    Each step starts in a savepoint of its own: one that cannot be started fails, and holds back none of the others.
    """
    if not may_go_on(incident):
        return
    rows = await steps_of(session, run.id)
    names = {row.name for row in rows}
    while run.state == RunState.RUNNING:
        ended = {row.name for row in rows if row.state in ENDED}
        ready = [
            row for row in rows
            if row.state == StepState.PENDING and all(n in ended or n not in names for n in row.document["needs"])
        ]  # fmt: skip
        if not ready:
            break
        for row in ready:
            # One of them may have stopped the run, and withdrawn the rest of the list with it.
            if row.state == StepState.PENDING:
                await _start(session, incident, run, row, rows, at=at)
    await _look_at_waits(session, incident, run, rows, at=at)
    if run.state == RunState.RUNNING and all(row.state in ENDED for row in rows):
        run.state, run.ended_at = RunState.DONE, at
        timeline.append(session, incident, "run.done", actor="plan", at=at, title=run.title)
        outbox.put(
            session, "run.done", {"incident_id": incident.id, "run_id": run.id}, ref=incident.id, at=at
        )


async def stop(session: AsyncSession, incident: Incident, reason: Wording, *, at: datetime) -> None:
    """The incident has ended: what has not ended is withdrawn."""
    run = await running_for(session, incident.id)
    if run is None:
        return
    for row in await steps_of(session, run.id):
        if row.state not in ENDED:
            await withdraw(session, incident, row, reason, at=at)
    run.state, run.ended_at = RunState.WITHDRAWN, at


async def step_ended(
    session: AsyncSession, incident: Incident, row: StepRow, outcome: Outcome, *, at: datetime
) -> None:
    """What a step waited for has come, or its outside call was made: settle it and go on."""
    run = await session.get_one(Run, row.run_id)
    if row.state in ENDED or run.state != RunState.RUNNING:
        return
    await _settle(session, incident, run, row, outcome, at=at)
    await advance(session, incident, run, at=at)


async def look_again(session: AsyncSession, incident: Incident, *, at: datetime) -> None:
    """A fact changed: steps that wait for a condition are asked again."""
    if (run := await running_for(session, incident.id)) is not None:
        await advance(session, incident, run, at=at)


async def task_ended(
    session: AsyncSession, incident: Incident, step_id: str, *, state: str, note: str | None, at: datetime
) -> None:
    row = await _held(session, step_id)
    declined = state == "declined"
    # A task that was declined may still be done by somebody else while the commander is being asked.
    may_end = (StepState.WAITING,) if declined else (StepState.WAITING, StepState.ASKING)
    if row is None or row.state not in may_end:
        return
    outcome = (
        Failed(say("playbooks.declined", note=note), final=True)
        if declined
        else Done({"state": state, "note": note})
    )
    await step_ended(session, incident, row, outcome, at=at)


async def decided(
    session: AsyncSession, incident: Incident, step_id: str, *, of: str, choice: str, by: str, at: datetime
) -> None:
    """Somebody answered: an approval, a notice to publish, or what to do about a step that failed or is short."""
    row = await _held(session, step_id)
    if row is None or row.state not in (StepState.WAITING, StepState.ASKING):
        return
    match of, choice:
        case "approval", "approve":
            await step_ended(session, incident, row, Done({"decision": choice, "by": by}), at=at)
        case "notice", "approve":
            if (drafted := await announcements.of_step(session, row.id)) is not None:
                announcements.publish(session, incident, *drafted, approved_by=by, at=at)
            await step_ended(
                session, incident, row, Done({"decision": choice, "by": by, "published": True}), at=at
            )
        case (("approval" | "notice"), _):
            if (drafted := await announcements.of_step(session, row.id)) is not None:
                announcements.reject(session, incident, *drafted, by=by, at=at)
            row.result = {**row.result, "decision": choice, "by": by}
            await step_ended(
                session, incident, row, Failed(say("playbooks.rejected", by=by), final=True), at=at
            )
        case _, "retry":
            await tasks.withdraw(session, incident, at=at, step=row.id)
            row.state, row.reason, row.result = StepState.PENDING, None, {}
            row.attempts += 1
            await _go_on(session, incident, row, at=at)
        case _, "skip":
            await tasks.withdraw(session, incident, at=at, step=row.id)
            row.state, row.ended_at = StepState.SKIPPED, at
            row.reason = kept(say("playbooks.skipped_by", by=by))
            timeline.append(
                session, incident, "step.skipped", actor=by, at=at, title=_title(row), reason=row.reason
            )
            await _go_on(session, incident, row, at=at)
        case _:
            run = await session.get_one(Run, row.run_id)
            await tasks.withdraw(session, incident, at=at, step=row.id)
            row.state, row.ended_at = StepState.FAILED, at
            await _stop_run(session, incident, run, row, by=by, at=at)


async def woken(session: AsyncSession, incident: Incident, step_id: str, *, at: datetime) -> None:
    """The time a step waited for has come."""
    row = await _held(session, step_id)
    if row is not None and row.state == StepState.WAITING:
        await step_ended(session, incident, row, Done(), at=at)


async def again(session: AsyncSession, incident: Incident, step_id: str, *, at: datetime) -> None:
    """The pause before another attempt is over."""
    row = await _held(session, step_id)
    if row is not None and row.state == StepState.WAITING:
        row.state, row.reason = StepState.PENDING, None
        await _go_on(session, incident, row, at=at)


async def timed_out(session: AsyncSession, incident: Incident, step_id: str, *, at: datetime) -> None:
    """A step's timeout passed: if it has not ended, it has failed, and what it asked for is withdrawn."""
    row = await _held(session, step_id)
    if row is None or row.state not in (StepState.WAITING, StepState.QUEUED, StepState.DOING):
        return
    await take_back(session, incident, row, at=at)
    await step_ended(
        session, incident, row, Failed(say("playbooks.timed_out"), final=row.kind == "http"), at=at
    )


async def _held(session: AsyncSession, step_id: str) -> StepRow | None:
    return await session.get(StepRow, step_id, populate_existing=True)


async def _go_on(session: AsyncSession, incident: Incident, row: StepRow, *, at: datetime) -> None:
    await advance(session, incident, await session.get_one(Run, row.run_id), at=at)


async def _start(
    session: AsyncSession,
    incident: Incident,
    run: Run,
    row: StepRow,
    rows: Sequence[StepRow],
    *,
    at: datetime,
) -> None:
    step = document_of(row)
    scope = await _scope(session, incident, rows)
    if step.condition is not None and Condition.compile(step.condition).evaluate(scope) is not True:
        row.state, row.ended_at = StepState.SKIPPED, at
        row.reason = kept(say("playbooks.condition", condition=step.condition))
        timeline.append(
            session, incident, "step.skipped", actor="plan", at=at, title=_title(row), reason=row.reason
        )
        return
    row.started_at = at
    try:
        # Settled and written within the savepoint: what cannot be stored is this step's failure and no other's.
        async with session.begin_nested():
            outcome = await KINDS[row.kind].start(Turn(session, incident, run, row, scope, at), step)
            if step.timeout is not None and isinstance(outcome, Waiting | Queued):
                await _limit(session, incident, row, due_at=at + step.timeout)
            await _settle(session, incident, run, row, outcome, at=at)
            await session.flush()
        return
    except Problem as problem:
        reason = problem.detail
    except (TypeError, ValueError, StatementError) as error:
        # Two that waited for each other, or a lost connection, say nothing about the step: all of it is done again.
        if isinstance(error, DBAPIError) and not isinstance(error, DataError):
            raise
        reason = say("playbooks.unstorable", kind=type(error).__name__)
    # The savepoint took back what the step had begun; what it had touched in memory is read again.
    for touched in (incident, run, *rows):
        await session.refresh(touched)
    row.started_at = at
    await _settle(session, incident, run, row, Failed(reason), at=at)


async def _limit(session: AsyncSession, incident: Incident, row: StepRow, *, due_at: datetime) -> None:
    """The step has until then."""
    row.due_at = due_at
    payload = {"incident_id": incident.id, "step_id": row.id}
    key = f"step:{row.id}:timeout:{row.attempts}"
    await outbox.arm(session, "step.timeout", payload, ref=incident.id, key=key, due_at=due_at)


async def _settle(
    session: AsyncSession, incident: Incident, run: Run, row: StepRow, outcome: Outcome, *, at: datetime
) -> None:
    match outcome:
        case Done(result):
            row.state, row.ended_at, row.result = StepState.DONE, at, {**row.result, **result}
            row.reason = None
            await outbox.withdraw(session, key_prefix=f"step:{row.id}:")
            await decisions.withdraw(session, incident, at=at, step=row.id)
            timeline.append(
                session, incident, "step.done", actor="plan", at=at, title=_title(row), step=row.name
            )
        case Waiting():
            row.state = StepState.WAITING
        case Queued(call):
            row.state, row.call, row.not_before = StepState.QUEUED, dict(call), at
            wake(session, Work.CALLS)
        case Short(reason, position):
            await _ask(session, incident, run, row, reason, kind="shortage", positions=[position], at=at)
        case Failed(reason, final):
            if final or not await _try_again(session, incident, row, reason, at=at):
                await _fail(session, incident, run, row, reason, at=at)


async def _try_again(
    session: AsyncSession, incident: Incident, row: StepRow, reason: Wording, *, at: datetime
) -> bool:
    """Begin the step anew after a while, twice as long each time, as often as its `retry` says."""
    retry = document_of(row).retry
    if retry is None or row.attempts + 1 >= retry.attempts:
        return False
    await outbox.withdraw(session, key_prefix=f"step:{row.id}:")
    due_at = at + retry.wait * 2**row.attempts
    row.attempts += 1
    row.state, row.reason, row.not_before = StepState.WAITING, kept(reason), due_at
    payload = {"incident_id": incident.id, "step_id": row.id}
    key = f"{row.attempt_key}:again"
    await outbox.arm(session, "step.again", payload, ref=incident.id, key=key, due_at=due_at)
    timeline.append(
        session, incident, "step.retried", actor="plan", at=at, title=_title(row), reason=reason, attempt=row.attempts,
        again_at=due_at,
    )  # fmt: skip
    return True


async def _fail(
    session: AsyncSession, incident: Incident, run: Run, row: StepRow, reason: Wording, *, at: datetime
) -> None:
    await outbox.withdraw(session, key_prefix=f"step:{row.id}:")
    row.reason = kept(reason)
    timeline.append(
        session, incident, "step.failed", actor="plan", at=at, title=_title(row), reason=reason, step=row.name
    )
    match OnFailure(row.document["on_failure"]):
        case OnFailure.CONTINUE:
            row.state, row.ended_at = StepState.FAILED, at
        case OnFailure.STOP:
            row.state, row.ended_at = StepState.FAILED, at
            await _stop_run(session, incident, run, row, by="plan", at=at)
        case OnFailure.ASK:
            positions = await command_post.commander_positions(session, incident.id) or [run.fallback]
            await _ask(session, incident, run, row, reason, kind="failure", positions=positions, at=at)


async def _ask(
    session: AsyncSession, incident: Incident, run: Run, row: StepRow, reason: Wording, *, kind: str,
    positions: Sequence[str], at: datetime,
) -> None:  # fmt: skip
    row.state, row.reason = StepState.ASKING, kept(reason)
    asked = say(f"playbooks.ask_{kind}", title=_title(row), reason=reason)
    await decisions.ask(
        session, incident, kind=kind, question=localised(asked), options=["retry", "skip", "stop"],
        positions=positions, due_at=at + _ASKED_WITHIN, at=at, step=row.id,
    )  # fmt: skip


async def _stop_run(
    session: AsyncSession, incident: Incident, run: Run, row: StepRow, *, by: str, at: datetime
) -> None:
    reason = say("playbooks.run_stopped", title=_title(row), by=by)
    run.state, run.ended_at = RunState.STOPPED, at
    for other in await steps_of(session, run.id):
        if other.state not in ENDED:
            await withdraw(session, incident, other, reason, at=at)
    timeline.append(session, incident, "run.stopped", actor=by, at=at, title=_title(row), reason=reason)
    outbox.put(session, "run.stopped", {"incident_id": incident.id, "run_id": run.id}, ref=incident.id, at=at)


async def _look_at_waits(
    session: AsyncSession, incident: Incident, run: Run, rows: Sequence[StepRow], *, at: datetime
) -> None:
    waiting = [row for row in rows if row.kind == "wait" and row.state == StepState.WAITING]
    if not waiting or run.state != RunState.RUNNING:
        return
    scope = await _scope(session, incident, rows)
    over = [
        row for row in waiting if isinstance(step := document_of(row), WaitStep) and Wait.is_over(step, scope)
    ]
    for row in over:
        await _settle(session, incident, run, row, Done(), at=at)
    if over:
        await advance(session, incident, run, at=at)


async def _scope(session: AsyncSession, incident: Incident, rows: Sequence[StepRow]) -> dict[str, Any]:
    """What conditions and texts of the plan may look at: plain mappings, never objects."""
    levels = await matrix.of(session, incident.plan_revision)
    return {
        "incident": record.scope(incident),
        "facts": incident.facts,
        "level": {"number": incident.level, "title": levels.levels[incident.level].title.zh},
        "steps": {row.name: {"state": str(row.state), "result": row.result} for row in rows},
    }


def _title(row: StepRow) -> dict[str, Any]:
    return dict(row.document["title"])
