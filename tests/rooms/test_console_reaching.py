"""How somebody is reached, in the console: rules set by the form, and a way tried by its button."""

import pytest
from sqlalchemy import select

from app.access.tables import Role
from app.notify.tables import Delivery
from app.people.tables import ContactPoint
from tests.rooms.test_console import Browser, browser, world
from tests.rooms.test_risks import sign_in
from tests.world import World

__all__ = ["browser", "world"]


async def yun(world: World) -> str:
    person = await world.call(
        "POST", "/people", {"name": "Yun", "contacts": [{"channel": "mail", "address": "yun@centre.test"}]}
    )
    return f"/people/{person['id']}"


async def test_rules_are_set_by_the_form_and_a_row_that_names_no_channel_is_none(
    browser: Browser, world: World
) -> None:
    at = await yun(world)
    await browser.sign_in("management")
    await browser.get(at)
    await browser.post(
        f"{at}/reaching",
        {
            "form": "reaching", "version": "1", "quiet_zone": "Asia/Shanghai", "zone_0": "Europe/London",
            "quiet_begins": "22:00", "quiet_ends": "07:00",
            "row": ["0", "1"], "order_0": ["mail", ""], "levels_0": ["1", "2"], "begins_0": "09:00", "ends_0": "18:00",
            "wait_0": "90", "steps_down_0": "5", "order_1": [""],
        },
    )  # fmt: skip
    kept = await world.get(at)
    hours = {"begins": "09:00", "ends": "18:00", "time_zone": "Europe/London"}
    assert kept["contact_rules"] == [
        {"order": ["mail"], "levels": [1, 2], "hours": hours, "wait": "1m30s", "steps_down_after": 5}
    ]
    assert kept["quiet_hours"]["begins"] == "22:00"
    assert 'value="5"' in browser.page
    assert 'value="90"' in browser.page
    assert browser.page.count('value="Europe/London"') == 1


async def test_a_refused_form_keeps_what_was_typed_and_a_rule_without_a_way_is_not_dropped(
    browser: Browser, world: World
) -> None:
    at = await yun(world)
    await browser.sign_in("management")
    await browser.get(at)
    typed = {
        "form": "reaching",
        "version": "1",
        "row": ["0"],
        "levels_0": ["2"],
        "wait_0": "77",
        "order_0": [""],
    }
    await browser.post(f"{at}/reaching", typed, expect=422)
    assert "Rule 1: choose at least one way" in browser.text
    assert 'value="77"' in browser.page
    assert (await world.get(at))["contact_rules"] == []


async def test_a_rule_by_a_way_they_no_longer_have_is_kept_by_the_form(
    browser: Browser, world: World
) -> None:
    at = await yun(world)
    await world.call("PATCH", at, {"contact_rules": [{"order": ["voice", "mail"], "levels": [1]}]})
    await browser.sign_in("management")
    await browser.get(at)
    assert '<option value="voice" selected>' in browser.page


async def test_a_way_is_tried_by_its_button_and_the_page_says_what_came_of_it(
    browser: Browser, world: World
) -> None:
    at = await yun(world)
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
    at = await yun(world)
    await browser.sign_in("execution")
    await browser.post(f"{at}/{action}", {"form": "reaching"}, expect=403)


async def test_over_http_too_anybody_changes_and_tries_how_they_are_reached_and_nothing_else_of_themselves(
    world: World,
) -> None:
    at = await yun(world)
    other = next(one for one in (await world.get("/people"))["items"] if one["name"] != "Yun")
    who = await sign_in(world, "Yun", Role.EXECUTION)
    changed = await world.call("PATCH", at, {"contact_rules": [{"order": ["mail"]}]}, headers=who)
    assert changed["contact_rules"][0]["order"] == ["mail"]
    await world.call("POST", f"{at}/contacts/{changed['contacts'][0]['id']}/test", headers=who, expect=202)
    refused = await world.call("PATCH", at, {"availability": "leave"}, headers=who, expect=403)
    assert "contact_rules" in refused["detail"]
    await world.call("PATCH", f"/people/{other['id']}", {"contact_rules": []}, headers=who, expect=403)
    await world.call("POST", f"/people/{other['id']}/contacts/none/test", headers=who, expect=403)


async def test_what_makes_no_rule_is_refused_and_a_log_needs_no_address(world: World) -> None:
    at = await yun(world)
    for wrong in ({"wait": "0s"}, {"wait": "9999d"}, {"levels": [1, 1]}, {"order": ["sms", "sms"]}):
        rules = [{"order": ["mail"], **wrong}]
        await world.call("PATCH", at, {"contact_rules": rules}, expect=422)
    changed = await world.call("PATCH", at, {"contacts": [{"channel": "log"}]})
    assert [one["channel"] for one in changed["contacts"]] == ["log"]
