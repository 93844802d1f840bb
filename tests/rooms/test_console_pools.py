"""The page of pools as a manager reads it: stock and its age, what has expired, who holds what until when, what is fought over."""

import re
from datetime import timedelta
from html import unescape

from tests.rooms.test_console import Browser, browser, world
from tests.rooms.test_holding import hold, raised, want
from tests.world import World

__all__ = ["browser", "world"]


def row(browser: Browser, of: str) -> str:
    """The cells of the table row that names it, without their marks."""
    rows = re.findall(r"<tr>.*?</tr>", browser.page, re.DOTALL)
    found = next(one for one in rows if of in one)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", found))).strip()


async def test_a_manager_sees_what_there_is_and_how_sure_that_is(browser: Browser, world: World) -> None:
    mask = {"item": "mask", "kind": "in", "quantity": 7}
    for batch, day in (("old", "2026-11-20"), ("new", "2027-05-31")):
        movement = {**mask, "batch": batch, "expires_on": day}
        await world.post("/pools/protective_supplies/movements", movement, role="management")
    await world.post(
        "/pools/protective_supplies/stocktakes",
        {"counts": [{"item": "thermometer", "quantity": 9}]},
        role="management",
    )
    await world.advance(hours=30)
    await browser.sign_in("management")
    await browser.get("/pools")
    assert "2026-11-20 expired 0 / 7 piece" in row(browser, "batch old")
    assert "2027-05-31 7 / 7 piece" in row(browser, "batch new")
    assert "9 / 9 piece 10 30 h 0 min ago" in row(browser, "Thermometer</th>")
    assert "never" in row(browser, "Disinfectant")
    assert row(browser, "open</td>").startswith("Thermometer Protective supplies 11 "), (
        "one is asked of a supplier"
    )
    assert "faulty" not in browser.text
    await world.post(
        "/pools/standby_systems/assets/standby_crm/state", {"state": "faulty"}, role="management", expect=200
    )
    await browser.get("/pools")
    assert "faulty crm" in row(browser, "Standby CRM")
    assert "4 of 5 free" in browser.text


async def test_a_manager_sees_who_holds_what_until_when_and_what_is_fought_over(
    browser: Browser, world: World
) -> None:
    least, grave = await raised(world, 4, "Chair broken"), await raised(world, 1, "All down")
    until = (world.clock.now() + timedelta(hours=1)).isoformat()
    await hold(world, least, 3, until)
    await want(world, grave, 2)
    await browser.sign_in("management")
    await browser.get("/pools")
    assert f"0 / 3 slot 1 never {least['number']} × 3 Until 11-23 04:00" in row(
        browser, "Announcement slot</th>"
    )
    assert f"{grave['number']} would take from {least['number']} : 2 × Announcement slot" in browser.text
    await world.advance(minutes=61)
    await browser.get("/pools")
    assert "late" in row(browser, "Announcement slot</th>")


async def test_whoever_works_with_a_partner_does_not_see_the_pools(browser: Browser, world: World) -> None:
    await browser.sign_in("collaboration")
    await browser.get("/pools", expect=403)
