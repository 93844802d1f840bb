"""The reporting chain on both databases: who is told, when, and why somebody was not."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from app.db import Database
from app.notify import acknowledgement, chain
from app.notify.channel import DeliveryError
from app.notify.document import Chain, Hop
from app.notify.tables import Delivery, DeliveryState, RoundState
from app.people.tables import Availability
from app.wording import say, spoken
from tests.rooms.organisation import World, minutes, three_rungs


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    db = Database(database_url)
    yield World(db)
    await db.dispose()


async def test_the_first_rung_is_told_at_once_and_nobody_else(world: World) -> None:
    await world.ada_ben_and_cao()
    await world.call(three_rungs())
    await world.settle()
    assert world.told() == ["ada"]


async def test_the_next_rung_is_told_after_the_time_of_the_plan_and_not_a_second_before(world: World) -> None:
    await world.ada_ben_and_cao()
    await world.call(three_rungs())
    await world.advance(minutes(15) - timedelta(seconds=1))
    assert world.told() == ["ada"]

    await world.advance(timedelta(seconds=1))
    assert world.told() == ["ben"]

    await world.advance(minutes(15))
    assert world.told() == ["cao"]


async def test_the_chain_begins_again_from_the_top_until_somebody_answers(world: World) -> None:
    await world.ada_ben_and_cao()
    round_id = await world.call(three_rungs())
    await world.advance(minutes(30))
    assert world.told() == ["ada", "ben", "cao"]

    await world.advance(minutes(30) - timedelta(seconds=1))
    assert world.told() == []

    await world.advance(timedelta(seconds=1))
    assert world.told() == ["ada"]
    assert (await world.round(round_id)).lap == 2
    assert ("chain.lap", {"round_id": round_id, "lap": 2}) in await world.topics()

    await world.advance(minutes(600))
    assert world.told()[:3] == ["ben", "cao", "ada"]


async def test_each_rung_told_is_put_on_the_record(world: World) -> None:
    await world.ada_ben_and_cao()
    round_id = await world.call(three_rungs())
    expected = {"round_id": round_id, "hop": 1, "lap": 1, "positions": ["duty_lead"], "people": ["Ada"]}
    assert await world.topics() == [("rung.told", expected)]


async def test_calling_twice_with_one_key_calls_once(world: World) -> None:
    await world.ada_ben_and_cao()
    first = await world.call(three_rungs())
    second = await world.call(three_rungs())
    await world.settle()
    assert first == second
    assert world.told() == ["ada"]


async def test_a_later_contact_point_is_tried_while_there_is_still_time_before_the_next_rung(
    world: World,
) -> None:
    await world.person("Ada", "duty_lead", addresses=["mail", "phone", "pager"])
    await world.person("Ben", "department_head")
    await world.call(three_rungs())
    await world.settle()
    assert world.told() == ["mail"]

    await world.advance(minutes(3.75))
    assert world.told() == ["phone"]

    await world.advance(minutes(3.75))
    assert world.told() == ["pager"]


async def test_the_plan_may_say_how_long_a_contact_point_has_to_answer(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=["mail", "phone"])
    await world.call(three_rungs(contact_wait=minutes(2)))
    await world.advance(minutes(2))
    assert world.told() == ["mail", "phone"]


async def test_the_plan_chooses_the_channels_and_their_order(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=["webhook:robot", "log:log", "mail:mail"])
    await world.call(three_rungs(via=["mail", "webhook"]))
    rows = await world.rows()
    assert [row.channel for row in rows] == ["mail", "webhook"]
    assert [row.note for row in rows] == [None, None]


async def test_somebody_without_the_plans_channel_is_told_by_their_own_and_it_is_noted(world: World) -> None:
    await world.person("Ada", "duty_lead")
    await world.call(three_rungs(via=["mail"]))
    row = await world.row()
    assert (row.channel, row.state) == ("fake", DeliveryState.PENDING)
    assert spoken(row.note, "en") == "has no contact point on mail; their own order is used"


async def test_everybody_who_holds_the_position_is_told(world: World) -> None:
    await world.person("Ada", "duty_lead")
    await world.person("Ann", "duty_lead")
    await world.call(three_rungs())
    await world.settle()
    assert sorted(world.told()) == ["ada", "ann"]


async def test_who_holds_two_positions_of_one_rung_is_told_once(world: World) -> None:
    await world.person("Ada", "duty_lead", "department_head")
    await world.call(
        Chain(hops=[Hop(tell=["duty_lead", "department_head"], within=minutes(5))], repeat_after=minutes(5))
    )
    await world.settle()
    assert world.told() == ["ada"]
    assert await world.reasons() == ["already told as duty lead"]


async def test_a_vacant_position_costs_no_time_and_is_on_the_record(world: World) -> None:
    await world.person("Ben", "department_head")
    await world.call(three_rungs())
    await world.settle()
    assert world.told() == ["ben"]
    assert await world.reasons() == ["nobody holds the position duty_lead"]


async def test_who_is_on_leave_is_passed_over_with_the_reason(world: World) -> None:
    await world.person("Ada", "duty_lead", availability=Availability.LEAVE)
    await world.person("Ben", "department_head")
    await world.call(three_rungs())
    await world.settle()
    assert world.told() == ["ben"]
    dropped = await world.row(Delivery.state == DeliveryState.DROPPED)
    assert dropped.person_name == "Ada"
    assert dropped.reason == {"key": "people.passed.away", "params": {}}


async def test_who_has_no_contact_point_is_passed_over_with_the_reason(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=[])
    await world.person("Ben", "department_head")
    await world.call(three_rungs())
    await world.settle()
    assert world.told() == ["ben"]
    assert await world.reasons() == ["Ada has no contact point"]


async def test_whoever_holds_the_position_when_the_rung_falls_due_is_told(world: World) -> None:
    await world.ada_ben_and_cao()
    await world.call(three_rungs())
    await world.settle()
    await world.person("Bea", "department_head")
    await world.advance(minutes(15))
    assert sorted(world.told()) == ["ada", "bea", "ben"]


async def test_with_nobody_at_all_it_is_said_and_people_imported_later_are_told(world: World) -> None:
    round_id = await world.call(three_rungs())
    await world.settle()
    assert await world.topics() == [("chain.nobody", {"round_id": round_id, "lap": 1})]
    assert not (await world.round(round_id)).reached

    await world.ada_ben_and_cao()
    await world.advance(minutes(30))
    assert world.told() == ["ada"]
    assert (await world.round(round_id)).reached


async def test_a_plan_that_repeats_at_once_is_given_a_minute(world: World) -> None:
    await world.call(Chain(hops=[Hop(tell=["duty_lead"], within=minutes(0))], repeat_after=minutes(0)))
    await world.advance(minutes(3))
    laps = [said["lap"] for topic, said in await world.topics() if topic == "chain.nobody"]
    assert laps == [1, 2, 3, 4]


async def test_a_graver_call_takes_the_place_of_the_one_under_way(world: World) -> None:
    await world.ada_ben_and_cao()
    milder = await world.call(three_rungs(), key="INC:1:2", level=2)
    await world.call(three_rungs(), key="INC:1:1", level=1)
    await world.settle()
    assert world.told() == ["ada"]
    assert await world.reasons() == ["replaced by a newer call at level 1"]
    assert (await world.round(milder)).state == RoundState.SUPERSEDED
    assert {timer.payload["round_id"] for timer in await world.armed()} != {milder}
    assert len(await world.armed()) == 1


async def test_a_call_of_another_kind_or_about_something_else_goes_on_beside_it(world: World) -> None:
    await world.ada_ben_and_cao()
    chained = await world.call(three_rungs(), key="INC:1:1")
    await world.call(three_rungs(), key="INC:update:1", kind="update")
    await world.call(three_rungs(), key="OTHER:1:1", ref="OTHER")
    assert (await world.round(chained)).state == RoundState.CALLING


async def test_two_escalations_at_once_are_both_called(world: World) -> None:
    await world.ada_ben_and_cao()
    first = await world.call(three_rungs(), key="step:1:0", kind="escalation")
    second = await world.call(three_rungs(), key="step:2:0", kind="escalation")
    await world.settle()
    assert world.told() == ["ada", "ada"]
    assert [(await world.round(one)).state for one in (first, second)] == [RoundState.CALLING] * 2


async def test_what_has_ended_calls_nobody_any_more(world: World) -> None:
    await world.ada_ben_and_cao()
    round_id = await world.call(three_rungs())
    async with world.db.transaction() as session:
        await acknowledgement.stop(
            session, ref="INC", reason=say("notify.round_withdrawn"), at=world.clock.now()
        )
    await world.advance(minutes(600))
    assert world.told() == []
    assert (await world.round(round_id)).state == RoundState.WITHDRAWN
    assert await world.reasons() == ["what it was about has ended"]


async def test_a_timer_that_comes_twice_or_too_late_tells_nobody_again(world: World) -> None:
    await world.ada_ben_and_cao()
    round_id = await world.call(three_rungs())
    await world.advance(minutes(15))
    world.told()
    for hop in (1, 2):
        async with world.db.transaction() as session:
            await chain.rung_due(session, round_id=round_id, lap=1, hop=hop, at=world.clock.now())
    await world.settle()
    assert world.told() == []


async def test_when_nobody_of_a_rung_can_be_reached_the_next_is_told_without_waiting(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=["bad address", "another bad one"])
    await world.person("Ben", "department_head")
    await world.call(three_rungs())
    await world.settle()
    assert world.told() == ["ben"]


async def test_as_long_as_one_of_the_rung_was_told_the_next_waits(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=["bad address"])
    await world.person("Ann", "duty_lead")
    await world.person("Ben", "department_head")
    await world.call(three_rungs())
    await world.settle()
    assert world.told() == ["ann"]
    await world.advance(minutes(15))
    assert world.told() == ["ben"]


async def test_with_every_channel_down_the_chain_does_not_spin(world: World) -> None:
    await world.ada_ben_and_cao()
    world.fake.failure = DeliveryError(say("channel.mail.bad_address"), permanent=True)
    round_id = await world.call(three_rungs())
    await world.settle()
    assert len(await world.rows()) == 3
    assert ("chain.nobody", {"round_id": round_id, "lap": 1}) in await world.topics()

    world.fake.failure = None
    await world.advance(minutes(30))
    assert world.told() == ["ada"]
