"""Warnings in the console: on the board, with a curve, acknowledged, lifted only with a reason, made an incident by the buttons."""

from tests.rooms.test_console import Browser, browser, world
from tests.rooms.test_early_warnings import tell
from tests.world import World

__all__ = ["browser", "world"]


async def test_a_warning_is_seen_acknowledged_and_made_an_incident_by_its_buttons(
    browser: Browser, world: World
) -> None:
    await browser.sign_in("leadership")
    await tell(world, (-5, 20), (0, 130))
    await world.advance(minutes=3)
    await browser.get("/board")
    assert "Warnings now: 1" in browser.text
    await browser.get("/warnings")
    assert "130 waiting" in browser.text
    assert "<polyline points=" in browser.page
    assert "never heard of" in browser.text
    (warning,) = (await world.get("/warnings"))["items"]
    at = f"/warnings/{warning['id']}"
    await browser.get(at)
    assert "Warning raised: orange (level 2), at 130 waiting." in browser.text
    await browser.post(f"{at}/acknowledgements", {"form": "acknowledge", "note": "On my way"})
    assert "leadership has it. On my way" in browser.text
    version = browser.page.partition('name="version" value="')[2].partition('"')[0]
    move = {"form": "move", "version": version}
    await browser.post(f"{at}/transitions", {**move, "event": "lift"}, expect=422)
    assert "Say why it is lifted" in browser.text
    await browser.post(f"{at}/transitions", {**move, "event": "become_incident"})
    assert "Before, as a warning" in browser.text, "on the page of the incident"
