"""Whether a condition could ever hold: proved where it says never, let pass where it cannot be told."""

import pytest

from app.expressions import Condition
from app.plan.rules.satisfiable import MISSING, Given, can_hold

GIVEN: Given = {"incident.level": [2], "steps.a.state": ["done", "failed"], "steps.b.state": [MISSING]}

COULD = (
    "facts.a > 3",
    "facts.a < -3",
    "facts.a > 3 and facts.a < 4",
    "facts.a",
    "not facts.a",
    "facts.a == true or facts.a == 1",
    'facts.a in ["x", "y"] and facts.a != "x"',
    'facts.a not in ["x"]',
    "facts.a is not defined",
    "facts.a is none",
    "facts.a | default(5) > 4",
    "facts.a > facts.b",
    'facts.a < "b" and facts.a > "c"',  # an order of texts is not weighed up
    "facts.a | count > 3 and facts.a | count < 2",  # nor what a filter makes of a value
    "incident.level <= 2",
    'steps.a.state == "failed"',
    "steps.b.state is not defined",
    "3 < facts.a",
)
NEVER = (
    "false",
    "facts.a > 3 and facts.a < 3",
    "facts.a and not facts.a",
    'facts.a == "x" and facts.a == "y"',
    'facts.a in ["x"] and facts.a == "y"',
    "facts.a is defined and facts.a is not defined",
    "facts.a is not defined and facts.a | default(5) < 4",
    "incident.level == 1",
    "1 == incident.level",
    'steps.a.state == "finished"',
    'steps.b.state == "done"',
)


@pytest.mark.parametrize("condition", COULD)
def test_it_could_hold(condition: str) -> None:
    assert can_hold(Condition.compile(condition), GIVEN)


@pytest.mark.parametrize("condition", NEVER)
def test_it_never_holds(condition: str) -> None:
    assert not can_hold(Condition.compile(condition), GIVEN)


def test_what_holds_only_where_another_holds_too_is_refused_with_it() -> None:
    covered, covering = Condition.compile("facts.a >= 10"), Condition.compile("facts.a >= 5")
    assert not can_hold(covered, {}, refused=[covering])
    assert can_hold(covering, {}, refused=[covered])


def test_too_many_cases_are_not_tried() -> None:
    names = [f"facts.n{number}" for number in range(12)]
    assert can_hold(Condition.compile(" and ".join(["false", *names])), {})
