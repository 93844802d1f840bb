"""Calls to other systems: one of the two places where the world is touched.

Claimed, done with no transaction open, recorded under a fence, with the step's id as Idempotency-Key on each attempt. A step of an
exercise is recorded as it would have been called, and not sent: that is checked here, last.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import door
from app.db import inline
from app.errors import Malformed
from app.incidents import record, timeline
from app.incidents.tables import Incident, Status
from app.outgoing import CallFailed, FailureKind, Outgoing, retry_after
from app.playbooks import progress, runner
from app.playbooks.document import AssetUse, HttpStep
from app.playbooks.kinds import Done, Failed
from app.playbooks.tables import StepRow, StepState
from app.resources import checks
from app.settings import Connection
from app.wording import Wording, say

_LONGEST_WAIT: Final = timedelta(minutes=15)
_MOST_UNTRIED: Final = (
    20  # attempts that came to nothing because the destination was left alone; then it fails
)


@dataclass(frozen=True)
class Claimed:
    """One call that is ours until its lease ends."""

    step_id: str
    incident_id: str
    attempt: int
    at: datetime
    call: Mapping[str, Any]
    exercise: bool


@dataclass(frozen=True)
class Answer:
    """What came of a call: a result, or why there is none and whether trying again could help."""

    result: Mapping[str, Any] | None = None
    refusal: Wording | None = None
    may_retry: bool = False
    retry_after: timedelta | None = None  # the pause the far side asked for, or how long it is left alone
    untried: bool = False  # it was not called: it failed again and again, and is left alone for a while


async def is_due(session: AsyncSession, *, at: datetime) -> bool:
    """Whether there is anything to claim."""
    moment = await next_due(session)
    return moment is not None and moment <= at


async def next_due(session: AsyncSession) -> datetime | None:
    """When the first step falls due, or fell."""
    due = select(StepRow.not_before).where(StepRow.state.in_(inline([StepState.QUEUED, StepState.DOING])))
    moment: datetime | None = await session.scalar(due.order_by(StepRow.not_before).limit(1))
    return moment


async def claim(session: AsyncSession, *, at: datetime, lease: timedelta, limit: int) -> list[Claimed]:
    """Take what is due, and what an engine that died had taken."""
    due = (
        select(StepRow.id)
        .where(StepRow.state.in_(inline([StepState.QUEUED, StepState.DOING])), StepRow.not_before <= at)
        .order_by(StepRow.not_before)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = await session.execute(
        update(StepRow)
        .where(StepRow.id.in_(due))
        .values(state=StepState.DOING, attempts=StepRow.attempts + 1, not_before=at + lease)
        .returning(StepRow.id, StepRow.ref, StepRow.attempts, StepRow.call)
    )
    rows = taken.all()
    statuses = await _statuses(session, [row.ref for row in rows])
    return [
        Claimed(row.id, row.ref, row.attempts, at, row.call or {}, statuses.get(row.ref) != Status.ACTUAL)
        for row in rows
    ]


async def extend(
    session: AsyncSession, fences: Sequence[tuple[str, int]], *, until: datetime
) -> Sequence[tuple[str, int]]:
    """Keep what is still ours of what we are calling; gives those that are."""
    kept = await session.execute(
        update(StepRow)
        .where(StepRow.state == StepState.DOING, tuple_(StepRow.id, StepRow.attempts).in_(fences))
        .values(not_before=until)
        .returning(StepRow.id, StepRow.attempts)
        .execution_options(synchronize_session=False)
    )
    return [(row.id, row.attempts) for row in kept]


async def call(
    claimed: Claimed, outgoing: Outgoing, connections: Mapping[str, Connection], *, deadline: timedelta
) -> Answer:
    """Make the call. Opens no session, and does not raise for what the other side does."""
    if claimed.exercise:
        return Answer({"exercise": True, "status": None, "body": None})
    headers = {"Content-Type": "application/json", "Idempotency-Key": claimed.step_id}
    url = claimed.call.get("url")
    if (name := claimed.call.get("connection")) is not None:
        connection = connections.get(name)
        if connection is None:
            return Answer(refusal=say("playbooks.no_connection", name=name))
        url = connection.url
        if connection.token is not None:
            headers["Authorization"] = f"Bearer {connection.token.get_secret_value()}"
    content = json.dumps(claimed.call.get("body") or {}, ensure_ascii=False).encode()
    try:
        reply = await outgoing.request(
            claimed.call["method"], str(url), headers=headers, content=content, deadline=deadline
        )
    except CallFailed as failed:
        untried = failed.kind is FailureKind.COOLING
        return Answer(refusal=failed.wording, may_retry=True, retry_after=failed.wait, untried=untried)
    expected = claimed.call.get("expect") or range(200, 300)
    if reply.status not in expected:
        refusal = say("playbooks.answered", status=reply.status)
        may_retry = reply.status >= 500 or reply.status in (408, 429)
        pause = retry_after(reply.headers, at=claimed.at) if may_retry else None
        return Answer(refusal=refusal, may_retry=may_retry, retry_after=pause)
    return Answer({"status": reply.status, "body": _body(reply.body)})


async def note(session: AsyncSession, claimed: Claimed, answer: Answer, *, at: datetime) -> bool:
    """Write down what came of it, and let the run go on. False: the lease was lost, another engine's answer counts."""
    incident = await record.locked(session, claimed.incident_id)
    row = await session.get_one(StepRow, claimed.step_id, populate_existing=True)
    # Fenced by the attempt: a caller that lost its lease must not overwrite the next one's result.
    if row.state != StepState.DOING or row.attempts != claimed.attempt:
        return False
    if answer.result is not None:
        if not claimed.exercise:
            await _note_check(session, row, at=at)
        await runner.step_ended(session, incident, row, Done(answer.result), at=at)
        return True
    refusal = answer.refusal or say("playbooks.answered", status=0)
    row.untried += answer.untried
    if answer.may_retry and (wait := _wait(row, answer)) is not None:
        row.state, row.not_before = StepState.QUEUED, at + wait
        _note_retry(session, incident, row, refusal, at)
        return True
    row.result = {**row.result, "attempts": row.attempts}
    await runner.step_ended(session, incident, row, Failed(refusal, final=True), at=at)
    return True


async def _note_check(session: AsyncSession, row: StepRow, *, at: datetime) -> None:
    """A backup was verified: that is a check of it (EP-6.3)."""
    step = progress.document_of(row)
    asset = step.params.asset if isinstance(step, HttpStep) else None
    if asset is not None and asset.does is AssetUse.VERIFY_BACKUP:
        await checks.found_good(session, asset.pool, asset.name, at=at)


def _note_retry(
    session: AsyncSession, incident: Incident, row: StepRow, refusal: Wording, at: datetime
) -> None:
    timeline.append(
        session, incident, "step.retried", actor="plan", at=at, title=row.document["title"], reason=refusal,
        attempt=row.attempts, again_at=row.not_before,
    )  # fmt: skip


def _wait(row: StepRow, answer: Answer) -> timedelta | None:
    """How long until the next attempt, twice as long each time; none: no more attempts.

    Up to a fifth longer by chance, so that what failed together does not come back together. What the far side asks for is
    kept to, up to a cap; what was not tried does not count as an attempt.
    """
    step = progress.document_of(row)
    retry = step.retry if isinstance(step, HttpStep) else None
    tried = row.attempts - row.untried
    if answer.untried and row.untried <= _MOST_UNTRIED:
        doubled = timedelta(seconds=1)
    elif retry is None or tried >= retry.attempts:
        return None
    else:
        doubled = retry.wait * 2 ** max(tried - 1, 0)
    jitter = (
        1
        + 0.2
        * int.from_bytes(hashlib.blake2b(row.attempt_key.encode(), digest_size=2).digest(), "big")
        / 0xFFFF
    )
    return min(max(doubled, answer.retry_after or timedelta()) * jitter, _LONGEST_WAIT)


def _body(body: bytes) -> Any:
    """The answer as later steps may refer to it: strict JSON, or nothing."""
    try:
        return door.parse_json(body, lenient_keys=True) if body else None
    except Malformed:
        return None


async def _statuses(session: AsyncSession, incident_ids: Sequence[str]) -> Mapping[str, str]:
    query = select(Incident.id, Incident.status).where(Incident.id.in_(incident_ids))
    return {row.id: row.status for row in await session.execute(query)}
