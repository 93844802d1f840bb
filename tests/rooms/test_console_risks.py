"""The register of risks in the console: read, assessed by several, and reviewed, all by its buttons."""

from app.access.tables import Role
from tests.rooms.test_console import Browser, browser, world
from tests.rooms.test_risks import ask, score, sign_in
from tests.rooms.trial import raised
from tests.world import World

__all__ = ["browser", "world"]


def field(page: str, name: str) -> str:
    return page.partition(f'name="{name}" value="')[2].partition('"')[0]


async def test_a_risk_is_assessed_by_several_and_reviewed_by_its_buttons(
    browser: Browser, world: World
) -> None:
    await browser.sign_in("leadership")
    await browser.get("/risks")
    assert "The core system fails" in browser.text
    assert "Head of technical support" in browser.text
    risk = (await world.get("/risks/core_system_fails"))["id"]
    at = f"/risks/{risk}"
    await browser.get(at)
    assert "Likelihood 3 × impact 5" in browser.text
    await browser.post(
        f"{at}/assessments",
        {"form": "ask", "method": "qualitative", "positions": ["technical_head", "customer_service_head"]},
    )
    [made] = (await world.get("/assessments"))["items"]
    await score(world, await sign_in(world, "Tao", Role.MANAGEMENT), made, "technical_head", 1, 5)
    await browser.get(at)
    assert "Not scored yet: Head of customer service" in browser.text
    assert "Median" not in browser.text, "nobody sees the others' before"
    scores = f"{at}/assessments/{made['id']}/scores"
    form = f"score-{made['id']}"
    fields = {"form": form, "position": "customer_service_head", "likelihood": "2", "impact": "5"}
    await browser.post(scores, fields)
    assert "1.5 (1 to 2)" in browser.text
    await browser.post(
        f"{at}/assessments/{made['id']}/transitions", {"form": f"move-{made['id']}", "event": "conclude"}
    )
    assert "concluded" in browser.text
    assert "likelihood 3 → 2" in browser.text
    changed = {"form": "change", "version": field(browser.page, "version"), "likelihood": "2", "impact": "4"}
    changed |= {"strategy": "transfer", "review_on": "2027-02-01", "reason": "Insured"}
    await browser.post(f"{at}/changes", changed)
    assert "prevention → transfer" in browser.text
    await browser.post(f"{at}/changes", changed, expect=409)
    assert "It has changed since you looked" in browser.text


async def test_what_was_counted_is_shown_and_so_is_that_it_is_not_enough(
    browser: Browser, world: World
) -> None:
    await ask(world, method="quantitative", positions=[])
    await browser.sign_in("leadership")
    await browser.get(f"/risks/{(await world.get('/risks/core_system_fails'))['id']}")
    assert "0 incidents in 0.0 days" in browser.text
    assert "Not enough data" in browser.text


async def test_the_warning_state_and_the_gravity_stand_on_the_page_of_an_incident(
    browser: Browser, world: World
) -> None:
    trial = await raised(world, type_="mass_complaints", facts={"complaints_per_hour": 85})
    await trial.apply("assess", assessment={"likelihood": 3, "impact": 3})
    await browser.sign_in("leadership")
    await browser.get(f"/incidents/{trial.name}")
    assert "Warning state, to be tracked: Near to level 2" in browser.text
    assert "Gravity: Considerable" in browser.text
