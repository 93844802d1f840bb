"""A run goes on while what it goes by changes: another level (EP-4.2.2), or another revision of the plan (EP-9.3)."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from app.incidents.document import CommandPost
from app.incidents.tables import Incident
from app.playbooks import progress
from app.playbooks.document import Playbook
from app.playbooks.runner import advance
from app.playbooks.tables import Run, RunState, StepState
from app.wording import Wording, say


async def relevel(session: AsyncSession, incident: Incident, playbook: Playbook, *, at: datetime) -> None:
    """The level changed: withdraw the steps it no longer asks for, add those it now does, and go on (EP-4.2.2)."""
    if (run := await _going_on(session, incident)) is not None:
        run.level = incident.level
        reason = say("playbooks.not_at_level", level=incident.level)
        await _bring_into_line(session, incident, run, playbook, reason, at=at)


async def take_up(
    session: AsyncSession, incident: Incident, playbook: Playbook, *, posts: Mapping[str, CommandPost],
    default_post: str, at: datetime,
) -> None:  # fmt: skip
    """The incident follows another revision: its run goes on by the playbook as that one has it (EP-9.3)."""
    if (run := await _going_on(session, incident)) is not None:
        run.plan_revision, run.title = incident.plan_revision, playbook.title.model_dump()
        run.command_posts = progress.posts_of(posts, default_post)
        await _bring_into_line(session, incident, run, playbook, say("playbooks.not_in_revision"), at=at)


async def _going_on(session: AsyncSession, incident: Incident) -> Run | None:
    """A run that had come to its end goes on too: a graver level asks for more. One that was stopped stays so."""
    run = await progress.latest_for(session, incident.id)
    if run is None or run.state not in (RunState.RUNNING, RunState.DONE) or not progress.may_go_on(incident):
        return None
    return run


async def _bring_into_line(
    session: AsyncSession, incident: Incident, run: Run, playbook: Playbook, reason: Wording, *, at: datetime
) -> None:
    """The rows of the run become what the playbook has at the incident's level.

    1. What has ended stays as it was, and what is under way goes on by the words it was begun with.
    2. A step the playbook does not have at this level is withdrawn, with its task, question and reservation.
    3. A step that has not begun, or was withdrawn, takes the playbook's words; one that is new is added.
    """
    wanted = {
        step.id: (place, step) for place, step in enumerate(playbook.steps) if incident.level in step.levels
    }
    standing = {row.name: row for row in await progress.steps_of(session, run.id)}
    for name, row in standing.items():
        if name not in wanted:
            await progress.withdraw(session, incident, row, reason, at=at)
    for name, (place, step) in wanted.items():
        if (known := standing.get(name)) is None:
            session.add(progress.row_of(run, step, place, at))
        elif known.state in (StepState.PENDING, StepState.WITHDRAWN):
            if known.state == StepState.WITHDRAWN:
                known.state, known.reason, known.ended_at = StepState.PENDING, None, None
                known.attempts += 1
            known.kind, known.place = step.kind, place
            known.document = step.model_dump(mode="json", by_alias=True)
    await session.flush()
    if any(row.state == StepState.PENDING for row in await progress.steps_of(session, run.id)):
        run.state, run.ended_at = RunState.RUNNING, None
    await advance(session, incident, run, at=at)
