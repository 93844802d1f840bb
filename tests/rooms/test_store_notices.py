"""Whoever answers for a store room hears what expires in it, and the supplier what is then missing (EP-6.2)."""

from tests.world import PEOPLE, World

STOREKEEPER = "Sto,070,centre_management,administration_officer,,sto@centre.example,\n"


async def test_the_owner_hears_that_stock_has_expired_and_what_is_then_low_is_asked_for(world: World) -> None:
    await world.import_people(PEOPLE + STOREKEEPER)
    in_ = {"item": "thermometer", "kind": "in", "quantity": 30, "batch": "old", "expires_on": "2026-11-23"}
    await world.post("/pools/protective_supplies/movements", in_, role="management")
    out = {"item": "thermometer", "kind": "out", "quantity": 25, "batch": ""}
    await world.post("/pools/protective_supplies/movements", out, role="management")
    assert (await world.get("/replenishments"))["items"] == [], "5 keep and 30 are still good"
    await world.settle()
    world.told()
    await world.advance(hours=20, minutes=59)
    assert [one.subject for one in world.messages() if one.who == "Sto"] == []
    await world.advance(minutes=1)
    said = [one.subject for one in world.messages() if one.who == "Sto"]
    assert [one for one in said if "Expired: Thermometer" in one]
    assert [one for one in (await world.get("/replenishments"))["items"] if one["item"] == "thermometer"]


async def test_where_nobody_keeps_the_store_whoever_answers_for_the_rest_hears_that_it_is_low(
    world: World,
) -> None:
    await world.settle()
    world.messages()
    out = {"item": "thermometer", "kind": "out", "quantity": 25}
    await world.post("/pools/protective_supplies/movements", out, role="management")
    await world.settle()
    (heard,) = [one for one in world.messages() if "Thermometer" in one.subject]
    assert heard.who == "Lin"
