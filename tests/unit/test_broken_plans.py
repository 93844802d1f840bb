"""A catalogue of broken plans: the shipped plan and the sample organisation with one thing changed, and what must be found.

Each entry says in its name what was done. The first entry is the plan as it is shipped: nothing is found.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.plan import strict_yaml
from app.plan.document import PlanDocument
from app.plan.finding import Finding
from app.plan.outlook import organisation_file, report
from app.plan.outlook.organisation_file import BadOrganisation, OrganisationFile
from app.plan.outlook.report import Standing
from app.plan.outlook.snapshot import Snapshot
from app.wording import LANGUAGES, render

ROOT = Path(__file__).parents[2]
SHIPPED = strict_yaml.load((ROOT / "playbooks.yaml").read_bytes()).document
SAMPLE = strict_yaml.load((ROOT / "docs" / "examples" / "organisation.yaml").read_bytes()).document
START = datetime(
    2026, 4, 9, 16, 0, tzinfo=UTC
)  # Friday midnight in Shanghai; the general manager is away from Monday on
DAYS = 9
TEXT = {"zh": "文", "en": "text"}
Document = dict[str, Any]
Change = Callable[[Document, Document], object]  # of the plan and of the organisation


@cache
def shipped_plan() -> PlanDocument:
    return PlanDocument.model_validate(SHIPPED)


def snapshot_of(organisation: Document, plan: PlanDocument, days: int) -> Snapshot:
    found = OrganisationFile.model_validate(organisation)
    ends = START + timedelta(days=days) + report.BEYOND
    return organisation_file.snapshot(found, plan, begins=START, ends=ends)


def found_in(plan: Document, organisation: Document, code: str) -> Sequence[Finding]:
    """What is found in the plan by itself, and where that is not enough, in the days to come."""
    document = shipped_plan() if plan == SHIPPED else PlanDocument.model_validate(plan)
    by_itself = () if plan == SHIPPED else report.look(document, None, since=START, days=DAYS).findings
    if code in {one.code for one in by_itself}:
        return by_itself
    snapshot = snapshot_of(organisation, document, DAYS)
    return report.over(document, snapshot, begins=START, ends=START + timedelta(days=DAYS))


def step(plan: Document, playbook: str, name: str) -> Document:
    return next(one for one in plan["playbooks"][playbook]["steps"] if one["id"] == name)


def people_at(organisation: Document, position: str) -> list[Document]:
    return [one for one in organisation["people"].values() if position in one["positions"]]


def plan_with(*path: Any, to: Any) -> Change:
    def change(plan: Document, organisation: Document) -> None:
        place: Any = plan
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = to

    return change


def step_with(playbook: str, name: str, **more: Any) -> Change:
    """Fields of a step; `condition` stands for its `if`, `params` for what is changed under `with`."""

    def change(plan: Document, organisation: Document) -> None:
        one = step(plan, playbook, name)
        one["with"] = {**one.get("with", {}), **more.pop("params", {})}
        if "condition" in more:
            one["if"] = more.pop("condition")
        one.update(more)

    return change


def new_step(playbook: str, **step: Any) -> Change:
    task = {"kind": "task", "with": {"position": "duty_lead", "due": "1h", "text": TEXT}}
    return lambda plan, _: plan["playbooks"][playbook]["steps"].append({"title": TEXT, **task, **step})


def at_position(position: str, **more: Any) -> Change:
    """Everybody who holds a position, with something else."""

    def change(plan: Document, organisation: Document) -> None:
        for one in people_at(organisation, position):
            one.update(more)

    return change


def nobody_at(*positions: str) -> Change:
    def change(plan: Document, organisation: Document) -> None:
        for one in organisation["people"].values():
            one["positions"] = [name for name in one["positions"] if name not in positions]
        for name in positions:
            organisation["rosters"].pop(name, None)

    return change


def person(name: str, **more: Any) -> Change:
    return lambda _, organisation: organisation["people"][name].update(more)


def off(first: date, last: date) -> list[Document]:
    return [{"first": first, "last": last}]


def stock(**one: Any) -> Change:
    return lambda _, organisation: organisation["stock"].append(one)


def both(*changes: Change) -> Change:
    def change(plan: Document, organisation: Document) -> None:
        for one in changes:
            one(plan, organisation)

    return change


WEEK = off(date(2026, 4, 1), date(2026, 4, 30))
MONDAY = off(date(2026, 4, 13), date(2026, 4, 13))

# What was done: the code, the path, and the change.
BROKEN: dict[str, tuple[str, str, Change]] = {
    # ── the chain: who is told, and how late
    "the second leader is on leave while the first is": (
        "leadership_never_told", "levels.1.told_within.leadership", person("shen_lan", leave=WEEK)),
    "the whole leadership is away for a day": (
        "leadership_never_told", "levels.2.told_within.leadership",
        both(person("gao_yuan", leave=MONDAY), person("shen_lan", leave=off(date(2026, 4, 13), date(2026, 4, 14))))),
    "leadership in its quiet hours, at a level that waits for them": (
        "leadership_told_late", "levels.3.told_within.leadership", person("shen_lan", quiet={"begins": "20:00", "ends": "08:00"})),
    "no duty lead and no heads: the first to be told is a leader, in time; the heads never": (
        "department_head_never_told", "levels.1.told_within.department_head",
        nobody_at("customer_service_head", "technical_head")),
    "a head of department without a contact point": (
        "department_head_never_told", "levels.3.told_within.department_head", at_position("logistics_head", contacts=[])),
    "a department whose head can be guessed but is not named: the chain guesses nothing": (
        "department_head_never_told", "levels.3.told_within.department_head",
        plan_with("organisation", "departments", "logistics", "head", to=None)),
    "the head of a department is a position nobody holds": (
        "department_head_never_told", "levels.2.told_within.department_head", nobody_at("operations_supervisor")),
    "a chain that leaves out the head of the department": (
        "department_head_never_told", "levels.3.told_within.department_head",
        plan_with("chains", "3", "hops", 1, "tell", to=["customer_service_head"])),
    "a first rung that takes too long for the head": (
        "department_head_told_late", "levels.1.told_within.department_head",
        plan_with("chains", "1", "hops", 0, "within", to="47m")),
    "a limit shorter than the chain": (
        "leadership_told_late", "levels.2.told_within.leadership",
        plan_with("levels", "2", "told_within", "leadership", to="15m")),
    "duty leads who are reached by the log alone": (
        "first_told_late", "levels.1.told_within.first", at_position("duty_lead", contacts=["log"])),
    "no channel that works": (
        "first_never_told", "levels.1.told_within.first", lambda _, organisation: organisation.update(channels=[])),
    "mail only, and everybody has webhooks": (
        "first_never_told", "levels.4.told_within.first",
        lambda _, o: [o.update(channels=["mail"]), [p.update(contacts=["webhook"]) for p in o["people"].values()]]),
    "a night lead whose first contact point is silent, at a level that cannot wait": (
        "first_told_late", "levels.1.told_within.first",
        both(at_position("duty_lead", contacts=["log", "webhook"]), plan_with("levels", "1", "told_within", "first", to="1m"))),
    "quiet hours at a level that waits for them": (
        "first_told_late", "levels.3.told_within.first", at_position("duty_lead", quiet={"begins": "22:00", "ends": "07:00"})),
    "a limit that leaves no room for a storm of messages": (
        "told_late_in_storm", "levels.3.told_within.first", plan_with("levels", "3", "told_within", "first", to="9m")),
    "nobody is duty lead": ("rung_reaches_nobody", "chains.1.hops.0", nobody_at("duty_lead")),
    "one night of the duty roster is not covered": (
        "rung_reaches_nobody", "chains.4.hops.0",
        at_position("duty_lead", leave=off(date(2026, 4, 11), date(2026, 4, 11)))),
    "a duty lead has left and the roster has not heard, and the others are away": (
        "rung_reaches_nobody", "chains.2.hops.0",
        both(at_position("duty_lead", leave=WEEK), person("ma_li", leave=[], left=date(2026, 4, 12)))),
    "no limit for the leadership": (
        "told_limit_missing", "levels.4.told_within.leadership",
        lambda plan, _: plan["levels"]["4"]["told_within"].pop("leadership")),
    "a department whose head is not named": (
        "head_unknown", "organisation.departments.customer_service.head",
        lambda plan, _: plan["organisation"]["departments"]["customer_service"].pop("head")),
    "a level without a chain": ("chain_missing", "chains.3", lambda plan, _: plan["chains"].pop("3")),
    "a chain that ends below leadership": (
        "chain_without_leadership", "chains.4.hops.2",
        plan_with("chains", "4", "hops", 2, "tell", to=["operations_supervisor"])),
    "a holder of a chain's position without any contact point": (
        "person_without_channel", "people.luo_jing", person("luo_jing", contacts=[])),
    "a position called as the word for the head of the department": (
        "position_reserved", "organisation.positions.department_head",
        lambda plan, _: plan["organisation"]["positions"].update(
            department_head=plan["organisation"]["positions"]["duty_lead"])),
    # ── who decides, and who is asked
    "both who may approve are away": (
        "approval_by_nobody", "playbooks.system_outage.steps.11.with.by", person("shen_lan", leave=MONDAY)),
    "nobody to command": (
        "no_commander", "command_posts.standard.roles.commander", person("shen_lan", leave=MONDAY)),
    "nobody to declare level 1": ("nobody_declares", "levels.1.declared_by", person("shen_lan", leave=MONDAY)),
    "a task for a position that is empty": (
        "position_vacant", "organisation.positions.legal_counsel", nobody_at("legal_counsel")),
    "a task for a position whose people are off on the same day": (
        "position_unanswered", "organisation.positions.hr_officer", at_position("hr_officer", leave=MONDAY)),
    "a command post without a commander": (
        "commander_missing", "command_posts.standard.roles",
        lambda plan, _: plan["command_posts"]["standard"]["roles"].pop("commander")),
    "a notice to the regulator that nobody approves": (
        "notice_without_approval", "playbooks.data_leak.steps.7",
        lambda plan, _: step(plan, "data_leak", "tell_regulator")["with"].pop("approve_by")),
    # ── steps that never run, waits that never end
    "a condition on a level the step is no part of": (
        "step_never_runs", "playbooks.system_outage.steps.6.if",
        step_with("system_outage", "diagnose", condition="incident.level == 4")),
    "a condition that contradicts itself": (
        "step_never_runs", "playbooks.cyber_attack.steps.1.if",
        lambda plan, _: plan["playbooks"]["cyber_attack"]["steps"][1].update(
            {"if": "facts.records_leaked > 10 and facts.records_leaked < 5"})),
    "a condition on a state that no step has": (
        "step_never_runs", "playbooks.system_outage.steps.12.if",
        step_with("system_outage", "tell_customers", condition='steps.approve_customer_notice.state == "approved"')),
    "a condition on a type that has a playbook of its own": (
        "step_never_runs", "playbooks.system_outage.steps.6.if",
        step_with("system_outage", "diagnose", condition='incident.type == "epidemic"')),
    "a wait for what cannot come true, without a time limit": (
        "wait_without_end", "playbooks.system_outage.steps.14.with.until",
        lambda plan, _: [step(plan, "system_outage", "wait_for_restoration").pop("timeout"),
                         step(plan, "system_outage", "wait_for_restoration")["with"].update(until="incident.level == 4")]),
    "what comes after such a wait": (
        "step_never_reached", "playbooks.system_outage.steps.15.needs",
        lambda plan, _: [step(plan, "system_outage", "wait_for_restoration").pop("timeout"),
                         step(plan, "system_outage", "wait_for_restoration")["with"].update(until="incident.level == 4")]),
    "a wait that only its time limit ends": (
        "wait_never_holds", "playbooks.system_outage.steps.14.with.until",
        step_with("system_outage", "wait_for_restoration", params={"until": "false"})),
    "a wait without a time limit": (
        "wait_without_limit", "playbooks.system_outage.steps.14.with.until",
        lambda plan, _: step(plan, "system_outage", "wait_for_restoration").pop("timeout")),
    "steps that need each other": (
        "need_cycle", "playbooks.system_outage.steps.6.needs",
        both(step_with("system_outage", "diagnose", needs=["back_up_data"]),
             step_with("system_outage", "back_up_data", needs=["diagnose"]))),
    "a grading rule behind one that covers it": (
        "rule_never_decides", "types.system_outage.grading.1.if",
        plan_with("types", "system_outage", "grading", 1, "if", to="facts.service_share >= 0.9")),
    "an escalation to the level it runs at": (
        "escalation_goes_nowhere", "playbooks.system_outage.steps.17.with.to_level",
        step_with("system_outage", "raise_to_level_1", params={"to_level": 2})),
    "a level with nothing to do": (
        "level_without_steps", "playbooks.equipment_failure.steps",
        lambda plan, _: [one.update(levels=[1, 2, 3]) for one in plan["playbooks"]["equipment_failure"]["steps"]]),
    "an approval that is due after it is given up": (
        "due_after_timeout", "playbooks.system_outage.steps.11.with.due",
        step_with("system_outage", "approve_customer_notice", params={"due": "45m"})),
    "a message that uses a field nobody knows": (
        "unknown_name", "playbooks.system_outage.steps.1.with.text.en",
        lambda plan, _: step(plan, "system_outage", "notify_heads")["with"]["text"].update(en="{{ incident.titel }}")),
    # ── resources
    "more people than every tier has": (
        "demand_never_met", "playbooks.system_outage.steps.3.with.ask",
        step_with("system_outage", "reserve_service_team", params={"ask": [{"pool": "front_line_team", "quantity": 60}]})),
    "a skill whose only certificate lapses": (
        "demand_short", "playbooks.mass_complaints.steps.3.with.ask",
        both(lambda plan, _: plan["playbooks"]["mass_complaints"]["steps"][3].update(
                kind="reserve", **{"with": {
                    "ask": [{"pool": "care_team", "quantity": 1, "skill": "mediation"}], "hold": "1h",
                    "when_short": "duty_lead"}}),
             person("wan_shu", skills={"mediation": date(2026, 4, 12)}))),
    "a skill nobody has": (
        "demand_never_met", "playbooks.system_outage.steps.3.with.ask",
        step_with("system_outage", "reserve_service_team", params={
            "ask": [{"pool": "front_line_team", "quantity": 1, "skill": "sign_language"}]})),
    "stock that expires": (
        "demand_short", "playbooks.epidemic.steps.2.with.ask",
        both(stock(pool="protective_supplies", item="thermometer", quantity=30, last_day=date(2026, 4, 12)))),
    "stock that is lent until next week": (
        "demand_short", "playbooks.epidemic.steps.2.with.ask",
        stock(pool="protective_supplies", item="thermometer", quantity=30, held_until="2026-04-13T09:00:00Z")),
    "an empty store": (
        "demand_never_met", "playbooks.epidemic.steps.2.with.ask",
        stock(pool="protective_supplies", item="thermometer", quantity=0)),
    "more of an asset than there is": (
        "demand_too_large", "playbooks.system_outage.steps.5.with.ask.0.quantity",
        lambda plan, _: step(plan, "system_outage", "reserve_standby_systems")["with"]["ask"][0].update(quantity=2)),
    "two requests of one playbook that each would be served alone": (
        "playbook_short", "playbooks.epidemic.steps",
        new_step("epidemic", id="more", kind="reserve", **{"with": {
            "ask": [{"pool": "protective_supplies", "item": "thermometer", "quantity": 28}], "hold": "1h",
            "when_short": "duty_lead"}})),
    "two incidents that need the same few things": (
        "pair_short", "types.natural_disaster", stock(pool="protective_supplies", item="first_aid_kit", quantity=2)),
    # ── what the clauses ask
    "a law that goes out of force": (
        "legal_basis_expires", "plan.legal_bases.0.expires",
        plan_with("plan", "legal_bases", 0, "expires", to=date(2026, 4, 12))),
    "no part for recovery": ("part_missing", "recovery", lambda plan, _: plan.pop("recovery")),
    "one drill a year": ("too_few_drills", "training", plan_with("training", "drills_per_year", to=1)),
    "too few days of training": (
        "too_few_training_days", "training.training_days_per_quarter",
        plan_with("training", "training_days_per_quarter", to=1)),
    "a plan that is never reviewed": (
        "review_not_due", "revision.review_every", plan_with("revision", "review_every", to="2000d")),
    "a type whose playbook is not there": (
        "unknown_playbook", "types.data_leak.playbook", plan_with("types", "data_leak", "playbook", to="data_leek")),
}  # fmt: skip


def test_the_shipped_plan_passes_its_own_check_with_the_sample_organisation() -> None:
    plan = shipped_plan()
    looked = report.look(plan, snapshot_of(SAMPLE, plan, 90), since=START, days=90)
    assert looked.findings == ()
    assert {clause.id: clause.standing for clause in looked.clauses} == dict.fromkeys(
        report.ASKED, Standing.HOLDS
    )


def test_quiet_hours_that_never_end_are_refused_in_a_file_as_over_the_api() -> None:
    organisation = deepcopy(SAMPLE)
    first = next(iter(organisation["people"]))
    organisation["people"][first]["quiet"] = {"begins": "22:00", "ends": "22:00"}
    text = yaml.safe_dump(organisation, allow_unicode=True)
    with pytest.raises(BadOrganisation) as refusal:
        organisation_file.read(text.encode(), shipped_plan(), file="organisation.yaml")
    assert [one.path for one in refusal.value.mistakes] == [f"people.{first}.quiet"]


def test_without_an_organisation_the_clauses_about_people_are_left_open() -> None:
    looked = report.look(shipped_plan(), None, since=START)
    assert looked.ok
    open_ones = {clause.id for clause in looked.clauses if clause.standing is Standing.UNKNOWN}
    assert open_ones == {"told", "reached", "decisions", "resources"}


def test_there_are_at_least_forty_of_them() -> None:
    assert len(BROKEN) >= 40


@pytest.mark.parametrize(("code", "path", "change"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_plan_is_found_out(code: str, path: str, change: Change) -> None:
    plan, organisation = deepcopy(SHIPPED), deepcopy(SAMPLE)
    change(plan, organisation)
    found = found_in(plan, organisation, code)
    assert (code, path) in {(one.code, one.path) for one in found}
    for one in found:
        assert_told(one)


def test_each_kind_of_finding_speaks_against_a_clause() -> None:
    against = {code for asked in report.ASKED.values() for code in asked.against}
    assert {code for code, _, _ in BROKEN.values()} - against == {
        "pair_short", "position_reserved", "told_late_in_storm",
    }  # fmt: skip


def assert_told(finding: Finding) -> None:
    """Every sentence is there in every language, with nothing left out of it."""
    for language in LANGUAGES:
        said = [finding.message, finding.mend, *(finding.witness.trail if finding.witness else ())]
        for sentence in said:
            words = render(sentence, language)
            assert words != sentence.key
            assert "–" not in words
            assert "plan." not in words.split("：", maxsplit=1)[0]
