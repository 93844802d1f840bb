"""Questions put to people: approvals, shortages, steps that failed (EP-4.2.4). The first answer decides."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import Forbidden, NotFound, Refused
from app.ids import new_id
from app.incidents import timeline
from app.incidents.tables import Decision, DecisionState, Incident
from app.people import holders
from app.wording import say


class AlreadyDecided(Refused, slug="already-decided"):
    """Somebody answered first, or the question is no longer asked."""


async def ask(
    session: AsyncSession, incident: Incident, *, kind: str, question: Mapping[str, Any], options: Sequence[str],
    positions: Sequence[str], due_at: datetime, at: datetime, step: str | None = None,
) -> Decision:  # fmt: skip
    """Put a question to the holders of positions, in a locked incident."""
    decision = Decision(
        id=new_id(at), incident_id=incident.id, step=step, kind=kind, question=dict(question), options=list(options),
        positions=list(positions), state=DecisionState.ASKED, asked_at=at, due_at=due_at, version=1,
    )  # fmt: skip
    session.add(decision)
    timeline.append(
        session, incident, "decision.asked", actor="plan", at=at, decision=decision.id, of=kind, question=dict(question),
        positions=list(positions), asked=await holders.titles(session, positions), options=list(options),
    )  # fmt: skip
    outbox.put(
        session,
        "decision.asked",
        {"incident_id": incident.id, "decision_id": decision.id},
        ref=incident.id,
        at=at,
    )
    return decision


def taken(
    session: AsyncSession, incident: Incident, *, kind: str, what: Mapping[str, Any], by: str, where: str, at: datetime
) -> Decision:  # fmt: skip
    """Write down a decision that was taken without being asked here, in a meeting for instance, in a locked incident."""
    decision = Decision(
        id=new_id(at), incident_id=incident.id, step=None, kind=kind, question=dict(what), options=[], positions=[],
        state=DecisionState.DECIDED, choice=None, decided_by=by, decided_at=at, note=None, asked_at=at, due_at=at, version=1,
    )  # fmt: skip
    session.add(decision)
    timeline.append(
        session,
        incident,
        "decision.taken",
        actor=by,
        at=at,
        decision=decision.id,
        what=dict(what),
        where=where,
    )
    return decision


async def found(session: AsyncSession, decision_id: str) -> Decision:
    decision = await session.get(Decision, decision_id)
    if decision is None:
        raise NotFound(say("incidents.no_such_decision", id=decision_id))
    return decision


async def of_incident(session: AsyncSession, incident_id: str) -> list[Decision]:
    query = (
        select(Decision).where(Decision.incident_id == incident_id).order_by(Decision.asked_at, Decision.id)
    )
    return list(await session.scalars(query))


def choose(
    session: AsyncSession, incident: Incident, decision: Decision, choice: str, *, actor: str, entitled: bool, at: datetime,
    note: str | None = None,
) -> Decision:  # fmt: skip
    """Answer a question of a locked incident. `entitled`: whether the caller holds one of the positions asked."""
    if decision.state != DecisionState.ASKED:
        raise AlreadyDecided(
            say("decisions.already", choice=decision.choice, by=decision.decided_by), choice=decision.choice,
            decided_by=decision.decided_by,
        )  # fmt: skip
    if not entitled:
        raise Forbidden(
            say("decisions.not_yours", positions=list(decision.positions)), positions=decision.positions
        )
    if choice not in decision.options:
        raise Refused(say("decisions.no_such_option", choice=choice), allowed=decision.options)
    decision.state, decision.choice, decision.note = DecisionState.DECIDED, choice, note
    decision.decided_by, decision.decided_at, decision.version = actor, at, decision.version + 1
    timeline.append(
        session, incident, "decision.made", actor=actor, at=at, decision=decision.id, choice=choice,
        chosen=say(f"choice.{choice}"), question=decision.question, note=note,
    )  # fmt: skip
    payload = {
        "incident_id": incident.id, "decision_id": decision.id, "step": decision.step, "of": decision.kind,
        "choice": choice, "by": actor, "note": note,
    }  # fmt: skip
    outbox.put(session, "decision.made", payload, ref=incident.id, at=at)
    return decision


async def withdraw_one(session: AsyncSession, decision_id: str) -> None:
    """No longer a question, if it still is one."""
    decision = await session.get(Decision, decision_id)
    if decision is not None and decision.state == DecisionState.ASKED:
        decision.state, decision.version = DecisionState.WITHDRAWN, decision.version + 1


async def withdraw(
    session: AsyncSession, incident: Incident, *, at: datetime, step: str | None = None
) -> None:
    """No longer a question: all that are open, or those of one step."""
    for decision in await of_incident(session, incident.id):
        if decision.state == DecisionState.ASKED and (step is None or decision.step == step):
            decision.state, decision.version = DecisionState.WITHDRAWN, decision.version + 1
