"""EP-6.3: a call switches to a standby, which is reserved while what failed counts as faulty; a call verifies a backup."""

import json
from typing import Any

from tests.receiver import Receiver, status
from tests.rooms.trial import Begin, Trial, activated, begin, step

__all__ = ["begin"]

SWITCH = {"does": "fail_over", "pool": "standby_systems", "name": "telephony"}
VERIFY = {"does": "verify_backup", "pool": "standby_systems", "name": "standby_storage"}


def with_the_main_systems(plan: Any) -> None:
    named = {"zh": "电话系统", "en": "Telephony"}
    assets = plan["pools"]["standby_systems"]["assets"]
    assets["telephony"] = {"title": named, "place": "here"}
    assets["standby_storage"]["check_every"] = "7d"


def call(receiver: Receiver, asset: dict[str, str]) -> dict[str, Any]:
    return step("switch", "http", with_={"url": receiver.url("/switch"), "asset": asset})


async def asset(trial: Trial, name: str) -> Any:
    pool = await trial.world.get("/pools/standby_systems")
    return next(one for one in pool["units"] if one["name"] == name)


async def held(trial: Trial) -> list[str]:
    return [one["unit"] for one in await trial.items("reservations")]


async def test_a_fail_over_reserves_the_standby_and_marks_the_failed_one(begin: Begin) -> None:
    async with (
        Receiver() as receiver,
        begin([call(receiver, SWITCH)], change=with_the_main_systems) as trial,
    ):
        assert json.loads(receiver.received[0].body) == {"standby": "standby_telephony"}
        assert (await trial.step("switch"))["result"]["standby"] == "standby_telephony"
        assert await held(trial) == ["standby_telephony"]
        assert (await asset(trial, "telephony"))["state"] == "faulty"


async def test_the_next_standby_is_of_the_next_tier_and_then_there_is_none(begin: Begin) -> None:
    async with Receiver() as receiver, begin([call(receiver, SWITCH)]) as first:
        second = await activated(first.world)
        assert await held(second) == ["cloud_call_centre"]
        third = await activated(first.world)
        assert await held(third) == []
        assert (await third.step("switch"))["state"] == "asking"
        assert len(receiver.received) == 2, "nothing is switched to what is not there"


async def test_a_standby_that_is_held_already_is_switched_to(begin: Begin) -> None:
    line = {"pool": "standby_systems", "item": "standby_telephony"}
    reserve = step("take", "reserve", with_={"ask": [line], "hold": "8h", "when_short": "technical_head"})
    async with (
        Receiver() as receiver,
        begin([reserve, {**call(receiver, SWITCH), "needs": ["take"]}]) as trial,
    ):
        assert (await trial.step("switch"))["result"]["standby"] == "standby_telephony"
        assert await held(trial) == ["standby_telephony"]


async def test_an_exercise_switches_nothing_and_marks_nothing(begin: Begin) -> None:
    async with (
        Receiver() as receiver,
        begin([call(receiver, SWITCH)], change=with_the_main_systems, exercise=True) as trial,
    ):
        assert receiver.received == []
        assert (await asset(trial, "telephony"))["state"] == "ready"
        assert (await asset(trial, "standby_telephony"))["held"] == 0


async def test_a_backup_that_answers_as_it_should_has_been_checked(begin: Begin) -> None:
    async with Receiver() as receiver, begin([call(receiver, VERIFY)], change=with_the_main_systems) as trial:
        checked = await asset(trial, "standby_storage")
        assert checked["checked_at"].startswith("2026-11-22T19:00")
        assert checked["check_due_at"].startswith("2026-11-29T19:00")


async def test_one_that_does_not_has_not(begin: Begin) -> None:
    async with Receiver() as receiver:
        receiver.always = status(409)
        async with begin([call(receiver, VERIFY)], change=with_the_main_systems) as trial:
            assert (await asset(trial, "standby_storage"))["checked_at"] is None
            assert (await trial.step("switch"))["state"] == "asking"
