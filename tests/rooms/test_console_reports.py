"""The reports of an incident in the console: drafted, rewritten, approved and sent by its buttons, oral ones put down."""

from tests.rooms.test_console import Browser, browser, world
from tests.rooms.trial import activated
from tests.world import World

__all__ = ["browser", "world"]


async def test_a_report_goes_from_draft_to_sent_by_its_buttons(browser: Browser, world: World) -> None:
    trial = await activated(world, level=1, type_="other")
    await browser.sign_in("management")
    await browser.get(f"/incidents/{trial.name}")
    assert f"/incidents/{trial.name}/reports" in browser.page
    at = f"/incidents/{trial.name}/reports"
    await browser.get(at)
    assert "first report" in browser.text, "what is owed"
    told = {
        "form": "oral",
        "told": "Ada",
        "position": "general_manager",
        "way": "telephone",
        "text": "Lines are down",
    }
    await browser.post(f"/incidents/{trial.name}/oral-reports", told)
    assert "management told Ada by telephone" in browser.text
    assert "written first report" in browser.text
    await browser.post(at, {"form": "draft", "kind": "first", "language": "en"})
    report = (await trial.items("reports"))[0]
    one = f"{at}/{report['id']}"
    changed = {"form": "rewrite", "version": "1", "part_cause": "A <b>cable</b> was cut\r\n", "note": "found"}
    await browser.post(one, changed)
    assert "A <b>cable</b> was cut" in browser.text
    assert "<b>cable" not in browser.page
    await browser.post(one, changed, expect=409)
    await browser.post(f"{one}/transitions", {"form": "move", "version": "2", "event": "send"})
    assert "sent inside, waiting for approval outside" in browser.text
    await browser.post(f"{one}/transitions", {"form": "move", "version": "2", "event": "approve"}, expect=403)
    browser.client.cookies.clear()
    await browser.sign_in("leadership")
    await browser.get(one)
    await browser.post(f"{one}/transitions", {"form": "move", "version": "2", "event": "approve"})
    assert "Approved to leave the centre by leadership" in browser.text
    assert (await browser.client.get(f"{one}/2.pdf")).content.startswith(b"%PDF-")
    assert "cable" in (await browser.client.get(f"{one}/2.md")).text
