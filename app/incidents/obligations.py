"""Duties with a due time: status updates and reports owed while the work goes on, final report and review after it (EP-5.1,
EP-5.3, EP-4.2.5).

An update pays what is owed and makes the next one due; a missed one escalates and stands in the way of closing.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import NotFound, Refused
from app.ids import new_id
from app.incidents import timeline
from app.incidents.tables import OPEN_STATES, Incident, Obligation, ObligationState
from app.levels import matrix
from app.levels.document import Levels, LevelSpec
from app.people import holders
from app.wording import say

REPORTS: Final = ("first_report", "written_report", "follow_up_report", "final_report")
"""Kinds of duty: the first report; the written one after an oral first; a follow-up; the final report (EP-5.1)."""
AFTER_THE_CLOSE: Final = ("review", "final_report")
_UNPAID = (ObligationState.OWED, ObligationState.MISSED)


async def owe_update(
    session: AsyncSession,
    incident: Incident,
    spec: LevelSpec,
    *,
    at: datetime,
    latest: datetime | None = None,
) -> Obligation:
    """Make the next status update due, by the level's cadence and no later than `latest`.

    What was owed before is withdrawn unless it was missed.
    """
    await _withdraw(session, incident, "update")
    due_at = at + spec.targets.update_every
    if latest is not None:
        due_at = max(at, min(due_at, latest))
    owed = await _owe(
        session, incident, "update", owner=spec.update_owner, to=spec.update_to, due_at=due_at, at=at
    )
    reminder_at = max(at, due_at - spec.remind_before)
    payload = {"incident_id": incident.id, "obligation_id": owed.id}
    await outbox.arm(
        session,
        "obligation.reminder",
        payload,
        ref=incident.id,
        key=f"obligation:{owed.id}:reminder",
        due_at=reminder_at,
    )
    return owed


async def owe_review(
    session: AsyncSession, incident: Incident, spec: LevelSpec, *, at: datetime
) -> Obligation:
    due_at = at + spec.targets.review_within
    return await _owe(session, incident, "review", owner=spec.update_owner, due_at=due_at, at=at)


async def owe_report(
    session: AsyncSession, incident: Incident, kind: str, *, owner: str, due_at: datetime, remind_before: timedelta, at: datetime
) -> None:  # fmt: skip
    """Make a report due, in place of what was owed of its kind; one that was missed stays owed, and no second beside it."""
    await _withdraw(session, incident, kind)
    if await unpaid(session, incident.id, kind):
        return
    owed = await _owe(session, incident, kind, owner=owner, due_at=due_at, at=at)
    if due_at - remind_before > at:
        payload = {"incident_id": incident.id, "obligation_id": owed.id}
        key = f"obligation:{owed.id}:reminder"
        await outbox.arm(
            session, "obligation.reminder", payload, ref=incident.id, key=key, due_at=due_at - remind_before
        )


async def pay(
    session: AsyncSession, incident: Incident, kind: str, *, at: datetime, by: str | None = None
) -> None:
    """What is owed of a kind has been given, in time or late."""
    for owed in await unpaid(session, incident.id, kind):
        owed.state, owed.settled_at, owed.settled_by = ObligationState.PAID, at, by
        await outbox.withdraw(session, key_prefix=f"obligation:{owed.id}:")


async def told_anew(session: AsyncSession, incident: Incident, *, by: str, at: datetime) -> None:
    """Those concerned have just heard how things stand, by whatever route: an update, a report in writing or by mouth (EP-5.3).

    On a locked incident, `at` the moment they heard. What is owed is paid, and the next update falls due from then; what was told
    longer ago than the last update is put on record late, and defers nothing.
    """
    levels = await matrix.of(session, incident.plan_revision)
    spec = cadence(incident, levels)
    owed = await unpaid(session, incident.id, "update")
    if spec is not None and any(one.due_at > at + spec.targets.update_every for one in owed):
        return
    await pay(session, incident, "update", at=at, by=by)
    if spec is not None and incident.state in OPEN_STATES:
        await owe_update(session, incident, spec, at=at)


async def waive(
    session: AsyncSession, incident: Incident, obligation: Obligation, *, by: str, reason: str, at: datetime
) -> None:
    """Excuse a debt of a locked incident, for everybody to see; the next update is owed all the same.

    Raises `Refused` for one that is settled already.
    """
    if obligation.state not in _UNPAID:
        raise Refused(
            say("obligations.settled", state=say(f"obligation_state.{obligation.state}")),
            state=obligation.state,
        )
    obligation.state, obligation.settled_at = ObligationState.WAIVED, at
    obligation.settled_by, obligation.note = by, reason
    await outbox.withdraw(session, key_prefix=f"obligation:{obligation.id}:")
    timeline.append(
        session, incident, "obligation.waived", actor=by, at=at, duty=say(f"duty.{obligation.kind}"), owner=obligation.owner,
        owed_by=await holders.titles(session, [obligation.owner]), due_at=obligation.due_at, reason=reason,
    )  # fmt: skip
    if obligation.kind == "update" and incident.state in OPEN_STATES:
        levels = await matrix.of(session, incident.plan_revision)
        if (spec := cadence(incident, levels)) is not None:
            await owe_update(session, incident, spec, at=at)


async def miss(session: AsyncSession, incident: Incident, obligation: Obligation, *, at: datetime) -> bool:
    """Its due time passed. Says whether it was still owed."""
    if obligation.state not in _UNPAID:
        return False
    if obligation.state == ObligationState.OWED:
        obligation.state, obligation.missed_at = ObligationState.MISSED, at
        timeline.append(
            session, incident, "obligation.missed", actor="plan", at=at, duty=say(f"duty.{obligation.kind}"),
            owner=obligation.owner, owed_by=await holders.titles(session, [obligation.owner]), due_at=obligation.due_at,
        )  # fmt: skip
    return True


async def settle_at_close(
    session: AsyncSession, incident: Incident, *, waived_because: str | None, at: datetime
) -> None:
    """The incident closed: updates and reports not yet due are not owed any more; what was missed was waived, with the reason."""
    for kind in ("update", *REPORTS):
        await _withdraw(session, incident, kind)
        for owed in await unpaid(session, incident.id, kind):
            owed.state, owed.settled_at, owed.note = ObligationState.WAIVED, at, waived_because
            await outbox.withdraw(session, key_prefix=f"obligation:{owed.id}:")


async def withdraw_all(session: AsyncSession, incident: Incident) -> None:
    """The incident has ended otherwise: nothing is owed any more."""
    for kind in ("update", "review", *REPORTS):
        await _withdraw(session, incident, kind, states=_UNPAID)


async def times_settled(session: AsyncSession, incident_id: str, kind: str) -> list[datetime]:
    """When duties of a kind were done, in order."""
    query = select(Obligation.settled_at).where(
        Obligation.incident_id == incident_id,
        Obligation.kind == kind,
        Obligation.state == ObligationState.PAID,
    )
    return sorted(moment for moment in await session.scalars(query) if moment is not None)


async def withdraw_updates(session: AsyncSession, incident: Incident) -> None:
    """There is nothing to report on any more: no update is owed, not even one that was missed."""
    await _withdraw(session, incident, "update", states=_UNPAID)


def cadence(incident: Incident, levels: Levels) -> LevelSpec | None:
    """The level by which updates are owed now: its own once started, the one it came near to in the warning state."""
    level = incident.level if incident.activated_at is not None else incident.warned_of
    return levels.levels[level] if level is not None else None


def debts(*, owner: str | None = None, missed: bool | None = None) -> Select[Obligation]:
    """What is owed over all incidents."""
    query = select(Obligation).join(Incident, Incident.id == Obligation.incident_id)
    states = _UNPAID if missed is None else (ObligationState.MISSED if missed else ObligationState.OWED,)
    query = query.where(Obligation.state.in_(states))
    return query if owner is None else query.where(Obligation.owner == owner)


async def found(session: AsyncSession, incident: Incident, obligation_id: str) -> Obligation:
    """The obligation of that incident. Raises `NotFound`."""
    owed = await session.get(Obligation, obligation_id)
    if owed is None or owed.incident_id != incident.id:
        raise NotFound(say("obligations.not_found", id=obligation_id))
    return owed


async def unpaid(session: AsyncSession, incident_id: str, kind: str | None = None) -> list[Obligation]:
    query = select(Obligation).where(Obligation.incident_id == incident_id, Obligation.state.in_(_UNPAID))
    if kind is not None:
        query = query.where(Obligation.kind == kind)
    return list(await session.scalars(query.order_by(Obligation.due_at, Obligation.id)))


async def of_incident(session: AsyncSession, incident_id: str) -> list[Obligation]:
    query = (
        select(Obligation)
        .where(Obligation.incident_id == incident_id)
        .order_by(Obligation.due_at, Obligation.id)
    )
    return list(await session.scalars(query))


async def _owe(
    session: AsyncSession, incident: Incident, kind: str, *, owner: str, due_at: datetime, at: datetime,
    to: Sequence[str] = (),
) -> Obligation:  # fmt: skip
    query = select(func.max(Obligation.round)).where(
        Obligation.incident_id == incident.id, Obligation.kind == kind
    )
    number = (await session.scalar(query) or 0) + 1
    owed = Obligation(
        id=new_id(at),
        incident_id=incident.id,
        kind=kind,
        round=number,
        owner=owner,
        owed_to=list(to),
        due_at=due_at,
        state=ObligationState.OWED,
    )
    session.add(owed)
    payload = {"incident_id": incident.id, "obligation_id": owed.id, "times": 1}
    await outbox.arm(
        session, "obligation.due", payload, ref=incident.id, key=f"obligation:{owed.id}:due:1", due_at=due_at
    )
    return owed


async def _withdraw(
    session: AsyncSession, incident: Incident, kind: str, *, states: Collection[ObligationState] = (ObligationState.OWED,)
) -> None:  # fmt: skip
    for owed in await unpaid(session, incident.id, kind):
        if owed.state in states:
            owed.state = ObligationState.WITHDRAWN
            await outbox.withdraw(session, key_prefix=f"obligation:{owed.id}:")
