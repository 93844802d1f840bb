"""Rules of the house that no library knows: each names the one place where something may be done."""

import ast
import re
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount

from app import flow
from app.access import rights
from app.access.edge import Edge
from app.incidents.lifecycle import TRANSITIONS
from app.intake.lane import StraightLane
from app.intake.receiving import router as receiving_routes
from app.main import ROUTERS
from app.service import refusals
from tests.architecture.source import Module, modules, patterns

LONGEST = 500  # lines of a module; more is two modules
LONGER = {  # one parser or one grammar each: cutting them would hide the whole
    "app/expressions.py",
    "app/plan/strict_yaml.py",
}


def _outside(*places: str) -> Iterator[Module]:
    return (module for module in modules() if module.path not in places)


def test_only_the_database_commits() -> None:
    found = [
        module.at(node)
        for module in _outside("app/db.py")
        for node in module.nodes()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"commit", "rollback"}
    ]

    assert found == [], "`Database.transaction()` commits; nothing else does"


def test_only_the_lifecycle_changes_the_state_of_an_incident() -> None:
    found = [
        module.at(node)
        for module in _outside("app/incidents/lifecycle.py", "app/incidents/raising.py")
        for node in module.nodes()
        if _sets_an_incident_state(node)
    ]

    assert found == [], "`lifecycle.apply` changes the state of an incident, and writes down that it did"


def _sets_an_incident_state(node: ast.AST) -> bool:
    match node:
        case ast.Assign(targets=targets):
            written = [target.elts if isinstance(target, ast.Tuple) else [target] for target in targets]
            return any(_is_incident_state(target) for some in written for target in some)
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            return _is_incident_state(target)
        case ast.Call(func=ast.Name(id="setattr"), args=[subject, *_]):
            return _is_incident(subject)
        case ast.Call(func=ast.Name(id="update"), args=[ast.Name(id="Incident")]):
            return True
        case ast.Call(func=ast.Name(id="Incident")):
            return True
    return False


def _is_incident_state(target: ast.expr) -> bool:
    return isinstance(target, ast.Attribute) and target.attr == "state" and _is_incident(target.value)


def _is_incident(subject: ast.expr) -> bool:
    return re.search(r"(^|\.|_)incident$", ast.unparse(subject)) is not None


@pytest.mark.parametrize(
    "line",
    [
        "incident.state = to",
        "turn.incident.state = State.CLOSED",
        "incident.level, incident.state = 1, State.CLOSED",
        "setattr(incident, 'state', to)",
        "update(Incident).values(state='closed')",
        "Incident(state='closed')",
    ],
)
def test_the_rule_sees_every_way_to_change_it(line: str) -> None:
    assert any(_sets_an_incident_state(node) for node in ast.walk(ast.parse(line)))


@pytest.mark.parametrize(
    "line", ["task.state = to", "if incident.state == State.CLOSED: pass", "Task(state='open')"]
)
def test_the_rule_lets_other_states_be(line: str) -> None:
    assert not any(_sets_an_incident_state(node) for node in ast.walk(ast.parse(line)))


def test_only_the_settings_read_the_environment() -> None:
    found = [
        module.at(node)
        for module in _outside("app/settings.py")
        for node in module.nodes()
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"})
        or (
            isinstance(node, ast.ImportFrom)
            and any(name.name in {"environ", "getenv"} for name in node.names)
        )
    ]

    assert found == [], "take the value as a parameter; `Settings` reads the environment"


def test_only_the_clock_asks_what_time_it_is() -> None:
    found = [
        module.at(call)
        for module in _outside("app/clock.py")
        for call in module.calls(
            "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time"
        )
    ]

    assert found == [], "take `at: datetime` as a parameter"


def test_imports_stand_at_the_top() -> None:
    found = [
        module.at(inner)
        for module in modules()
        for node in module.nodes()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]

    assert found == [], "an import inside a function hides an arrow between rooms"


def test_only_the_engine_outlives_any_failure() -> None:
    # A group's failure is handed to each who waits for it, whatever it is.
    found = [
        module.at(node)
        for module in _outside("app/engine.py", "app/reacting.py", "app/carrying.py", "app/together.py")
        for node in module.nodes()
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or re.search(r"\b(Base)?Exception\b", ast.unparse(node.type)))
    ]

    assert found == [], "name what may fail; the engine's loop catches the rest"


def test_every_route_passes_the_edge() -> None:
    routes = [route for router in ROUTERS for route in router.routes]

    assert [str(route) for route in routes if not isinstance(route, Edge)] == []
    assert all(isinstance(route, APIRoute | Mount) for route in routes)


def test_only_what_sources_send_takes_the_straight_lane_past_the_edge() -> None:
    lane = StraightLane(FastAPI(), routes=receiving_routes.routes, refuse=refusals.answer)

    assert {
        rights.RIGHTS.get((method, route.path_format))
        for route in lane.routes
        for method in route.methods or ()
    } == {rights.Open.SOURCE}


def test_every_topic_that_is_told_has_its_line_in_the_flow_and_the_reverse() -> None:
    listed = set(flow.REACTIONS) | flow.NOBODY_CARES
    told = {transition.topic for transition in TRANSITIONS.values()}
    unknown = []
    for module in modules():
        for call, topic in _topics(module):
            found = patterns(module, topic)
            if found is None:
                if ast.unparse(topic) != "step.topic":  # the table of transitions, taken above
                    unknown.append(f"{module.at(call)}: {ast.unparse(topic)} cannot be told")
                continue
            for pattern in found:
                matching = {name for name in listed if re.fullmatch(pattern, name)}
                told |= matching
                if not matching:
                    unknown.append(f"{module.at(call)}: {ast.unparse(topic)} is not in app/flow.py")

    assert unknown == []
    assert told - listed == set(), "told to nobody: give them a line in app/flow.py"
    assert listed - told == set(), "in app/flow.py, and nobody tells of them"
    assert not set(flow.REACTIONS) & flow.NOBODY_CARES


def _topics(module: Module) -> Iterator[tuple[ast.Call, ast.expr]]:
    for call in module.calls("outbox.put", "outbox.put_all", "outbox.arm"):
        yield call, call.args[1]
    for call in module.calls("OutboxMessage"):
        if module.path != "app/outbox.py":
            yield from ((call, word.value) for word in call.keywords if word.arg == "topic")


def test_a_module_is_short_enough_to_be_read() -> None:
    long = {module.path: len(module.text.splitlines()) for module in modules()}

    assert {path: lines for path, lines in long.items() if lines > LONGEST and path not in LONGER} == {}


def test_every_module_says_what_it_is() -> None:
    assert [module.path for module in modules() if not ast.get_docstring(module.tree)] == []
