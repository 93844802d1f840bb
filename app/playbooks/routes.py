"""The run of an incident over HTTP."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from app.access.edge import Edge, Language, Session, Who, problems
from app.errors import NotFound
from app.incidents import authority
from app.playbooks import progress
from app.playbooks.tables import Run, StepRow
from app.wording import say, spoken

router = APIRouter(prefix="/api/v1", route_class=Edge, tags=["playbooks"])


class StepRead(BaseModel):
    id: str
    name: str
    kind: str
    title: dict[str, Any]
    measures: list[str]
    needs: list[str]
    state: str
    result: dict[str, Any]
    reason: str | None
    """Why it failed, was skipped or withdrawn."""
    attempts: int
    due: datetime | None
    started_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, row: StepRow, language: str) -> "StepRead":
        step = row.document
        return cls(
            id=row.id, name=row.name, kind=row.kind, title=step["title"], measures=step["measures"], needs=step["needs"],
            state=row.state, result=row.result, reason=spoken(row.reason, language),
            attempts=row.attempts, due=row.due_at, started_at=row.started_at, ended_at=row.ended_at,
        )  # fmt: skip


class RunRead(BaseModel):
    id: str
    playbook: str
    title: dict[str, Any]
    state: str
    level: int
    plan_revision: str
    started_at: datetime
    ended_at: datetime | None
    steps: list[StepRead]

    @classmethod
    def of(cls, run: Run, rows: list[StepRow], language: str) -> "RunRead":
        return cls(
            id=run.id, playbook=run.playbook, title=run.title, state=run.state, level=run.level,
            plan_revision=run.plan_revision, started_at=run.started_at, ended_at=run.ended_at,
            steps=[StepRead.of(row, language) for row in rows],
        )  # fmt: skip


@router.get("/incidents/{incident_id}/run", responses=problems(NotFound))
async def read_run(incident_id: str, session: Session, who: Who, language: Language) -> RunRead:
    """The playbook run: each step with its state, result, due time and attempts."""
    incident = await authority.seen(session, who, incident_id)
    run = await progress.latest_for(session, incident.id)
    if run is None:
        raise NotFound(say("playbooks.no_run"))
    return RunRead.of(run, await progress.steps_of(session, run.id), language)
