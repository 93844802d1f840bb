"""A problem ends: when its sender says so, or once it has then been quiet for its dwell time (OM-2).

A machine's "recovered" is recorded and told, and ends only what no human holds. What comes back within the dwell time was never
over, and `app.intake.correlation` counts it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.incidents import lifecycle
from app.incidents.lifecycle import Event, Move
from app.incidents.tables import Incident
from app.intake import inbox, signals, touched
from app.intake.known import Known
from app.intake.signals import SignalState
from app.intake.tables import Outcome, Problem
from app.intake.word import COUNTED_FROM, Word, gets_a_line
from app.levels import matrix
from app.wording import say

QUIET: Final = "problem.quiet"


async def recovered(told: Word, problem: Problem, later: bool | None) -> Outcome:
    if later is False:
        return Outcome.LATE
    if later:
        problem.occurrence = told.signal.occurrence
    if problem.state == SignalState.RECOVERED:
        problem.ended_at = told.received_at if later else problem.ended_at
        return Outcome.REPEATED
    was_held, problem.held, problem.window_id = problem.held is not None, None, None
    problem.state, problem.ended_at = SignalState.RECOVERED, told.received_at
    incident = await told.open_incident(problem)
    if incident is None:
        return Outcome.RECOVERED if was_held else Outcome.SETTLED
    if problem.dwell:
        return await _await_quiet(told, problem, incident)
    still = await told.known.still_wrong(incident)
    return await _is_over(told, problem, incident, still)


async def _await_quiet(told: Word, problem: Problem, incident: Incident) -> Outcome:
    """It has ended, and is over if it does not come back within its dwell time."""
    problem.quiet_at = told.received_at + timedelta(seconds=problem.dwell)
    if gets_a_line(incident.flaps + 1) and incident.signals < COUNTED_FROM:
        told.note(incident, "signal.falls_quiet", until=problem.quiet_at)
    told.known.changed(incident.id)
    ref = inbox.ref_of(told.source.id, problem.dedup_key)
    key = f"quiet:{problem.id}:{problem.quiet_at.isoformat()}"
    payload = {**told.payload, "quiet_at": problem.quiet_at.isoformat()}
    await outbox.arm(told.session, QUIET, payload, ref=ref, key=key, due_at=problem.quiet_at)
    return Outcome.RECOVERED


async def end_quiet(session: AsyncSession, payload: Mapping[str, Any], at: datetime) -> None:
    """The reaction to `problem.quiet`: it has been quiet for its dwell time, unless it came back, and is over."""
    known, signal = Known(session, at), signals.unpacked(payload["signal"])
    await known.look([(payload["source_id"], signal.dedup_key)])
    told = Word(known, known.sources[payload["source_id"]], signal, payload, at)
    problem = told.problem
    is_quiet = problem is not None and problem.quiet_at == datetime.fromisoformat(payload["quiet_at"])
    if problem is None or problem.state != SignalState.RECOVERED or not is_quiet:
        return
    problem.quiet_at = None
    incident = await told.open_incident(problem)
    if incident is None:
        return
    known.changed(incident.id)
    still = await known.still_wrong(incident)
    if not still:
        incident.flaps = 0
    await _is_over(told, problem, incident, still)


async def _is_over(told: Word, problem: Problem, incident: Incident, still: int) -> Outcome:
    if still and incident.signals >= COUNTED_FROM and not gets_a_line(still):
        return Outcome.RECOVERED  # one of many in a storm: the count is told at 1000, 100, 10, and at the end
    told.note(incident, "signal.recovered", ended_at=told.signal.ended_at, still=still, text=told.signal.note)
    payload = {
        "incident_id": incident.id,
        "source": told.source.slug,
        "problem": problem.dedup_key,
        "still": still,
    }
    outbox.put(told.session, "signal.recovered", payload, ref=incident.id, at=told.at)
    if still or await touched.by_people(told.session, incident):
        return Outcome.RECOVERED
    levels = await matrix.of(told.session, incident.plan_revision)
    move = Move(
        spec=levels.levels[incident.level], reason=say("intake.recovered_untaken", source=told.source.name)
    )
    lifecycle.apply(told.session, incident, Event.CANCEL, actor=told.actor, at=told.at, move=move)
    return Outcome.CANCELLED
