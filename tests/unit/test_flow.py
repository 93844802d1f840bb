"""What follows from what: nothing that is told goes unheard by mistake."""

import ast
from collections.abc import Iterator
from pathlib import Path

from app import flow
from app.flow import NOBODY_CARES, REACTIONS
from app.incidents.lifecycle import TRANSITIONS
from app.incidents.tasks import TRANSITIONS as TASK_TRANSITIONS

APP = Path(flow.__file__).parent


def told() -> Iterator[tuple[str, str]]:
    """Each topic that is written out somewhere as the one put or armed, with the place."""
    for path in sorted(APP.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called = (getattr(node.func.value, "id", ""), node.func.attr)
                topic = node.args[1] if len(node.args) > 1 else None
                if called in {("outbox", "put"), ("outbox", "arm")} and isinstance(topic, ast.Constant):
                    yield str(topic.value), f"{path.name}:{node.lineno}"


def test_every_change_of_an_incident_is_followed_up_or_knowingly_is_not() -> None:
    topics = {step.topic for step in TRANSITIONS.values()}
    assert topics <= set(REACTIONS) | NOBODY_CARES


def test_every_change_of_a_task_is_followed_up_or_knowingly_is_not() -> None:
    topics = {f"task.{to}" for to in TASK_TRANSITIONS.values()}
    assert topics <= set(REACTIONS) | NOBODY_CARES
    assert "task.started" in NOBODY_CARES


def test_every_topic_put_anywhere_is_on_the_page() -> None:
    found = dict(told())
    assert "incident.acknowledged" in found, "the search itself has gone blind"
    assert {topic: place for topic, place in found.items() if topic not in {*REACTIONS, *NOBODY_CARES}} == {}


def test_nothing_is_both_followed_up_and_not() -> None:
    assert not set(REACTIONS) & NOBODY_CARES
    assert all(REACTIONS.values())
