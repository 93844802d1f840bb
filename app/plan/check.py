"""The plan's own check: what can be proved about an emergency plan from its document alone (EP-10.3).

Reads nothing but the document. Errors are what would fail in use, and refuse the plan; warnings are what
the plan lacks against the clauses, and are kept with its revision. It must never change a document, and
never stop at the first finding.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from app.plan.document import PlanDocument
from app.plan.finding import Finding, Severity
from app.plan.rules import clauses, dead_ends, expressions, references, resources, steps, warnings

Rule = Callable[[PlanDocument], Iterable[Finding]]

RULES: Final[Sequence[Rule]] = (
    references.positions_exist,
    references.positions_are_free_to_name,
    references.departments_exist,
    references.playbooks_exist,
    references.types_exist,
    references.command_posts_exist,
    references.pools_exist,
    references.items_exist,
    references.assets_exist,
    steps.ids_are_unique,
    steps.needs_exist,
    steps.needs_share_a_level,
    steps.needs_have_no_cycle,
    steps.outsiders_are_told_after_approval,
    dead_ends.conditions_can_hold,
    dead_ends.waits_come_to_an_end,
    dead_ends.rules_can_decide,
    dead_ends.escalations_go_up,
    dead_ends.levels_have_steps,
    dead_ends.answers_are_due_in_time,
    expressions.names_are_known,
    expressions.names_are_awaited,
    expressions.facts_are_spelt_alike,
    resources.tiers_have_no_cycle,
    resources.tiers_are_of_one_kind,
    resources.demands_can_be_met,
    clauses.every_part_is_there,
    clauses.time_zone_is_known,
    clauses.chains_end_in_leadership,
    clauses.commanders_can_command,
    clauses.health_is_told_to_who_manages,
    clauses.storms_end,
    clauses.signals_are_routed,
    warnings.thresholds_are_in_order,
    warnings.somebody_is_told,
    warnings.colours_can_be_reached,
    warnings.silence_is_noticed,
    clauses.targets_are_in_order,
    clauses.graver_is_never_slower,
    clauses.measures_are_carried_out,
    clauses.customers_can_be_told,
    clauses.every_playbook_is_used,
    clauses.crons_are_valid,
    clauses.drills_are_enough,
    clauses.training_is_enough,
    clauses.reviews_are_due,
)


def check(document: PlanDocument) -> list[Finding]:
    """All that does not hold, errors first, each in the order of the rules."""
    found = [finding for rule in RULES for finding in rule(document)]
    return in_order(found)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """The gravest first, each kind in the order given."""
    order = list(Severity)
    return sorted(findings, key=lambda finding: order.index(finding.severity))


def refuses(findings: Iterable[Finding]) -> bool:
    """Whether a plan with these findings must not be put in force."""
    return any(finding.severity is Severity.ERROR for finding in findings)
