"""What meets at an incident though its rooms are strangers: what is held for it, and messages about no incident at all."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from app import outbox
from app.notify.channel import DeliveryError
from app.wording import say
from tests.world import World

WISH = {"ask": [{"pool": "front_line_team", "quantity": 1}], "until": "2026-11-24T00:00:00Z"}


async def raised(world: World) -> Any:
    made = await world.post("/incidents", {"title": "Lines down", "type": "other", "level": 4})
    await world.settle()
    return made


@pytest.mark.parametrize("by", ["id", "number"])
async def test_nothing_is_reserved_for_an_incident_that_has_ended(world: World, by: str) -> None:
    incident = await raised(world)
    await world.apply(incident["id"], "cancel", reason="false alarm")
    no = await world.post("/reservations", {"ref": incident[by], **WISH}, role="management", expect=409)
    assert (no["state"], no["allowed"]) == ("cancelled", [])
    assert (await world.get("/reservations?state=held"))["items"] == []


async def test_what_is_reserved_by_number_is_held_by_the_incident_and_given_back_with_it(
    world: World,
) -> None:
    incident = await raised(world)
    wish = {"ref": incident["number"], "key": "1", **WISH}
    made = await world.post("/reservations", wish, role="management")
    same = await world.post("/reservations", {**wish, "ref": incident["id"]}, role="management")
    assert (made["ref"], same["id"]) == (incident["id"], made["id"])
    assert len((await world.get(f"/incidents/{incident['id']}/reservations"))["items"]) == 1
    await world.apply(incident["id"], "cancel", reason="false alarm")
    assert (await world.get(f"/incidents/{incident['id']}/reservations"))["items"] == []


async def test_what_is_for_no_incident_is_reserved_as_it_is_named(world: World) -> None:
    assert (await world.post("/reservations", {"ref": "meeting", **WISH}, role="management"))[
        "ref"
    ] == "meeting"


async def test_a_duty_whose_owner_cannot_be_told_is_in_the_log_and_holds_up_nothing(world: World) -> None:
    for channel in world.channels.values():
        channel.failure = DeliveryError(say("notify.no_channel", channel="mail"), permanent=True)
    due = {"owner": "duty_lead", "title": {"zh": "盘点", "en": "Count"}, "due_at": "2026-12-01T01:00:00Z"}
    async with world.parts.db.transaction() as session:
        outbox.put(session, "duty.due", due, ref="stock_check", at=world.clock.now())
    with capture_logs() as logs:
        await world.advance(minutes=5)
    assert [(one["log_level"], one["ref"]) for one in logs if one["event"] == "delivery.dead"] == [
        ("error", "stock_check")
    ]
    await world.nothing_failed()
