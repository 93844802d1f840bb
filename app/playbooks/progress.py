"""The rows of a run: which there are, what the plan had them do, and how one is withdrawn with everything it began."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.ids import new_id
from app.incidents import announcements, decisions, tasks
from app.incidents.document import CommandPost
from app.incidents.tables import OPEN_STATES, Incident
from app.playbooks.document import Step
from app.playbooks.tables import Run, RunState, StepRow, StepState
from app.resources import reservation
from app.wording import Wording, kept

_STEP: Final[TypeAdapter[Step]] = TypeAdapter(Step)


async def running_for(session: AsyncSession, ref: str) -> Run | None:
    return await session.scalar(select(Run).where(Run.ref == ref, Run.state == RunState.RUNNING))


async def latest_for(session: AsyncSession, ref: str) -> Run | None:
    return await session.scalar(select(Run).where(Run.ref == ref).order_by(Run.id.desc()).limit(1))


async def steps_of(session: AsyncSession, run_id: str) -> list[StepRow]:
    query = select(StepRow).where(StepRow.run_id == run_id).order_by(StepRow.place)
    return list(await session.scalars(query.execution_options(populate_existing=True)))


def document_of(row: StepRow) -> Step:
    """The step as the plan had it when the run began."""
    return _STEP.validate_python(row.document)


def row_of(run: Run, step: Step, place: int, at: datetime) -> StepRow:
    return StepRow(
        id=new_id(at), run_id=run.id, ref=run.ref, name=step.id, place=place, kind=step.kind,
        document=step.model_dump(mode="json", by_alias=True), state=StepState.PENDING, result={}, attempts=0,
    )  # fmt: skip


def posts_of(posts: Mapping[str, CommandPost], default: str) -> dict[str, Any]:
    """The command posts a step of the run may form."""
    templates = {key: post.model_dump(mode="json", by_alias=True) for key, post in posts.items()}
    return {"default": default, "templates": templates}


def may_go_on(incident: Incident) -> bool:
    """After the end nothing of the plan begins, whatever messages were still on their way."""
    return incident.state in OPEN_STATES


async def withdraw(
    session: AsyncSession, incident: Incident, row: StepRow, reason: Wording, *, at: datetime
) -> None:
    """The step is not wanted any more: its task, question, draft and reservation go with it."""
    released = await reservation.release_key(session, row.attempt_key, by="plan", at=at)
    # What a step took is given back, so it is not done any more: it is asked for again if the level comes back.
    if row.state in (StepState.DONE, StepState.WITHDRAWN, StepState.FAILED) and not released:
        return
    await take_back(session, incident, row, at=at)
    row.state, row.ended_at, row.reason = StepState.WITHDRAWN, at, kept(reason)


async def take_back(session: AsyncSession, incident: Incident, row: StepRow, *, at: datetime) -> None:
    await outbox.withdraw(session, key_prefix=f"step:{row.id}:")
    await tasks.withdraw(session, incident, at=at, step=row.id)
    await decisions.withdraw(session, incident, at=at, step=row.id)
    await announcements.withdraw_drafts(session, incident.id, step=row.id)
