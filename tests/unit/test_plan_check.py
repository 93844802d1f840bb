"""The plan's own check: each kind of finding, from the shipped plan with one thing changed."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from app import wording
from app.plan import strict_yaml
from app.plan.check import check, refuses
from app.plan.document import PlanDocument
from app.plan.finding import Severity
from app.wording import LANGUAGES
from tests.unit.test_broken_plans import BROKEN

SHIPPED = strict_yaml.load((Path(__file__).parents[2] / "playbooks.yaml").read_bytes()).document
Plan = dict[str, Any]
Change = Callable[[Plan], object]


def step(plan: Plan, playbook: str, name: str) -> Plan:
    """A step of a playbook, to be changed."""
    return next(each for each in plan["playbooks"][playbook]["steps"] if each["id"] == name)


def outage(plan: Plan, name: str) -> Plan:
    return step(plan, "system_outage", name)


def put(*path: Any, to: Any) -> Change:
    """A change: the value at this path becomes another."""

    def change(plan: Plan) -> None:
        place: Any = plan
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = to

    return change


def at_step(name: str, *path: Any, to: Any) -> Change:
    """A change in a step of the playbook for system outages."""
    return lambda plan: put(*path, to=to)(outage(plan, name))


def add_step(**more: Any) -> Change:
    """A change: one more task at the end of the playbook for system outages."""
    text = {"zh": "做", "en": "do"}
    task = {"kind": "task", "title": text, "with": {"position": "duty_lead", "due": "1h", "text": text}}
    return lambda plan: plan["playbooks"]["system_outage"]["steps"].append({**task, **more})


def drop(*path: Any) -> Change:
    """A change: what is at this path goes."""

    def change(plan: Plan) -> None:
        place: Any = plan
        for part in path[:-1]:
            place = place[part]
        del place[path[-1]]

    return change


def without_measure(playbook: str, measure: str) -> Change:
    def change(plan: Plan) -> None:
        for each in plan["playbooks"][playbook]["steps"]:
            each["measures"] = [m for m in each.get("measures", []) if m != measure]

    return change


def without_notices(plan: Plan) -> None:
    steps = plan["playbooks"]["staff_illness"]["steps"]
    steps[:] = [each for each in steps if each["id"] not in ("tell_customers", "compensate")]


def routing(**rule: Any) -> Change:
    """A change: one more routing rule."""
    more = {"id": "more", "if": "labels.a == 1", "level": 2, **rule}
    return lambda plan: plan["monitoring"]["routing"].append(more)


def never_red(plan: Plan) -> None:
    for indicator in plan["monitoring"]["indicators"].values():
        indicator["thresholds"].pop("red", None)
        if indicator.get("becomes") == "red":
            del indicator["becomes"]


ERRORS: dict[str, tuple[str, str, Change]] = {
    "a routing rule for a type nobody described": (
        "unknown_type", "monitoring.routing.1.type", routing(type="earthquake"),
    ),
    "a routing rule for a department nobody described": (
        "unknown_department", "monitoring.routing.1.department", routing(department="kitchen"),
    ),
    "a routing rule that asks what no signal says": (
        "unknown_name", "monitoring.routing.1.if", routing(**{"if": "signal.sourse == 'prom'"}),
    ),
    "a routing rule that asks of an incident": (
        "unknown_name", "monitoring.routing.1.if", routing(**{"if": "incident.level == 1"}),
    ),
    "a routing rule that groups by what no signal says": (
        "unknown_name", "monitoring.routing.1.group.by.0", routing(group={"by": ["signal.place"], "within": "5m"}),
    ),
    "two routing rules of one name": (
        "routing_twice", "monitoring.routing.1.id", routing(id="network_lines"),
    ),
    "a group of no time": (
        "group_not_positive", "monitoring.routing.1.group.within", routing(group={"by": [], "within": "0s"}),
    ),
    "a storm of no time": (
        "storm_not_positive", "monitoring.storm.within",
        put("monitoring", "storm", to={"within": "0s"}),
    ),
    "an orange that begins before yellow": (
        "thresholds_out_of_order", "monitoring.indicators.queue_length.thresholds.orange",
        put("monitoring", "indicators", "queue_length", "thresholds", "orange", to=50),
    ),
    "an orange that begins before yellow, where lower is worse": (
        "thresholds_out_of_order", "monitoring.indicators.answered_share.thresholds.orange",
        put("monitoring", "indicators", "answered_share", "thresholds", "orange", to=86),
    ),
    "a colour of which nobody is told": (
        "warning_told_to_nobody", "monitoring.warnings.red",
        put("monitoring", "warnings", "red", "tell", to=[]),
    ),
    "a warning that becomes an incident at a colour it never has": (
        "becomes_never", "monitoring.indicators.bot_hand_over.becomes",
        put("monitoring", "indicators", "bot_hand_over", "becomes", to="red"),
    ),
    "a warning told to a position nobody described": (
        "unknown_position", "monitoring.warnings.blue.tell.0",
        put("monitoring", "warnings", "blue", "tell", to=["duty_leed"]),
    ),
    "an indicator whose owner nobody described": (
        "unknown_position", "monitoring.indicators.queue_length.owner",
        put("monitoring", "indicators", "queue_length", "owner", to="duty_leed"),
    ),
    "an indicator that warns of a type that is not there": (
        "unknown_type", "monitoring.indicators.queue_length.type",
        put("monitoring", "indicators", "queue_length", "type", to="sytem_outage"),
    ),
    "a chain that tells a position nobody described": (
        "unknown_position", "chains.2.hops.0.tell.0",
        put("chains", "2", "hops", 0, "tell", to=["duty_leed"]),
    ),
    "a task for a position nobody described": (
        "unknown_position", "playbooks.system_outage.steps.6.with.position",
        at_step("diagnose", "with", "position", to="wizard"),
    ),
    "an approval by a position nobody described": (
        "unknown_position", "playbooks.system_outage.steps.11.with.by.0",
        at_step("approve_customer_notice", "with", "by", to=["president"]),
    ),
    "a role that nobody known fills": (
        "unknown_position", "command_posts.on_duty.roles.commander.filled_by.0",
        put("command_posts", "on_duty", "roles", "commander", "filled_by", to=["nobody"]),
    ),
    "a position in a department that is not there": (
        "unknown_department", "organisation.positions.duty_lead.department",
        put("organisation", "positions", "duty_lead", "department", to="customer_servis"),
    ),
    "a type without its playbook": (
        "unknown_playbook", "types.cyber_attack.playbook",
        put("types", "cyber_attack", "playbook", to="cyber_atack"),
    ),
    "a risk of a type that is not there": (
        "unknown_type", "risks.core_system_fails.type", put("risks", "core_system_fails", "type", to="system_outrage"),
    ),
    "a level with a command post that is not there": (
        "unknown_command_post", "levels.4.command_post", put("levels", "4", "command_post", to="war_room"),
    ),
    "a pool whose next tier is not there": (
        "unknown_pool", "pools.reserve_team.next", put("pools", "reserve_team", "next", to="outsorced_team"),
    ),
    "a reservation from a pool that is not there": (
        "unknown_pool", "playbooks.system_outage.steps.3.with.ask.0.pool",
        at_step("reserve_service_team", "with", "ask", 0, "pool", to="front_team"),
    ),
    "a reservation of an asset that the pool does not hold": (
        "unknown_item", "playbooks.system_outage.steps.5.with.ask.0.item",
        at_step("reserve_standby_systems", "with", "ask", 0, "item", to="standby_telefony"),
    ),
    "a reservation of materials that does not say which": (
        "item_not_named", "playbooks.epidemic.steps.2.with.ask.0",
        lambda plan: drop("with", "ask", 0, "item")(step(plan, "epidemic", "reserve_supplies")),
    ),
    "a fail-over from what nothing stands in for": (
        "no_standby", "playbooks.system_outage.steps.7.with.asset.name",
        at_step("fail_over", "with", "asset", "name", to="telefony"),
    ),
    "a backup verified that the pool does not hold": (
        "unknown_item", "playbooks.system_outage.steps.7.with.asset.name",
        at_step("fail_over", "with", "asset", to={"does": "verify_backup", "pool": "standby_systems", "name": "x"}),
    ),
    "two steps of one name": (
        "duplicate_step", "playbooks.system_outage.steps.26.id", add_step(id="diagnose"),
    ),
    "a step that waits for nothing known": (
        "unknown_need", "playbooks.system_outage.steps.26.needs.0", add_step(id="late", needs=["diagnos"]),
    ),
    "a step that waits for one at other levels": (
        "need_at_no_common_level", "playbooks.system_outage.steps.26.needs.0",
        add_step(id="late", levels=[4], needs=["diagnose"]),
    ),
    "two steps that wait for each other": (
        "need_cycle", "playbooks.system_outage.steps.6.needs",
        at_step("diagnose", "needs", to=["verify_recovery"]),
    ),
    "a step that waits for itself": (
        "need_cycle", "playbooks.system_outage.steps.6.needs", at_step("diagnose", "needs", to=["diagnose"]),
    ),
    "a notice to partners that nobody approves": (
        "notice_without_approval", "playbooks.system_outage.steps.13",
        lambda plan: drop("with", "approve_by")(outage(plan, "tell_partners")),
    ),
    "a report to the regulator that goes out after a no": (
        "notice_without_approval", "playbooks.cyber_attack.steps.7",
        lambda plan: drop("if")(step(plan, "cyber_attack", "tell_regulator")),
    ),
    "a report to the regulator that goes out only after a no": (
        "notice_without_approval", "playbooks.cyber_attack.steps.7",
        lambda plan: put("if", to='steps.approve_regulator_notice.state != "done"')(
            step(plan, "cyber_attack", "tell_regulator")
        ),
    ),
    "a report to the regulator at a level whose approval is missing": (
        "notice_without_approval", "playbooks.cyber_attack.steps.7",
        lambda plan: put("levels", to=[1])(step(plan, "cyber_attack", "approve_regulator_notice")),
    ),
    "a condition on something no incident has": (
        "unknown_name", "playbooks.system_outage.steps.6.if",
        at_step("diagnose", "if", to="incident.levle == 1"),
    ),
    "a condition on a step that is not there": (
        "unknown_name", "playbooks.system_outage.steps.12.if",
        at_step("tell_customers", "if", to='steps.aprove_customer_notice.state == "done"'),
    ),
    "a text with a name that will never be known": (
        "unknown_name", "playbooks.system_outage.steps.6.with.text.en",
        at_step("diagnose", "with", "text", "en", to="Look at {{ fact.cause }}"),
    ),
    "a body of a call with a name that will never be known": (
        "unknown_name", "playbooks.system_outage.steps.7.with.body.reason",
        at_step("fail_over", "with", "body", "reason", to="{{ incident.tilte }}"),
    ),
    "a grading rule that looks at steps": (
        "unknown_name", "types.other.grading.0.if",
        put("types", "other", "grading", 0, "if", to='steps.diagnose.state == "done"'),
    ),
    "a condition on a step at other levels": (
        "name_at_no_common_level", "playbooks.system_outage.steps.26.if",
        add_step(id="late", levels=[4], **{"if": 'steps.diagnose.state == "done"'}),
    ),
    "a body of a call that cannot be filled in": (
        "bad_expression", "playbooks.system_outage.steps.7.with.body.deep.0",
        at_step("fail_over", "with", "body", "deep", to=["{{ open( }}"]),
    ),
    "tiers that lead back to the beginning": (
        "pool_cycle", "pools.front_line_team.next",
        put("pools", "outsourced_team", "next", to="reserve_team"),
    ),
    "a people pool whose next tier is made of things": (
        "pool_kind", "pools.outsourced_team.next",
        put("pools", "outsourced_team", "next", to="protective_supplies"),
    ),
    "more masks than all tiers could ever hold": (
        "demand_too_large", "playbooks.epidemic.steps.2.with.ask.0.quantity",
        lambda plan: put("with", "ask", 0, "quantity", to=25_001)(step(plan, "epidemic", "reserve_supplies")),
    ),
    "two of a system that is one of its kind": (
        "demand_too_large", "playbooks.system_outage.steps.5.with.ask.0.quantity",
        at_step("reserve_standby_systems", "with", "ask", 0, "quantity", to=2),
    ),
    "a time zone that is not on any map": (
        "unknown_time_zone", "plan.time_zone", put("plan", "time_zone", to="Asia/Shangai"),
    ),
    "a time zone that is a path": (
        "unknown_time_zone", "plan.time_zone", put("plan", "time_zone", to="../Shanghai"),
    ),
    "a level without a chain": ("chain_missing", "chains.4", drop("chains", "4")),
    "a chain that ends with a head of department": (
        "chain_without_leadership", "chains.3.hops.1", drop("chains", "3", "hops", 2),
    ),
    "a command post that nobody commands": (
        "commander_missing", "command_posts.on_duty.roles",
        drop("command_posts", "on_duty", "roles", "commander"),
    ),
    "a response before anybody has it": (
        "targets_out_of_order", "levels.1.targets.activate",
        put("levels", "1", "targets", "acknowledge", to="9m"),
    ),
    "a target of no time at all": (
        "target_not_positive", "levels.1.targets.update_every",
        put("levels", "1", "targets", "update_every", to="0s"),
    ),
    "a reminder longer than the cadence": (
        "reminder_too_early", "levels.1.remind_before", put("levels", "1", "remind_before", to="30m"),
    ),
    "a graver level that takes longer": (
        "graver_slower", "levels.2.targets.review_within",
        put("levels", "2", "targets", "review_within", to="11d"),
    ),
    "a summary of who is ill for those who do not manage": (
        "health_told_too_widely", "organisation.check_ins.tell.0",
        put("organisation", "check_ins", "tell", to=["customer_service_agent"]),
    ),
    "a calendar of four fields": (
        "bad_cron", "training.duties.stock_check.cron",
        put("training", "duties", "stock_check", "cron", to="0 9 1 *"),
    ),
    "a calendar that never comes": (
        "cron_never", "training.duties.stock_check.cron",
        put("training", "duties", "stock_check", "cron", to="0 9 31 2 *"),
    ),
}  # fmt: skip

WARNINGS: dict[str, tuple[str, str, Change]] = {
    "a dwell time of hours": (
        "dwell_too_long", "monitoring.flapping.dwell", put("monitoring", "flapping", to={"dwell": "2h"}),
    ),
    "a rule with a dwell time of hours": (
        "dwell_too_long", "monitoring.routing.1.dwell", routing(dwell="2h"),
    ),
    "a routing rule that decides nothing": (
        "routing_says_nothing", "monitoring.routing.1", routing(level=None),
    ),
    "a colour that no indicator ever has": ("colour_never", "monitoring.warnings.red", never_red),
    "an indicator whose silence nobody would notice": (
        "silence_unnoticed", "monitoring.indicators.queue_length",
        drop("monitoring", "indicators", "queue_length", "silent_after"),
    ),
    "a storm that takes in what came hours apart": (
        "storm_too_long", "monitoring.storm.within",
        put("monitoring", "storm", "within", to="3h"),
    ),
    "a plan without its training part": ("part_missing", "training", drop("training")),
    "a plan without its general rules": ("part_missing", "general", drop("general")),
    "a plan without its revision part": ("part_missing", "revision", drop("revision")),
    "a condition on a step that may not have ended": (
        "name_not_awaited", "playbooks.system_outage.steps.26.if",
        add_step(id="late", **{"if": 'steps.diagnose.state == "done"'}),
    ),
    "a fact spelt in its own way once": (
        "fact_looks_misspelt", "types.other.grading.0.if",
        put("types", "other", "grading", 0, "if", to="facts.custmers_affected >= 10000"),
    ),
    "a level 1 commanded from the duty desk": (
        "commander_layer", "levels.1.command_post", put("levels", "1", "command_post", to="on_duty"),
    ),
    "a playbook that leaves out a level's measures": (
        "measure_missing", "playbooks.network_outage.steps", without_measure("network_outage", "EP-4.1.3"),
    ),
    "a playbook that leaves out the handling": (
        "measure_missing", "playbooks.network_outage.steps", without_measure("network_outage", "EP-7.1.3"),
    ),
    "a playbook in which customers are never told": (
        "customers_never_told", "playbooks.staff_illness.steps", without_notices,
    ),
    "a playbook that no type uses": (
        "playbook_unused", "playbooks.staff_illness", put("types", "staff_illness", "playbook", to="other"),
    ),
    "one drill a year": ("too_few_drills", "training", put("training", "drills_per_year", to=1)),
    "two drills promised and one in the calendar": (
        "too_few_drills", "training", drop("training", "duties", "drill_service"),
    ),
    "one day of training a quarter": (
        "too_few_training_days", "training.training_days_per_quarter",
        put("training", "training_days_per_quarter", to=1),
    ),
    "training twice a year": (
        "too_few_trainings", "training.duties",
        put("training", "duties", "quarterly_training", "cron", to="0 9 5 1,7 *"),
    ),
    "a plan reviewed every four years": (
        "review_not_due", "revision.review_every", put("revision", "review_every", to="1461d"),
    ),
}  # fmt: skip


def changed(change: Change) -> PlanDocument:
    plan = deepcopy(SHIPPED)
    change(plan)
    return PlanDocument.model_validate(plan)


@pytest.mark.parametrize(("code", "path", "change"), ERRORS.values(), ids=ERRORS.keys())
def test_it_refuses(code: str, path: str, change: Change) -> None:
    found = check(changed(change))

    assert (code, path, Severity.ERROR) in [(each.code, each.path, each.severity) for each in found]
    assert refuses(found)


@pytest.mark.parametrize(("code", "path", "change"), WARNINGS.values(), ids=WARNINGS.keys())
def test_it_warns_of(code: str, path: str, change: Change) -> None:
    found = check(changed(change))

    assert (code, path, Severity.WARNING) in [(each.code, each.path, each.severity) for each in found]
    assert not refuses(found)


def test_the_shipped_plan_has_nothing_to_mend() -> None:
    assert check(PlanDocument.model_validate(SHIPPED)) == []


def test_errors_come_before_warnings() -> None:
    def both(plan: Plan) -> None:
        drop("chains", "4")(plan)
        drop("general")(plan)

    assert [each.code for each in check(changed(both))] == ["chain_missing", "part_missing"]


def test_the_nearest_name_is_offered() -> None:
    [found] = check(changed(put("types", "cyber_attack", "department", to="technical_suport")))

    assert found.told("en") == (
        "types.cyber_attack.department: There is no department “technical_suport”. "
        "Did you mean “technical_support”? [EP-1.3]"
    )
    assert found.told("zh-Hans") == (
        "types.cyber_attack.department: 没有名为“technical_suport”的部门。"
        "是否想写“technical_support”？ [EP-1.3]"
    )


def test_a_cycle_is_told_with_its_way() -> None:
    [found] = check(changed(at_step("diagnose", "needs", to=["verify_recovery"])))

    assert set(found.message.params["way"].split(" → ")) == {"diagnose", "verify_recovery"}


def test_one_cycle_of_pools_is_told_once() -> None:
    found = check(changed(put("pools", "outsourced_team", "next", to="front_line_team")))

    assert [each.code for each in found] == ["pool_cycle"]


def test_a_wait_may_look_at_what_is_still_under_way() -> None:
    def wait(plan: Plan) -> None:
        put("with", "until", to='steps.diagnose.state == "done"')(outage(plan, "wait_for_restoration"))

    assert check(changed(wait)) == []


def test_a_plan_with_several_faults_is_told_all_of_them() -> None:
    def several(plan: Plan) -> None:
        drop("chains", "4")(plan)
        put("plan", "time_zone", to="Mars/Olympus")(plan)
        put("levels", "4", "command_post", to="war_room")(plan)

    codes = {each.code for each in check(changed(several))}
    assert codes == {"chain_missing", "unknown_time_zone", "unknown_command_post"}


def test_every_kind_of_finding_is_tried_here_or_among_the_broken_plans() -> None:
    keys = [
        key.removeprefix("plan.check.") for key in wording.catalogue("en") if key.startswith("plan.check.")
    ]
    codes = {key for key in keys if not key.endswith(".mend")} - {"nearest"}

    tried = {code for code, _, _ in [*ERRORS.values(), *WARNINGS.values(), *BROKEN.values()]}
    assert codes == tried


def test_every_finding_says_what_is_wrong_and_how_to_mend_it() -> None:
    one_of_each = {code: change for code, _, change in [*ERRORS.values(), *WARNINGS.values()]}
    for code, change in one_of_each.items():
        found = next(each for each in check(changed(change)) if each.code == code)
        for language in LANGUAGES:
            message, mend = wording.render(found.message, language), wording.render(found.mend, language)

            assert "plan.check" not in message + mend
            assert "–" not in message + mend, f"{code} has a hole in {language}"
