"""Any JSON: the usual names, a mapping for the others, and the kinds of source there are."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.intake.kinds import KINDS, UnknownKind, kind_named
from app.intake.recognition import looks_like
from app.intake.signals import TITLE_LENGTH, NotUnderstood, Signal, SignalState
from app.intake.sources.generic import MAX_SIGNALS, Mapping, parse


def only(body: Any, mapping: Mapping | None = None) -> Signal:
    (signal,) = parse(body, mapping=mapping)
    return signal


def test_the_usual_names_need_no_mapping() -> None:
    signal = only(
        {
            "summary": "IVR down",
            "alias": "srv01/ivr",
            "status": "Firing",
            "severity": "high",
            "type": "system_outage",
            "started_at": "2026-11-22T10:00:00+08:00",
            "labels": {"site": "hz", "floor": 3},
            "facts": {"callers": 412, "nested": {}},
            "url": "https://mon/1",
        }
    )
    assert (signal.title, signal.dedup_key, signal.state) == ("IVR down", "srv01/ivr", SignalState.PROBLEM)
    assert (signal.level_hint, signal.type_hint) == (2, "system_outage")
    assert signal.started_at == datetime(2026, 11, 22, 2, tzinfo=UTC)
    assert signal.occurrence == "2026-11-22T02:00:00+00:00"
    assert signal.labels == {"site": "hz", "floor": "3"}
    assert signal.facts == {"callers": 412}
    assert signal.links == ("https://mon/1",)


@pytest.mark.parametrize("word", ["ok", "Resolved", "recovered", "UP", "closed"])
def test_words_of_recovery_are_known(word: str) -> None:
    assert only({"id": 1, "state": word}).state is SignalState.RECOVERED


def test_the_same_words_without_a_key_are_the_same_problem() -> None:
    assert only({"title": "IVR down"}).dedup_key == only({"title": "IVR down", "status": "ok"}).dedup_key


def test_a_time_of_sending_makes_no_new_occurrence() -> None:
    assert only({"id": 1, "timestamp": 1795312200}).occurrence == ""


def test_a_list_is_several_signals() -> None:
    assert [signal.title for signal in parse([{"name": "a"}, {"name": "b"}])] == ["a", "b"]


def test_a_mapping_reads_pointers_and_expressions() -> None:
    mapping = Mapping.model_validate(
        {
            "title": "{{ body.host }}: {{ body.event.name }}",
            "dedup_key": "/event/a~1b",
            "state": "/event/value",
            "states": {"0": "recovered", "1": "problem"},
            "level": "/event/grade",
            "levels": {"5": 1},
            "labels": {"host": "/host"},
            "facts": {"callers": "{{ body.list[0] }}", "second": "/list/1", "none": "/list/9"},
        }
    )
    body = {"host": "sbc", "event": {"name": "trunk", "a/b": 7, "value": 0, "grade": "5"}, "list": [412, 5]}
    signal = only(body, mapping)
    assert (signal.title, signal.dedup_key, signal.level_hint) == ("sbc: trunk", "7", 1)
    assert signal.state is SignalState.RECOVERED
    assert signal.labels == {"host": "sbc"}
    assert signal.facts["second"] == 5


def test_a_title_that_is_missing_where_the_mapping_looks_is_not_the_loss_of_an_emergency() -> None:
    assert only({"message": "IVR down"}, Mapping(title="/nowhere", dedup_key="/nowhere")).title == "IVR down"


@pytest.mark.parametrize(
    "mistake",
    [{"titel": "/a"}, {"title": "a"}, {"title": "{{ body."}, {"levels": {"x": 5}}, {"states": {"x": "gone"}}],
)
def test_a_mistake_in_a_mapping_is_refused_when_it_is_written(mistake: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Mapping.model_validate(mistake)


@pytest.mark.parametrize(
    "body", [None, 7, "text", {}, {"status": "ok"}, {"id": 1, "status": "maintenance"}, [[]]]
)
def test_what_says_nothing_is_not_guessed(body: Any) -> None:
    with pytest.raises(NotUnderstood):
        parse(body)


def test_one_request_holds_no_more_than_a_bound() -> None:
    with pytest.raises(NotUnderstood):
        parse([{"id": 1}] * (MAX_SIGNALS + 1))


def test_a_title_is_one_bounded_line_and_only_pages_are_links() -> None:
    signal = only(
        {"title": "a\r\nBcc: x\x00" + "y" * 999, "links": ["javascript:alert(1)", {"href": "http://ok/"}]}
    )
    assert signal.title.startswith("a Bcc: xy")
    assert len(signal.title) == TITLE_LENGTH
    assert signal.links == ("http://ok/",)


def test_each_kind_answers_as_its_sender_needs_it_and_another_kind_is_refused_with_their_names() -> None:
    codes = {name: (kind.success, kind.overload) for name, kind in KINDS.items()}
    taken_as_202 = {"pagerduty", "opsgenie", "cloudevents", "mail", "generic"}
    again_after_429 = {"pagerduty", "opsgenie", "nightingale", "cloudevents", "flashduty"}
    assert {name for name, (success, _) in codes.items() if success == 202} == taken_as_202
    assert {name for name, (_, overload) in codes.items() if overload == 429} == again_after_429
    assert set(codes.values()) <= {(success, overload) for success in (200, 202) for overload in (429, 503)}
    never_again = {name for name, kind in KINDS.items() if not kind.comes_again}
    assert never_again == {"grafana", "uptime_kuma", "sentry"}
    with pytest.raises(UnknownKind) as refusal:
        kind_named("nagios_xi")
    assert refusal.value.members["kinds"] == list(KINDS)
    assert "nagios_xi" in str(refusal.value.detail)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"event_action": "trigger"}, "PagerDuty Events v2"),
        ([{"labels": {}, "generatorURL": ""}], "Prometheus (/api/v2/alerts)"),
        ({"heartbeat": None, "monitor": None}, "Uptime Kuma"),
        ({"version": "3", "alerts": [], "groupLabels": {}}, "Alertmanager (version 3)"),
        ({"x": 1}, None),
        ([], None),
        (None, None),
    ],
)
def test_senders_are_recognised_by_their_own_fields(body: Any, name: str | None) -> None:
    assert looks_like(body) == name


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["title", "id", "labels"]), inner)
    ),
)
names = [
    "title",
    "id",
    "labels",
    "facts",
    "started_at",
    "timestamp",
    "severity",
    "links",
    "occurrence",
    "endsAt",
]
everywhere = Mapping(
    title="{{ body.title }}",
    text="",
    dedup_key="/id",
    occurrence="/0",
    labels="/labels",
    facts={"f": "/facts/0"},
)


@given(anything | st.dictionaries(st.sampled_from(names), anything), st.sampled_from([None, everywhere]))
def test_no_json_makes_it_fail_otherwise_than_by_saying_so(body: Any, mapping: Mapping | None) -> None:
    try:
        signals = parse(body, mapping=mapping)
    except NotUnderstood:
        return
    assert all(signal.title and signal.dedup_key for signal in signals)
