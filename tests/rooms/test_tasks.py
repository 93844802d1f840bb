"""Tasks: their table, whose they are, and who hears when one is late."""

from itertools import product
from typing import Any

import pytest

from app.incidents.tables import TaskState
from app.incidents.tasks import TRANSITIONS, TaskEvent
from tests.rooms.trial import Begin, Trial, begin, task

__all__ = ["begin"]

S, E = TaskState, TaskEvent
UNFINISHED = (S.OPEN, S.STARTED, S.DECLINED)


@pytest.mark.parametrize(("state", "event"), list(product(S, E)))
def test_an_unfinished_task_can_be_done_waived_started_or_declined_and_no_other(
    state: TaskState, event: TaskEvent
) -> None:
    to = {E.START: S.STARTED, E.COMPLETE: S.DONE, E.WAIVE: S.WAIVED, E.DECLINE: S.DECLINED}[event]
    possible = state in UNFINISHED and to is not state
    assert TRANSITIONS.get((state, event)) == (to if possible else None)


async def the_task(trial: Trial) -> Any:
    (given,) = await trial.items("tasks")
    return given


async def move(trial: Trial, event: str, **more: Any) -> Any:
    given = await the_task(trial)
    role, expect = more.pop("role", "execution"), more.pop("expect", 201)
    headers = more.pop("headers", {})
    answer = await trial.world.post(
        f"/tasks/{given['id']}/transitions",
        {"event": event, **more},
        role=role,
        expect=expect,
        headers=headers,
    )
    await trial.world.settle()
    return answer


async def test_the_life_of_a_task_is_kept_with_who_when_and_evidence(begin: Begin) -> None:
    async with begin([task("mend")]) as trial:
        started = await move(trial, "start")
        assert (started["state"], started["assignee"], started["allowed"]) == (
            "started", "execution", ["complete", "waive", "decline"],
        )  # fmt: skip
        assert (await trial.read())["first_task_at"] == started["started_at"]
        await trial.world.advance(minutes=5)
        done = await move(trial, "complete", note="changed the fuse", evidence=["photo 1", "photo 2"])
        assert (done["note"], done["evidence"], done["allowed"]) == (
            "changed the fuse", ["photo 1", "photo 2"], [],
        )  # fmt: skip
        assert done["ended_at"] > done["started_at"]
        assert [kind for kind in await trial.kinds() if kind.startswith("task.")] == [
            "task.given", "task.started", "task.done",
        ]  # fmt: skip
        refused = await move(trial, "start", expect=409)
        assert (refused["type"].rpartition("/")[2], refused["allowed"]) == ("illegal-task-transition", [])


@pytest.mark.parametrize("event", ["waive", "decline"])
async def test_waiving_and_declining_need_a_word_why(begin: Begin, event: str) -> None:
    async with begin([task("mend")]) as trial:
        refused = await move(trial, event, expect=409)
        assert refused["needs"] == ["note"]
        assert (await the_task(trial))["state"] == "open"
        await move(trial, event, note="the part is not here")
        assert (await the_task(trial))["note"] == "the part is not here"


async def test_a_stale_version_is_refused(begin: Begin) -> None:
    async with begin([task("mend")]) as trial:
        await move(trial, "start", headers={"If-Match": '"1"'})
        refused = await move(trial, "complete", headers={"If-Match": '"1"'}, expect=409)
        assert refused["current_version"] == 2


async def test_the_collaboration_layer_does_not_do_the_tasks_of_others(begin: Begin) -> None:
    async with begin([task("mend")]) as trial:
        await move(trial, "start", role="collaboration", expect=403)


async def test_the_collaboration_layer_does_its_own_tasks(begin: Begin) -> None:
    async with begin([task("pay", position="finance_officer")]) as trial:
        await move(trial, "start", role="collaboration")


async def test_a_late_task_is_told_to_its_position_and_the_commander_once(begin: Begin) -> None:
    async with begin([task("mend")]) as trial:
        await trial.world.advance(minutes=29, seconds=59)
        trial.world.told()
        await trial.world.advance(seconds=1)
        assert sorted(trial.world.told()) == ["Ben", "It1", "It2"]
        assert "task.overdue" in await trial.kinds()
        await trial.world.advance(hours=1)
        assert not {"It1", "It2"} & set(trial.world.told())


async def test_a_task_done_in_time_is_not_chased(begin: Begin) -> None:
    async with begin([task("mend")]) as trial:
        await move(trial, "complete")
        trial.world.told()
        await trial.world.advance(hours=1)
        assert "task.overdue" not in await trial.kinds()
        assert trial.world.told() == []


async def test_the_timeline_says_whom_a_task_is_for_and_who_is_late(begin: Begin) -> None:
    async with begin([task("repair")]) as trial:
        await trial.world.advance(minutes=31)
        told = [
            e["summary"] for e in await trial.items("timeline") if e["kind"] in ("task.given", "task.overdue")
        ]
        assert told == ["Task for IT engineer: repair", "Task overdue: repair (IT engineer)"]
