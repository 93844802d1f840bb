"""Duties: the update owed while the work goes on, the review owed after it; reminded before, taken further up when missed."""

from typing import Any

from app import outbox
from app.incidents import record
from tests.rooms.trial import Begin, Trial, activated, begin, raised, task
from tests.world import World

HALF_AN_HOUR = {"minutes": 30}

__all__ = ["begin"]


async def owed(trial: Trial, kind: str = "update") -> list[Any]:
    return [one for one in (await trial.read())["obligations"] if one["kind"] == kind]


async def level_1(world: World) -> Trial:
    """A level 1 incident without a run that would distract: its own telephone playbook is skipped by taking `other`."""
    trial = await activated(world, level=1, type_="staff_illness")
    world.told()
    return trial


def about(world: World, word: str) -> list[str]:
    """Who was told something with that word in its subject since the last look."""
    return sorted({one.who for one in world.messages() if word in one.subject})


async def test_nothing_is_owed_before_activation(world: World) -> None:
    trial = await raised(world, type_="other", level=1)
    await world.advance(hours=2)
    assert await owed(trial) == []


async def test_from_activation_on_an_update_is_owed_by_the_cadence_of_the_level(world: World) -> None:
    trial = await level_1(world)
    (update,) = await owed(trial)
    assert (update["state"], update["owner"]) == ("owed", "customer_service_head")
    assert update["due_at"] == "2026-11-22T19:30:00Z"


async def test_its_owner_is_reminded_before_it_is_due(world: World) -> None:
    await level_1(world)
    await world.advance(minutes=24, seconds=59)
    assert about(world, "update is due soon") == []
    await world.advance(seconds=1)
    assert about(world, "update is due soon") == ["Ben"]


async def test_a_missed_update_goes_further_up_each_time(world: World) -> None:
    trial = await level_1(world)
    await world.advance(**HALF_AN_HOUR)
    assert about(world, "update overdue") == ["Ben", "Tao"], "the owner and the second rung"
    (update,) = await owed(trial)
    assert (update["state"], update["missed_at"]) == ("missed", "2026-11-22T19:30:00Z")
    assert "obligation.missed" in await trial.kinds()
    await world.advance(**HALF_AN_HOUR)
    assert about(world, "update overdue") == ["Ada", "Ben", "Deng"], "the third rung"
    await world.advance(**HALF_AN_HOUR)
    assert about(world, "update overdue") == ["Ada", "Ben", "Deng"], "and there it stays"
    missed = (await trial.kinds()).count("obligation.missed")
    assert missed == 2, "once for the update, and once for the first report, due after an hour"


async def test_an_update_pays_what_is_owed_and_makes_the_next_one_due(world: World) -> None:
    trial = await level_1(world)
    await world.advance(minutes=10)
    await world.post(f"/incidents/{trial.name}/updates", {"text": "we are at it"})
    await world.settle()
    first, second = await owed(trial)
    assert (first["state"], first["settled_at"], first["missed_at"]) == ("paid", "2026-11-22T19:10:00Z", None)
    assert (second["state"], second["due_at"]) == ("owed", "2026-11-22T19:40:00Z")
    world.told()
    await world.advance(minutes=24)
    assert about(world, "update overdue") == []
    await world.advance(minutes=6)
    assert about(world, "update overdue") == ["Ben", "Tao"]


async def test_a_late_update_pays_and_ends_the_escalation(world: World) -> None:
    trial = await level_1(world)
    await world.advance(**HALF_AN_HOUR)
    await world.post(f"/incidents/{trial.name}/updates", {"text": "late, but here"})
    await world.settle()
    first, second = await owed(trial)
    assert (first["state"], second["state"]) == ("paid", "owed")
    assert first["missed_at"] is not None, "that it was late is not forgotten"
    world.told()
    await world.advance(minutes=29)
    assert about(world, "update overdue") == []


async def test_a_change_of_level_makes_it_due_by_the_new_cadence(world: World) -> None:
    trial = await level_1(world)
    await world.advance(minutes=10)
    await trial.apply("relevel", level=3, reason="smaller")
    first, second = await owed(trial)
    assert (first["state"], second["state"]) == ("withdrawn", "owed")
    assert (second["due_at"], second["owner"]) == ("2026-11-22T23:10:00Z", "duty_lead")
    world.told()
    await world.advance(hours=1)
    assert about(world, "update") == []


async def test_a_missed_update_stands_in_the_way_of_closing(world: World) -> None:
    trial = await level_1(world)
    for event in ("respond", "recover"):
        await trial.apply(event)
    await world.advance(**HALF_AN_HOUR)
    waived = ["tasks_done", "customers_told", "approvals_decided"]
    refused = await trial.apply("close", waive=waived, reason="enough", expect=409)
    assert refused["unmet"] == ["updates_paid"]


async def closed(world: World, *, missed: bool = False) -> Trial:
    trial = await level_1(world)
    for event in ("respond", "recover"):
        await trial.apply(event)
    if missed:
        await world.advance(**HALF_AN_HOUR)
    waived = ["tasks_done", "customers_told", "approvals_decided", "updates_paid"]
    await trial.apply("close", waive=waived, reason="told by phone")
    world.told()
    return trial


async def test_closing_ends_the_update_not_yet_due_and_owes_the_review(world: World) -> None:
    trial = await closed(world)
    assert [one["state"] for one in await owed(trial)] == ["withdrawn"], (
        "nobody gave it, and nobody missed it"
    )
    (review,) = await owed(trial, "review")
    assert (review["state"], review["due_at"]) == ("owed", "2026-11-25T19:00:00Z")


async def test_an_update_that_was_missed_and_waived_is_not_counted_as_given(world: World) -> None:
    trial = await closed(world, missed=True)
    (update,) = await owed(trial)
    assert (update["state"], update["note"]) == ("waived", "told by phone")
    assert update["missed_at"] is not None
    await world.advance(hours=5)
    assert about(world, "update overdue") == []


async def test_an_overdue_review_goes_further_up_each_time(world: World) -> None:
    trial = await closed(world)
    await world.advance(days=3)
    assert about(world, "review overdue") == ["Ben", "Tao"]
    assert (await owed(trial, "review"))[0]["state"] == "missed"
    await world.advance(days=3)
    assert about(world, "review overdue") == ["Ada", "Ben", "Deng"]


async def test_reopening_takes_the_review_back_even_where_it_was_missed(world: World) -> None:
    trial = await closed(world)
    await world.advance(days=3)
    await trial.apply("reopen", reason="it is back")
    assert (await owed(trial, "review"))[0]["state"] == "withdrawn"
    world.told()
    await world.post(f"/incidents/{trial.name}/acknowledgements")
    await world.advance(days=4)
    assert about(world, "review overdue") == []


async def test_a_cancelled_incident_owes_nothing(world: World) -> None:
    trial = await level_1(world)
    await world.advance(**HALF_AN_HOUR)
    await trial.apply("cancel", reason="a drill nobody announced")
    world.told()
    await world.advance(days=5)
    assert world.told() == []
    assert {one["state"] for one in (await trial.read())["obligations"]} == {"withdrawn"}


# ── debts: shown with their owner, waived with a reason, paid by any route ────────────────────────────────


async def test_a_missed_update_is_a_debt_with_its_owner_until_it_is_waived_with_a_reason(
    world: World,
) -> None:
    trial = await level_1(world)
    for event in ("respond", "recover"):
        await trial.apply(event)
    await world.advance(**HALF_AN_HOUR)
    (debt,) = (await world.get("/obligations", params={"missed": "true"}))["items"]
    assert (debt["number"], debt["owner"], debt["state"]) == (
        (await trial.read())["number"],
        "customer_service_head",
        "missed",
    )
    board = await world.client.get("/board", headers=world.as_("leadership"))
    assert "owed by Head of customer service" in board.text
    everything_else = ["tasks_done", "customers_told", "approvals_decided"]
    refusal = await trial.apply("close", waive=everything_else, reason="over", expect=409)
    assert refusal["unmet"] == ["updates_paid"]

    at = f"/incidents/{trial.name}/obligations/{debt['id']}/waive"
    await world.post(at, {}, expect=422)
    waived = await world.post(at, {"reason": "told by phone"})
    assert (waived["state"], waived["settled_by"]) == ("waived", "leadership")
    assert (await world.post(at, {"reason": "again"}, expect=409))["state"] == "waived"
    assert (await world.get("/obligations", params={"missed": "true"}))["items"] == []
    assert [one["state"] for one in await owed(trial)] == ["waived", "owed"], "the next is owed all the same"
    await trial.apply("close", waive=everything_else, reason="over")


async def test_whoever_was_called_gives_the_update_by_an_answer_and_the_next_is_put_off(world: World) -> None:
    trial = await level_1(world)
    await world.advance(minutes=10)
    async with world.parts.db.transaction() as session:
        incident = await record.locked(session, trial.name)
        payload = {"by": "Lin", "text": "half of them are back"}
        outbox.put(session, "update.given", payload, ref=incident.id, at=world.clock.now())
    await world.settle()
    assert [one["state"] for one in await owed(trial)] == ["paid", "owed"]
    assert (await owed(trial))[1]["due_at"] == "2026-11-22T19:40:00Z"
    (update,) = (await world.get(f"/incidents/{trial.name}/updates"))["items"]
    assert (update["author"], update["text"]["en"]) == ("Lin", "half of them are back")


async def test_those_an_update_is_owed_to_get_it_whatever_audience_it_is_for(begin: Begin) -> None:
    def owe_to_pr(plan: Any) -> None:
        plan["levels"]["3"]["update_to"] = ["public_relations_officer"]

    async with begin([task("look")], change=owe_to_pr) as trial:
        world = trial.world
        (update,) = await owed(trial)
        assert (update["owner"], update["owed_to"]) == ("duty_lead", ["public_relations_officer"])
        world.told()
        await world.post(f"/incidents/{trial.name}/updates", {"text": "we are at it"})
        await world.settle()
        assert "Pr" in world.told()
