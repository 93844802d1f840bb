"""How somebody is reached, in the console: rules set by the form, and a way tried by its button."""

import pytest
from sqlalchemy import select

from app.notify.tables import Delivery
from app.people.tables import ContactPoint
from tests.rooms.test_console import Browser, browser, world
from tests.world import World

__all__ = ["browser", "world"]


async def lin(world: World) -> str:
    person = await world.call(
        "POST", "/people", {"name": "Lin", "contacts": [{"channel": "mail", "address": "lin@centre.test"}]}
    )
    return f"/people/{person['id']}"


async def test_rules_are_set_by_the_form_and_a_row_that_names_no_channel_is_none(
    browser: Browser, world: World
) -> None:
    at = await lin(world)
    await browser.sign_in("management")
    await browser.get(at)
    await browser.post(
        f"{at}/reaching",
        {
            "form": "reaching", "version": "1", "time_zone": "Asia/Shanghai", "quiet_begins": "22:00", "quiet_ends": "07:00",
            "row": ["0", "1"], "order_0": ["mail", ""], "levels_0": ["1", "2"], "begins_0": "09:00", "ends_0": "18:00",
            "wait_0": "3", "steps_down_0": "5", "order_1": [""],
        },
    )  # fmt: skip
    kept = await world.get(at)
    hours = {"begins": "09:00", "ends": "18:00", "time_zone": "Asia/Shanghai"}
    assert kept["contact_rules"] == [
        {"order": ["mail"], "levels": [1, 2], "hours": hours, "wait": "3m", "steps_down_after": 5}
    ]
    assert kept["quiet_hours"]["begins"] == "22:00"
    assert 'value="5"' in browser.page


async def test_a_rule_by_a_way_they_no_longer_have_is_kept_by_the_form(
    browser: Browser, world: World
) -> None:
    at = await lin(world)
    await world.call("PATCH", at, {"contact_rules": [{"order": ["voice", "mail"], "levels": [1]}]})
    await browser.sign_in("management")
    await browser.get(at)
    assert '<option value="voice" selected>' in browser.page


async def test_a_way_is_tried_by_its_button_and_the_page_says_what_came_of_it(
    browser: Browser, world: World
) -> None:
    at = await lin(world)
    await browser.sign_in("management")
    async with world.parts.db.reading() as session:
        contact = await session.scalar(
            select(ContactPoint.id).where(ContactPoint.person_id == at.rpartition("/")[2])
        )
    await browser.get(at)
    await browser.post(f"{at}/contacts/{contact}/test", {"form": f"test-{contact}"})
    assert "is on its way" in browser.text
    async with world.parts.db.reading() as session:
        [made] = await session.scalars(select(Delivery).where(Delivery.contact_id == contact))
    assert not made.asks


@pytest.mark.parametrize("action", ["reaching", "contacts/none/test"])
async def test_nobody_changes_or_tries_how_another_is_reached(
    browser: Browser, world: World, action: str
) -> None:
    at = await lin(world)
    await browser.sign_in("execution")
    await browser.post(f"{at}/{action}", {"form": "reaching"}, expect=403)
