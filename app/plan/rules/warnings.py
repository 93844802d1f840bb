"""The warnings (EP-2.5, OM-2): thresholds in their order, somebody who is told, colours that can come about."""

from collections.abc import Iterator
from itertools import pairwise

from app.levels.indicator import COLOURS, LEVELS, Worse
from app.plan.document import PlanDocument
from app.plan.finding import Finding, error, warning
from app.plan.rules.references import WATCHED, indicators_of


def thresholds_are_in_order(plan: PlanDocument) -> Iterator[Finding]:
    """A graver colour begins at a worse value."""
    for name, indicator in indicators_of(plan).items():
        sign = -1 if indicator.worse is Worse.LOWER else 1
        for (grave, graver_at), (mild, milder_at) in pairwise(indicator.limits.items()):
            if sign * graver_at <= sign * milder_at:
                yield error(
                    "thresholds_out_of_order", "EP-2.5", f"{WATCHED}.{name}.thresholds.{COLOURS[grave]}",
                    graver=COLOURS[grave], milder=COLOURS[mild], at=f"{milder_at:g}",
                )  # fmt: skip


def somebody_is_told(plan: PlanDocument) -> Iterator[Finding]:
    """Each colour that an indicator can have names whom to tell."""
    if plan.monitoring is None:
        return
    reached = {level for indicator in indicators_of(plan).values() for level in indicator.limits}
    for level in sorted(reached):
        colour = COLOURS[level]
        spec = plan.monitoring.warnings.get(colour)
        if spec is None or not spec.tell:
            yield error("warning_told_to_nobody", "EP-2.5", f"monitoring.warnings.{colour}", colour=colour)


def colours_can_be_reached(plan: PlanDocument) -> Iterator[Finding]:
    """What is written for a colour comes about; the colour at which a warning becomes an incident is one it can have."""
    if plan.monitoring is None:
        return
    watched = indicators_of(plan)
    for name, indicator in watched.items():
        if indicator.becomes is not None and all(
            level > LEVELS[indicator.becomes] for level in indicator.limits
        ):
            path = f"{WATCHED}.{name}.becomes"
            yield error("becomes_never", "OM-2", path, colour=indicator.becomes)
    reached = {level for indicator in watched.values() for level in indicator.limits}
    for colour in plan.monitoring.warnings:
        if LEVELS[colour] not in reached:
            yield warning("colour_never", "OM-2", f"monitoring.warnings.{colour}", colour=colour)


def silence_is_noticed(plan: PlanDocument) -> Iterator[Finding]:
    """An indicator that may warn and of which nothing is expected looks calm when what measures it has died."""
    for name, indicator in indicators_of(plan).items():
        if indicator.limits and indicator.silent_after is None:
            yield warning(
                "silence_unnoticed", "EP-2.5", f"{WATCHED}.{name}", title=indicator.title.model_dump()
            )
