"""The shipped plan, clause by clause: what the regulations ask for is in it, in both languages."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.expressions import Condition, Text
from app.incidents.document import Function
from app.levels.document import ClosingCondition, Colour, RiskCategory, RiskLevel
from app.plan.document import PlanDocument
from app.plan.reading import read
from app.plan.rules.steps import awaited
from app.playbooks.document import (
    ApprovalStep,
    HttpStep,
    NoticeStep,
    OnFailure,
    ReserveStep,
    Step,
    TaskStep,
)
from app.resources.document import Tier
from app.vocabulary import Layer, Localised

SOURCE = (Path(__file__).parents[2] / "playbooks.yaml").read_text(encoding="utf-8")
PLAN = read(SOURCE, file="playbooks.yaml")
TYPES = [
    "system_outage",
    "cyber_attack",
    "data_leak",
    "network_outage",
    "partial_system_failure",
    "process_interruption",
    "mass_complaints",
    "major_complaint",
    "natural_disaster",
    "epidemic",
    "logistics_disruption",
    "staff_illness",
    "equipment_failure",
    "other",
]
KINDS = {
    "notify",
    "task",
    "reserve",
    "http",
    "approval",
    "wait",
    "update",
    "escalate",
    "notice",
    "command_post",
}
STEPS = [(name, step) for name, playbook in PLAN.playbooks.items() for step in playbook.steps]


def outage(name: str) -> Step:
    return next(step for step in PLAN.playbooks["system_outage"].steps if step.id == name)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def texts(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each text in two languages, with its path."""
    if isinstance(value, dict):
        if "zh" in value or "en" in value:
            yield path, value
        for key, each in value.items():
            yield from texts(each, f"{path}.{key}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from texts(each, f"{path}.{index}")


TEXTS = dict(texts(PLAN.model_dump(mode="json", by_alias=True)))

# --- EP-1: general


def test_it_rests_on_laws_with_their_dates() -> None:
    bases = {basis.title.split(" (")[0]: basis for basis in PLAN.plan.legal_bases}

    for title in ("中华人民共和国突发事件应对法", "中华人民共和国网络安全法", "突发事件应急预案管理办法"):
        assert bases[title].number
    assert all(basis.expires is None for basis in bases.values())


def test_the_scope_names_all_four_groups() -> None:
    assert PLAN.general is not None
    assert len(PLAN.general.scope) == 4


def test_all_seven_parts_are_there() -> None:
    parts = (PLAN.general, PLAN.organisation, PLAN.monitoring, PLAN.recovery, PLAN.training, PLAN.revision)
    assert None not in parts
    assert PLAN.levels


def test_the_fourteen_types_are_there_each_with_a_playbook_of_its_own() -> None:
    assert list(PLAN.types) == TYPES
    assert {kind.playbook for kind in PLAN.types.values()} == set(PLAN.playbooks) == set(TYPES)


def test_the_playbook_is_kept_by_the_department_of_the_type() -> None:
    for name, kind in PLAN.types.items():
        assert PLAN.playbooks[kind.playbook].owner == kind.department, name


# --- EP-2: organisation


def test_every_layer_has_positions() -> None:
    assert {position.layer for position in PLAN.organisation.positions.values()} == set(Layer)


def test_the_duty_lead_may_activate_levels_three_and_four() -> None:
    assert PLAN.organisation.default_position == "duty_lead"
    assert PLAN.organisation.positions["duty_lead"].layer is Layer.MANAGEMENT
    assert {number: level.declared_by for number, level in PLAN.levels.items()} == {
        1: Layer.LEADERSHIP, 2: Layer.LEADERSHIP, 3: Layer.MANAGEMENT, 4: Layer.MANAGEMENT,
    }  # fmt: skip


def test_every_position_has_duties() -> None:
    assert all(position.duties for position in PLAN.organisation.positions.values())


def test_the_standard_command_post_has_every_function() -> None:
    roles = PLAN.command_posts["standard"].roles

    assert {role.function for role in roles.values()} == set(Function)
    assert roles["commander"].filled_by == ["general_manager", "deputy_general_manager"]


def test_the_epidemic_has_its_own_control_group() -> None:
    assert PLAN.types["epidemic"].command_post == "epidemic_control_group"
    roles = PLAN.command_posts["epidemic_control_group"].roles
    assert {"commander", "data_analyst", "operations_officer", "customer_service_representative",
            "security_officer"} <= set(roles)  # fmt: skip


# --- EP-3: risk


def test_the_matrix_follows_the_bands_of_the_product() -> None:
    def band(product: int) -> RiskLevel:
        if product <= 3:
            return RiskLevel.MINOR
        if product <= 7:
            return RiskLevel.MODERATE
        if product <= 12:
            return RiskLevel.CONSIDERABLE
        return RiskLevel.MAJOR if product <= 19 else RiskLevel.EXTRAORDINARILY_MAJOR

    expected = [[band(row * column) for column in range(1, 6)] for row in range(1, 6)]
    assert PLAN.risk.matrix == expected


def test_each_risk_level_calls_for_its_response() -> None:
    assert [PLAN.risk.grades[grade].level for grade in RiskLevel] == [4, 3, 2, 1, 1]


def test_the_categories_of_the_types_are_those_of_the_clause() -> None:
    used = {kind.category for kind in PLAN.types.values()}

    assert {RiskCategory.TECHNICAL, RiskCategory.OPERATIONAL, RiskCategory.CUSTOMER} <= used


@pytest.mark.parametrize(
    ("kind", "facts", "level"),
    [
        ("system_outage", {"service_share": 0.6}, 1),
        ("system_outage", {"severity": "critical"}, 1),
        ("system_outage", {}, 2),
        ("system_outage", {"service_share": 0.05, "customers_affected": 20}, 3),
        ("data_leak", {"records_leaked": 3}, 3),
        ("data_leak", {"records_leaked": 3, "sensitive_data": True}, 1),
        ("mass_complaints", {"complaints_per_hour": 120}, 2),
        ("major_complaint", {"lawsuit": True}, 2),
        ("major_complaint", {"lawsuit": True, "media_attention": True}, 1),
        ("staff_illness", {}, 4),
        ("staff_illness", {"agents_absent": 6}, 3),
        ("equipment_failure", {"seats_down": 100}, 1),
        ("other", {}, 3),
        ("other", {"severity": "info"}, 4),
    ],
)
def test_facts_are_graded(kind: str, facts: dict[str, Any], level: int) -> None:
    found = PLAN.types[kind]
    holding = (r.level for r in found.grading if Condition.compile(r.condition).evaluate({"facts": facts}))

    assert next(holding, found.default_level) == level


# --- EP-4: levels


def test_the_targets_are_those_of_the_clause() -> None:
    hour, day = minutes(60), timedelta(days=1)
    targets = [PLAN.levels[number].targets for number in (1, 2, 3, 4)]

    assert [t.acknowledge for t in targets] == [minutes(5), minutes(10), minutes(30), minutes(120)]
    assert [t.update_every for t in targets] == [minutes(30), hour, 4 * hour, 24 * hour]
    assert [t.respond for t in targets] == [minutes(10), minutes(20), minutes(60), minutes(240)]
    assert [t.review_within for t in targets] == [3 * day, 5 * day, 10 * day, 20 * day]


def test_colours_recovery_and_closing_are_those_of_the_clause() -> None:
    assert [PLAN.levels[n].colour for n in (1, 2, 3, 4)] == list(Colour)
    assert [PLAN.levels[n].recovery for n in (1, 2, 3, 4)] == ["required", "required", "optional", "optional"]
    assert all(level.start == "by_decision" for level in PLAN.levels.values())
    for number in (1, 2):
        assert set(PLAN.levels[number].closing) == set(ClosingCondition)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_every_playbook_carries_out_the_measures_of_every_level(name: str, level: int) -> None:
    steps = [step for step in PLAN.playbooks[name].steps if level in step.levels]
    carried = {measure for step in steps for measure in step.measures}

    assert {f"EP-4.1.{level}", "EP-7.1.1", "EP-7.1.3"} <= carried
    assert any(isinstance(step, TaskStep) for step in steps)


@pytest.mark.parametrize("name", TYPES)
def test_level_one_calls_people_repairs_backs_up_tells_and_compensates(name: str) -> None:
    steps = [step for step in PLAN.playbooks[name].steps if 1 in step.levels and "EP-4.1.1" in step.measures]
    text = " ".join(step.title.zh + getattr(step.params, "text", step.title).zh for step in steps)

    assert any(isinstance(step, ReserveStep) for step in steps)
    assert any(isinstance(step, NoticeStep) for step in steps)
    assert re.search("备份", text), "backup"
    assert re.search("诊断|修复|检修|修补", text), "repair"
    assert re.search("补偿|赔付|退款", text), "compensation"


@pytest.mark.parametrize("name", TYPES)
def test_level_three_coaches_and_level_four_cares(name: str) -> None:
    def spoken(level: int) -> str:
        steps = [
            s for s in PLAN.playbooks[name].steps if f"EP-4.1.{level}" in s.measures and level in s.levels
        ]
        return " ".join(step.title.zh + getattr(step.params, "text", step.title).zh for step in steps)

    assert re.search("辅导|带教|讲|培训|登记", spoken(3))
    assert re.search("关心|慰问|安抚|员工|平安", spoken(4))


def test_epidemic_and_logistics_have_the_tasks_of_their_rules() -> None:
    def measures(name: str) -> set[str]:
        return {measure for step in PLAN.playbooks[name].steps for measure in step.measures}

    assert {"EO-1", "EO-2", "EO-3", "EO-4", "EO-5", "EG-1", "EG-2", "EG-3", "EG-4"} <= measures("epidemic")
    assert "EO-4" in measures("logistics_disruption")


# --- EP-5: the chain


def test_each_chain_waits_as_long_as_the_level_may_be_unacknowledged() -> None:
    for number, chain in PLAN.chains.items():
        assert {hop.within for hop in chain.hops} == {PLAN.levels[number].targets.acknowledge}


def test_level_one_climbs_from_duty_lead_to_heads_to_the_general_manager() -> None:
    assert [hop.tell for hop in PLAN.chains[1].hops] == [
        ["duty_lead"],
        ["department_head", "customer_service_head", "technical_head"],
        ["general_manager", "deputy_general_manager"],
    ]


def test_every_chain_ends_in_leadership() -> None:
    for chain in PLAN.chains.values():
        last = [PLAN.organisation.positions[name].layer for name in chain.hops[-1].tell]
        assert set(last) == {Layer.LEADERSHIP}


# --- EP-6: resources


def test_there_are_pools_of_three_kinds_and_three_tiers() -> None:
    assert {pool.kind for pool in PLAN.pools.values()} == {"people", "materials", "technology"}
    assert {pool.tier for pool in PLAN.pools.values()} == set(Tier)


def test_the_front_line_falls_back_to_reserve_and_then_to_partners() -> None:
    assert PLAN.pools["front_line_team"].next == "reserve_team"
    assert PLAN.pools["reserve_team"].next == "outsourced_team"


# --- EP-7: the playbooks


def test_every_kind_of_step_is_used() -> None:
    assert {step.kind for _, step in STEPS} == KINDS


def test_every_way_of_steering_a_step_is_used() -> None:
    steps = [step for _, step in STEPS]

    assert any(step.needs for step in steps)
    assert any(step.condition for step in steps)
    assert any(step.timeout for step in steps)
    assert any(step.retry for step in steps)
    assert any(set(step.levels) != {1, 2, 3, 4} for step in steps)
    assert {OnFailure.ASK, OnFailure.CONTINUE} <= {step.on_failure for step in steps}


def test_the_outage_is_a_real_graph_and_the_others_are_not_lists_of_three() -> None:
    assert len(PLAN.playbooks["system_outage"].steps) >= 18
    assert all(len(playbook.steps) >= 8 for playbook in PLAN.playbooks.values())


def test_the_failover_goes_through_a_connection_and_asks_when_it_fails() -> None:
    step = outage("fail_over")

    assert isinstance(step, HttpStep)
    assert step.params.connection == "telephony_failover"
    assert step.on_failure is OnFailure.ASK
    assert "reserve_standby_systems" in step.needs


def test_customers_are_told_only_after_a_yes() -> None:
    approval, notice = outage("approve_customer_notice"), outage("tell_customers")
    assert isinstance(approval, ApprovalStep)
    assert approval.id in notice.needs
    condition = Condition.compile(notice.condition or "")

    def after(state: str) -> bool | None:
        return condition.evaluate({"steps": {approval.id: {"state": state}}})

    assert after("done") is True
    assert not any(after(state) for state in ("failed", "skipped", "withdrawn"))


def test_who_approves_a_notice_reads_the_words_that_will_be_told() -> None:
    quoted = 0
    for playbook in PLAN.playbooks.values():
        by_id = {step.id: step for step in playbook.steps}
        for notice in playbook.steps:
            for approval in (by_id[name] for name in notice.needs):
                if isinstance(notice, NoticeStep) and isinstance(approval, ApprovalStep):
                    told, asked = notice.params.text, approval.params.text
                    assert f"“{told.zh}”" in asked.zh
                    assert f"“{told.en}”" in asked.en
                    quoted += 1

    assert quoted == 2


def test_nothing_long_lasts_without_a_way_up() -> None:
    """A wait for a fact has a time limit, and somebody is called when it passes."""
    for name, step in STEPS:
        if step.kind == "wait" and getattr(step.params, "until", None) is not None:
            assert step.timeout is not None, (name, step.id)
            assert step.on_failure is OnFailure.CONTINUE, (name, step.id)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_every_step_is_reached_at_every_level(name: str, level: int) -> None:
    steps = [step for step in PLAN.playbooks[name].steps if level in step.levels]
    ended: set[str] = set()
    for _ in steps:
        ended |= {step.id for step in steps if not ((awaited(steps, step) & {s.id for s in steps}) - ended)}

    assert ended == {step.id for step in steps}


def test_every_connection_a_playbook_calls_is_known_by_name() -> None:
    called = {step.params.connection for _, step in STEPS if isinstance(step, HttpStep)}

    assert called == {"telephony_failover", "network_failover", "ivr_announcement"}


# --- EP-8, EP-9: training and revision


def test_two_drills_a_year_of_different_kinds_and_training_each_quarter() -> None:
    assert PLAN.training is not None
    drills = [duty for duty in PLAN.training.duties.values() if duty.clause == "EP-8.3"]

    assert len(drills) == PLAN.training.drills_per_year == 2
    assert PLAN.training.training_days_per_quarter == 2
    assert {"EP-6.1", "EP-6.2", "EP-6.3", "EP-8.1", "EP-9.1", "EP-10.1", "EP-10.2"} <= {
        duty.clause for duty in PLAN.training.duties.values()
    }


def test_the_reasons_for_a_revision_are_the_six_of_the_rules() -> None:
    assert PLAN.revision is not None
    assert len(PLAN.revision.reasons) == 6


# --- both languages


def test_there_is_much_to_read() -> None:
    assert len(TEXTS) > 500


@pytest.mark.parametrize("path", TEXTS)
def test_chinese_is_chinese_and_english_is_english(path: str) -> None:
    text = TEXTS[path]
    spoken = {language: re.sub(r"\{\{.*?\}\}", "", text[language]) for language in ("zh", "en")}

    assert re.search("[\u4e00-\u9fff]", spoken["zh"])
    assert not re.search("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]", spoken["en"])
    assert not re.search("[\u4e00-\u9fff][,;:?!]|[,;:?!][\u4e00-\u9fff]", spoken["zh"]), "half-width mark"


@pytest.mark.parametrize("path", [path for path in TEXTS if path.endswith(".text")])
def test_both_languages_read_the_same_names_and_are_short_enough_for_a_phone(path: str) -> None:
    chinese, english = TEXTS[path]["zh"], TEXTS[path]["en"]

    assert Text.compile(chinese).names == Text.compile(english).names
    # A blank is as long as what is written into it, and a question that quotes a notice says a little more than it.
    chinese, english = (re.sub(r"{{.*?}}", "0000", said) for said in (chinese, english))
    assert len(chinese) <= 110
    assert len(english) <= 230


@pytest.mark.parametrize("path", [path for path, text in TEXTS.items() if text.get("zh_hant")])
def test_no_simplified_character_stands_in_a_traditional_text(path: str) -> None:
    simplified = set("统级应响严一般规题户诉务业处复员备网络输运灾难发电话门组织领导")
    traditional_too = set("一般規級題應處員備組響") | set("般一")

    assert not set(TEXTS[path]["zh_hant"]) & (simplified - traditional_too)


def test_no_person_number_or_address_stands_in_the_plan() -> None:
    assert not re.search(r"1[3-9]\d{9}|@|https?://|\d{3,4}-\d{7,8}", SOURCE)


def test_a_missing_fact_leaves_no_text_unreadable() -> None:
    scope = {
        "incident": {"number": "INC-1", "title": "断线"},
        "level": {"number": 1},
        "facts": {},
        "steps": {},
    }
    for path, text in TEXTS.items():
        if path.endswith(".text"):
            said = Text.compile(text["zh"]).render(scope, "zh-Hans")
            assert "{{" not in said, path


def test_the_plan_is_a_value() -> None:
    assert isinstance(PLAN, PlanDocument)
    assert PLAN.plan.title == Localised(
        zh="客户服务中心突发事件应急预案", en="Emergency plan of the customer service centre"
    )
