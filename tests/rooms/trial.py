"""A plan of a test's own: the shipped one with one more type of incident, `trial`, and the playbook the test writes for it."""

import copy
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.world import PLAN, World, a_world

Steps = Sequence[Mapping[str, Any]]
Begin = Callable[..., AbstractAsyncContextManager["Trial"]]


def step(name: str, kind: str, /, **more: Any) -> dict[str, Any]:
    """A step as YAML has it; `with_` and `if_` stand for the words Python keeps for itself."""
    made = {"id": name, "kind": kind, "title": {"zh": f"{name}（中）", "en": name}}
    return made | {key.rstrip("_"): value for key, value in more.items()}


def text(words: str = "words") -> dict[str, str]:
    return {"zh": words, "en": words}


def task(name: str, position: str = "it_engineer", **more: Any) -> dict[str, Any]:
    return step(name, "task", with_={"position": position, "due": "30m", "text": text(name)}, **more)


def wait(name: str, **more: Any) -> dict[str, Any]:
    return step(name, "wait", with_={"until": f"facts.{name}"}, **more)


def plan_with(steps: Steps, directory: Path, change: Callable[[Any], None] = lambda plan: None) -> Path:
    """The shipped plan with a type `trial`, level 3, whose playbook has these steps."""
    plan = copy.deepcopy(_shipped())
    plan["types"]["trial"] = {
        "title": {"zh": "试验", "en": "Trial"}, "category": "technical", "department": "technical_support",
        "playbook": "trial", "default_level": 3,
    }  # fmt: skip
    plan["playbooks"]["trial"] = {
        "title": {"zh": "试验方案", "en": "Trial plan"}, "tier": "special", "owner": "technical_support",
        "steps": list(steps),
    }  # fmt: skip
    change(plan)
    path = directory / "plan.yaml"
    # JSON is YAML too, written in a twentieth of the time, in every test that has a plan of its own.
    path.write_text(json.dumps(plan, ensure_ascii=False, indent=1, default=date.isoformat), "utf-8")
    return path


@cache
def _shipped() -> Any:
    return yaml.load(PLAN.read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))


class Trial:
    """One incident whose playbook is under trial."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name

    async def steps(self) -> dict[str, Any]:
        run = await self.world.get(f"/incidents/{self.name}/run")
        return {step["name"]: step for step in run["steps"]}

    async def states(self) -> dict[str, str]:
        return {name: step["state"] for name, step in (await self.steps()).items()}

    async def step(self, name: str) -> Any:
        return (await self.steps())[name]

    async def run(self) -> Any:
        return await self.world.get(f"/incidents/{self.name}/run")

    async def read(self) -> Any:
        return await self.world.get(f"/incidents/{self.name}")

    async def items(self, of: str) -> list[Any]:
        found: list[Any] = (await self.world.get(f"/incidents/{self.name}/{of}"))["items"]
        return found

    async def kinds(self) -> list[str]:
        timeline = await self.world.get(f"/incidents/{self.name}/timeline")
        assert timeline["intact"]
        return [entry["kind"] for entry in timeline["items"]]

    async def fact(self, **facts: Any) -> None:
        await self.world.call("PATCH", f"/incidents/{self.name}/facts", facts)
        await self.world.settle()

    async def do(self, title: str, event: str = "complete", **more: Any) -> Any:
        """Move the task of that step that has not ended."""
        given = [one for one in await self.items("tasks") if one["title"]["en"] == title and one["allowed"]]
        moved = await self.world.post(f"/tasks/{given[-1]['id']}/transitions", {"event": event, **more})
        await self.world.settle()
        return moved

    async def asked(self) -> list[Any]:
        return [one for one in await self.items("decisions") if one["state"] == "asked"]

    async def choose(self, choice: str, **more: Any) -> Any:
        """Answer the one question there is."""
        (question,) = await self.asked()
        answer = await self.world.post(f"/decisions/{question['id']}/choices", {"choice": choice}, **more)
        await self.world.settle()
        return answer

    async def apply(self, event: str, **more: Any) -> Any:
        return await self.world.apply(self.name, event, **more)


async def raised(world: World, *, level: int = 3, type_: str = "trial", **more: Any) -> Trial:
    """An incident that somebody has."""
    asked = {"title": "Trial", "type": type_, "level": level, **more}
    trial = Trial(world, (await world.post("/incidents", asked))["id"])
    await world.settle()
    await world.post(f"/incidents/{trial.name}/acknowledgements")
    await world.settle()
    return trial


async def activated(world: World, *, level: int = 3, type_: str = "trial", **more: Any) -> Trial:
    """An incident whose plan has just started; what was told until then is forgotten."""
    trial = await raised(world, level=level, type_=type_, **more)
    await trial.apply("assess", level=level)
    world.told()
    await trial.apply("activate")
    return trial


@pytest.fixture
def begin(database_url: str, tmp_path: Path) -> Begin:
    """`async with begin([step, …], level=3) as trial:` - a world of its own whose plan has these steps, activated."""

    @asynccontextmanager
    async def beginning(
        steps: Steps, *, level: int = 3, change: Callable[[Any], None] = lambda plan: None,
        settings: Mapping[str, Any] | None = None, exercise: bool = False,
    ) -> AsyncIterator[Trial]:  # fmt: skip
        plan = plan_with(steps, tmp_path, change)
        async with a_world(database_url, tmp_path, plan=plan, **(settings or {})) as world:
            yield await activated(world, level=level, exercise=exercise)

    return beginning
