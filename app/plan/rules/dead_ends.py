"""What could never happen: conditions that never hold, waits that never end, and steps behind them."""

from collections.abc import Iterator
from itertools import product
from typing import Final

from app.expressions import Condition
from app.plan.document import PlanDocument
from app.plan.finding import Finding, error, warning
from app.plan.rules.references import steps_of
from app.plan.rules.satisfiable import MISSING, Given, can_hold
from app.plan.rules.steps import awaited
from app.playbooks.document import ApprovalStep, EscalateStep, NoticeStep, Step, WaitStep
from app.playbooks.tables import ENDED, StepState

_ENDED: Final = sorted(str(state) for state in ENDED)
_ANY: Final = sorted(str(state) for state in StepState)


def conditions_can_hold(plan: PlanDocument) -> Iterator[Finding]:
    """A step whose condition never holds, at none of its levels and for no type, is never run."""
    for path, playbook, step in steps_of(plan):
        if step.condition is None:
            continue
        condition = Condition.compile(step.condition)
        if not any(can_hold(condition, given) for given in _cases(plan, playbook, step)):
            yield error("step_never_runs", "EP-4.2.3", f"{path}.if", name=step.id, condition=step.condition)


def waits_come_to_an_end(plan: PlanDocument) -> Iterator[Finding]:
    """A wait ends by its condition or by its time limit; what needs one that ends by neither is never reached."""
    for name, playbook in plan.playbooks.items():
        for_ever = set()
        for index, step in enumerate(playbook.steps):
            if not isinstance(step, WaitStep) or step.params.until is None:
                continue
            path = f"playbooks.{name}.steps.{index}.with.until"
            condition = Condition.compile(step.params.until)
            cases = _cases(plan, name, step, while_waiting=True)
            holds = any(can_hold(condition, given) for given in cases)
            if step.timeout is None and not holds:
                for_ever.add(step.id)
                yield error("wait_without_end", "EP-4.2.3", path, name=step.id, condition=step.params.until)
            elif not holds:
                yield warning("wait_never_holds", "EP-4.2.3", path, name=step.id, condition=step.params.until)
            elif step.timeout is None:
                yield warning(
                    "wait_without_limit", "EP-4.2.3", path, name=step.id, condition=step.params.until
                )
        for index, step in enumerate(playbook.steps):
            if stuck := sorted(for_ever & awaited(playbook.steps, step)):
                path = f"playbooks.{name}.steps.{index}.needs"
                yield error("step_never_reached", "EP-4.2.3", path, name=step.id, behind=stuck[0])


def rules_can_decide(plan: PlanDocument) -> Iterator[Finding]:
    """A grading rule that never holds, or only where one above it holds too, decides nothing."""
    for name, kind in plan.types.items():
        given: Given = {"incident.type": [name]}
        above: list[Condition] = []
        for index, rule in enumerate(kind.grading):
            condition = Condition.compile(rule.condition)
            if not can_hold(condition, given, refused=above):
                path = f"types.{name}.grading.{index}.if"
                yield warning(
                    "rule_never_decides", "EP-4.2.2", path, number=index + 1, condition=rule.condition
                )
            above.append(condition)


def escalations_go_up(plan: PlanDocument) -> Iterator[Finding]:
    for path, _, step in steps_of(plan):
        to = step.params.to_level if isinstance(step, EscalateStep) else None
        if to is not None and to >= max(step.levels):
            yield warning(
                "escalation_goes_nowhere", "EP-4.2.2", f"{path}.with.to_level", name=step.id, level=to
            )


def levels_have_steps(plan: PlanDocument) -> Iterator[Finding]:
    """For each type and level there is something to do."""
    for name, kind in plan.types.items():
        if kind.playbook not in plan.playbooks:
            continue
        covered = {level for step in plan.playbooks[kind.playbook].steps for level in step.levels}
        for level in sorted(set(plan.levels) - covered):
            path = f"playbooks.{kind.playbook}.steps"
            yield warning("level_without_steps", "EP-4.1", path, type=name, level=level)


def answers_are_due_in_time(plan: PlanDocument) -> Iterator[Finding]:
    """What is asked for is due before the step is given up."""
    for path, _, step in steps_of(plan):
        if isinstance(step, (ApprovalStep, NoticeStep)) and step.timeout is not None:
            due, timeout = step.params.due, step.timeout
            if step.params.due > step.timeout:
                at = f"{path}.with.due"
                yield warning("due_after_timeout", "EP-4.2.3", at, name=step.id, due=due, timeout=timeout)


def _cases(plan: PlanDocument, playbook: str, step: Step, *, while_waiting: bool = False) -> Iterator[Given]:
    """What is known when a step's turn comes: once for each type that uses the playbook, and each level."""
    steps = {each.id: each for each in plan.playbooks[playbook].steps}
    before = awaited(list(steps.values()), step)
    kinds = {name: kind for name, kind in plan.types.items() if kind.playbook == playbook}
    for (name, kind), level in product(kinds.items() or [(None, None)], sorted(step.levels)):
        given: dict[str, list[object]] = {"incident.level": [level], "level.number": [level]}
        if kind is not None:
            given["incident.type"] = [name]
        for each in steps.values():
            states: list[object] = list(_ENDED if each.id in before and not while_waiting else _ANY)
            # A step of another level may have run before the level changed.
            given[f"steps.{each.id}.state"] = states if level in each.levels else [MISSING, *_ENDED]
        yield given
