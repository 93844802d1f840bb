"""The graph of a playbook's steps: what needs what, at which levels, and that it comes to an end."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from app.expressions import Condition
from app.plan.document import PlanDocument
from app.plan.finding import Finding, error, unknown
from app.plan.rules.references import steps_of
from app.playbooks.document import ApprovalStep, NoticeStep, Step


def step_levels(step: Step) -> frozenset[int]:
    """The levels at which a step is part of the run."""
    return frozenset(step.levels)


def awaited(steps: Sequence[Step], wanted: Step) -> set[str]:
    """The ids of everything that has ended when this step begins."""
    needs = {step.id: step.needs for step in steps}
    found: set[str] = set()
    queue = list(wanted.needs)
    while queue:
        if (name := queue.pop()) not in found:
            found.add(name)
            queue.extend(needs.get(name, ()))
    return found


def ids_are_unique(plan: PlanDocument) -> Iterator[Finding]:
    for name, playbook in plan.playbooks.items():
        times = Counter(step.id for step in playbook.steps)
        seen: set[str] = set()
        for index, step in enumerate(playbook.steps):
            if times[step.id] > 1 and step.id in seen:
                path = f"playbooks.{name}.steps.{index}.id"
                yield error("duplicate_step", "EP-4.2.3", path, name=step.id)
            seen.add(step.id)


def needs_exist(plan: PlanDocument) -> Iterator[Finding]:
    for path, playbook, step in steps_of(plan):
        known = [each.id for each in plan.playbooks[playbook].steps if each.id != step.id]
        for index, need in enumerate(step.needs):
            if need not in known and need != step.id:
                yield unknown("unknown_need", "EP-4.2.3", f"{path}.needs.{index}", need, known)


def needs_share_a_level(plan: PlanDocument) -> Iterator[Finding]:
    """A need that is never part of the same run is a need that never holds anything back."""
    for path, playbook, step in steps_of(plan):
        by_id = {each.id: each for each in plan.playbooks[playbook].steps}
        for index, need in enumerate(step.needs):
            if need in by_id and not step_levels(step) & step_levels(by_id[need]):
                yield error("need_at_no_common_level", "EP-4.1", f"{path}.needs.{index}", name=need)


def needs_have_no_cycle(plan: PlanDocument) -> Iterator[Finding]:
    for name, playbook in plan.playbooks.items():
        graph: Mapping[str, Sequence[str]] = {step.id: step.needs for step in playbook.steps}
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as cycle:
            way = list(reversed(cycle.args[1]))
            index = next(i for i, step in enumerate(playbook.steps) if step.id in way)
            yield error(
                "need_cycle", "EP-4.2.3", f"playbooks.{name}.steps.{index}.needs", way=" → ".join(way)
            )


def outsiders_are_told_after_approval(plan: PlanDocument) -> Iterator[Finding]:
    """At each level, a notice to a regulator or partner is approved, or waits for a yes (EP-7.1.2)."""
    for path, playbook, step in steps_of(plan):
        if not isinstance(step, NoticeStep) or step.params.audience not in ("regulator", "partners"):
            continue
        steps = plan.playbooks[playbook].steps
        before = awaited(steps, step)
        asked = {
            level
            for each in steps
            if isinstance(each, ApprovalStep) and each.id in before and _gates(each, step)
            for level in each.levels
        }
        if not step.params.approve_by and (open_at := step_levels(step) - asked):
            levels = sorted(open_at)
            yield error("notice_without_approval", "EP-7.1.2", path, name=step.id, levels=levels)


def _gates(approval: ApprovalStep, notice: NoticeStep) -> bool:
    """Whether a no keeps the notice back: waiting for an answer alone does not."""
    if notice.condition is None:
        return False
    condition = Condition.compile(notice.condition)
    asked = any(name.startswith(f"steps.{approval.id}.") for name in condition.names)
    without = [{"steps": {approval.id: {"state": state}}} for state in ("failed", "skipped")]
    return asked and all(condition.evaluate(scope) is not True for scope in without)
