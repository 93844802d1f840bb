"""Too much at once: beyond the cap a person is told together, and nothing is left out."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from app import outbox
from app.notify import digest
from app.notify.channel import DeliveryError
from app.notify.tables import Delivery, DeliveryState, Notice
from app.wording import say, spoken
from tests.world import World

CAP = 10


async def raised(world: World, number: int, *, level: int = 4) -> list[dict[str, Any]]:
    made = []
    for n in range(number):
        asked = {"title": f"case {level}-{n}", "type": "other", "level": level}
        made.append(await world.post("/incidents", asked))
        await world.settle()
    return made


async def held(world: World) -> list[Delivery]:
    async with world.parts.db.reading() as session:
        return list(await session.scalars(select(Delivery).where(Delivery.digest_at.is_not(None))))


async def test_beyond_the_cap_one_message_tells_of_the_rest_the_gravest_first(world: World) -> None:
    light = await raised(world, CAP + 2)
    graver = await raised(world, 1, level=3)
    waiting = await held(world)
    first = world.messages()
    assert {one.state for one in waiting} == {DeliveryState.PENDING}
    assert "held back: 10 messages in ten minutes" in str(spoken(waiting[0].reason, "en"))
    who = waiting[0].person_name
    assert len([one for one in first if one.who == who]) == CAP

    world.clock.advance(digest.WINDOW)
    await world.settle()
    told = [one for one in world.messages() if one.who == who and "more messages" in one.subject]
    assert len(told) == 1
    left_out = [*light[CAP:], *graver]
    lines = [line for line in told[0].text.splitlines() if "INC-" in line]
    assert {line.split()[0] for line in lines} >= {one["number"] for one in left_out if one["level"] == 4}
    async with world.parts.db.reading() as session:
        notice = (await session.scalars(select(Notice).where(Notice.kind == digest.KIND))).first()
        assert notice is not None
        dropped = list(await session.scalars(select(Delivery).where(Delivery.digest_at.is_not(None))))
    assert {one.state for one in dropped if one.person_name == who} == {DeliveryState.DROPPED}
    reasons = [one.reason or {} for one in dropped if one.person_name == who]
    assert {reason["params"]["notice"] for reason in reasons} == {notice.id}


async def test_the_first_page_of_a_grave_round_is_never_held_back(world: World) -> None:
    await raised(world, CAP + 1)
    world.messages()
    await raised(world, 1, level=1)
    assert any("case 1-0" in one.subject + one.text for one in world.messages())


async def test_what_is_answered_meanwhile_is_not_in_the_digest(world: World) -> None:
    made = await raised(world, CAP + 2)
    await world.post(f"/incidents/{made[-1]['id']}/acknowledgements", {})
    await world.settle()
    world.messages()
    world.clock.advance(digest.WINDOW)
    await world.settle()
    (told,) = [one for one in world.messages() if "more messages" in one.subject]
    assert made[-2]["number"] in told.text
    assert made[-1]["number"] not in told.text


async def test_a_digest_that_one_contact_point_does_not_take_goes_to_the_next(world: World) -> None:
    await raised(world, CAP + 1)
    world.messages()
    assert {one.person_name for one in await held(world)} == {"Lin"}
    world.channels["mail"].failure = DeliveryError(say("channel.mail.bad_address"), permanent=True)
    world.clock.advance(digest.WINDOW)
    await world.settle()
    told = [(one.who, one.channel) for one in world.messages() if "more message" in one.subject]
    assert told == [("Lin", "webhook")]


async def test_should_the_digest_fail_what_waits_goes_out_by_itself(world: World) -> None:
    await raised(world, CAP + 1)
    world.messages()
    late = min(await held(world), key=lambda one: one.not_before)
    async with world.parts.db.transaction() as session:
        await outbox.withdraw(session, key_prefix="digest:")
    world.clock.advance(digest.WINDOW + timedelta(minutes=1))
    await world.settle()
    assert any(one.key == late.id for one in world.messages())


async def test_a_digest_of_what_can_wait_keeps_quiet_hours(world: World) -> None:
    now = world.clock.now() + timedelta(minutes=5)
    quiet = {
        "begins": now.strftime("%H:%M"),
        "ends": (now + timedelta(hours=8)).strftime("%H:%M"),
        "time_zone": "UTC",
    }
    for person in (await world.get("/people"))["items"]:
        await world.call("PATCH", f"/people/{person['id']}", {"quiet_hours": quiet})
    await raised(world, CAP + 2)
    world.messages()
    world.clock.advance(digest.WINDOW)
    await world.settle()
    assert not [one for one in world.messages() if "more messages" in one.subject]
    world.clock.advance(timedelta(hours=8))
    await world.settle()
    assert [one for one in world.messages() if "more messages" in one.subject]
