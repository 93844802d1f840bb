"""Turns, leave and health in the console: told by the person, answered by who manages (EP-2, EO-1, EO-2)."""

from tests.rooms.test_console import Browser, browser, world
from tests.rooms.test_rostering import MORE, as_person, on_call, roster
from tests.world import World

__all__ = ["browser", "world"]


async def signed_in(browser: Browser, world: World, name: str) -> None:
    """At the page of rosters with that person's own key."""
    await as_person(world, name)
    await browser.sign_in_with(world.keys[name])  # type: ignore[index]
    await browser.get("/rosters")


def value(markup: str, name: str) -> str:
    return markup.partition(f'name="{name}" value="')[2].partition('"')[0]


async def test_somebody_reports_ill_and_the_next_in_turn_stands_in(browser: Browser, world: World) -> None:
    await world.import_people(MORE)
    known = await roster(world)
    await signed_in(browser, world, "Lin")
    mine = browser.form("check-in")
    assert "Mia" not in mine, "a person speaks for themselves"
    await browser.post(
        "/rosters/check-ins", {"form": "check-in", "person_id": value(mine, "person_id"), "health": "ill"}
    )
    assert "Your check-in is noted" in browser.text
    assert await on_call(world, world.clock.now()) == ("Mia", "stand_in", "Lin")
    fields = {"form": "check-in", "person_id": known["Mia"], "health": "ill"}
    await browser.post("/rosters/check-ins", fields, expect=403)
    assert await on_call(world, world.clock.now()) == ("Mia", "stand_in", "Lin")


async def test_leave_is_asked_for_by_the_clock_of_the_centre_and_approved_by_who_manages(
    browser: Browser, world: World
) -> None:
    await world.import_people(MORE)
    known = await roster(world)
    await signed_in(browser, world, "Mia")
    asked = {"form": "absence", "person_id": known["Mia"], "kind": "leave"}
    wrong = {**asked, "begins": "2026-11-24T09:00", "ends": "2026-11-23T09:00"}
    await browser.post("/rosters/absences", wrong, expect=422)
    assert "2026-11-24T09:00" in browser.form("absence"), "what was typed is still there"
    await browser.post(
        "/rosters/absences", {**asked, "begins": "2026-11-23T09:00", "ends": "2026-11-24T09:00"}
    )
    assert "waits for approval" in browser.text
    assert "Approve" not in browser.text
    [absence] = (await world.get(f"/people/{known['Mia']}/absences"))["items"]
    assert (absence["begins"], absence["ends"]) == ("2026-11-23T01:00:00Z", "2026-11-24T01:00:00Z")
    await browser.post("/sign-out", {})
    await browser.sign_in("management")
    await browser.get("/rosters")
    await browser.post(
        f"/rosters/absences/{absence['id']}", {"form": "x", "event": "approve", "version": str(absence["version"])}
    )  # fmt: skip
    assert "approved" in browser.text
    assert (await world.get(f"/people/{known['Mia']}/absences"))["items"][0]["state"] == "approved"


async def test_a_turn_is_offered_and_changes_hands_once_the_other_accepts(
    browser: Browser, world: World
) -> None:
    await world.import_people(MORE)
    known = await roster(world)
    await signed_in(browser, world, "Mia")
    offer = {
        "form": "swap-duty_lead", "position": "duty_lead", "person_id": known["Mia"], "with_id": known["Zoe"],
        "begins": "2026-11-23T09:00", "ends": "2026-11-24T09:00",
    }  # fmt: skip
    await browser.post("/rosters/swaps", {**offer, "ends": "2026-11-25T09:00"}, expect=409)
    assert "2026-11-25T09:00" in browser.form("swap-duty_lead")
    await browser.post("/rosters/swaps", offer)
    assert "The turn is offered." in browser.text
    assert "Accept" not in browser.text
    [swap] = (await world.get("/rosters/duty_lead/swaps"))["items"]
    await browser.post("/sign-out", {})
    await signed_in(browser, world, "Zoe")
    await browser.post(f"/rosters/swaps/{swap['id']}", {"form": "x", "event": "accept"})
    assert (await world.get("/rosters/duty_lead/swaps"))["items"][0]["state"] == "accepted"
    assert "swap, for Mia" in browser.text
