"""Improvement items (EP-9.2): proposed in a review, open from its publication, done with evidence, seen."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.access.four_eyes import is_same_hand
from app.access.keys import Principal
from app.errors import Forbidden, NotFound, Refused, Stale
from app.plan import revisions
from app.reviews.tables import Improvement, ImprovementState
from app.wording import say

_AGAIN_AFTER: Final = timedelta(days=7)


class ImprovementEvent(StrEnum):
    COMPLETE = "complete"  # it is done, and this shows it
    VERIFY = "verify"  # somebody else saw that it is
    DROP = "drop"  # it will not be done, with a reason
    REOPEN = "reopen"  # it is to be done after all, or again


S, E = ImprovementState, ImprovementEvent
TRANSITIONS: Final[Mapping[tuple[ImprovementState, ImprovementEvent], ImprovementState]] = {
    (S.OPEN, E.COMPLETE): S.DONE,
    (S.OPEN, E.DROP): S.DROPPED,
    (S.DONE, E.VERIFY): S.VERIFIED,
    (S.DONE, E.REOPEN): S.OPEN,
    (S.VERIFIED, E.REOPEN): S.OPEN,
    (S.DROPPED, E.REOPEN): S.OPEN,
}
_NEEDS: Final[Mapping[ImprovementEvent, str]] = {E.COMPLETE: "evidence", E.DROP: "note"}


class IllegalImprovementTransition(Refused, slug="illegal-improvement-transition"):
    """That is not possible with this item now; `allowed` says what is."""


class OwnImprovement(Forbidden, slug="own-improvement"):
    """Nobody verifies what they reported as done themselves."""


def allowed(state: ImprovementState) -> list[ImprovementEvent]:
    return [event for event in ImprovementEvent if (state, event) in TRANSITIONS]


def every(
    *,
    state: ImprovementState | None = None,
    incident_id: str | None = None,
    owner: str | None = None,
    drill_id: str | None = None,
) -> Select[Any]:
    """Items that match all that is given."""
    query = select(Improvement)
    for column, value in (
        (Improvement.state, state), (Improvement.incident_id, incident_id), (Improvement.owner, owner),
        (Improvement.drill_id, drill_id),
    ):  # fmt: skip
        if value is not None:
            query = query.where(column == value)
    return query


async def begin(session: AsyncSession, proposed: Improvement) -> None:
    """A proposed item is to be done from now on: its review is published."""
    proposed.state, proposed.version = ImprovementState.OPEN, proposed.version + 1
    await _arm(session, proposed)


async def open_of_drill(
    session: AsyncSession, item_id: str, *, drill_id: str, incident_id: str | None, title: str, owner: str, due_on: date,
    at: datetime,
) -> None:  # fmt: skip
    """What a drill found wanting is to be done; once per `item_id`."""
    if await session.get(Improvement, item_id) is not None:
        return
    item = Improvement(
        id=item_id, drill_id=drill_id, incident_id=incident_id, title=title, owner=owner, due_on=due_on,
        state=ImprovementState.OPEN, created_at=at, version=1,
    )  # fmt: skip
    session.add(item)
    await session.flush()
    await _arm(session, item)


async def move(
    session: AsyncSession, improvement_id: str, event: ImprovementEvent, *, by: Principal,
    note: str | None = None, evidence: str | None = None, version: int | None = None,
) -> Improvement:  # fmt: skip
    """Apply `event` to an item, or raise what stands against it."""
    item = await locked(session, improvement_id)
    Stale.unless(version, item.version)
    state = ImprovementState(item.state)
    to = TRANSITIONS.get((state, event))
    if to is None:
        event_said, state_said = say(f"improvement_event.{event}"), say(f"improvement_state.{state}")
        raise IllegalImprovementTransition(
            say("improvements.illegal", event=event_said, state=state_said),
            state=state, allowed=allowed(state), current_version=item.version,
        )  # fmt: skip
    if (need := _NEEDS.get(event)) is not None and not {"note": note, "evidence": evidence}[need]:
        raise Refused(say(f"improvements.{need}_needed"), allowed=allowed(state), needs=[need])
    if event is ImprovementEvent.VERIFY and await is_same_hand(session, by, item.done_key):
        raise OwnImprovement(say("improvements.own"), done_by=item.done_by)
    item.state, item.version = to, item.version + 1
    item.note, item.evidence = note or item.note, evidence or item.evidence
    await _follow(session, item, event, by)
    return item


async def _follow(session: AsyncSession, item: Improvement, event: ImprovementEvent, by: Principal) -> None:
    match event:
        case ImprovementEvent.COMPLETE:
            item.done_by, item.done_key = by.name, by.key_id
        case ImprovementEvent.VERIFY:
            item.verified_by = by.name
        case ImprovementEvent.REOPEN:
            item.done_by = item.done_key = item.verified_by = None
    if item.state == ImprovementState.OPEN:
        await _arm(session, item)
    else:
        await outbox.withdraw(session, key_prefix=f"improvement:{item.id}:")


async def chase(session: AsyncSession, improvement_id: str, *, at: datetime) -> Improvement | None:
    """Its day has passed (reaction to `improvement.overdue`): the item if open, chased again in a week."""
    item = await locked(session, improvement_id)
    if item.state != ImprovementState.OPEN:
        return None
    await _arm(session, item, due_at=at + _AGAIN_AFTER)
    return item


async def locked(session: AsyncSession, improvement_id: str) -> Improvement:
    query = select(Improvement).where(Improvement.id == improvement_id).with_for_update()
    item = await session.scalar(query.execution_options(populate_existing=True))
    if item is None:
        raise NotFound(say("improvements.no_such", id=improvement_id))
    return item


async def _arm(session: AsyncSession, item: Improvement, *, due_at: datetime | None = None) -> None:
    due_at = due_at or _end_of(item, await _zone(session))
    payload = {
        "improvement_id": item.id, "incident_id": item.incident_id, "title": item.title, "owner": item.owner,
        "due_on": item.due_on.isoformat(),
    }  # fmt: skip
    # A key of its own for each time: an item may be reopened, and is chased more than once.
    key = f"improvement:{item.id}:{item.version}:{due_at:%Y%m%dT%H%M%S}"
    # Not under the incident's ref: what ends there withdraws its timers, and this outlives it.
    await outbox.arm(session, "improvement.overdue", payload, ref=item.id, key=key, due_at=due_at)


def _end_of(item: Improvement, zone: ZoneInfo) -> datetime:
    """The first moment at which the day it was due on is over, where the centre lives."""
    return datetime.combine(item.due_on + timedelta(days=1), time(), zone).astimezone(UTC)


async def _zone(session: AsyncSession) -> ZoneInfo:
    standing = await revisions.current(session)
    if standing is None:
        return ZoneInfo("UTC")
    return ZoneInfo((await revisions.document_of(session, standing.id)).plan.time_zone)
