"""Announcements to customers: begun with the plan's words, approved by another hand, published, ended (EP-7.1.2, OM-2)."""

from typing import Any

from app.access import keys
from app.access.tables import Role
from tests.world import World

STAGES = {"begun": "Some of our services are affected", "resolved": "Services are back to normal"}


async def an_outage(world: World, **more: Any) -> str:
    raised = await world.post(
        "/incidents", {"title": "Billing is down", "type": "equipment_failure", "level": 3} | more
    )
    await world.settle()
    return str(raised["id"])


async def draft(world: World, incident: str, role: str = "execution", **more: Any) -> Any:
    made = await world.post(f"/incidents/{incident}/announcements", more, role=role)
    await world.settle()
    return made


async def move(
    world: World, made: Any, event: str, role: str = "leadership", expect: int = 201, **more: Any
) -> Any:
    moved = await world.post(
        f"/announcements/{made['id']}/transitions", {"event": event, **more}, role=role, expect=expect
    )
    await world.settle()
    return moved


async def published(world: World, incident: str, **more: Any) -> Any:
    made = await draft(world, incident, **more)
    await move(world, made, "approve")
    return await move(world, made, "publish")


async def test_an_announcement_begins_with_the_plans_words_and_reaches_the_public_only_after_another_hand_approved_it(
    world: World,
) -> None:
    incident = await an_outage(world)
    world.told()
    made = await draft(world, incident)
    assert made["versions"][0]["title"]["en"] == STAGES["begun"]
    assert {"Pr", "Ben", "Ada", "Deng"} == set(world.told()), "whoever may approve hears that it waits"
    assert await the_public(world) == ([], [])
    assert (await move(world, made, "publish", expect=409))["allowed"] == ["approve", "reject", "withdraw"]
    await move(world, made, "approve", role="management")
    assert await the_public(world) == ([], [])
    told = await move(world, made, "publish", role="execution")
    assert (told["state"], told["approved_by"]) == ("published", "management")
    assert (await the_public(world))[0] == [STAGES["begun"]]
    kinds = [one["kind"] for one in (await world.get(f"/incidents/{incident}/timeline"))["items"]]
    assert [one for one in kinds if one.startswith("announcement.")] == [
        "announcement.drafted", "announcement.approved", "announcement.published",
    ]  # fmt: skip


async def test_nobody_approves_their_own_words_and_nobody_without_the_position(world: World) -> None:
    incident = await an_outage(world)
    made = await draft(world, incident, role="management")
    same = await move(world, made, "approve", role="management", expect=409)
    assert same["type"] == "/problems/same-hand"
    async with world.parts.db.transaction() as session:
        _, key = await keys.issue(
            session, name="Stranger", role=Role.EXECUTION, by="test", at=world.clock.now(), person_id="none"
        )
    refused = await world.post(
        f"/announcements/{made['id']}/transitions", {"event": "approve"},
        headers={"Authorization": f"Bearer {key}"}, expect=409,
    )  # fmt: skip
    assert "positions the plan names" in refused["detail"]
    await move(world, made, "approve", role="leadership")


async def test_what_follows_is_a_version_of_its_own_and_what_was_told_stays_until_it_is_approved(
    world: World,
) -> None:
    incident = await an_outage(world)
    made = await published(world, incident)
    words = {
        "stage": "resolved",
        "title": {"zh": "恢复", "en": "It works"},
        "text": {"zh": "好了", "en": "All is well."},
    }
    path = f"/announcements/{made['id']}/versions"
    stale = await world.post(path, words, role="execution", headers={"If-Match": '"1"'}, expect=409)
    assert stale["current_version"] == made["version"]
    await world.post(path, words | {"text": {"zh": "也许", "en": "Perhaps"}}, role="execution")
    await world.post(path, words, role="execution")
    assert (await the_public(world))[0] == [STAGES["begun"]]
    await move(world, made, "approve")
    made = await move(world, made, "publish")
    await world.advance(seconds=10)
    page = (await world.client.get("/status.json", headers={"Accept-Language": "en"})).json()
    assert [one["text"] for one in page["current"][0]["updates"]] == [
        "All is well.",
        made["versions"][0]["text"]["en"],
    ]
    assert [one["state"] for one in made["versions"]] == ["published", "replaced", "published"]
    ended = await move(world, made, "end")
    assert ended["allowed"] == ["withdraw"]
    assert await the_public(world) == ([], ["It works"])
    await move(world, made, "withdraw", reason="It named a partner")
    assert await the_public(world) == ([], [])


async def test_what_is_published_goes_to_the_outlets_that_were_chosen_and_says_nothing_of_the_incident(
    world: World,
) -> None:
    outlet = {
        "id": "shop",
        "title": "The shop",
        "channel": "webhook",
        "address": "https://shop.example/news",
        "language": "en",
    }
    added = await world.post("/outlets", outlet, role="management")
    assert "address" not in added
    assert added["address_masked"] == "https://shop.example/…"
    await world.post("/outlets", outlet, role="management", expect=409)
    await world.post("/outlets", outlet | {"id": "other"}, role="management")
    incident = await an_outage(world)
    unknown = await world.post(f"/incidents/{incident}/announcements", {"outlets": ["nowhere"]}, expect=422)
    assert unknown["known"] == ["other", "shop"]
    world.messages()
    await published(world, incident, outlets=["shop"])
    sent = [one for one in world.messages() if one.channel == "webhook" and one.who == "News"]
    assert [(one.subject, one.link) for one in sent] == [(STAGES["begun"], None)]
    assert [word for word in ("INC-", "Billing") if word in sent[0].text] == []
    await world.post("/outlets/shop/retire", role="management")
    assert [one["id"] for one in (await world.get("/outlets"))["items"]] == ["other"]


async def test_of_a_drill_nothing_is_published_to_anybody_outside(world: World) -> None:
    outlet = {"id": "shop", "title": "The shop", "channel": "webhook", "address": "https://shop.example/news"}
    await world.post("/outlets", outlet, role="management")
    incident = await an_outage(world, exercise=True)
    world.messages()
    told = await published(world, incident, outlets=["shop"])
    assert told["state"] == "published"
    assert told["text"]["en"].startswith("DRILL")
    assert [one for one in world.messages() if one.who == "News"] == []
    assert await the_public(world) == ([], [])


async def test_when_the_incident_is_over_what_was_told_of_it_is_among_the_past(world: World) -> None:
    incident = await an_outage(world)
    await published(world, incident)
    waiting = await draft(world, incident)
    await world.apply(incident, "cancel", reason="A false alarm")
    assert await the_public(world) == ([], [STAGES["begun"]])
    assert (await world.get(f"/announcements/{waiting['id']}"))["state"] == "withdrawn"
    await world.post(f"/incidents/{incident}/announcements", expect=409)


async def test_what_a_step_of_the_plan_published_is_on_the_page_and_what_it_asks_is_answered_there(
    world: World,
) -> None:
    incident = await an_outage(world, type="system_outage", level=1)
    await world.apply(incident, "assess", level=1)
    await world.apply(incident, "activate")
    await world.advance(minutes=1)
    asked = (await world.get(f"/incidents/{incident}/decisions"))["items"]
    [approval] = [one["id"] for one in asked if one["state"] == "asked" and one["kind"] == "approval"]
    await world.post(f"/decisions/{approval}/choices", {"choice": "approve"})
    await world.settle()
    assert len((await the_public(world))[0]) == 1


async def the_public(world: World) -> tuple[list[str], list[str]]:
    """The titles of what is told now, and of what is over, once the page is not fresh any more."""
    await world.advance(seconds=10)
    page = (await world.client.get("/status.json", headers={"Accept-Language": "en"})).json()
    return [one["title"] for one in page["current"]], [one["title"] for one in page["past"]]
