"""Which contact point is tried first: the person's own rules, by level and by the hour."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.people.contact_rules import in_force, order, possible, read

NIGHT = {"begins": "22:00", "ends": "07:00", "time_zone": "Asia/Shanghai"}
RULES = read(
    [
        {"order": ["voice", "sms"], "levels": [1, 2], "hours": NIGHT, "wait": "1m"},
        {"order": ["dingtalk"], "levels": [1, 2, 3], "hours": None, "wait": None},
    ]
)
AT_NIGHT = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)  # two in the morning in Shanghai
BY_DAY = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("level", "at", "first"),
    [
        (1, AT_NIGHT, "voice"),
        (1, BY_DAY, "dingtalk"),
        (3, AT_NIGHT, "dingtalk"),
        (4, AT_NIGHT, None),
    ],
)
def test_the_first_rule_that_fits_level_and_hour_counts(level: int, at: datetime, first: str | None) -> None:
    rule = in_force(RULES, level, at)
    assert (rule.order[0] if rule else None) == first


def test_a_rule_may_say_how_long_the_next_way_waits() -> None:
    rule = in_force(RULES, 1, AT_NIGHT)
    assert rule is not None
    assert rule.wait == timedelta(minutes=1)


CONTACTS = ["mail", "dingtalk", "voice", "mail", "sms"]


@pytest.mark.parametrize(
    ("via", "rule", "tried"),
    [
        ([], None, ["mail", "dingtalk", "voice", "mail", "sms"]),
        ([], RULES[0], ["voice", "sms", "mail", "dingtalk", "mail"]),
        (["mail", "voice"], None, ["mail", "mail", "voice"]),
        (["mail", "voice"], RULES[0], ["voice", "mail", "mail"]),
        (["slack"], RULES[0], ["voice", "sms", "mail", "dingtalk", "mail"]),
    ],
)
def test_the_plan_says_through_what_and_the_person_in_which_order(
    via: list[str], rule: Any, tried: list[str]
) -> None:
    assert [CONTACTS[place] for place in order(CONTACTS, via, rule)] == tried


def test_the_check_of_the_plan_looks_at_every_rule_some_hour_can_bring() -> None:
    assert possible(RULES, 1) == [*RULES]
    assert possible(RULES, 3) == [RULES[1]]
    assert possible(RULES, 4) == [None]
