"""How an incident gets its level: the reporter, the rules, the source's hint, the type's default, in that order."""

from typing import Any

import pytest

from app.levels import grading
from app.levels.document import GradingRule, IncidentType, NearRule, RiskCategory
from app.vocabulary import Localised
from app.wording import render

TITLE = Localised(zh="系统全面故障", en="System outage")


def rule(condition: str, level: int, because: str = "so") -> GradingRule:
    return GradingRule.model_validate(
        {"if": condition, "level": level, "because": {"zh": because, "en": because}}
    )


KIND = IncidentType(
    title=TITLE, category=RiskCategory.TECHNICAL, department="technical_support", playbook="system_outage",
    default_level=2,
    grading=[
        rule("facts.service_share >= 0.5", 1, "half of the service is down"),
        rule('facts.severity == "critical"', 1, "it is critical"),
        rule("facts.customers_affected < 100 and incident.department == 'it'", 4, "few customers"),
    ],
)  # fmt: skip
INCIDENT = {"department": "it"}


def at_first(facts: dict[str, Any], *, said: int | None = None, hint: int | None = None) -> grading.Graded:
    return grading.at_first(KIND, INCIDENT, facts, said=said, hint=hint)


@pytest.mark.parametrize(
    ("facts", "said", "hint", "level", "reason"),
    [
        ({"service_share": 0.9}, 4, 3, 4, "levels.by_reporter"),
        ({"service_share": 0.9}, None, 3, 1, "levels.by_rule"),
        ({"service_share": 0.1}, None, 3, 3, "levels.by_hint"),
        ({"service_share": 0.1}, None, None, 2, "levels.by_default"),
        ({}, None, None, 2, "levels.by_default"),
    ],
)
def test_the_first_who_knows_gives_the_provisional_level(
    facts: dict[str, Any], said: int | None, hint: int | None, level: int, reason: str
) -> None:
    graded = at_first(facts, said=said, hint=hint)
    assert (graded.level, graded.reason.key) == (level, reason)


def test_the_first_rule_that_holds_decides_and_says_which_it_was() -> None:
    graded = at_first({"service_share": 0.7, "customers_affected": 3})
    assert graded.level == 1
    assert graded.reason.params["number"] == 1
    assert "half of the service is down" in render(graded.reason, "en")


@pytest.mark.parametrize(
    "facts",
    [
        {"customers_affected": 3},
        {"service_share": None, "customers_affected": 3},
        {"service_share": "a lot", "customers_affected": 3},
    ],
)
def test_a_rule_whose_facts_are_missing_or_of_another_kind_is_passed_over(facts: dict[str, Any]) -> None:
    graded = grading.by_rules(KIND, INCIDENT, facts)
    assert graded is not None
    assert (graded.level, graded.reason.params["number"]) == (4, 3)


def test_rules_see_the_incident_too() -> None:
    assert grading.by_rules(KIND, {"department": "logistics"}, {"customers_affected": 3}) is None


def test_level_1_is_the_gravest() -> None:
    assert grading.is_graver(1, 2)
    assert not grading.is_graver(2, 2)
    assert not grading.is_graver(4, 3)


NEAR = KIND.model_copy(
    update={
        "near": [
            NearRule.model_validate(
                {"if": f"facts.n >= {number}", "level": level, "because": {"zh": "近", "en": "near"}}
            )
            for number, level in ((40, 1), (8, 3))
        ]
    }
)


@pytest.mark.parametrize(
    ("n", "level", "near"),
    [(7, 4, None), (8, 4, 3), (8, 3, 3), (8, 2, None), (40, 2, 1), (40, 1, 1), (None, 4, None)],
)
def test_near_to_a_level_that_is_not_lighter_than_its_own_is_a_warning(
    n: int | None, level: int, near: int | None
) -> None:
    found = grading.near(NEAR, INCIDENT, {} if n is None else {"n": n}, level=level)
    assert (found.level if found else None) == near
