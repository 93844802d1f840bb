"""What the public is shown: without a sign-in, cacheable, in its language, and nothing of the inside (EP-7.1.2, OM-2)."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from app.customers.serving import AT_ONCE
from tests.databases import Kind
from tests.world import World, a_world

SECRET = "ORCHID"  # stands in the title, the facts and every note: whatever of the inside came out would bring it along


@pytest.fixture
async def world(fresh_database: Callable[[Kind], str], tmp_path: Path) -> AsyncIterator[World]:
    """On the embedded database; what the board reads is read on both in `tests/rooms/test_announcements.py`."""
    async with a_world(fresh_database("sqlite"), tmp_path) as made:
        yield made


async def an_outage_told_to_customers(world: World, **more: Any) -> Any:
    told = {
        "title": f"{SECRET} is down",
        "type": "equipment_failure",
        "level": 3,
        "facts": {"cause": SECRET},
    } | more
    raised = await world.post("/incidents", told)
    await world.settle()
    await world.post(f"/incidents/{raised['id']}/updates", {"text": f"{SECRET} is being looked at"})
    made = await world.post(
        f"/incidents/{raised['id']}/announcements", {"text": {"zh": "正在处理", "en": "We are at it."}}
    )
    path = f"/announcements/{made['id']}/transitions"
    await world.post(path, {"event": "approve", "reason": SECRET}, role="management")
    await world.post(path, {"event": "publish"})
    await world.settle()
    await world.advance(seconds=10)
    return raised


async def test_anybody_reads_it_in_their_language_and_whoever_has_a_copy_is_told_that_it_is_good(
    world: World,
) -> None:
    await an_outage_told_to_customers(world)
    for path, kind in (
        ("/status", "text/html"),
        ("/status.atom", "application/atom+xml"),
        ("/status.json", "application/json"),
    ):
        page = await world.client.get(path, headers={"Accept-Language": "zh-TW"})
        assert (page.status_code, page.headers["content-language"]) == (200, "zh-Hant")
        assert page.headers["content-type"].startswith(kind)
        assert page.headers["cache-control"].startswith("public, max-age=")
        assert "set-cookie" not in page.headers
        assert "script" not in page.headers["content-security-policy"]
        assert "default-src 'none'" in page.headers["content-security-policy"]
        etag = page.headers["etag"]
        assert etag.startswith('"')
        for shown in (etag, f'"other", W/{etag}', "*"):
            same = await world.client.get(path, headers={"Accept-Language": "zh-TW", "If-None-Match": shown})
            assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
        head = await world.client.head(path, headers={"Accept-Language": "zh-TW"})
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", etag)
        assert head.headers["content-length"] == str(len(page.content))
        english = await world.client.get(
            f"{path}?lang=en", headers={"Accept-Language": "zh-TW", "If-None-Match": etag}
        )
        assert english.status_code == 200
        assert "We are at it." in english.text
    assert (await world.client.get("/status.css")).headers["content-type"].startswith("text/css")
    assert "<script" not in (await world.client.get("/status")).text


async def test_nothing_of_the_inside_is_ever_shown_and_of_a_drill_nothing_at_all(world: World) -> None:
    inside = await an_outage_told_to_customers(world)
    await an_outage_told_to_customers(world, exercise=True, title=f"DRILL {SECRET}")
    numbered = {"text": {"zh": f"{inside['number']}：处理中", "en": "Sorry"}}
    await world.post(f"/incidents/{inside['id']}/announcements", numbered, expect=409)
    drafted = await world.post(
        f"/incidents/{inside['id']}/announcements", {"text": {"zh": SECRET, "en": SECRET}}
    )
    for audience in ("partners", "regulator", "affected_customers"):
        made = await world.post(
            f"/incidents/{inside['id']}/announcements",
            {"audience": audience, "text": {"zh": SECRET, "en": SECRET}},
        )
        path = f"/announcements/{made['id']}/transitions"
        await world.post(path, {"event": "approve"}, role="management")
        await world.post(path, {"event": "publish"})
    await world.settle()
    await world.advance(seconds=10)
    never = [SECRET, inside["id"], inside["number"], "INC-", drafted["id"], "DRILL", "演练", "management", "leadership", "Ada",
             "Ben", "level", "级", "equipment", "customer_service"]  # fmt: skip
    for path in ("/status", "/status.atom", "/status.json"):
        for language in ("en", "zh-Hans", "zh-Hant"):
            page = await world.client.get(f"{path}?lang={language}")
            seen = page.text + str(page.headers)
            assert [word for word in never if word in seen] == []
    assert len((await world.client.get("/status.json")).json()["current"]) == 1


async def test_it_survives_a_database_that_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await an_outage_told_to_customers(world)
    before = await world.client.get("/status?lang=en")

    await world.advance(hours=1)

    def away(*, writing: bool = True) -> Any:
        raise ConnectionRefusedError

    monkeypatch.setattr(world.parts.db, "request", away)
    after = await world.client.get("/status?lang=en")
    assert (after.status_code, after.text) == (200, before.text)
    monkeypatch.undo()


async def test_who_asks_too_often_is_refused_for_a_while(world: World) -> None:
    answers = [await world.client.get("/status.json") for _ in range(AT_ONCE + 1)]
    assert {one.status_code for one in answers[:-1]} == {200}
    assert (answers[-1].status_code, answers[-1].headers["retry-after"]) == (429, "1")
    await world.advance(seconds=2)
    assert (await world.client.get("/status.json")).status_code == 200
