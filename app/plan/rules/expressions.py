"""Conditions and texts of the plan: each name in them will be there when they are read."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final

from app.expressions import Condition, ExpressionError, Text, nearest_name, unknown_names, value_of
from app.plan.document import PlanDocument
from app.plan.finding import Finding, error, warning
from app.plan.rules.references import steps_of
from app.plan.rules.steps import awaited, step_levels
from app.playbooks.document import HttpStep, Step, WaitStep
from app.vocabulary import LocalisedTemplate
from app.wording import say

INCIDENT_NAMES: Final = (
    "incident.id",
    "incident.number",
    "incident.title",
    "incident.type",
    "incident.level",
    "incident.state",
    "incident.department",
    "incident.occurred_at",
    "incident.detected_at",
    "incident.exercise",
    "incident.description",
)
STEP_NAMES: Final = (*INCIDENT_NAMES, "facts.*", "level.number", "level.title")
GRADING_NAMES: Final = (
    "facts.*",
    "incident.title",
    "incident.type",
    "incident.department",
    "incident.occurred_at",
    "incident.detected_at",
    "incident.exercise",
    "incident.description",
)
SIGNAL_NAMES: Final = (
    "signal.source",
    "signal.kind",
    "signal.key",
    "signal.title",
    "signal.text",
    "signal.type",
    "signal.level",
    "labels.*",
    "facts.*",
)
_LIKE: Final = 0.87  # how alike two names of facts are before the rarer one is taken for a slip


@dataclass(frozen=True)
class _Read:
    """A condition or text, and the names it reads."""

    path: str
    names: frozenset[str]
    while_waiting: bool = False  # looked at again and again, so that what it reads may still be under way


def names_are_known(plan: PlanDocument) -> Iterator[Finding]:
    for rule in _grading_reads(plan):
        yield from _unknown(rule, list(GRADING_NAMES))
    for rule in _routing_reads(plan):
        yield from _unknown(rule, list(SIGNAL_NAMES))
    for path, playbook, step in steps_of(plan):
        ids = [each.id for each in plan.playbooks[playbook].steps]
        steps = [name for each in ids for name in (f"steps.{each}.state", f"steps.{each}.result.*")]
        for read in _reads(path, step):
            if isinstance(read, Finding):
                yield read
            else:
                yield from _unknown(read, [*STEP_NAMES, *steps])


def names_are_awaited(plan: PlanDocument) -> Iterator[Finding]:
    """A step that is spoken of has ended when it is spoken of, and is part of the same run."""
    for path, playbook, step in steps_of(plan):
        steps = {each.id: each for each in plan.playbooks[playbook].steps}
        before = awaited(list(steps.values()), step)
        for read in _reads(path, step):
            if isinstance(read, Finding):
                continue
            for name in sorted({n.split(".")[1] for n in read.names if n.startswith("steps.")}):
                if name in steps and not step_levels(step) & step_levels(steps[name]):
                    yield error("name_at_no_common_level", "EP-4.1", read.path, name=name)
                elif name in steps and name not in before and not read.while_waiting:
                    yield warning("name_not_awaited", "EP-4.2.3", read.path, name=name)


def facts_are_spelt_alike(plan: PlanDocument) -> Iterator[Finding]:
    """Facts are free, so a slip of the pen would never show: a lone name like a common one is told."""
    reads = [read for read in _every_read(plan) if isinstance(read, _Read)]
    times = Counter(name for read in reads for name in read.names if name.startswith("facts."))
    common = [name for name, number in times.items() if number > 1]
    for read in reads:
        for name in sorted(n for n in read.names if times.get(n) == 1):
            if near := get_close_matches(name, common, n=1, cutoff=_LIKE):
                yield warning("fact_looks_misspelt", "EP-7.1.2", read.path, name=name, near=near[0])


def _unknown(read: _Read, known: list[str]) -> Iterator[Finding]:
    for name in unknown_names(read.names, known):
        near = nearest_name(name, known)
        mend = None if near is None else say("plan.check.nearest", near=near)
        yield error("unknown_name", "EP-4.2.3", read.path, mend=mend, name=name)


def _every_read(plan: PlanDocument) -> Iterator[_Read | Finding]:
    yield from _grading_reads(plan)
    yield from _routing_reads(plan)
    for path, _, step in steps_of(plan):
        yield from _reads(path, step)


def _grading_reads(plan: PlanDocument) -> Iterator[_Read]:
    for name, kind in plan.types.items():
        for index, rule in enumerate(kind.grading):
            yield _Read(f"types.{name}.grading.{index}.if", _asked(rule.condition))
        for index, near in enumerate(kind.near):
            yield _Read(f"types.{name}.near.{index}.if", _asked(near.condition))
    for index, shift in enumerate(plan.risk.response):
        yield _Read(f"risk.response.{index}.if", _asked(shift.condition))


def _routing_reads(plan: PlanDocument) -> Iterator[_Read]:
    for index, rule in enumerate(plan.monitoring.routing if plan.monitoring else ()):
        yield _Read(f"monitoring.routing.{index}.if", _asked(rule.condition))
        for number, name in enumerate(rule.group.by if rule.group else ()):
            yield _Read(f"monitoring.routing.{index}.group.by.{number}", frozenset({name}))


def _reads(path: str, step: Step) -> Iterator[_Read | Finding]:
    if step.condition is not None:
        yield _Read(f"{path}.if", _asked(step.condition))
    if isinstance(step, WaitStep) and step.params.until is not None:
        yield _Read(f"{path}.with.until", _asked(step.params.until), while_waiting=True)
    if isinstance(step, HttpStep):
        yield from _values(f"{path}.with.body", step.params.body)
        if step.params.url is not None:
            yield _Read(f"{path}.with.url", _spoken(step.params.url))
    text = getattr(step.params, "text", None)
    if isinstance(text, LocalisedTemplate):
        for language in ("zh", "en", "zh_hant"):
            if (source := getattr(text, language)) is not None:
                yield _Read(f"{path}.with.text.{language}", _spoken(source))


@lru_cache(maxsize=4096)
def _asked(condition: str) -> frozenset[str]:
    return Condition.compile(condition).names


@lru_cache(maxsize=4096)
def _spoken(text: str) -> frozenset[str]:
    return Text.compile(text).names


def _values(path: str, value: Any) -> Iterator[_Read | Finding]:
    match value:
        case str():
            try:
                yield _Read(path, value_of(value).names)
            except ExpressionError as refused:
                yield error("bad_expression", "EP-4.2.3", path, why=refused.wording)
        case dict():
            for key, each in value.items():
                yield from _values(f"{path}.{key}", each)
        case list():
            for index, each in enumerate(value):
                yield from _values(f"{path}.{index}", each)
