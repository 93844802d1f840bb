"""A review edited and published (EP-4.2.5): people's words, then fixed, and its improvement items open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound, Refused, Stale, WrongShape
from app.ids import new_id
from app.incidents import obligations, record
from app.incidents.lifecycle import Event
from app.incidents.tables import OPEN_STATES, Incident, State
from app.incidents.transitions import Command, carry_out
from app.reviews import draft, figures, improvements
from app.reviews.tables import Improvement, ImprovementState, Review, ReviewState
from app.vocabulary import Layer
from app.wording import say

MOST_ITEMS: Final = 100


class ReviewPublished(Refused, slug="review-published"):
    """A published review is fixed."""


class ReviewNotReady(Refused, slug="review-not-ready"):
    """What a review cannot be published without; `needs` names it."""


class IncidentOpen(Refused, slug="incident-open"):
    """The incident is open again: its review waits until it is closed."""


@dataclass(frozen=True)
class Item:
    """A change to the improvements: without `id` a new one, with it a change, with `remove` its end."""

    id: str | None = None
    title: str | None = None
    owner: str | None = None
    due_on: date | None = None
    remove: bool = False


@dataclass(frozen=True)
class Edit:
    """What somebody wrote; what is not named stays as it is."""

    columns: Mapping[str, Any] = field(default_factory=dict)  # the review's own, by name
    improvements: Sequence[Item] = ()


async def found(session: AsyncSession, incident: Incident) -> Review:
    """The review of an incident, or the word when there will be one."""
    review = await session.get(Review, incident.id)
    if review is None:
        key = "reviews.not_cancelled" if incident.state == State.CANCELLED else "reviews.not_yet"
        raise NotFound(say(key, number=incident.number), state=incident.state)
    return review


async def edit(
    session: AsyncSession, review: Review, change: Edit, *, by: str, at: datetime, version: int | None = None
) -> Review:
    """Write into a draft, or raise `Stale` or `ReviewPublished`; all of the change, or nothing."""
    review = await _held(session, review, version)
    _refuse_published(review)
    for column, value in change.columns.items():
        setattr(review, column, value)
    if change.improvements:
        await _rewrite(session, review, change.improvements, at=at)
    review.edited_by, review.version = by, review.version + 1
    return review


async def publish(
    session: AsyncSession, review: Review, *, by: str, at: datetime, layer: Layer | None = None,
    version: int | None = None,
) -> Review:  # fmt: skip
    """Fix it, open its improvement items and complete the incident's review, or raise what stands against it.

    1. Hold the incident, then the review: in the order every other command does.
    2. Refuse what is published, what has no summary or no cause, and what is open again.
    3. Compute the figures for the last time.
    4. Move the incident on, and settle the review it owes.
    """
    incident = await record.locked(session, review.incident_id)
    review = await _held(session, review, version)
    _refuse_published(review)
    if incident.state in OPEN_STATES:
        raise IncidentOpen(say("reviews.incident_open", number=incident.number), state=incident.state)
    if needs := [name for name in ("summary", "causes") if not _is_said(getattr(review, name))]:
        wanting = [say(f"reviews.needs.{name}") for name in needs]
        where = f"/api/v1/incidents/{incident.id}/review"
        raise ReviewNotReady(say("reviews.not_ready", what=wanting), needs=needs, edit=where)
    await _fix(session, incident, review, by=by, at=at)
    if incident.state == State.CLOSED:
        await carry_out(session, incident, Command(Event.REVIEW), actor=by, layer=layer, at=at)
    return review


async def on_reviewed(session: AsyncSession, incident: Incident, *, by: str, at: datetime) -> Review | None:
    """The locked incident was moved to reviewed (reaction to `incident.reviewed`): the draft stands as it is.

    Harmless when it is published already, as when publishing was what moved the incident.
    """
    review = await draft.locked(session, incident.id)
    if review is not None and review.state == ReviewState.DRAFT:
        await _fix(session, incident, review, by=by, at=at)
    return review


async def _fix(session: AsyncSession, incident: Incident, review: Review, *, by: str, at: datetime) -> None:
    await obligations.pay(session, incident, "review", at=at)
    review.figures = await figures.of_incident(session, incident)
    review.state, review.published_at, review.published_by = ReviewState.PUBLISHED, at, by
    review.version += 1
    for item in await draft.improvements_of(session, incident.id):
        if item.state == ImprovementState.PROPOSED:
            await improvements.begin(session, item)


async def _held(session: AsyncSession, review: Review, version: int | None) -> Review:
    held = await draft.locked(session, review.incident_id)
    assert held is not None  # reviews are never deleted
    Stale.unless(version, held.version)
    return held


def _refuse_published(review: Review) -> None:
    if review.state == ReviewState.PUBLISHED:
        raise ReviewPublished(
            say("reviews.published", at=review.published_at, by=review.published_by),
            improvements=f"/api/v1/improvements?incident={review.incident_id}",
        )


def _is_said(value: str | Sequence[Mapping[str, Any]]) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return any(str(cause.get("text", "")).strip() for cause in value)


async def _rewrite(session: AsyncSession, review: Review, items: Sequence[Item], *, at: datetime) -> None:
    known = {item.id: item for item in await draft.improvements_of(session, review.incident_id)}
    added = sum(1 for item in items if item.id is None)
    errors = [error for number, item in enumerate(items) for error in _mistakes(item, number, known)]
    if len(known) + added > MOST_ITEMS:
        errors.append({"path": "improvements", "message": str(MOST_ITEMS)})
    if errors:
        raise WrongShape(say("reviews.bad_items", most=MOST_ITEMS), errors=errors, known=sorted(known))
    for order, item in enumerate(items):
        # The order they were written in is the order they are shown in.
        await _apply(session, review, item, known, at=at + timedelta(microseconds=order))


def _mistakes(item: Item, number: int, known: Mapping[str, Improvement]) -> list[dict[str, str]]:
    if item.id is not None:
        return [] if item.id in known else [{"path": f"improvements.{number}.id"}]
    missing = [name for name in ("title", "owner", "due_on") if getattr(item, name) is None]
    if item.remove:
        missing.append("id")
    return [{"path": f"improvements.{number}.{name}"} for name in missing]


async def _apply(
    session: AsyncSession, review: Review, item: Item, known: Mapping[str, Improvement], *, at: datetime
) -> None:
    if item.id is None:
        fresh = Improvement(
            id=new_id(at), incident_id=review.incident_id, title=item.title, owner=item.owner,
            due_on=item.due_on, state=ImprovementState.PROPOSED, created_at=at, version=1,
        )  # fmt: skip
        session.add(fresh)
    elif item.remove:
        await session.delete(known[item.id])
    else:
        for name in ("title", "owner", "due_on"):
            if (value := getattr(item, name)) is not None:
                setattr(known[item.id], name, value)
        known[item.id].version += 1
    await session.flush()
