"""How somebody is reached: their own order by level and hour, what is tried when a way fails, and a test of one way."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.db import Database
from app.errors import NotFound
from app.notify import trying
from app.notify.channel import DeliveryError
from app.notify.tables import Delivery, DeliveryState
from app.people.tables import ContactPoint
from app.wording import say
from tests.rooms.organisation import World, minutes, three_rungs


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    db = Database(database_url)
    yield World(db)
    await db.dispose()


NIGHT_RULE = {
    "order": ["voice", "mail"],
    "levels": [1],
    "hours": {"begins": "09:00", "ends": "11:00", "time_zone": "Asia/Shanghai"},
    "wait": "2m",
}


async def ada(world: World, **more: Any) -> str:
    ada = await world.person("Ada", "duty_lead", addresses=["mail:a@m", "sms:a@s", "voice:a@v"], **more)
    await world.person("Ben", "department_head")
    await world.person("Cao", "general_manager")
    return ada


async def carried(world: World, person: str, contact: str) -> None:
    """A message that this contact point took."""
    async with world.db.transaction() as session:
        made = await trying.try_contact(session, person, contact, at=world.clock.now())
        made.state = DeliveryState.SENT


async def planned(world: World, person: str) -> list[tuple[str, timedelta]]:
    found = await world.rows(Delivery.person_id == person)
    return [(one.channel, one.not_before - world.clock.now()) for one in found]


async def test_a_page_goes_in_the_persons_own_order_for_its_level_and_hour(world: World) -> None:
    person = await ada(world, contact_rules=[NIGHT_RULE])
    await world.call(three_rungs())
    assert await planned(world, person) == [
        ("voice", minutes(0)),
        ("mail", minutes(2)),
        ("sms", minutes(4)),
    ]


async def test_a_rule_of_another_level_changes_nothing(world: World) -> None:
    person = await ada(world, contact_rules=[NIGHT_RULE])
    await world.call(three_rungs(), level=3)
    assert [channel for channel, _ in await planned(world, person)] == ["mail", "sms", "voice"]


@pytest.mark.parametrize(("level", "first"), [(2, "mail"), (3, "sms")])
async def test_a_channel_that_carried_much_within_the_hour_steps_down_unless_it_is_grave(
    world: World, level: int, first: str
) -> None:
    person = await ada(world, contact_rules=[{"order": ["mail"], "steps_down_after": 2}])
    contacts = await _contacts(world, person)
    for _ in range(2):
        await carried(world, person, contacts[0])
    await world.call(three_rungs(), level=level)
    told = min(await world.rows(Delivery.state == DeliveryState.PENDING), key=_when)
    assert told.channel == first
    assert (told.note is not None) == (first == "sms")


async def test_an_hour_later_a_channel_is_first_again(world: World) -> None:
    person = await ada(world, contact_rules=[{"order": ["mail"], "steps_down_after": 1}])
    contacts = await _contacts(world, person)
    await carried(world, person, contacts[0])
    world.clock.advance(minutes(60))
    await world.call(three_rungs(), level=3)
    told = min(await world.rows(Delivery.state == DeliveryState.PENDING), key=_when)
    assert told.channel == "mail"


@pytest.mark.parametrize("untried", [False, True])
async def test_a_way_that_fails_or_is_over_its_pace_does_not_keep_the_next_waiting(
    world: World, untried: bool
) -> None:
    person = await world.person("Ada", "duty_lead", addresses=["first", "second"])
    await world.person("Ben", "department_head")
    await world.person("Cao", "general_manager")
    await world.call(three_rungs())
    world.fake.failure = DeliveryError(say("channel.pace", times=20), untried=untried)
    await world.deliver()
    waiting = await world.rows(Delivery.person_id == person, Delivery.attempts == 0)
    assert [one.not_before for one in waiting] == [world.clock.now()]


async def test_a_contact_point_is_tried_by_itself_and_the_record_says_what_came_of_it(
    world: World,
) -> None:
    person = await world.person("Ada", addresses=["first", "second"])
    contacts = await _contacts(world, person)
    async with world.db.transaction() as session:
        made = await trying.try_contact(session, person, contacts[1], at=world.clock.now())
    await world.deliver()
    assert world.told() == ["second"]
    [row] = await world.rows(Delivery.id == made.id)
    assert row.state == DeliveryState.SENT
    assert not row.asks
    assert "This is a test: Ada can be reached this way." in world.fake.sent[0].message.text


async def test_a_test_that_fails_does_not_go_another_way(world: World) -> None:
    person = await world.person("Ada", addresses=["first", "second"])
    contacts = await _contacts(world, person)
    world.fake.failure = DeliveryError(say("channel.pace", times=20), permanent=True)
    async with world.db.transaction() as session:
        await trying.try_contact(session, person, contacts[0], at=world.clock.now())
    await world.settle()
    assert [row.state for row in await world.rows()] == [DeliveryState.FAILED]


async def test_somebody_elses_contact_point_is_not_tried(world: World) -> None:
    ada, ben = await world.person("Ada"), await world.person("Ben")
    [contact] = await _contacts(world, ben)
    async with world.db.transaction() as session:
        with pytest.raises(NotFound):
            await trying.try_contact(session, ada, contact, at=world.clock.now())


async def _contacts(world: World, person: str) -> list[str]:
    async with world.db.reading() as session:
        query = select(ContactPoint.id).where(ContactPoint.person_id == person).order_by(ContactPoint.rank)
        return list(await session.scalars(query))


def _when(delivery: Delivery) -> datetime:
    return delivery.not_before
