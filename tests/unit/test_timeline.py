"""The sealed record: every kind of tampering is found, at the entry where it begins; the state is the fold of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from app.incidents import lifecycle, timeline
from app.incidents.lifecycle import Event, Move
from app.incidents.tables import Incident, State, TimelineEntry
from app.wording import say
from tests.unit.test_lifecycle import incident, spec

AT = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)


def chain(length: int = 5) -> tuple[Incident, list[TimelineEntry]]:
    held, session = incident("detected"), AsyncSession()
    entries = [
        timeline.append(session, held, "facts.changed", actor="Lin", at=AT + timedelta(minutes=n), value=n)
        for n in range(length)
    ]
    return held, entries


def test_a_chain_as_it_was_written_holds_and_is_gapless() -> None:
    held, entries = chain()
    assert timeline.first_break(entries) is None
    assert timeline.first_break([]) is None
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    assert held.last_hash == entries[-1].hash


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("data", {"value": 7}),
        ("actor", "somebody else"),
        ("at", AT + timedelta(days=1)),
        ("kind", "task.done"),
        ("incident_id", "02"),
        ("hash", "0" * 64),
        ("previous", "0" * 64),
        ("seq", 9),
    ],
)
def test_a_changed_entry_is_found_at_its_place(column: str, value: Any) -> None:
    _, entries = chain()
    setattr(entries[2], column, value)
    assert timeline.first_break(entries) == 3


def test_an_entry_changed_and_sealed_anew_is_found_at_the_next() -> None:
    _, entries = chain()
    changed = entries[2]
    changed.data = {"value": 7}
    changed.hash = timeline.seal(
        "01", 3, changed.at, changed.actor, changed.kind, changed.data, changed.previous
    )
    assert timeline.first_break(entries) == 4


def test_a_gap_is_found_where_it_is() -> None:
    _, entries = chain()
    assert timeline.first_break(entries[:2] + entries[3:]) == 3
    assert timeline.first_break(entries[1:]) == 1


def test_two_entries_in_the_wrong_order_are_found_at_the_first() -> None:
    _, entries = chain()
    assert timeline.first_break([entries[0], entries[2], entries[1], *entries[3:]]) == 2


def test_an_entry_put_in_is_found() -> None:
    _, entries = chain()
    assert timeline.first_break([*entries[:3], entries[2], *entries[3:]]) == 4


def test_the_seal_reads_a_moment_not_a_way_of_writing_it() -> None:
    shanghai = AT.astimezone(tz=datetime.fromisoformat("2026-01-01T00:00:00+08:00").tzinfo)
    assert timeline.seal("01", 1, AT, "a", "k", {}, "") == timeline.seal("01", 1, shanghai, "a", "k", {}, "")


def as_postgresql(value: Any) -> Any:
    """Numbers as `jsonb` gives them back: written out in full, without a negative zero."""
    match value:
        case float() if value.is_integer() and "e" in repr(value):
            return int(value)
        case float():
            return value + 0.0
        case dict():
            return {key: as_postgresql(inner) for key, inner in value.items()}
        case list():
            return [as_postgresql(inner) for inner in value]
        case _:
            return value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(value=JSON)
def test_the_chain_holds_whatever_a_database_makes_of_its_numbers(value: Any) -> None:
    held = incident("detected")
    entry = timeline.append(AsyncSession(), held, "facts.changed", actor="Lin", at=AT, value=value)
    entry.data = as_postgresql(json.loads(json.dumps(entry.data)))
    assert timeline.first_break([entry]) is None


def test_what_is_told_on_it_can_be_read_in_each_language() -> None:
    held = incident("detected")
    entry = timeline.append(
        AsyncSession(), held, "step.failed", actor="plan", at=AT, title={"zh": "诊断", "en": "Diagnose"},
        reason=say("playbooks.timed_out"), due=AT,
    )  # fmt: skip
    assert timeline.summary(entry, "en") == "Step failed: Diagnose. Its time limit passed."
    assert "诊断" in timeline.summary(entry, "zh-Hans")
    assert entry.data["due"] == "2026-11-22T19:00:00+00:00"


def test_what_cannot_be_kept_does_not_belong_there() -> None:
    with pytest.raises(TypeError):
        timeline.append(AsyncSession(), incident("detected"), "x", actor="a", at=AT, value=object())


def test_the_state_is_the_fold_of_the_timeline() -> None:
    held, session = incident("detected"), AsyncSession()
    entries: list[TimelineEntry] = []
    for event in (Event.ASSESS, Event.ACTIVATE, Event.RESPOND, Event.RELEVEL, Event.CLOSE, Event.REOPEN):
        move = Move(spec=spec(), reason="because", level=1 if event is Event.RELEVEL else 2)
        entries.append(lifecycle.apply(session, held, event, actor="Ada", at=AT, move=move))
        entries.append(timeline.append(session, held, "facts.changed", actor="Lin", at=AT, names=["x"]))
        assert timeline.fold(entries) == held.state
    assert timeline.fold(entries) is State.RESPONDING
    assert timeline.fold([]) is None
    assert timeline.first_break(entries) is None
