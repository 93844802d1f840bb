"""Why the plan is due for revision (ST-4): noted once for each occasion, reminded of until it is answered.

Some reasons the product sees for itself: a legal basis runs out, the plan's own interval of review passes, a review says that
the plan was the cause. The others somebody notes. A revision that names the reason answers it when it is put in force;
whoever finds that none is needed says why.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.db import in_turn
from app.errors import NotFound, Refused
from app.ids import new_id
from app.plan.document import PlanDocument
from app.plan.tables import PlanRevision, Reason, RevisionDue
from app.wording import Wording, kept, say

AHEAD: Final = timedelta(days=30)
"""So long before a legal basis runs out the plan is due: there must be time to revise it."""
AGAIN: Final = timedelta(days=7)
"""How often a reason that nobody has answered is brought to mind."""


class AlreadySettled(Refused, slug="revision-due-settled"):
    """This reason was answered before."""


async def note(
    session: AsyncSession, reason: Reason, said: Wording, *, key: str, by: str, at: datetime
) -> RevisionDue | None:
    """Note a reason, once for its `key`, and let it be reminded of at once; none: it was noted before."""
    same = select(RevisionDue.id).where(RevisionDue.key == key)
    if await session.scalar(same) is not None:
        return None
    await in_turn(session, "revision due")  # every replica looks each minute
    if await session.scalar(same) is not None:
        return None
    noted = RevisionDue(
        id=new_id(at), key=key, reason=reason, said=kept(said), noted_at=at, noted_by=by, reminders=0
    )
    session.add(noted)
    await session.flush()
    outbox.put(session, "plan.revision_due", {"due_id": noted.id}, ref=noted.id, at=at)
    return noted


async def note_by_hand(
    session: AsyncSession, reason: Reason, text: str, *, by: str, at: datetime
) -> RevisionDue:
    """Somebody says why the plan is to be revised."""
    noted = await note(session, reason, say("due.by_hand", text=text), key=f"hand:{new_id(at)}", by=by, at=at)
    assert noted is not None  # the key is new
    return noted


async def look(
    session: AsyncSession, document: PlanDocument, revision: PlanRevision, *, at: datetime
) -> None:
    """What the plan in force says of itself: legal bases that run out, and its interval of review."""
    zone = ZoneInfo(document.plan.time_zone)
    for basis in document.plan.legal_bases:
        if basis.expires is not None and _end_of(basis.expires, zone) - AHEAD <= at:
            said = say("due.law", title=basis.title, expires=basis.expires.isoformat())
            await note(
                session, Reason.LAW, said, key=f"law:{basis.title[:120]}:{basis.expires}", by="plan", at=at
            )
    kept_ = document.revision
    if (
        kept_ is not None
        and revision.in_force_from is not None
        and revision.in_force_from + kept_.review_every <= at
    ):
        said = say("due.review_due", since=revision.in_force_from)
        key = f"review:{revision.id}:{revision.in_force_from:%Y%m%d}"
        await note(session, Reason.REVIEW_DUE, said, key=key, by="plan", at=at)


async def remind(session: AsyncSession, due_id: str, *, at: datetime) -> RevisionDue | None:
    """Count one more reminder and arm the next; none: nothing is due any more."""
    due = await session.get(RevisionDue, due_id, with_for_update=True, populate_existing=True)
    if due is None or due.settled_at is not None:
        return None
    due.reminders += 1
    key = f"{_timers(due)}{due.reminders}"
    await outbox.arm(session, "plan.revision_due", {"due_id": due.id}, ref=due.id, key=key, due_at=at + AGAIN)
    return due


async def settle(session: AsyncSession, revision: PlanRevision, *, at: datetime) -> None:
    """A revision is put in force: what it names as its reasons is answered, and so is the interval of review."""
    answered = {*revision.reasons, Reason.REVIEW_DUE}
    for due in await session.scalars(every(open_only=True).where(RevisionDue.reason.in_(answered))):
        if due.noted_at <= at:
            due.settled_at, due.settled_by = at, revision.id
            await outbox.withdraw(session, key_prefix=_timers(due))


async def dismiss(session: AsyncSession, due_id: str, *, note_: str, by: str, at: datetime) -> RevisionDue:
    """Somebody looked at it and found that no revision is needed, and says why."""
    due = await session.get(RevisionDue, due_id, with_for_update=True, populate_existing=True)
    if due is None:
        raise NotFound(say("due.no_such", id=due_id))
    if due.settled_at is not None:
        raise AlreadySettled(
            say("due.already", by=due.settled_by, at=due.settled_at), settled_by=due.settled_by
        )
    due.settled_at, due.settled_by, due.note = at, by, note_
    await outbox.withdraw(session, key_prefix=_timers(due))
    return due


def every(*, open_only: bool = False) -> Select[Any]:
    query = select(RevisionDue)
    return query.where(RevisionDue.settled_at.is_(None)) if open_only else query


def blames_the_plan(causes: list[Mapping[str, Any]]) -> bool:
    """Whether a review puts a cause down to the plan: its category says so."""
    return any((cause.get("category") or "").strip().casefold() in _THE_PLAN for cause in causes)


_THE_PLAN: Final = frozenset({"plan", "预案", "預案"})


def _timers(due: RevisionDue) -> str:
    return f"revision-due:{due.id}:"


def _end_of(day: Any, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
