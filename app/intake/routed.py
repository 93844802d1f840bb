"""A signal as the plan takes it: the alarm it would raise, by the routing rules and what its sender says. Pure.

Which of the two decides what is said in `app.levels.routing`; nothing here knows of other signals.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from app.incidents.raising import Alarm
from app.incidents.tables import State, Status
from app.intake import ourselves
from app.intake.signals import Signal
from app.intake.tables import Source
from app.levels import grading, routing
from app.levels.document import IncidentType, Levels
from app.levels.grading import Graded
from app.levels.routing import Route


@dataclass(frozen=True)
class Taken:
    """A signal after the rules: where it goes, and the alarm it is."""

    route: Route
    alarm: Alarm
    type: str
    kind: IncidentType
    at: datetime

    @property
    def department(self) -> str:
        return self.alarm.department or self.kind.department

    @cached_property
    def graded(self) -> Graded:
        """The provisional level by its own words, as if it were raised for itself, and why."""
        alarm = self.alarm
        scope = {
            "title": alarm.title, "description": alarm.description or "", "type": self.type, "department": self.department,
            "level": self.kind.default_level, "state": str(State.DETECTED), "exercise": False,
            "occurred_at": alarm.occurred_at or self.at, "detected_at": self.at,
        }  # fmt: skip
        return grading.at_first(
            self.kind, scope, alarm.facts, said=None, hint=alarm.level_hint, hinted_by=alarm.hinted_by
        )

    @property
    def is_gravest(self) -> bool:
        """Whether it is of level 1, by what is known of it or as it is hinted at."""
        return 1 in (self.graded.level, self.alarm.level_hint)


def taken(
    levels: Levels, source: Source, signal: Signal, *, dedup_key: str, received_at: datetime, at: datetime
) -> Taken:
    """What this signal is taken for; `dedup_key` is that of the incident it would raise."""
    route = _route(levels, source, signal)
    rule = route.rule
    department = rule.department if rule else None
    level = rule.level if rule else None
    context = {"annotations": dict(signal.annotations), "links": list(signal.links)}
    known = {
        name: value for name, value in {**context, **measured(signal)}.items() if value not in (None, {}, [])
    }
    alarm = Alarm(
        title=signal.title, type=(rule and rule.type) or signal.type_hint or source.default_type,
        description=signal.text or None, department=department,
        occurred_at=min(signal.started_at or received_at, received_at), reporter=source.name, facts=known,
        level_hint=level or signal.level_hint, hinted_by=route.because(), dedup_key=dedup_key,
        source=source.slug, group=route.group,
        status=Status.TEST if source.id == ourselves.SELF_TEST else Status.ACTUAL,
    )  # fmt: skip
    return Taken(route, alarm, *levels.type_of(alarm.type), at)


def measured(signal: Signal) -> dict[str, Any]:
    """What rules may look at as facts: labels, and the facts the sender names as such, which go first."""
    return {**signal.labels, **signal.facts}


def _route(levels: Levels, source: Source, signal: Signal) -> Route:
    if source.id == ourselves.SELF_TEST:
        return Route()
    if not levels.routing:
        return Route(dwell=levels.flapping.dwell)
    said: Mapping[str, Any] = {
        "source": source.slug, "kind": source.kind, "key": signal.dedup_key, "title": signal.title, "text": signal.text,
        "type": signal.type_hint, "level": signal.level_hint,
    }  # fmt: skip
    return routing.route(levels.routing, levels.flapping, said, signal.labels, measured(signal))
