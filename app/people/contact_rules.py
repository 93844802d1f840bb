"""By which of their contact points somebody is tried first: rules of their own, by level and by the hour.

The plan says through which channels a rung is told; a rule says what the person would have first among them, and how long the next
waits for the one before. The first rule that fits counts. No rule takes a contact point away: those it does not name come after.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from app.people import rota
from app.people.rota import Quiet
from app.vocabulary import parse_span


@dataclass(frozen=True)
class Rule:
    """Channels in the order they are tried, for some levels (none: all) and some hours (none: always)."""

    order: tuple[str, ...]
    levels: frozenset[int] = frozenset()
    hours: Quiet | None = None
    wait: timedelta | None = None
    """Between two contact points; none: as the plan says."""
    steps_down_after: int | None = None
    """Messages by one channel within the hour after which it comes last; none: never."""

    def is_about(self, level: int) -> bool:
        return not self.levels or level in self.levels


def read(kept: Sequence[Mapping[str, Any]]) -> tuple[Rule, ...]:
    """The rules as they are kept with the person."""
    return tuple(
        Rule(
            tuple(one["order"]), frozenset(one.get("levels") or ()), _hours(one.get("hours")),
            parse_span(one["wait"]) if one.get("wait") else None, one.get("steps_down_after"),
        )
        for one in kept
    )  # fmt: skip


def in_force(rules: Sequence[Rule], level: int, at: datetime) -> Rule | None:
    """The rule for a message of this level at this moment."""
    fitting = (
        rule
        for rule in rules
        if rule.is_about(level) and (rule.hours is None or rota.quiet_until(rule.hours, at) is not None)
    )
    return next(fitting, None)


def possible(rules: Sequence[Rule], level: int) -> Sequence[Rule | None]:
    """Every rule that is in force at some hour for a level; `None` where at some hour there may be none."""
    found: list[Rule | None] = []
    for rule in rules:
        if rule.is_about(level):
            found.append(rule)
            if rule.hours is None:
                return found
    return [*found, None]


def order(
    channels: Sequence[str], via: Sequence[str], rule: Rule | None, *, worn: Collection[str] = ()
) -> Sequence[int]:
    """Which of the contact points, given by their channels, are tried, and in which order.

    1. Those on the plan's channels, where there are any; otherwise all.
    2. As the rule has it; without one as the plan has it; without that as they stand.
    3. Those on a channel that has carried much of late come last.
    """
    places = list(range(len(channels)))
    wanted = [place for channel in dict.fromkeys(via) for place in places if channels[place] == channel]
    chosen = wanted or places
    if rule is None:
        return chosen
    rank = {channel: number for number, channel in enumerate(rule.order)}

    def first(place: int) -> tuple[bool, int, int]:
        return channels[place] in worn, rank.get(channels[place], len(rank)), chosen.index(place)

    return sorted(chosen, key=first)


def _hours(kept: Mapping[str, Any] | None) -> Quiet | None:
    if kept is None:
        return None
    return Quiet(time.fromisoformat(kept["begins"]), time.fromisoformat(kept["ends"]), kept["time_zone"])
