"""What the clauses ask of a plan: its seven parts, chains, targets, measures, drills, training, reviews."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from app.levels.document import ClosingCondition, Targets
from app.plan import cron
from app.plan.document import PlanDocument, RecurringDuty
from app.plan.finding import Finding, error, warning
from app.playbooks.document import NoticeStep
from app.vocabulary import Layer

PARTS: Final = ("general", "organisation", "monitoring", "levels", "recovery", "training", "revision")
HANDLING: Final = "EP-7.1.3"
LEAST_DRILLS: Final = 2  # a year
LEAST_TRAINING_DAYS: Final = 2  # a quarter
LEAST_TRAININGS: Final = 4  # a year
LONGEST_WITHOUT_REVIEW: Final = timedelta(days=3 * 366)
LONGEST_STORM: Final = timedelta(hours=1)  # without a new problem
LONGEST_DWELL: Final = timedelta(hours=1)
_RANK: Final = {Layer.LEADERSHIP: 3, Layer.MANAGEMENT: 2, Layer.EXECUTION: 1, Layer.COLLABORATION: 0}
_FOUR_YEARS: Final = range(2025, 2029)  # one of them has a 29 February


def measure_of(level: int) -> str:
    """The clause whose measures a response of this level carries out."""
    return f"EP-4.1.{level}"


def every_part_is_there(plan: PlanDocument) -> Iterator[Finding]:
    for part in PARTS:
        if not getattr(plan, part):
            yield warning("part_missing", "EP-1.4", part, part=part)


def time_zone_is_known(plan: PlanDocument) -> Iterator[Finding]:
    try:
        ZoneInfo(plan.plan.time_zone)
    except (OSError, ValueError, KeyError):  # a folder, a path out of the database, a name that is not there
        yield error("unknown_time_zone", "EP-8", "plan.time_zone", name=plan.plan.time_zone)


def chains_end_in_leadership(plan: PlanDocument) -> Iterator[Finding]:
    positions = plan.organisation.positions
    for number in plan.levels:
        if number not in plan.chains:
            yield error("chain_missing", "EP-5.2", f"chains.{number}", level=number)
            continue
        last = plan.chains[number].hops[-1]
        known = [positions[name] for name in last.tell if name in positions]
        if known and all(position.layer is not Layer.LEADERSHIP for position in known):
            path = f"chains.{number}.hops.{len(plan.chains[number].hops) - 1}"
            yield error("chain_without_leadership", "EP-10.3", path, level=number)


def commanders_can_command(plan: PlanDocument) -> Iterator[Finding]:
    """Each command post has a commander, of a layer that may end a response of its level."""
    for name, template in plan.command_posts.items():
        if "commander" not in template.roles:
            yield error("commander_missing", "EP-2.5", f"command_posts.{name}.roles", name=name)
    for number, level in plan.levels.items():
        post = plan.command_posts.get(level.command_post)
        if post is None or "commander" not in post.roles:
            continue
        first = plan.organisation.positions.get(post.roles["commander"].filled_by[0])
        if first is not None and _RANK[first.layer] < _RANK[level.declared_by]:
            yield warning("commander_layer", "EP-2.1", f"levels.{number}.command_post", level=number)


def health_is_told_to_who_manages(plan: PlanDocument) -> Iterator[Finding]:
    """The summary of check-ins names who is ill (EO-1, EG-4)."""
    check_ins = plan.organisation.check_ins
    for index, name in enumerate(check_ins.tell if check_ins is not None else ()):
        position = plan.organisation.positions.get(name)
        if position is not None and _RANK[position.layer] < _RANK[Layer.MANAGEMENT]:
            path = f"organisation.check_ins.tell.{index}"
            yield error("health_told_too_widely", "EO-1", path, position=position.title)


def storms_end(plan: PlanDocument) -> Iterator[Finding]:
    if plan.monitoring is None:
        return
    within = plan.monitoring.storm.within
    if within <= timedelta(0):
        yield error("storm_not_positive", "OR-2", "monitoring.storm.within")
    elif within > LONGEST_STORM:
        yield warning("storm_too_long", "OR-2", "monitoring.storm.within", span=within)


def signals_are_routed(plan: PlanDocument) -> Iterator[Finding]:
    """Each routing rule has its own name and says something; what it groups by time does so for a while, and dwells no longer than
    an alarm may wait for its end."""
    seen: set[str] = set()
    for index, rule in enumerate(plan.monitoring.routing if plan.monitoring else ()):
        path = f"monitoring.routing.{index}"
        if rule.id in seen:
            yield error("routing_twice", "EP-4.2.1", f"{path}.id", name=rule.id)
        seen.add(rule.id)
        if rule.group is not None and rule.group.within <= timedelta(0):
            yield error("group_not_positive", "EP-4.2.1", f"{path}.group.within", name=rule.id)
        if rule.dwell is not None and rule.dwell > LONGEST_DWELL:
            yield warning("dwell_too_long", "OM-2", f"{path}.dwell", span=rule.dwell)
        if (rule.type, rule.department, rule.level, rule.group, rule.dwell) == (None,) * 5:
            yield warning("routing_says_nothing", "EP-4.2.1", path, name=rule.id)
    if plan.monitoring is not None and plan.monitoring.flapping.dwell > LONGEST_DWELL:
        span = plan.monitoring.flapping.dwell
        yield warning("dwell_too_long", "OM-2", "monitoring.flapping.dwell", span=span)


def targets_are_in_order(plan: PlanDocument) -> Iterator[Finding]:
    for number, level in plan.levels.items():
        targets = level.targets
        order = ("acknowledge", "activate", "respond", "restore")
        for sooner, later in pairwise(order):
            if getattr(targets, sooner) > getattr(targets, later):
                path = f"levels.{number}.targets.{later}"
                yield error("targets_out_of_order", "EP-4", path, sooner=sooner, later=later, level=number)
        for name in Targets.model_fields:
            if getattr(targets, name) <= timedelta(0):
                yield error("target_not_positive", "EP-4", f"levels.{number}.targets.{name}", name=name)
        if level.remind_before >= targets.update_every:
            yield error("reminder_too_early", "EP-5.3", f"levels.{number}.remind_before", level=number)


def graver_is_never_slower(plan: PlanDocument) -> Iterator[Finding]:
    for graver, milder in pairwise(sorted(plan.levels)):
        for name in Targets.model_fields:
            mine = getattr(plan.levels[graver].targets, name)
            theirs = getattr(plan.levels[milder].targets, name)
            if mine > theirs:
                yield error(
                    "graver_slower",
                    "EP-4",
                    f"levels.{graver}.targets.{name}",
                    name=name,
                    graver=graver,
                    milder=milder,
                    mine=mine,
                    theirs=theirs,
                )


def measures_are_carried_out(plan: PlanDocument) -> Iterator[Finding]:
    """For each type and level, some step carries out the measures of the level, and those of the handling."""
    for name in sorted({kind.playbook for kind in plan.types.values()} & plan.playbooks.keys()):
        for level in sorted(plan.levels):
            at_level = [step for step in plan.playbooks[name].steps if level in step.levels]
            carried = {measure for step in at_level for measure in step.measures}
            for clause in (measure_of(level), HANDLING):
                if clause not in carried:
                    path = f"playbooks.{name}.steps"
                    yield warning("measure_missing", clause, path, measure=clause, level=level)


def customers_can_be_told(plan: PlanDocument) -> Iterator[Finding]:
    """Where closing asks that customers were told, the playbook tells them."""
    for number, level in sorted(plan.levels.items()):
        if ClosingCondition.CUSTOMERS_TOLD not in level.closing:
            continue
        for name in sorted({kind.playbook for kind in plan.types.values()} & plan.playbooks.keys()):
            if not any(
                isinstance(step, NoticeStep)
                and number in step.levels
                and step.params.audience in ("customers", "affected_customers")
                for step in plan.playbooks[name].steps
            ):
                yield warning("customers_never_told", "EP-4.2.5", f"playbooks.{name}.steps", level=number)


def every_playbook_is_used(plan: PlanDocument) -> Iterator[Finding]:
    used = {kind.playbook for kind in plan.types.values()}
    for name in plan.playbooks:
        if name not in used:
            yield warning("playbook_unused", "EP-1.3", f"playbooks.{name}", name=name)


def crons_are_valid(plan: PlanDocument) -> Iterator[Finding]:
    for name, duty in plan.training.duties.items() if plan.training is not None else ():
        path = f"training.duties.{name}.cron"
        try:
            days = _firings(duty)
        except cron.BadCron:
            yield error("bad_cron", "EP-8", path, cron=duty.cron)
            continue
        if not days:
            yield error("cron_never", "EP-8", path, cron=duty.cron)


def drills_are_enough(plan: PlanDocument) -> Iterator[Finding]:
    if plan.training is None:
        return
    planned = min(plan.training.drills_per_year, _times_a_year(plan, "EP-8.3"))
    if planned < LEAST_DRILLS:
        yield warning("too_few_drills", "EP-8.3", "training", planned=planned, least=LEAST_DRILLS)


def training_is_enough(plan: PlanDocument) -> Iterator[Finding]:
    if plan.training is None:
        return
    if (days := plan.training.training_days_per_quarter) < LEAST_TRAINING_DAYS:
        path = "training.training_days_per_quarter"
        yield warning("too_few_training_days", "EP-8.1", path, planned=days, least=LEAST_TRAINING_DAYS)
    if (times := _times_a_year(plan, "EP-8.1")) < LEAST_TRAININGS:
        yield warning("too_few_trainings", "EP-8.1", "training.duties", planned=times, least=LEAST_TRAININGS)


def reviews_are_due(plan: PlanDocument) -> Iterator[Finding]:
    if plan.revision is None:
        return
    every = plan.revision.review_every
    if not timedelta(0) < every <= LONGEST_WITHOUT_REVIEW:
        yield warning("review_not_due", "EP-9.3", "revision.review_every", every=every)


def _times_a_year(plan: PlanDocument, clause: str) -> int:
    """How often duties of this clause fall due in the leanest year."""
    duties = plan.training.duties.values() if plan.training is not None else ()
    days = [day for duty in duties if duty.clause == clause for day in _valid_firings(duty)]
    return min(sum(day.year == year for day in days) for year in _FOUR_YEARS)


def _valid_firings(duty: RecurringDuty) -> list[date]:
    try:
        return _firings(duty)
    except cron.BadCron:
        return []


def _firings(duty: RecurringDuty) -> list[date]:
    calendar = cron.parse(duty.cron)
    return [day for year in _FOUR_YEARS for day in calendar.days_in(year)]
