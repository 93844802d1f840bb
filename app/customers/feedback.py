"""Feedback of customers: entered, sorted by kind, answered in time by the position that owes it, counted (EG-3, EO-3).

Sorting is owed first, by the position the plan names for it; then the answer is, by that of the kind. Either not done in time is
a debt that goes up the organisation until it is paid.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.customers.tables import Came, Feedback, FeedbackState
from app.errors import NotFound, Refused, Stale, WrongShape
from app.ids import new_id
from app.incidents.document import Customers, FeedbackKind
from app.plan import revisions
from app.plan.document import PlanDocument
from app.wording import say

UNSORTED: Final = "unsorted"
_SORT_WITHIN: Final = timedelta(hours=4)  # where the plan says nothing of customers
_OWED: Final = (FeedbackState.RECEIVED, FeedbackState.SORTED)


class FeedbackEvent(StrEnum):
    SORT = "sort"  # say of what kind it is, or who else is to answer
    ANSWER = "answer"  # the customer has been answered
    DROP = "drop"  # no answer is owed


S, E = FeedbackState, FeedbackEvent
TRANSITIONS: Final[Mapping[tuple[FeedbackState, FeedbackEvent], FeedbackState]] = {
    (S.RECEIVED, E.SORT): S.SORTED,
    (S.SORTED, E.SORT): S.SORTED,
    (S.RECEIVED, E.ANSWER): S.ANSWERED,
    (S.SORTED, E.ANSWER): S.ANSWERED,
    (S.RECEIVED, E.DROP): S.DROPPED,
    (S.SORTED, E.DROP): S.DROPPED,
}


class IllegalFeedbackEvent(Refused, slug="illegal-feedback-event"):
    """Not possible with the feedback as it stands; `allowed` says what is."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a customer said, as somebody enters it."""

    text: str
    came: Came
    incident_id: str | None = None
    kind: str | None = None
    reference: str | None = None
    said_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Decided:
    """What becomes of it: which of these are needed depends on the event."""

    event: FeedbackEvent
    kind: str | None = None
    position: str | None = None
    due_at: datetime | None = None
    answer: str | None = None
    reason: str | None = None


@dataclass
class Count:
    """What was said of one kind over a time, and what became of it."""

    received: int = 0
    answered: int = 0
    in_time: int = 0  # of the answered
    dropped: int = 0
    owed: int = 0
    overdue: int = 0  # of the owed


@dataclass
class Figures:
    """Feedback counted: by kind, `unsorted` among them, and the complaints of all kinds together (EO-3, EP-9.1)."""

    by_kind: dict[str, Count] = field(default_factory=dict)
    complaints: int = 0


async def enter(session: AsyncSession, said: Said, *, by: str, at: datetime) -> Feedback:
    """Put down what a customer said; of a known kind it goes straight to whoever answers that kind."""
    document = await _plan(session)
    kind = _kind(document, said.kind) if said.kind is not None else None
    if said.said_at is not None and said.said_at > at:
        raise WrongShape(say("customers.said_later"), errors=[{"path": "said_at"}])
    entered = Feedback(
        id=new_id(at), incident_id=said.incident_id, came=said.came, text=said.text, reference=said.reference,
        said_at=said.said_at or at, entered_at=at, entered_by=by, kind=said.kind, state=S.RECEIVED, version=1,
        **_sorting(document, at),
    )  # fmt: skip
    session.add(entered)
    await session.flush()
    if kind is not None:
        _give(entered, kind.position, at + kind.answer_within)
    await _owe(session, entered, at=at)
    return entered


async def move(
    session: AsyncSession,
    feedback_id: str,
    decided: Decided,
    *,
    by: str,
    at: datetime,
    version: int | None = None,
) -> Feedback:
    """Sort, answer or drop it.

    1. What the table does not list is refused.
    2. Each event needs its word: a kind or a position, an answer, a reason.
    3. What was owed before is not owed any more; sorted, the answer is.
    """
    feedback = await found(session, feedback_id, lock=True)
    Stale.unless(version, feedback.version)
    state = TRANSITIONS.get((S(feedback.state), decided.event))
    if state is None:
        raise IllegalFeedbackEvent(
            say("customers.feedback_over"), state=feedback.state, allowed=allowed(feedback)
        )
    if decided.due_at is not None and decided.due_at <= at:
        raise WrongShape(say("customers.due_in_the_past"), errors=[{"path": "due_at"}])
    await outbox.withdraw(session, key_prefix=f"feedback:{feedback.id}:")
    feedback.version += 1
    match decided.event:
        case E.SORT:
            document = await _plan(session)
            _sort(document, feedback, decided, at=at)
            await _owe(session, feedback, at=at)
        case E.ANSWER:
            feedback.answer = _needed(decided.answer, "answer")
        case E.DROP:
            feedback.reason = _needed(decided.reason, "reason")
    if decided.event is not E.SORT:
        feedback.state, feedback.ended_by, feedback.ended_at = state, by, at
    await session.flush()
    return feedback


async def miss(session: AsyncSession, feedback_id: str, *, at: datetime) -> tuple[Feedback, list[str]] | None:
    """The due time passed: what is owed still is a debt, told to the position and to whom it reports; none: it was paid."""
    feedback = await found(session, feedback_id, lock=True)
    if feedback.state not in _OWED:
        return None
    feedback.missed_at = feedback.missed_at or at
    feedback.version += 1
    document = await _plan(session)
    await _arm(session, feedback, due_at=at + max(feedback.due_at - feedback.entered_at, timedelta(hours=1)))
    return feedback, document.organisation.above(feedback.position)


def allowed(feedback: Feedback) -> list[FeedbackEvent]:
    return [event for event in FeedbackEvent if (feedback.state, event) in TRANSITIONS]


async def kinds(session: AsyncSession) -> Mapping[str, FeedbackKind]:
    """The kinds of the plan in force."""
    plan = (await _plan(session)).customers
    return plan.feedback if plan is not None else {}


async def found(session: AsyncSession, feedback_id: str, *, lock: bool = False) -> Feedback:
    query = select(Feedback).where(Feedback.id == feedback_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    feedback: Feedback | None = await session.scalar(query)
    if feedback is None:
        raise NotFound(say("customers.no_feedback", id=feedback_id))
    return feedback


def search(
    *, incident_id: str | None = None, kind: str | None = None, state: FeedbackState | None = None,
    position: str | None = None, owed: bool | None = None,
) -> Select[Any]:  # fmt: skip
    """Feedback that matches all that is given."""
    query = select(Feedback)
    for column, value in (
        (Feedback.incident_id, incident_id), (Feedback.kind, kind), (Feedback.state, state), (Feedback.position, position),
    ):  # fmt: skip
        if value is not None:
            query = query.where(column == value)
    if owed is not None:
        query = query.where(Feedback.state.in_(_OWED) if owed else Feedback.state.not_in(_OWED))
    return query


async def figures(
    session: AsyncSession, *, at: datetime, incident_id: str | None = None, start: datetime | None = None,
    end: datetime | None = None,
) -> Figures:  # fmt: skip
    """Count what was said of an incident, or within a time, by kind."""
    conditions: list[ColumnElement[bool]] = []
    if incident_id is not None:
        conditions.append(Feedback.incident_id == incident_id)
    if start is not None:
        conditions.append(Feedback.said_at >= start)
    if end is not None:
        conditions.append(Feedback.said_at < end)
    in_time = (Feedback.ended_at <= Feedback.due_at).label("in_time")
    overdue = (Feedback.due_at <= at).label("overdue")
    counted = (
        select(Feedback.kind, Feedback.state, in_time, overdue, func.count().label("number"))
        .where(*conditions)
        .group_by(Feedback.kind, Feedback.state, in_time, overdue)
    )
    known, result = await kinds(session), Figures()
    for row in await session.execute(counted):
        count = result.by_kind.setdefault(row.kind or UNSORTED, Count())
        count.received += row.number
        if row.kind in known and known[row.kind].complaint:
            result.complaints += row.number
        if row.state in _OWED:
            count.owed += row.number
            count.overdue += row.number if row.overdue else 0
        elif row.state == S.ANSWERED:
            count.answered += row.number
            count.in_time += row.number if row.in_time else 0
        else:
            count.dropped += row.number
    return result


def _sort(document: PlanDocument, feedback: Feedback, decided: Decided, *, at: datetime) -> None:
    name = decided.kind or feedback.kind
    if name is None:
        raise WrongShape(say("customers.kind_needed"), errors=[{"path": "kind"}])
    kind = _kind(document, name)
    if decided.position is not None and decided.position not in document.organisation.positions:
        known = sorted(document.organisation.positions)
        raise WrongShape(
            say("customers.no_position", name=decided.position), errors=[{"path": "position"}], known=known
        )
    feedback.kind = name
    _give(feedback, decided.position or kind.position, decided.due_at or at + kind.answer_within)


def _give(feedback: Feedback, position: str, due_at: datetime) -> None:
    feedback.state, feedback.position, feedback.due_at, feedback.missed_at = S.SORTED, position, due_at, None


async def _owe(session: AsyncSession, feedback: Feedback, *, at: datetime) -> None:
    """Whoever owes the next step hears of it, and once more should the time pass."""
    payload = {"feedback_id": feedback.id}
    outbox.put(session, "feedback.owed", payload, ref=feedback.id, at=at)
    await _arm(session, feedback, due_at=feedback.due_at)


async def _arm(session: AsyncSession, feedback: Feedback, *, due_at: datetime) -> None:
    await outbox.arm(
        session, "feedback.overdue", {"feedback_id": feedback.id}, ref=feedback.id,
        key=f"feedback:{feedback.id}:{feedback.version}", due_at=due_at,
    )  # fmt: skip


def _sorting(document: PlanDocument, at: datetime) -> dict[str, Any]:
    plan: Customers | None = document.customers
    if plan is None:
        return {"position": document.organisation.default_position, "due_at": at + _SORT_WITHIN}
    return {"position": plan.sorted_by, "due_at": at + plan.sort_within}


def _kind(document: PlanDocument, name: str) -> FeedbackKind:
    known = document.customers.feedback if document.customers is not None else {}
    if name not in known:
        raise WrongShape(say("customers.no_kind", name=name), errors=[{"path": "kind"}], known=sorted(known))
    return known[name]


def _needed(said: str | None, name: str) -> str:
    if not said:
        raise WrongShape(say(f"customers.{name}_needed"), errors=[{"path": name}])
    return said


async def _plan(session: AsyncSession) -> PlanDocument:
    _, document = await revisions.in_force(session)
    return document
