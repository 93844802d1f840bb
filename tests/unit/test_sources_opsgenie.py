"""Calls of Opsgenie's alert API, as Alertmanager and Opsgenie's own clients word them."""

from typing import Any

import pytest

from app.intake.signals import NotUnderstood, SignalState
from app.intake.sources.opsgenie import ACTIONS, addressed, parse

CREATED: dict[str, Any] = {
    "alias": "ivr-1", "message": "IVR down", "description": "No menu since 3 o'clock", "source": "prom", "entity": "ivr",
    "details": {"site": "hz", "incident_type": "system_outage", "callers": 412}, "tags": ["cs", "voice"], "priority": "P1",
    "responders": [{"type": "team", "name": "cs-lead"}],
}  # fmt: skip


def mistakes(body: Any) -> list[str]:
    with pytest.raises(NotUnderstood) as refusal:
        parse(body)
    return [str(error.params["where"]) for error in refusal.value.errors]


def test_an_alert_is_a_problem_with_its_details_as_facts() -> None:
    (signal,) = parse(CREATED)
    assert (signal.dedup_key, signal.occurrence, signal.state) == ("ivr-1", "", SignalState.PROBLEM)
    assert (signal.title, signal.text) == ("IVR down", "No menu since 3 o'clock")
    assert (signal.level_hint, signal.type_hint) == (1, "system_outage")
    assert signal.facts == {"site": "hz", "callers": 412}
    assert signal.labels == {"source": "prom", "entity": "ivr"}
    assert signal.annotations == {"tags": "cs, voice"}


def test_an_alert_without_an_alias_gets_one() -> None:
    (signal,) = parse({"message": "IVR down"}, new_alias=lambda: "made-here")
    assert signal.dedup_key == "made-here"
    assert parse({"message": "IVR down"})[0].dedup_key != parse({"message": "IVR down"})[0].dedup_key


@pytest.mark.parametrize(
    ("priority", "level"), [("P1", 1), ("P2", 2), ("P3", 3), ("P4", 4), ("P5", 4), (None, None)]
)
def test_a_priority_is_a_hint(priority: str | None, level: int | None) -> None:
    (signal,) = parse({**CREATED, "priority": priority})
    assert signal.level_hint == level


@pytest.mark.parametrize("action", sorted(set(ACTIONS) - {"create"}))
def test_the_address_says_what_is_asked(action: str) -> None:
    body = {
        "note": "We are on it",
        "message": "Now half of it",
        "description": "Menu 2 only",
        "priority": "P2",
        "source": "prom",
    }
    (signal,) = parse(addressed(action, "ivr-1", body))
    assert (signal.dedup_key, signal.state) == ("ivr-1", ACTIONS[action])


def test_an_end_needs_no_words() -> None:
    (signal,) = parse(addressed("close", "ivr-1", {}))
    assert (signal.state, signal.note) == (SignalState.RECOVERED, None)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, ["/message"]),
        ({"message": "IVR down", "priority": "P9"}, ["/priority"]),
        ({"alias": 7, "priority": "high"}, ["/alias", "/message", "/priority"]),
        (addressed("notes", "ivr-1", {}), ["/note"]),
        (addressed("close", "", {}), ["/alias"]),
        ({"action": "snooze"}, ["/action"]),
    ],
)  # fmt: skip
def test_every_mistake_is_named(body: Any, where: list[str]) -> None:
    assert mistakes(body) == where


@pytest.mark.parametrize("body", [None, [], "x", 7])
def test_what_is_no_object_is_refused(body: Any) -> None:
    with pytest.raises(NotUnderstood):
        parse(addressed("close", "ivr-1", body))
