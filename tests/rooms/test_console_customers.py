"""The pages of announcements and feedback: each form does what its twin in the API does (EP-7.1.2, EG-3)."""

import re

from tests.rooms.test_console import Browser, browser, lead, raised, world
from tests.world import World

__all__ = ["browser", "lead", "world"]


async def test_an_announcement_is_drafted_seen_as_the_public_sees_it_approved_by_another_and_published(
    lead: Browser, world: World
) -> None:
    path = await raised(lead)
    await lead.get("/announcements")
    outlet = {
        "form": "outlet",
        "id": "shop",
        "title": "The shop",
        "channel": "webhook",
        "address": "https://shop.example/news",
    }
    await lead.post("/outlets", {**outlet, "language": "en"})
    await lead.get(f"{path}/announcements/new?stage=progress")
    assert 'value="shop"' in lead.form("announce")
    words = {
        "title_zh": "处理进展",
        "title_en": "Progress",
        "text_zh": "正在恢复",
        "text_en": "We are <b>recovering</b>.",
    }
    half = {"form": "announce", "stage": "progress", "audience": "customers", "title_zh": "处理进展"}
    await lead.post(f"{path}/announcements", half, expect=422)
    made = await lead.post(
        f"{path}/announcements",
        {"form": "announce", "stage": "progress", "audience": "customers", "outlets": "shop", **words},
    )
    one = str(made.headers["location"])
    preview = await lead.client.get(f"{one}/preview?lang=en")
    assert "We are &lt;b&gt;recovering&lt;/b&gt;." in preview.text
    assert "default-src 'none'" in preview.headers["content-security-policy"]
    assert "recovering" not in (await lead.client.get("/status?lang=en")).text
    await lead.get(one)
    approve = {"form": "move", "event": "approve", "version": "1"}
    await lead.post(f"{one}/transitions", approve, expect=409)
    other = Browser(world)
    await other.sign_in("management")
    await other.get(one)
    await other.post(f"{one}/transitions", approve)
    await lead.get(one)
    await lead.post(f"{one}/transitions", {"form": "move", "event": "publish", "version": "2"})
    await world.advance(seconds=10)
    assert "recovering" in (await lead.client.get("/status?lang=en")).text
    await lead.get(one)
    await lead.post(f"{one}/versions", {"form": "revise", "stage": "resolved", "version": "3", **words})
    await lead.get("/announcements")
    assert "approval" in lead.text or "待审批" in lead.text
    await lead.get(path)
    assert f'href="{one}"' in lead.page
    await other.client.aclose()


async def test_feedback_is_entered_sorted_answered_and_what_is_owed_stands_first(
    lead: Browser, world: World
) -> None:
    await lead.get("/feedback")
    await lead.post(
        "/feedback", {"form": "enter", "text": "I <i>cannot</i> pay", "came": "phone", "kind": ""}
    )
    await lead.get("/feedback")
    assert "<i>" not in lead.page
    found = re.search(r'action="/feedback/([0-9A-Z]{26})"', lead.page)
    assert found
    form = {"form": f"feedback-{found[1]}"}
    await lead.post(f"/feedback/{found[1]}", {**form, "event": "answer", "version": "1"}, expect=422)
    await lead.get("/feedback")
    await lead.post(f"/feedback/{found[1]}", {**form, "event": "sort", "kind": "complaint", "version": "1"})
    await lead.get("/feedback")
    await lead.post(
        f"/feedback/{found[1]}", {**form, "event": "answer", "answer": "It works again", "version": "2"}
    )
    await lead.get("/feedback")
    assert "It works again" in lead.page
    assert f'action="/feedback/{found[1]}"' not in lead.page


async def test_an_auditor_is_offered_nothing(browser: Browser, world: World) -> None:
    await browser.sign_in("auditor")
    for page in ("/announcements", "/feedback"):
        await browser.get(page)
        assert "<form" not in re.sub(
            r'<form[^>]*action="/(language|sign-out)".*?</form>', "", browser.page, flags=re.DOTALL
        )
