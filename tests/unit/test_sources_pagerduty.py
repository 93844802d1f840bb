"""PagerDuty events, as its Python client sent them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.intake.signals import KEY_LENGTH, NotUnderstood, SignalState
from app.intake.sources.pagerduty import parse

CAPTURED = Path(__file__).parent.parent / "captured"


def captured(name: str) -> Any:
    return json.loads((CAPTURED / f"pagerduty_python_{name}.json").read_text("utf-8"))["body"]


def mistakes(body: Any) -> list[str]:
    with pytest.raises(NotUnderstood) as refusal:
        parse(body)
    return [str(error.params["where"]) for error in refusal.value.errors]


def test_a_trigger_without_a_key_gets_one() -> None:
    (signal,) = parse(captured("trigger"), new_key=lambda: "made-here")
    assert signal.dedup_key == "made-here"
    assert signal.state is SignalState.PROBLEM
    assert signal.title == "客服热线排队 > 300s"
    assert signal.level_hint == 1
    assert signal.facts == {"queue": "voice", "wait_s": 317}
    assert signal.labels == {"source": "cc-monitor"}
    assert signal.links == ("http://127.0.0.1/x",)


def test_each_made_key_is_another() -> None:
    assert parse(captured("trigger"))[0].dedup_key != parse(captured("trigger"))[0].dedup_key


@pytest.mark.parametrize(
    ("name", "state"), [("acknowledge", SignalState.ACKED), ("resolve", SignalState.RECOVERED)]
)
def test_the_key_alone_is_enough_for_the_rest(name: str, state: SignalState) -> None:
    (signal,) = parse(captured(name))
    assert (signal.dedup_key, signal.state, signal.title) == ("generated", state, "generated")


def test_the_routing_key_is_in_no_signal() -> None:
    for name in ("trigger", "acknowledge", "resolve"):
        assert "R0UT1NGKEY" not in repr(parse(captured(name)))


def test_a_repeated_trigger_with_another_timestamp_is_the_same_occurrence() -> None:
    first, second = captured("trigger"), captured("trigger")
    first["payload"]["timestamp"] = "2026-11-22T10:00:00.000+0800"
    second["payload"]["timestamp"] = "2026-11-22T10:05:00.000+0800"
    (one,), (two,) = parse(first | {"dedup_key": "k"}), parse(second | {"dedup_key": "k"})
    assert (one.dedup_key, one.occurrence) == (two.dedup_key, two.occurrence)
    assert one.started_at == datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def test_every_mistake_is_listed_at_once() -> None:
    assert mistakes({}) == ["/event_action"]
    assert mistakes({"event_action": "open"}) == ["/event_action"]
    assert mistakes({"event_action": "trigger"}) == ["/payload"]
    assert mistakes({"event_action": "trigger", "payload": {"severity": "bad"}, "dedup_key": 7}) == [
        "/dedup_key",
        "/payload/summary",
        "/payload/source",
        "/payload/severity",
    ]


@pytest.mark.parametrize("key", [None, "", "  "])
@pytest.mark.parametrize("action", ["resolve", " resolve ", "acknowledge"])
def test_only_a_trigger_may_come_without_a_key(action: str, key: str | None) -> None:
    assert mistakes({"event_action": action, "dedup_key": key}) == ["/dedup_key"]


def test_two_long_keys_stay_two() -> None:
    keys = [parse({"event_action": "resolve", "dedup_key": "x" * 300 + end})[0].dedup_key for end in "ab"]
    assert keys[0] != keys[1]
    assert {len(key) for key in keys} == {KEY_LENGTH}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
names = ("payload", "dedup_key", "links", "images", "client", "client_url")
payload = st.fixed_dictionaries(
    {"summary": st.text(), "source": st.text(), "severity": st.just("critical")},
    optional={"custom_details": anything, "timestamp": anything, "class": anything},
)
event = st.fixed_dictionaries(
    {"event_action": st.sampled_from(["trigger", "resolve"]) | anything},
    optional=dict.fromkeys(names, anything) | {"payload": payload | anything},
)


@given(anything | event)
def test_no_json_makes_it_fail_otherwise_than_by_saying_so(body: Any) -> None:
    try:
        (signal,) = parse(body)
    except NotUnderstood:
        return
    assert signal.title
    assert signal.dedup_key
