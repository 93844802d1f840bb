"""What a signal is taken for, by the rules of the plan and what its sender says: the precedence, one thing at a time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.intake import ourselves, routed, windows
from app.intake.routed import Taken
from app.intake.signals import Signal, SignalState
from app.intake.tables import MaintenanceWindow, Source
from app.levels.document import Levels
from app.levels.routing import Flapping, RoutingRule
from app.wording import render
from tests.rooms.monitoring import LEVELS

AT = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
PROM = Source(id="1" * 26, slug="prom", kind="alertmanager", name="Prom", default_type="equipment_failure")


def levels(*rules: dict[str, Any], dwell: timedelta = timedelta(0)) -> Levels:
    made = [RoutingRule.model_validate({"id": f"rule_{number}", **rule}) for number, rule in enumerate(rules)]
    return LEVELS.model_copy(update={"routing": made, "flapping": Flapping(dwell=dwell)})


def taken(plan: Levels, source: Source = PROM, **more: Any) -> Taken:
    said = {"dedup_key": "q", "occurrence": "", "state": SignalState.PROBLEM, "title": "Queue long"} | more
    return routed.taken(plan, source, Signal(**said), dedup_key="prom:q", received_at=AT, at=AT)


def test_the_rule_decides_the_type_else_the_sender_else_the_source() -> None:
    rule = {"if": "signal.source == 'prom'", "type": "network_outage"}
    assert taken(levels(rule), type_hint="system_outage").type == "network_outage"
    assert taken(levels(), type_hint="system_outage").type == "system_outage"
    assert taken(levels()).type == "equipment_failure"


def test_the_rule_decides_the_department_else_the_type() -> None:
    rule = {"if": "labels.team == 'shop'", "department": "marketing"}
    assert taken(levels(rule), labels={"team": "shop"}).department == "marketing"
    assert (
        taken(levels(rule), labels={"team": "net"}).department == LEVELS.types["equipment_failure"].department
    )


@pytest.mark.parametrize(
    ("facts", "rules", "hint", "level", "why"),
    [
        ({"severity": "critical"}, [4], 3, 1, "rule"),  # grading rules of the type, over the facts
        ({}, [1], 3, 1, "routing rule"),
        ({}, [], 3, 3, "monitoring source"),
        ({}, [], None, LEVELS.types["system_outage"].default_level, "usual level"),
    ],
)
def test_the_level_is_the_grading_rules_else_the_routing_rules_else_the_senders_else_the_types(
    facts: dict[str, Any], rules: list[int], hint: int | None, level: int, why: str
) -> None:
    plan = levels(*({"if": "signal.title == 'Queue long'", "level": one} for one in rules))
    found = taken(plan, facts=facts, level_hint=hint, type_hint="system_outage").graded
    assert found.level == level
    assert why in render(found.reason, "en").casefold()


def test_the_first_rule_that_holds_decides_and_one_whose_names_are_missing_is_passed_over() -> None:
    plan = levels({"if": "labels.nowhere == 'x'", "level": 1}, {"if": "facts.callers > 100", "level": 2},
                  {"if": "facts.callers > 10", "type": "network_outage"})  # fmt: skip
    found = taken(plan, facts={"callers": 412})
    assert (found.route.rule and found.route.rule.id, found.alarm.level_hint, found.type) == (
        "rule_1", 2, "equipment_failure",
    )  # fmt: skip


def test_those_with_the_same_values_are_one_group_and_who_lacks_one_stands_alone() -> None:
    plan = levels({"if": "true", "group": {"by": ["labels.site", "facts.line"], "within": "5m"}})
    keys = [
        taken(plan, labels=labels, facts=facts).route.group
        for labels, facts in (({"site": "hz"}, {"line": 1}), ({"site": "hz"}, {"line": 1}), ({"site": "hz"}, {"line": 2}),
                              ({"site": "hz"}, {}))
    ]  # fmt: skip
    assert keys[0] == keys[1] != keys[2]
    assert keys[3] is None


def test_a_rule_has_its_own_dwell_time_or_the_plans() -> None:
    plan = levels({"if": "labels.a == '1'", "dwell": "1m"}, {"if": "labels.a == '2'", "level": 2},
                  dwell=timedelta(minutes=5))  # fmt: skip
    found = [taken(plan, labels={"a": name}).route.dwell.total_seconds() for name in ("1", "2", "3")]
    assert found == [60, 300, 300]


def test_the_self_test_is_routed_nowhere() -> None:
    ours = Source(id=ourselves.SELF_TEST, slug="x", kind="generic", name="Muster", default_type="other")
    plan = levels({"if": "true", "type": "system_outage", "level": 1}, dwell=timedelta(minutes=5))
    found = taken(plan, ours)
    assert (found.type, found.route.rule, found.route.dwell) == ("other", None, timedelta(0))


# ── what maintenance windows cover ──────────────────────────────────────────────────────────────────────────

NET = Source(id="2" * 26, slug="net", kind="generic", name="Net", default_type="network_outage")
WATCH = Source(
    id=ourselves.WATCH, slug=ourselves.WATCH_SLUG, kind="generic", name="Muster", default_type="other"
)
SAID: dict[str, tuple[Source, dict[str, Any]]] = {
    "a": (PROM, {"labels": {"site": "hz"}, "type_hint": "network_outage"}),
    "b": (PROM, {"type_hint": "system_outage", "level_hint": 2}),
    "c": (NET, {}),
    "grave": (PROM, {"type_hint": "network_outage", "level_hint": 1}),
    "grave by its facts": (PROM, {"type_hint": "system_outage", "facts": {"severity": "critical"}}),
    "self-test": (
        Source(id=ourselves.SELF_TEST, slug="x", kind="generic", name="M", default_type="other"),
        {},
    ),
    "silence": (WATCH, {"labels": {ourselves.SILENT: "prom"}, "level_hint": 4}),
}


@pytest.mark.parametrize(
    ("names", "held"),
    [
        ({"labels": {"site": "hz"}}, ["a"]),
        ({"labels": {"site": "sh"}}, []),
        ({"sources": ["net"], "labels": {"site": "hz"}}, []),
        ({"types": ["network_outage"]}, ["a", "c"]),
        ({"departments": [LEVELS.types["system_outage"].department], "types": ["system_outage"]}, ["b"]),
        ({"types": ["other"]}, ["silence"]),
        ({"departments": ["logistics"]}, []),
        ({"sources": ["net", "prom"]}, ["a", "b", "c", "silence"]),
        ({"sources": ["prom"], "holds_gravest": True}, ["a", "b", "grave", "grave by its facts", "silence"]),
    ],
)
def test_a_window_covers_what_matches_all_it_names_and_level_1_only_if_it_says_so(
    names: dict[str, Any], held: list[str]
) -> None:
    nothing = {"sources": [], "labels": {}, "types": [], "departments": [], "holds_gravest": False}
    window = MaintenanceWindow(**{**nothing, **names})
    found = []
    for name, (source, more) in SAID.items():
        said = {
            "dedup_key": "q",
            "occurrence": "",
            "state": SignalState.PROBLEM,
            "title": "Queue long",
        } | more
        if windows.holder([window], taken(levels(), source, **more), Signal(**said)):
            found.append(name)
    assert found == held
