"""What a signal is taken for: its type, department and hint of a level, and the incident it is one with (EP-4.2.1, OM-2).

The plan's part and the rule itself, which is pure. What decides, in this order:

    type         the rule, else what the sender calls it, else the default of its source
    department   the rule, else the type's
    level        the type's grading rules over the facts, else the rule, else the sender's own severity, else the type's
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import Field

from app.expressions import Condition
from app.vocabulary import LevelNumber, Localised, Part, Slug, Span, When
from app.wording import Wording, say

_KEY_LENGTH: Final = 200

Told = Annotated[str, Field(pattern=r"^(signal|labels|facts)\.\S{1,200}$", max_length=210)]


class Grouping(Part):
    """Which signals of a rule are one incident."""

    by: Annotated[list[Told], Field(max_length=10)] = Field(default_factory=list)
    """What they have in common, such as `labels.site`; a signal without one of these stands for itself."""
    within: Span
    """One that comes later than this after the last of them begins another incident."""


class RoutingRule(Part):
    """If the condition over the signal holds, this is what it is taken for; what is not said is left to the sender."""

    id: Slug
    condition: Annotated[When, Field(alias="if")]
    type: Slug | None = None
    department: Slug | None = None
    level: LevelNumber | None = None
    """In place of the sender's own severity; the grading rules of the type go first."""
    because: Localised | None = None
    group: Grouping | None = None
    dwell: Span | None = None
    """In place of the plan's `flapping.dwell`."""


class Flapping(Part):
    """What fires, ends and fires again within the dwell time is one incident (OM-2)."""

    dwell: Span = timedelta(0)
    """For so long a problem must be quiet before it is over; none: it is over as soon as its sender says so."""


@dataclass(frozen=True, slots=True)
class Route:
    """What a signal is taken for; what is `None` is left to the sender."""

    rule: RoutingRule | None = None
    group: str | None = None
    """By which those that are one incident are known."""
    dwell: timedelta = timedelta(0)

    def because(self) -> Wording | None:
        """Why the level is hinted at as it is, where the rule hints at one."""
        if self.rule is None or self.rule.level is None:
            return None
        if self.rule.because is None:
            return say("levels.by_routing", rule=self.rule.id)
        return say("levels.by_routing_because", rule=self.rule.id, because=self.rule.because.model_dump())


def route(
    rules: Sequence[RoutingRule], flapping: Flapping, signal: Mapping[str, Any], labels: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> Route:  # fmt: skip
    """What the first rule that holds says; a rule whose names are unknown is passed over."""
    scope = {"signal": signal, "labels": labels, "facts": facts}
    for rule in rules:
        if Condition.compile(rule.condition).evaluate(scope) is True:
            dwell = flapping.dwell if rule.dwell is None else rule.dwell
            return Route(rule, _group_of(rule, scope), dwell)
    return Route(dwell=flapping.dwell)


def _group_of(rule: RoutingRule, scope: Mapping[str, Mapping[str, Any]]) -> str | None:
    if rule.group is None:
        return None
    values = []
    for name in rule.group.by:
        room, _, inner = name.partition(".")
        value = scope[room].get(inner)
        if value is None or value == "":
            return None
        values.append(str(value))
    return "\x1f".join([rule.id, *values])
