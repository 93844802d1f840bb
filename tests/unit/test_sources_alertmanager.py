"""Alertmanager's notifications, as a real one sent them, and as they might come on a bad day."""

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.intake.signals import NotUnderstood, SignalState
from app.intake.sources import generic
from app.intake.sources.alertmanager import parse

CAPTURED = Path(__file__).parent.parent / "captured"


def captured(name: str) -> Any:
    return json.loads((CAPTURED / f"alertmanager_webhook_{name}.json").read_text("utf-8"))["body"]


def with_alert(**changes: Any) -> Any:
    body = captured("firing")
    body["alerts"][0].update(changes)
    return body


def test_a_firing_alert_is_a_problem_in_its_own_words() -> None:
    (signal,) = parse(captured("firing"))
    assert signal.state is SignalState.PROBLEM
    assert signal.dedup_key == "45eef34ab06122bd"
    assert signal.title == "呼叫中心 127.0.0.1:9999 不可达"
    assert signal.text == "Target down for 2s"
    assert signal.level_hint == 1
    assert signal.labels["team"] == "customer-service"
    assert signal.links[0] == "http://wiki.local/rb/1"
    assert signal.started_at == datetime(2026, 11, 22, 10, 47, 24, 994000, UTC)
    assert signal.ended_at is None


def test_its_recovery_belongs_to_the_same_occurrence() -> None:
    (fired,), (resolved,) = parse(captured("firing")), parse(captured("resolved"))
    assert resolved.state is SignalState.RECOVERED
    assert (resolved.dedup_key, resolved.occurrence) == (fired.dedup_key, fired.occurrence)
    assert resolved.ended_at == datetime(2026, 11, 22, 10, 47, 32, 994000, UTC)


def test_a_repeat_is_the_same_signal_and_a_later_start_another_occurrence() -> None:
    assert parse(captured("firing")) == parse(captured("firing"))
    (again,) = parse(with_alert(startsAt="2026-11-22T18:50:00+08:00"))
    assert again.occurrence == "2026-11-22T10:50:00+00:00"
    assert again.occurrence != parse(captured("firing"))[0].occurrence


def test_one_member_that_recovers_does_not_take_the_others_with_it() -> None:
    body = captured("firing")
    other = deepcopy(body["alerts"][0]) | {"status": "resolved", "fingerprint": "feed"}
    body["alerts"].insert(0, other)
    assert [(s.dedup_key, s.state.value) for s in parse(body)] == [
        ("feed", "recovered"),
        ("45eef34ab06122bd", "problem"),
    ]


def test_missing_members_are_noted() -> None:
    (signal,) = parse(captured("firing") | {"truncatedAlerts": 3})
    assert (signal.note, signal.facts["truncated_alerts"]) == ("truncatedAlerts=3", 3)


def test_type_and_facts_come_from_labels_and_annotations() -> None:
    (signal,) = parse(
        with_alert(annotations={"incident_type": "system_outage", "fact_waiting": "412", "fact_x": "n/a"})
    )
    assert signal.type_hint == "system_outage"
    assert signal.facts == {"waiting": 412, "x": "n/a"}


def test_without_a_summary_the_alert_name_is_the_title_and_without_a_fingerprint_the_labels_are_the_key() -> (
    None
):
    (signal,) = parse(with_alert(annotations={}, fingerprint=None))
    assert signal.title == "CallCentreTargetDown 127.0.0.1:9999"
    assert len(signal.dedup_key) == 16


@pytest.mark.parametrize(
    ("word", "level"), [("critical", 1), ("Major", 2), ("warning", 3), ("info", 4), ("none", None)]
)
def test_severity_hints_at_the_level(word: str, level: int | None) -> None:
    assert parse(with_alert(labels={"severity": word}))[0].level_hint == level


def test_grafana_is_called_by_its_name() -> None:
    with pytest.raises(NotUnderstood) as refusal:
        parse({"version": "1", "orgId": 1, "alerts": [], "groupLabels": {}})
    assert refusal.value.detail.params["looks_like"] == "Grafana (version 1)"


def test_a_custom_payload_is_read_by_the_mapping_of_its_source() -> None:
    (signal,) = parse({"what": "IVR down"}, mapping=generic.Mapping(title="/what"))
    assert signal.title == "IVR down"


@pytest.mark.parametrize("alerts", [None, {}, [1], [{}], [{"status": "suppressed"}]])
def test_what_cannot_be_an_alert_is_named(alerts: Any) -> None:
    with pytest.raises(NotUnderstood) as refusal:
        parse(captured("firing") | {"alerts": alerts})
    assert str(refusal.value.detail.params["where"]).startswith("/alerts")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
fields = dict.fromkeys(
    ("fingerprint", "labels", "annotations", "startsAt", "endsAt", "generatorURL"), anything
)
alert = st.fixed_dictionaries({"status": st.sampled_from(["firing", "resolved"])}, optional=fields)


@given(anything | st.fixed_dictionaries({"version": st.just("4"), "alerts": st.lists(alert | anything)}))
def test_no_json_makes_it_fail_otherwise_than_by_saying_so(body: Any) -> None:
    try:
        signals = parse(body)
    except NotUnderstood:
        return
    assert all(signal.title and signal.dedup_key for signal in signals)
