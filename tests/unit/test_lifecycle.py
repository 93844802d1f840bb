"""The life of an incident (EP-4.2), against the words of the plan written down a second time and differently."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.incidents import lifecycle
from app.incidents.lifecycle import TRANSITIONS, Event, GuardRefused, IllegalTransition, Move, NotYours
from app.incidents.tables import Incident, State
from app.levels.document import Colour, LevelSpec, Targets
from app.outbox import OutboxMessage
from app.vocabulary import Layer, Localised
from app.wording import say

AT = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)
SOON = timedelta(minutes=5)

# `detected → assessed → activated → responding → recovering → closed → reviewed`; `cancelled` from any state
# before `closed`; `closed → responding` reopens. The level changes, and the state does not, in any state before `closed`.
MEANT = """
detected   assess   assessed
assessed   activate activated
activated  respond  responding
responding recover  recovering
responding close    closed
recovering close    closed
closed     review   reviewed
closed     reopen   responding
detected   cancel   cancelled
assessed   cancel   cancelled
activated  cancel   cancelled
responding cancel   cancelled
recovering cancel   cancelled
detected   relevel  detected
assessed   relevel  assessed
activated  relevel  activated
responding relevel  responding
recovering relevel  recovering
"""
EXPECTED = {
    (State(a), Event(b)): State(c) for a, b, c in (line.split() for line in MEANT.split("\n") if line)
}
ENDS = {State.REVIEWED, State.CANCELLED}


def spec(*, by: Layer = Layer.MANAGEMENT, recovery: Any = "optional") -> LevelSpec:
    targets = Targets(
        acknowledge=SOON, activate=SOON, respond=SOON, restore=SOON, update_every=SOON, review_within=SOON
    )
    title = Localised(zh="三级响应", en="Level 3")
    return LevelSpec(
        title=title, colour=Colour.YELLOW, meaning=title, targets=targets, update_owner="duty_lead", declared_by=by,
        recovery=recovery, command_post="standard",
    )  # fmt: skip


def incident(state: State | str, level: int = 3) -> Incident:
    return Incident(
        id="01", number="INC-2026-0001", title="x", state=state, level=level, version=4, occurrence=1, calls=1, facts={},
        provisional=True, playbook="other", last_seq=0, last_hash="", level_reason={"key": "k", "params": {}},
    )  # fmt: skip


def move(**given: Any) -> Move:
    """All that any guard asks for, unless something else is given."""
    usual: dict[str, Any] = {"spec": spec(), "reason": "because", "level": 2, "by_layer": Layer.LEADERSHIP}
    return Move(**(usual | given))


def apply(state: State | str, event: Event, *, level: int = 3, **given: Any) -> tuple[Incident, AsyncSession]:
    moved, session = incident(state, level), AsyncSession()
    lifecycle.apply(session, moved, event, actor="Ada", at=AT, move=move(**given))
    return moved, session


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_each_event_in_each_state_does_what_the_plan_says_or_is_refused(state: State, event: Event) -> None:
    # As the database gives it back: the plain word.
    if (state, event) in EXPECTED:
        moved, _ = apply(state.value, event)
        assert moved.state == EXPECTED[state, event]
        assert moved.version == 5
    else:
        with pytest.raises(IllegalTransition) as refused:
            apply(state.value, event)
        assert refused.value.slug == "illegal-transition"
        assert refused.value.members["allowed"] == [e for e in Event if (state, e) in EXPECTED]


@pytest.mark.parametrize("state", State)
def test_every_state_but_the_ends_has_a_way_out_and_can_be_reached(state: State) -> None:
    leaves = {to for (at, _), to in EXPECTED.items() if at is state and to is not state}
    assert bool(leaves) is (state not in ENDS)
    assert lifecycle.allowed(state) == [event for event in Event if (state, event) in EXPECTED]
    assert state is State.DETECTED or state in {step.to for step in TRANSITIONS.values()}


@pytest.mark.parametrize(("state", "event"), list(EXPECTED))
def test_state_timeline_and_outbox_tell_the_same(state: State, event: Event) -> None:
    moved, session = apply(state, event)
    (message,) = [row for row in session.new if isinstance(row, OutboxMessage)]
    entry = next(row for row in session.new if not isinstance(row, OutboxMessage))
    assert message.topic == entry.kind == TRANSITIONS[state, event].topic
    assert (entry.data["from"], entry.data["to"]) == (state, moved.state)
    assert message.payload["seq"] == moved.last_seq == 1


@pytest.mark.parametrize(
    ("state", "event", "given", "key"),
    [
        ("detected", "cancel", {"reason": None}, "lifecycle.reason_needed"),
        ("closed", "reopen", {"reason": None}, "lifecycle.reason_needed"),
        ("responding", "relevel", {"reason": None}, "lifecycle.reason_needed"),
        ("responding", "relevel", {"level": None}, "lifecycle.level_needed"),
        ("responding", "relevel", {"level": 3}, "lifecycle.same_level"),
        ("responding", "close", {"spec": spec(recovery="required")}, "lifecycle.recovery_first"),
        ("recovering", "close", {"unmet": {"tasks_done": say("x")}}, "lifecycle.not_closable"),
        (
            "recovering", "close", {"unmet": {"tasks_done": say("x")}, "waived": frozenset({"updates_paid"})},
            "lifecycle.not_closable",
        ),
        (
            "recovering", "close",
            {"unmet": {"tasks_done": say("x")}, "waived": frozenset({"tasks_done"}), "reason": None},
            "lifecycle.waive_reason",
        ),
        ("closed", "review", {"review_ready": False}, "lifecycle.review_not_ready"),
    ],
)  # fmt: skip
def test_each_guard_refuses_with_its_reason_and_changes_nothing(
    state: str, event: str, given: dict[str, Any], key: str
) -> None:
    held, session = incident(state), AsyncSession()
    with pytest.raises(GuardRefused) as refused:
        lifecycle.apply(session, held, Event(event), actor="Ada", at=AT, move=move(**given))
    assert refused.value.detail.key == key
    assert (refused.value.slug, refused.value.status) == ("guard-refused", 409)
    assert (held.state, held.version, held.last_seq, list(session.new)) == (state, 4, 0, [])


def test_what_stands_in_the_way_is_named_without_what_was_waived() -> None:
    unmet = {"tasks_done": say("x"), "updates_paid": say("y")}
    with pytest.raises(GuardRefused) as refused:
        apply("recovering", Event.CLOSE, unmet=unmet, waived=frozenset({"tasks_done"}))
    assert refused.value.members["unmet"] == ["updates_paid"]
    closed, _ = apply("recovering", Event.CLOSE, unmet=unmet, waived=frozenset(unmet))
    assert closed.state == State.CLOSED


def test_recovery_may_be_skipped_only_where_the_level_leaves_it_open() -> None:
    assert apply("responding", Event.CLOSE, spec=spec(recovery="optional"))[0].state == State.CLOSED
    assert apply("recovering", Event.CLOSE, spec=spec(recovery="required"))[0].state == State.CLOSED
    with pytest.raises(GuardRefused):
        apply("responding", Event.CLOSE, spec=spec(recovery="required"))


@pytest.mark.parametrize(("state", "event"), [("assessed", Event.ACTIVATE), ("recovering", Event.CLOSE)])
def test_a_level_of_leadership_is_declared_and_ended_by_management_only_with_a_reason(
    state: str, event: Event
) -> None:
    graver = spec(by=Layer.LEADERSHIP)
    with pytest.raises(NotYours) as refused:
        apply(state, event, spec=graver, by_layer=Layer.MANAGEMENT, reason=None)
    assert (refused.value.status, refused.value.slug) == (403, "not-yours-to-declare")
    for allowed in (
        {"by_layer": Layer.MANAGEMENT, "reason": "nobody of leadership answers"},
        {"by_layer": Layer.LEADERSHIP, "reason": None},
        {"by_layer": None, "reason": None},  # the plan itself
    ):
        assert apply(state, event, spec=graver, **allowed)[0].state == EXPECTED[State(state), event]
    assert apply(state, event, by_layer=Layer.MANAGEMENT, reason=None)[0].version == 5


def test_assessing_sets_the_level_with_its_reason_and_takes_the_provisional_away() -> None:
    assessed, _ = apply(
        "detected", Event.ASSESS, level=4, level_reason=say("levels.by_hand", reason="seen"), gravity="major"
    )
    assert (assessed.level, assessed.provisional, assessed.gravity) == (2, False, "major")
    assert assessed.level_reason == {"key": "levels.by_hand", "params": {"reason": "seen"}}
    assert assessed.assessed_at == AT


def test_a_change_of_level_leaves_the_incident_provisional_and_its_moments_alone() -> None:
    moved, _ = apply("detected", Event.RELEVEL)
    assert (moved.level, moved.provisional, moved.assessed_at) == (2, True, None)


def test_reopening_is_a_new_occurrence_that_nobody_has_answered() -> None:
    closed = incident("closed")
    closed.closed_at = closed.acknowledged_at = AT
    closed.acknowledged_by = "Ada"
    lifecycle.apply(AsyncSession(), closed, Event.REOPEN, actor="Ada", at=AT, move=move())
    assert closed.occurrence == 2
    assert {closed.closed_at, closed.acknowledged_at, closed.acknowledged_by} == {None}


def test_the_playbook_is_chosen_at_activation_only() -> None:
    assert apply("assessed", Event.ACTIVATE, playbook="cyber_attack")[0].playbook == "cyber_attack"
    assert apply("detected", Event.ASSESS, playbook="cyber_attack")[0].playbook == "other"
