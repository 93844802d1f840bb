"""Drills in the console: planned by a form, held with a button that stops them, scored and summed up (EP-8.3, ST-4)."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from app.readiness.tables import Topic
from tests.rooms.test_console import Browser, browser, world
from tests.world import World

__all__ = ["browser", "world"]


async def becomes(browser: Browser, role: str) -> None:
    browser.client.cookies.clear()
    await browser.sign_in(role)


async def press(browser: Browser, at: str, event: str, **more: str) -> None:
    await browser.get(at)
    version = browser.form(event).partition('name="version" value="')[2].partition('"')[0]
    await browser.post(f"{at}/transitions", {"form": event, "event": event, "version": version, **more})


async def test_a_manager_plans_a_drill_leadership_approves_it_and_it_is_held_scored_and_closed(
    browser: Browser, world: World
) -> None:
    await browser.sign_in("management")
    await browser.get("/drills")
    assert "At least two on different types of event are asked for." in browser.text
    begins = (
        (world.clock.now() + timedelta(minutes=40))
        .astimezone(ZoneInfo("Asia/Shanghai"))
        .strftime("%Y-%m-%dT%H:%M")
    )
    planned = {
        "form": "plan", "title": "Nobody can sign in", "mode": "live", "type": "system_outage", "level": "2", "minutes": "90",
        "starts_at": begins, "place": "Hall 2", "scheme": "The duty lead finds it.", "scenario": "10 The spare line is dead",
        "observers": "position:service_coach", "props": "red vests",
    }  # fmt: skip
    await browser.post("/drills", planned, expect=422)
    assert "Nobody can sign in" in browser.form("plan"), "what was typed is still there"
    await browser.post("/drills", planned | {"enrolled": "position:duty_lead"})
    (drill,) = (await world.get("/drills"))["items"]
    at = f"/drills/{drill['id']}"
    for words in ("10 min: The spare line is dead", "red vests", "looks on and scores", "planned"):
        assert words in browser.text

    await becomes(browser, "leadership")
    await press(browser, at, "approve")
    await press(browser, at, "start")
    assert "Its incident" in browser.text
    await becomes(browser, "execution")
    await browser.get(at)
    assert 'data-form="brief"' not in browser.page
    await press(browser, at, "stop", reason="Seen enough")
    assert "Seen enough" in browser.text

    await becomes(browser, "leadership")
    await browser.get(at)
    await browser.post(
        f"{at}/scores", {"form": "scores", **dict.fromkeys(Topic, "4"), "people_remark": "calm"}
    )
    assert "calm" in browser.text
    wanting = {
        "topic": "equipment",
        "text": "Two headsets dead",
        "owner": "duty_lead",
        "due_on": "2026-12-20",
    }
    await browser.post(f"{at}/findings", {"form": "finding", **wanting})
    assert "Two headsets dead" in browser.text
    await press(browser, at, "evaluate")
    await press(browser, at, "close", summary="Headsets are checked each shift.")
    assert "Headsets are checked each shift." in browser.text
    (item,) = (await world.get(f"/improvements?drill={drill['id']}"))["items"]
    assert item["title"] == "Two headsets dead"
