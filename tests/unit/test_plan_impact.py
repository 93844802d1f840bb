"""What would have been different: recorded incidents through two plans, in the words an approver reads."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.plan import impact, reading
from app.plan.document import PlanDocument
from app.plan.impact import Member, Recorded
from app.wording import render

PLAN = Path(__file__).parents[2] / "playbooks.yaml"
Plan = dict[str, Any]
ON_CALL = {
    "duty_lead": ["Lin"], "customer_service_head": ["Ben"], "technical_head": ["Tao"], "general_manager": ["Ada"],
    "deputy_general_manager": ["Deng"],
}  # fmt: skip


@pytest.fixture(scope="module")
def shipped() -> PlanDocument:
    return reading.read(PLAN.read_bytes(), file=PLAN.name)


def changed(shipped: PlanDocument, change: Callable[[Plan], object]) -> PlanDocument:
    plan = copy.deepcopy(shipped.model_dump(mode="json", by_alias=True))
    change(plan)
    return PlanDocument.model_validate(plan)


def recorded(kind: str = "system_outage", **more: Any) -> Recorded:
    given: dict[str, Any] = {"facts": {}, "on_call": ON_CALL, "members": {}} | more
    return Recorded(
        id="1", number="INC-2026-0001", title="Nobody can sign in", type=kind, level=2,
        detected_at=datetime(2026, 11, 1, tzinfo=UTC), scope={"type": kind, "level": 2}, **given,
    )  # fmt: skip


def otherwise(old: PlanDocument, new: PlanDocument, incident: Recorded) -> list[str]:
    found = impact.compare(old, new, [incident])
    return ["!" * worse + render(said, "en") for one in found for said, worse in one.said]


def test_a_rule_that_is_stricter_grades_a_recorded_incident_higher(shipped: PlanDocument) -> None:
    stricter = changed(
        shipped,
        lambda plan: plan["types"]["system_outage"]["grading"][0].update(
            {"if": "facts.service_share >= 0.3"}
        ),
    )
    incident = recorded(facts={"service_share": 0.4})
    assert otherwise(shipped, stricter, incident)[0] == "level 1 instead of 2"
    assert otherwise(stricter, shipped, incident)[0] == "!level 2 instead of 1"


def test_a_slower_chain_tells_the_same_people_later(shipped: PlanDocument) -> None:
    slower = changed(shipped, lambda plan: plan["chains"]["2"]["hops"][0].update(within="15m"))
    assert otherwise(shipped, slower, recorded()) == [
        "!Head of customer service (Ben) told after 15 min instead of 10 min",
        "!Head of technical support (Tao) told after 15 min instead of 10 min",
        "!General manager (Ada) told after 25 min instead of 20 min",
        "!Deputy general manager (Deng) told after 25 min instead of 20 min",
    ]


def test_a_rung_that_stood_for_nobody_then_cost_no_time(shipped: PlanDocument) -> None:
    """On leave that night: the heads were told at once, whatever the first rung's time says."""
    slower = changed(shipped, lambda plan: plan["chains"]["2"]["hops"][0].update(within="15m"))
    assert otherwise(shipped, slower, recorded(on_call={**ON_CALL, "duty_lead": []})) == []
    told = impact.call(shipped.chains[2], {**ON_CALL, "duty_lead": []})
    assert told["customer_service_head"].after == timedelta()


def test_who_would_not_have_been_told_at_all(shipped: PlanDocument) -> None:
    def only_the_night_lead(plan: Plan) -> None:
        plan["chains"]["2"]["hops"] = [{"tell": ["night_lead"], "within": "5m"}]

    said = otherwise(shipped, changed(shipped, only_the_night_lead), recorded())
    assert said[0] == "!nobody would have been told"
    assert "!Head of customer service (Ben) not told" in said


def test_another_playbook_and_a_type_that_is_gone(shipped: PlanDocument) -> None:
    other = changed(shipped, lambda plan: plan["types"]["data_leak"].update(playbook="cyber_attack"))
    said = otherwise(shipped, other, recorded("data_leak"))
    assert said[0] == "playbook “Special plan for a cyber attack” instead of “Special plan for a data leak”"
    assert "“Customer care team” short of 0 instead of 2" in said, (
        "nobody held a position, and this one asks for none"
    )
    gone = changed(shipped, lambda plan: plan["types"].pop("data_leak"))
    assert otherwise(shipped, gone, recorded("data_leak"))[0] == (
        "!the type “Data leak” is no longer known; handled as “other”"
    )


def test_a_larger_demand_runs_short_of_the_people_there_were(shipped: PlanDocument) -> None:
    step = {
        "id": "call_up", "title": {"zh": "调人", "en": "Call up"}, "kind": "reserve",
        "with": {"ask": [{"pool": "technical_team", "quantity": 2}], "hold": "4h", "when_short": "duty_lead"},
    }  # fmt: skip

    def asks(number: int) -> Callable[[Plan], None]:
        def change(plan: Plan) -> None:
            wanted = copy.deepcopy(step)
            wanted["with"]["ask"][0]["quantity"] = number  # type: ignore[index]
            plan["playbooks"]["system_outage"]["steps"] = [wanted]
            plan["pools"]["technical_team"]["next"] = None

        return change

    incident = recorded(members={"it_engineer": [Member("it1"), Member("it2")]})
    two, five = changed(shipped, asks(2)), changed(shipped, asks(5))
    assert otherwise(two, five, incident) == ["!“Technical team” short of 3 instead of 0"]
    assert otherwise(five, two, incident) == ["“Technical team” short of 0 instead of 3"]


def test_the_same_plan_changes_nothing(shipped: PlanDocument) -> None:
    assert impact.compare(shipped, shipped, [recorded(kind) for kind in shipped.types]) == []
