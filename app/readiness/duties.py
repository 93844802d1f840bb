"""The recurring duties of the plan: each occurrence a row with an owner and a due time (EP-6, EP-8, EP-10.2).

Any number of replicas may fire the same occurrence: its key is the duty and the moment it fell due. What fell
due while nothing ran is fired at the next call. Nothing here waits, and nothing is ever fired for a time
before its plan was in force.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import Forbidden, NotFound, Refused
from app.plan import due, revisions
from app.plan.document import RecurringDuty
from app.readiness.calendar import occurrences_between
from app.readiness.tables import DutyOccurrence, DutyState
from app.vocabulary import Localised
from app.wording import say

MOST_AT_ONCE: Final = 100  # of one duty in one call; a long absence is made up for over several


class AlreadyDone(Refused, slug="duty-already-done"):
    """It has been reported as done before."""


def key_of(duty_id: str, occurrence: datetime) -> str:
    """Sorts by time, and can stand in an address."""
    return f"{occurrence.astimezone(UTC):%Y%m%dT%H%M%SZ}-{duty_id}"


async def fire_due(session: AsyncSession, *, at: datetime) -> list[str]:
    """Fire all that fell due by `at` under the plan in force, and mark what is overdue; says what was fired.

    Called at start and at every tick. Before a new plan is put in force, call it once more: what fell due
    meanwhile was due under the old one.
    """
    await _mark_overdue(session, at)
    revision = await revisions.current(session)
    if revision is None or revision.in_force_from is None:
        return []
    document = await revisions.document_of(session, revision.id)
    await due.look(session, document, revision, at=at)
    if document.training is None:
        return []
    zone = ZoneInfo(document.plan.time_zone)
    fired: list[str] = []
    for duty_id, duty in document.training.duties.items():
        after = max(await _last_fired(session, duty_id) or revision.in_force_from, revision.in_force_from)
        moments = occurrences_between(duty, zone, after, at, most=MOST_AT_ONCE)
        fired += [
            key_of(duty_id, one) for one in moments if await fire(session, duty_id, duty, occurrence=one)
        ]
    return fired


async def fire(session: AsyncSession, duty_id: str, duty: RecurringDuty, *, occurrence: datetime) -> bool:
    """Let one occurrence of the calendar fall due, once; says whether this call was the one that did it."""
    return await let_fall_due(
        session, duty_id, title=duty.title, clause=duty.clause, owner=duty.owner, occurrence=occurrence,
        due_at=occurrence + duty.due_within,
    )  # fmt: skip


async def let_fall_due(
    session: AsyncSession, duty_id: str, *, title: Localised, clause: str, owner: str, occurrence: datetime,
    due_at: datetime,
) -> bool:  # fmt: skip
    """Let a duty fall due at `occurrence`, to be done by `due_at`; once, whoever calls."""
    key, words = key_of(duty_id, occurrence), title.model_dump()
    values = {
        "key": key, "duty": duty_id, "title": words, "clause": clause, "owner": owner,
        "fired_at": occurrence, "due_at": due_at, "state": DutyState.DUE,
    }  # fmt: skip
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    statement = insert(DutyOccurrence).values(values).on_conflict_do_nothing(index_elements=["key"])
    if await session.scalar(statement.returning(DutyOccurrence.key)) is None:
        return False
    payload = {
        "occurrence": key, "duty": duty_id, "owner": owner, "title": words, "clause": clause,
        "due_at": f"{due_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
    }  # fmt: skip
    outbox.put(session, "duty.due", payload, ref=duty_id, at=occurrence)
    timer = f"duty:{key}:overdue"
    await outbox.arm(session, "duty.overdue", payload, ref=duty_id, key=timer, due_at=due_at)
    return True


async def complete(
    session: AsyncSession, key: str, *, by: str, entitled: bool, at: datetime, note: str | None = None
) -> DutyOccurrence:
    """It has been done, in time or late. `entitled`: whether the caller may answer for its owner."""
    occurrence = await _locked(session, key)
    if not entitled:
        raise Forbidden(say("duties.not_yours", owner=occurrence.owner), owner=occurrence.owner)
    if occurrence.state == DutyState.DONE:
        raise AlreadyDone(
            say("duties.already", by=occurrence.done_by, at=occurrence.done_at), done_by=occurrence.done_by
        )
    occurrence.state, occurrence.done_at, occurrence.done_by, occurrence.note = DutyState.DONE, at, by, note
    await outbox.withdraw(session, key_prefix=f"duty:{key}:")
    return occurrence


async def settle(session: AsyncSession, duty_id: str, *, by: str, at: datetime, note: str | None) -> None:
    """What it asked for has been done elsewhere: every occurrence that is not done yet is."""
    undone = (DutyOccurrence.duty == duty_id) & (DutyOccurrence.state != DutyState.DONE)
    for occurrence in await session.scalars(select(DutyOccurrence).where(undone).with_for_update()):
        occurrence.state, occurrence.done_at, occurrence.done_by, occurrence.note = (
            DutyState.DONE,
            at,
            by,
            note,
        )
        await outbox.withdraw(session, key_prefix=f"duty:{occurrence.key}:")


async def overdue(session: AsyncSession, at: datetime) -> Sequence[DutyOccurrence]:
    """What should have been done by `at` and is not, the oldest first."""
    query = every().where(DutyOccurrence.state != DutyState.DONE, DutyOccurrence.due_at <= at)
    return list(await session.scalars(query.order_by(DutyOccurrence.due_at, DutyOccurrence.key)))


async def found(session: AsyncSession, key: str) -> DutyOccurrence:
    occurrence = await session.get(DutyOccurrence, key)
    if occurrence is None:
        raise NotFound(say("duties.no_such", id=key))
    return occurrence


def every(*, state: DutyState | None = None, duty: str | None = None) -> Select[Any]:
    """Occurrences that match all that is given."""
    query = select(DutyOccurrence)
    if state is not None:
        query = query.where(DutyOccurrence.state == state)
    return query if duty is None else query.where(DutyOccurrence.duty == duty)


async def _mark_overdue(session: AsyncSession, at: datetime) -> None:
    late = update(DutyOccurrence).where(DutyOccurrence.state == DutyState.DUE, DutyOccurrence.due_at <= at)
    await session.execute(late.values(state=DutyState.OVERDUE))


async def _last_fired(session: AsyncSession, duty_id: str) -> datetime | None:
    query = select(DutyOccurrence.fired_at).where(DutyOccurrence.duty == duty_id)
    return await session.scalar(query.order_by(DutyOccurrence.fired_at.desc()).limit(1))


async def _locked(session: AsyncSession, key: str) -> DutyOccurrence:
    query = select(DutyOccurrence).where(DutyOccurrence.key == key).with_for_update()
    occurrence = await session.scalar(query.execution_options(populate_existing=True))
    if occurrence is None:
        raise NotFound(say("duties.no_such", id=key))
    return occurrence
