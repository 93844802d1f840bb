"""How an incident gets its level: by rules over its facts, by a source's hint, by the risk matrix, or by hand (EP-3.3, EP-4.2.2).

Pure. Every answer says which rule or cell gave it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.expressions import Condition
from app.levels.document import IncidentType, Levels, RiskLevel
from app.wording import Wording, say


@dataclass(frozen=True)
class Graded:
    level: int
    reason: Wording
    gravity: RiskLevel | None = None


def by_rules(kind: IncidentType, incident: Mapping[str, Any], facts: Mapping[str, Any]) -> Graded | None:
    """What the first rule that holds says; a rule whose facts are unknown is passed over."""
    scope = {"incident": incident, "facts": facts}
    for number, rule in enumerate(kind.grading, start=1):
        if Condition.compile(rule.condition).evaluate(scope) is True:
            because = rule.because.model_dump()
            return Graded(
                rule.level, say("levels.by_rule", number=number, rule=rule.condition, because=because)
            )
    return None


def near(
    kind: IncidentType, incident: Mapping[str, Any], facts: Mapping[str, Any], *, level: int
) -> Graded | None:
    """The level whose conditions are not quite met (ST-1): of the first rule that holds, and not of a lighter one than `level`."""
    scope = {"incident": incident, "facts": facts}
    for rule in kind.near:
        if not is_graver(level, rule.level) and Condition.compile(rule.condition).evaluate(scope) is True:
            because = rule.because.model_dump()
            return Graded(
                rule.level, say("levels.near", level=rule.level, rule=rule.condition, because=because)
            )
    return None


def at_first(
    kind: IncidentType,
    incident: Mapping[str, Any],
    facts: Mapping[str, Any],
    *,
    said: int | None,
    hint: int | None,
    hinted_by: Wording | None = None,
) -> Graded:
    """The provisional level: what the reporter said, else the rules, else the hint, else the type's default.

    The hint is a routing rule's, `hinted_by` which, or else the source's own.
    """
    if said is not None:
        return Graded(said, say("levels.by_reporter"))
    if (ruled := by_rules(kind, incident, facts)) is not None:
        return ruled
    if hint is not None:
        return by_hint(hint, hinted_by)
    return Graded(kind.default_level, say("levels.by_default", type=kind.title.model_dump()))


def by_hint(level: int, hinted_by: Wording | None = None) -> Graded:
    """The level that a source hints at, or that the routing rule `hinted_by` gives in its place."""
    return Graded(level, hinted_by or say("levels.by_hint"))


def again(
    kind: IncidentType,
    incident: Mapping[str, Any],
    facts: Mapping[str, Any],
    *,
    level: int,
    hint: Graded | None = None,
) -> Graded | None:
    """What is said of a level given before: by the rules, else by the hint of a source that calls it graver than `level` now.

    In the order of `at_first`. `None`: nothing new; a lighter hint says nothing.
    """
    if (ruled := by_rules(kind, incident, facts)) is not None:
        return ruled
    return hint if hint is not None and is_graver(hint.level, level) else None


def by_matrix(
    levels: Levels, *, likelihood: int, impact: int, incident: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Graded:  # fmt: skip
    """The cell of the 5×5 matrix, and the response its risk level calls for (EP-3.3).

    The gravity is the cell's, whatever else is known. The response starts from it and is moved by what the plan asks of
    spread and of one's own power to control, by one level each, within 1 and 4 (ST-1).
    """
    gravity = levels.risk.matrix[likelihood - 1][impact - 1]
    grade = levels.risk.grades[gravity]
    title = grade.title.model_dump()
    scope = {"incident": incident or {}, "facts": facts or {}}
    moved = [one for one in levels.risk.response if Condition.compile(one.condition).evaluate(scope) is True]
    if not moved:
        reason = say("levels.by_matrix", likelihood=likelihood, impact=impact, gravity=title)
        return Graded(grade.level, reason, gravity)
    level = min(max(grade.level + sum(-1 if one.by == "graver" else 1 for one in moved), 1), 4)
    reason = say(
        "levels.by_matrix_moved", likelihood=likelihood, impact=impact, gravity=title, before=grade.level, after=level,
        because=[one.because.model_dump() for one in moved],
    )  # fmt: skip
    return Graded(level, reason, gravity)


def is_graver(one: int, other: int) -> bool:
    """Whether level `one` is graver than `other`; 1 is the gravest."""
    return one < other
