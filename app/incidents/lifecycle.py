"""The life of an incident (EP-4.2): a table, and the one function that reads it.

The API's `allowed`, the console's buttons, the diagram in the docs and the tests read the same table. Nothing else changes a state.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import Forbidden, Refused
from app.incidents import timeline
from app.incidents.tables import Incident, State, TimelineEntry
from app.levels.document import LevelSpec
from app.levels.grading import is_graver
from app.vocabulary import Layer
from app.wording import Wording, kept, say


class Event(StrEnum):
    """What can be done to an incident."""

    ASSESS = "assess"  # set the level, with who, why and on what facts
    ACTIVATE = "activate"  # start the plan of that level
    RESPOND = "respond"  # the work begins
    RELEVEL = "relevel"  # raise or lower the level, with a reason
    RECOVER = "recover"  # under control; back to normal
    CLOSE = "close"  # the closing conditions hold
    REVIEW = "review"  # the review is published
    CANCEL = "cancel"  # a false alarm, or merged into another
    REOPEN = "reopen"  # closed too early, with a reason


class IllegalTransition(Refused, slug="illegal-transition"):
    """That is not possible in this state; `allowed` says what is."""


class GuardRefused(Refused, slug="guard-refused"):
    """The state allows it, the circumstances do not; the detail says what is missing."""


class NotYours(Forbidden, slug="not-yours-to-declare"):
    """The level is declared and ended by another layer (EP-2.1)."""


@dataclass(frozen=True)
class Move:
    """All that guards look at: what was asked, by whom, and how things stand."""

    spec: LevelSpec  # of the level the incident has now
    reason: str | Wording | None = None  # typed by a person, or a sentence of ours
    level: int | None = None
    level_reason: Wording | None = None
    gravity: str | None = None
    assessment: Mapping[str, Any] | None = None  # by what the level was given, and on what facts
    playbook: str | None = None
    merge_into: str | None = None
    by_layer: Layer | None = None  # none: the plan itself acts
    unmet: Mapping[str, Wording] = field(default_factory=dict)  # closing conditions that do not hold, by name
    waived: frozenset[str] = frozenset()
    review_ready: bool = True


Guard = Callable[[Incident, Move], Wording | None]


def _free(_incident: Incident, _move: Move) -> Wording | None:
    return None


def _has_reason(_incident: Incident, move: Move) -> Wording | None:
    return None if move.reason else say("lifecycle.reason_needed")


def _declares(_incident: Incident, move: Move) -> Wording | None:
    if move.spec.declared_by is Layer.LEADERSHIP and move.by_layer is Layer.MANAGEMENT and not move.reason:
        raise NotYours(
            say("lifecycle.leadership_declares", level=move.spec.title.model_dump()), needs=["reason"]
        )
    return None


def _relevels(incident: Incident, move: Move) -> Wording | None:
    if move.level is None:
        return say("lifecycle.level_needed")
    if move.level == incident.level:
        return say("lifecycle.same_level", level=incident.level)
    return _has_reason(incident, move)


def _may_close(incident: Incident, move: Move) -> Wording | None:
    if incident.state == State.RESPONDING and move.spec.recovery == "required":
        return say("lifecycle.recovery_first", level=move.spec.title.model_dump())
    unmet = [wording for name, wording in move.unmet.items() if name not in move.waived]
    if unmet:
        return say("lifecycle.not_closable", what=unmet)
    if move.waived and not move.reason:
        return say("lifecycle.waive_reason")
    return _declares(incident, move)


def _review_ready(_incident: Incident, move: Move) -> Wording | None:
    return None if move.review_ready else say("lifecycle.review_not_ready")


@dataclass(frozen=True)
class Transition:
    to: State
    topic: str
    guard: Guard = _free


S, E, T = State, Event, Transition
TRANSITIONS: Final[Mapping[tuple[State, Event], Transition]] = {
    (S.DETECTED, E.ASSESS): T(S.ASSESSED, "incident.assessed"),
    (S.DETECTED, E.RELEVEL): T(S.DETECTED, "incident.releveled", _relevels),
    (S.DETECTED, E.CANCEL): T(S.CANCELLED, "incident.cancelled", _has_reason),
    (S.ASSESSED, E.ACTIVATE): T(S.ACTIVATED, "incident.activated", _declares),
    (S.ASSESSED, E.RELEVEL): T(S.ASSESSED, "incident.releveled", _relevels),
    (S.ASSESSED, E.CANCEL): T(S.CANCELLED, "incident.cancelled", _has_reason),
    (S.ACTIVATED, E.RESPOND): T(S.RESPONDING, "incident.response_started"),
    (S.ACTIVATED, E.RELEVEL): T(S.ACTIVATED, "incident.releveled", _relevels),
    (S.ACTIVATED, E.CANCEL): T(S.CANCELLED, "incident.cancelled", _has_reason),
    (S.RESPONDING, E.RECOVER): T(S.RECOVERING, "incident.recovering"),
    (S.RESPONDING, E.RELEVEL): T(S.RESPONDING, "incident.releveled", _relevels),
    (S.RESPONDING, E.CLOSE): T(S.CLOSED, "incident.closed", _may_close),
    (S.RESPONDING, E.CANCEL): T(S.CANCELLED, "incident.cancelled", _has_reason),
    (S.RECOVERING, E.RELEVEL): T(S.RECOVERING, "incident.releveled", _relevels),
    (S.RECOVERING, E.CLOSE): T(S.CLOSED, "incident.closed", _may_close),
    (S.RECOVERING, E.CANCEL): T(S.CANCELLED, "incident.cancelled", _has_reason),
    (S.CLOSED, E.REVIEW): T(S.REVIEWED, "incident.reviewed", _review_ready),
    (S.CLOSED, E.REOPEN): T(S.RESPONDING, "incident.reopened", _has_reason),
}

# The column that remembers when a state was entered.
_ENTERED: Final = {
    S.ASSESSED: "assessed_at", S.ACTIVATED: "activated_at", S.RESPONDING: "responding_at", S.RECOVERING: "recovering_at",
    S.CLOSED: "closed_at", S.REVIEWED: "reviewed_at", S.CANCELLED: "cancelled_at",
}  # fmt: skip


def allowed(state: State) -> list[Event]:
    """What the table lists for a state, in the order of `Event`."""
    return [event for event in Event if (state, event) in TRANSITIONS]


def apply(
    session: AsyncSession, incident: Incident, event: Event, *, actor: str, at: datetime, move: Move
) -> TimelineEntry:
    """Apply `event` to a locked incident, or raise `IllegalTransition`, `GuardRefused` or `NotYours`.

    In the caller's transaction, all or nothing:

    1. Look the pair up; refuse what the table does not list.
    2. Ask the guard.
    3. Move the state and what belongs to it.
    4. Write the timeline entry.
    5. Write the outbox message that the rest of the service reacts to.
    """
    state = State(incident.state)
    step = TRANSITIONS.get((state, event))
    if step is None:
        raise IllegalTransition(
            say("lifecycle.illegal", event=say(f"event.{event}"), state=say(f"state.{state}")),
            state=state, allowed=allowed(state), current_version=incident.version,
        )  # fmt: skip
    if refusal := step.guard(incident, move):
        raise GuardRefused(
            refusal, state=state, allowed=allowed(state), unmet=sorted(set(move.unmet) - move.waived)
        )

    before = incident.level
    _enter(incident, event, step.to, move, at)
    entry = timeline.append(
        session, incident, step.topic, actor=actor, at=at, event=event, **{"from": state}, to=step.to, level=incident.level,
        level_before=before, reason=move.reason, because=move.level_reason, gravity=move.gravity,
        waived=sorted(move.waived) or None, merged_into=move.merge_into, playbook=incident.playbook,
        assessment=move.assessment,
    )  # fmt: skip
    payload = {
        "incident_id": incident.id,
        "seq": entry.seq,
        "level": incident.level,
        "level_before": before,
        "actor": actor,
    }
    outbox.speaks_of(session, incident.id, outbox.Urgency.of(min(before, incident.level)))
    outbox.put(session, step.topic, payload, ref=incident.id, at=at)
    return entry


def _enter(incident: Incident, event: Event, to: State, move: Move, at: datetime) -> None:
    if to is not State(incident.state) and to in _ENTERED:
        setattr(incident, _ENTERED[to], at)
    incident.state = to
    incident.version += 1
    if event in (Event.ASSESS, Event.RELEVEL) and move.level is not None:
        unanswered = incident.acknowledged_at is None and move.level != incident.level
        if is_graver(move.level, incident.level) or unanswered:
            page_again(incident)
        incident.level = move.level
        incident.level_suggested = None
        if move.level_reason is not None:
            incident.level_reason = kept(move.level_reason)
        incident.gravity = move.gravity or incident.gravity
    if event is Event.ASSESS:
        incident.provisional = False
    if event is Event.ACTIVATE and move.playbook:
        incident.playbook = move.playbook
    if event in (Event.ACTIVATE, Event.CANCEL):
        incident.warned_of = incident.warned_because = None
    if event is Event.CANCEL:
        incident.merged_into = move.merge_into
    if event is Event.REOPEN:
        incident.occurrence += 1
        incident.closed_at = None
        page_again(incident)


def page_again(incident: Incident) -> None:
    """A graver level or a new occurrence: the earlier answer no longer holds, and whoever is called is called anew."""
    incident.calls += 1
    incident.acknowledged_at = incident.acknowledged_by = None
