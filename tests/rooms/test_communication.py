"""The evaluation of communication (EP-5.3): over a period, drills left out, and per incident in its review."""

from tests.rooms.test_console import Browser, browser, world
from tests.world import World

__all__ = ["browser", "world"]


async def test_what_really_happened_is_evaluated_by_channel_by_calling_and_by_report_and_a_drill_is_not(
    browser: Browser, world: World
) -> None:
    raised = {"title": "Nobody can sign in", "type": "partial_system_failure", "level": 2}
    incident = (await world.post("/incidents", raised))["id"]
    await world.post("/incidents", {**raised, "title": "A drill", "exercise": True})
    await world.settle()
    await world.advance(minutes=3)
    asked = next(one for one in world.messages() if one.link and "sign in" in one.subject)
    await world.client.post(asked.link.removeprefix("http://muster.example"))  # type: ignore[union-attr]
    await world.settle()

    found = (await world.get("/api/v1/metrics", params={"by": "level"}))["total"]["communication"]
    assert (found["calls"], found["answered"], found["answered_on_first_rung"]) == (1, 1, 1)
    assert found["to_acknowledge"] == {"number": 1, "median": "PT3M", "p90": "PT3M"}
    by_channel = {one["channel"]: one for one in found["channels"]}
    (answered,) = [one for one in by_channel.values() if one["answered"]]
    assert answered["channel"] == asked.channel
    assert answered["to_acknowledge"] == {"number": 1, "median": "PT3M", "p90": "PT3M"}
    assert all(one["rate"] == one["first_try_share"] == 1 for one in by_channel.values())
    assert found["reports"]["number"] == 0, "reports count once there is a review"

    for event in ("assess", "activate", "respond", "recover"):
        await world.apply(incident, event, **({"level": 2} if event == "assess" else {}))
    waive = ["tasks_done", "updates_paid", "customers_told", "approvals_decided"]
    await world.apply(incident, "close", reason="It works", waive=waive)
    review = await world.get(f"/incidents/{incident}/review")
    kept = review["figures"]["communication"]
    assert (kept["calls"], kept["answered"], kept["reports"]["number"]) == (1, 1, 1)
    assert kept["reports"]["missing"]["cause"] == 1
    found = (await world.get("/api/v1/metrics"))["total"]["communication"]["reports"]
    assert (found["number"], found["complete"], "cause" in found["missing"]) == (1, 0, True)

    await browser.sign_in("leadership")
    await browser.get("/communication")
    assert "Callings of the chain that were answered: 1 of 1" in browser.text
    assert "%" not in browser.text, "one of one is no rate"
    await browser.get(f"/incidents/{incident}/review")
    assert "Parts of the report that were there" in browser.text
