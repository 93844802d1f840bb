"""The difference between two plans, in the words a manager reads."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.plan import reading
from app.plan.differences.notes import Difference, Group
from app.plan.differences.told import told
from app.plan.document import PlanDocument
from app.wording import LANGUAGES, render

PLAN = Path(__file__).parents[2] / "playbooks.yaml"
Plan = dict[str, Any]


@pytest.fixture(scope="module")
def shipped() -> PlanDocument:
    return reading.read(PLAN.read_bytes(), file=PLAN.name)


def changed(shipped: PlanDocument, change: Callable[[Plan], object]) -> PlanDocument:
    plan = copy.deepcopy(shipped.model_dump(mode="json", by_alias=True))
    change(plan)
    return PlanDocument.model_validate(plan)


def said(found: list[Difference], language: str = "en") -> list[tuple[str, bool]]:
    return [(render(one.said, language), one.weakens) for one in found]


def step_of(plan: Plan, playbook: str, name: str) -> Plan:
    found: Plan = next(one for one in plan["playbooks"][playbook]["steps"] if one["id"] == name)
    return found


def first(plan: Plan, kind: str) -> tuple[str, Plan]:
    return next(
        (name, one)
        for name, book in plan["playbooks"].items()
        for one in book["steps"]
        if one["kind"] == kind
    )


# What is changed in the shipped plan, and what is to be read of it; with an exclamation mark: it weakens the plan.
CASES: list[tuple[Callable[[Plan], object], list[str]]] = [
    (
        lambda plan: plan["levels"]["1"].update(update_to=["finance_officer"], answer_holds="10m"),
        [
            "Level 1: an answer with nothing done holds 10 min instead of 30 min.",
            "Level 1: updates are owed to Finance officer as well.",
        ],
    ),
    (
        lambda plan: plan["monitoring"].update(
            routing=[
                {"id": "first", "if": "labels.a == 1", "level": 1},
                {**plan["monitoring"]["routing"][0], "level": 2},
            ],
            flapping={"dwell": "5m"},
        ),
        [
            "Warning and monitoring: the routing rule first is new.",
            "Warning and monitoring: the routing rule network_lines decides otherwise.",
            "Warning and monitoring: what has ended is over after 5 min of quiet, before after 0 min.",
        ],
    ),
    (
        lambda plan: plan["chains"]["2"]["hops"][0].update(within="15m"),
        [
            "!Level 2: head of the department concerned told after 15 min instead of 10 min.",
            "!Level 2: Head of customer service told after 15 min instead of 10 min.",
            "!Level 2: Head of technical support told after 15 min instead of 10 min.",
            "!Level 2: General manager told after 25 min instead of 20 min.",
            "!Level 2: Deputy general manager told after 25 min instead of 20 min.",
        ],
    ),
    (
        lambda plan: plan["chains"]["1"]["hops"].pop(),
        [
            "!Level 1: General manager no longer told.",
            "!Level 1: Deputy general manager no longer told.",
        ],
    ),
    (
        lambda plan: plan["levels"]["1"]["targets"].update(acknowledge="3m", restore="4h30m"),
        [
            "Level 1: acknowledged within 3 min instead of 5 min.",
            "!Level 1: service restored within 4 h 30 min instead of 4 h.",
        ],
    ),
    (
        lambda plan: plan["levels"]["2"].update(recovery="optional", closing=["tasks_done"]),
        [
            "!Level 2: may be closed without passing recovery.",
            "!Level 2: may be closed without this: no status update is overdue.",
            "!Level 2: may be closed without this: customers were told.",
            "!Level 2: may be closed without this: no decision is open.",
        ],
    ),
    (
        lambda plan: plan["types"]["data_leak"].update(playbook="cyber_attack"),
        ["Type “Data leak”: the playbook is now “Special plan for a cyber attack” instead of “Special plan for a data leak”."],
    ),
    (
        lambda plan: plan["types"]["system_outage"]["grading"][0].update(level=2),
        ["!Type “System outage”: level 2 instead of 1 when: Half of the service or more is down."],
    ),
    (
        lambda plan: plan["types"]["system_outage"]["grading"].pop(2),
        ["!Type “System outage”: no longer graded level 1 when: It has lasted 30 minutes or more."],
    ),
    (
        lambda plan: plan["risk"]["matrix"][4].__setitem__(4, "major"),
        ["!Risk matrix: likelihood 5 and impact 5 give Major instead of Extraordinarily major."],
    ),
    (
        lambda plan: plan["training"].update(drills_per_year=plan["training"]["drills_per_year"] - 1),
        ["!Training and drills: 1 instead of 2 drills a year."],
    ),
    (
        lambda plan: plan["levels"]["1"]["told_within"].update(leadership="20m"),
        ["!Level 1: leadership is to be told within 20 min instead of 15 min."],
    ),
    (
        lambda plan: plan["organisation"]["departments"]["operations"].update(head="operations_specialist"),
        ["Organisation: Operations is headed by Operations specialist."],
    ),
    (
        lambda plan: plan["organisation"]["check_ins"].update(summary_at="09:30", tell=["general_manager"]),
        ["Organisation: the summary of the daily health check-in goes to General manager at 09:30."],
    ),
    (lambda plan: plan.update(training=None), ["!Training and drills: this part is gone."]),
    (lambda plan: plan["general"]["scope"].pop(), ["General rules: other particulars changed (1)."]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), CASES, ids=[words[0] for _, words in CASES])
def test_a_change_is_told_by_what_it_means(
    shipped: PlanDocument, change: Callable[[Plan], object], expected: list[str]
) -> None:
    found = said(told(shipped, changed(shipped, change)))
    assert ["!" * weakens + text for text, weakens in found] == expected


def test_what_is_undone_no_longer_weakens(shipped: PlanDocument) -> None:
    slower = changed(shipped, lambda plan: plan["chains"]["3"]["hops"][0].update(within="45m"))
    assert {one.weakens for one in told(shipped, slower)} == {True}
    assert {one.weakens for one in told(slower, shipped)} == {False}


def test_a_step_removed_and_a_smaller_stock_are_told(shipped: PlanDocument) -> None:
    whole = shipped.model_dump(mode="json", by_alias=True)
    pool, part = next((name, one) for name, one in whole["pools"].items() if one["kind"] == "materials")
    item = next(iter(part["items"]))
    playbook, task = first(whole, "task")

    def fewer(plan: Plan) -> None:
        plan["pools"][pool]["items"][item]["minimum"] = 0
        plan["playbooks"][playbook]["steps"] = [
            one for one in plan["playbooks"][playbook]["steps"] if one["id"] != task["id"]
        ]

    title, what = part["title"]["en"], part["items"][item]["title"]["en"]
    minimum = part["items"][item]["minimum"]
    book = whole["playbooks"][playbook]["title"]["en"]
    assert said(told(shipped, changed(shipped, fewer)))[:2] == [
        (f"Pool “{title}”: minimum 0 instead of {minimum} of {what}.", True),
        (f"Playbook “{book}”: step “{task['title']['en']}” removed.", True),
    ]


def test_a_step_is_told_by_what_is_other_in_it(shipped: PlanDocument) -> None:
    whole = shipped.model_dump(mode="json", by_alias=True)
    playbook, task = first(whole, "task")

    def later(plan: Plan) -> None:
        step = step_of(plan, playbook, task["id"])
        step["with"].update(due="9h", position="general_manager")
        step.update({"if": "facts.late", "levels": [1]})

    found = said(told(shipped, changed(shipped, later)))
    at = f"Playbook “{whole['playbooks'][playbook]['title']['en']}”, step “{task['title']['en']}”"
    assert (f"{at}: done by General manager now.", False) in found
    assert (f"{at}: carried out only if facts.late.", True) in found
    assert any(text.startswith(f"{at}: due within 9 h instead of") and weakens for text, weakens in found)
    assert any("no longer carried out at level" in text and weakens for text, weakens in found)


def test_the_same_plan_differs_in_nothing(shipped: PlanDocument) -> None:
    assert told(shipped, changed(shipped, lambda plan: None)) == []


def test_nothing_changes_unsaid_in_any_language(shipped: PlanDocument) -> None:
    """Whatever number, time or text of the plan is other, there is a sentence, and it is whole in each language."""
    small = changed(shipped, _one_of_each)
    silent = []
    for path in _sample(small.model_dump(mode="json", by_alias=True)):
        try:
            new = changed(small, lambda plan, path=path: _touch(plan, path))  # type: ignore[misc]
        except ValueError:
            continue  # that place takes no other value of this kind
        found = told(small, new)
        if not found and new != small:
            silent.append(path)
        for language in LANGUAGES:
            assert not [text for text, _ in said(found, language) if "diff." in text or "–" in text]
    assert silent == []


def test_groups_come_in_the_order_of_the_plan(shipped: PlanDocument) -> None:
    def several(plan: Plan) -> None:
        plan["training"]["drills_per_year"] = 1
        plan["plan"]["version"] = "2"
        plan["types"].pop("data_leak")

    groups = [one.group for one in told(shipped, changed(shipped, several))]
    assert groups == [Group.PLAN, Group.TYPE, Group.TRAINING]


def _one_of_each(plan: Plan) -> None:
    """Few of everything, and a step of each kind: read in a moment."""
    kinds = {one["kind"]: one for book in plan["playbooks"].values() for one in book["steps"]}
    name, book = next(iter(plan["playbooks"].items()))
    plan["playbooks"] = {name: book | {"steps": list(kinds.values())}}
    plan["types"] = {one: plan["types"][one] for one in ("system_outage", "other")}
    plan["pools"] = {one["kind"]: one for one in plan["pools"].values()}
    plan["organisation"]["positions"] = dict(list(plan["organisation"]["positions"].items())[:2])
    plan["training"]["duties"] = dict(list(plan["training"]["duties"].items())[:1])


def _sample(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """A leaf of every shape the plan has: places that differ only by their names count once."""
    seen: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def walk(inner: Any, at: tuple[Any, ...], shape: tuple[Any, ...]) -> None:
        if isinstance(inner, dict) and inner:
            by_name = at and at[-1] in _BY_NAME
            kind = inner.get("kind")
            for name, value in inner.items():
                walk(value, (*at, name), (*shape, "*" if by_name else name, *((kind,) if kind else ())))
        elif isinstance(inner, list) and inner:
            for number, value in enumerate(inner):
                walk(value, (*at, number), (*shape, "*"))
        else:
            seen.setdefault(shape, at)

    walk(node, path, ())
    return list(seen.values())


_BY_NAME = (
    "levels", "types", "chains", "command_posts", "roles", "pools", "items", "assets", "playbooks", "duties",
    "departments", "positions", "grades",
)  # fmt: skip


def _touch(plan: Plan, path: tuple[Any, ...]) -> None:
    node: Any = plan
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = _other(node[path[-1]])


def _other(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1 if value < 4 else value - 1
        case str() if value[:-1].isdigit() and value[-1] in "smhd":
            return f"{int(value[:-1]) + 1}{value[-1]}"
        case str():
            return value + "x"
        case None:
            return "1h"
        case _:
            return ["other"]
