"""Feedback of customers: gathered, classified, routed to whoever owes the answer, answered in time, counted (EG-3, EO-3)."""

from typing import Any

from app.incidents import record
from app.reviews import figures
from tests.world import World


async def enter(world: World, **said: Any) -> Any:
    entered = await world.post(
        "/feedback", {"text": "I cannot pay", "came": "phone"} | said, role="execution"
    )
    await world.settle()
    return entered


async def move(world: World, entered: Any, expect: int = 201, **decided: Any) -> Any:
    moved = await world.post(
        f"/feedback/{entered['id']}/transitions", decided, role="execution", expect=expect
    )
    await world.settle()
    return moved


async def test_what_a_customer_says_is_sorted_goes_to_whoever_answers_its_kind_and_is_answered(
    world: World,
) -> None:
    incident = (
        await world.post("/incidents", {"title": "Billing is down", "type": "equipment_failure", "level": 4})
    )["id"]
    await world.settle()
    world.told()
    entered = await enter(world, incident=incident, reference="order 4711")
    assert (entered["state"], entered["position"], entered["kind"]) == ("received", "shift_supervisor", None)
    assert world.told() == ["Ops"]
    await move(world, entered, event="sort", expect=422)
    unknown = await move(world, entered, event="sort", kind="gossip", expect=422)
    assert "complaint" in unknown["known"]
    owed = await move(world, entered, event="sort", kind="complaint")
    assert (owed["position"], owed["due_at"]) == ("customer_care_specialist", "2026-11-23T19:00:00Z")
    assert world.told() == ["Care"]
    await move(world, entered, event="answer", expect=422)
    stale = await world.post(f"/feedback/{entered['id']}/transitions", {"event": "answer", "answer": "Done"},
                             headers={"If-Match": '"1"'}, expect=409)  # fmt: skip
    assert stale["current_version"] == owed["version"]
    answered = await move(world, entered, event="answer", answer="It works again; we waived the fee.")
    assert (answered["ended_by"], answered["allowed"]) == ("execution", [])
    assert (await move(world, entered, event="drop", reason="Twice", expect=409))["allowed"] == []
    await world.advance(days=2)
    assert [one.subject for one in world.messages() if "overdue" in one.subject] == []


async def test_an_answer_that_is_owed_is_a_debt_that_goes_up_until_it_is_paid(world: World) -> None:
    entered = await enter(world, kind="technical_fault")
    assert (entered["state"], entered["position"]) == ("sorted", "it_engineer")
    await world.advance(hours=3, minutes=59)
    world.told()
    await world.advance(minutes=2)
    assert set(world.told()) == {"It1", "It2", "Tao"}, "the position, and the head of its department"
    [debt] = (await world.get("/feedback?owed=true"))["items"]
    assert debt["missed_at"] == debt["due_at"]
    given = await move(world, entered, event="sort", position="technical_head", due_at="2026-11-23T02:00:00Z")
    assert (given["kind"], given["position"], given["missed_at"]) == (
        "technical_fault",
        "technical_head",
        None,
    )
    await move(world, entered, event="sort", position="nobody", expect=422)
    await move(world, entered, event="answer", answer="Repaired")
    assert (await world.get("/feedback?owed=true"))["items"] == []


async def test_it_is_counted_by_kind_for_the_review_and_over_a_time(world: World) -> None:
    incident = (
        await world.post("/incidents", {"title": "Billing is down", "type": "equipment_failure", "level": 4})
    )["id"]
    await world.settle()
    late = await enter(world, incident=incident, kind="technical_fault")
    in_time = await enter(world, incident=incident, kind="complaint")
    twice = await enter(world, incident=incident, kind="complaint")
    await enter(world, incident=incident)
    await enter(world, kind="praise")
    await move(world, in_time, event="answer", answer="Sorry")
    await move(world, twice, event="drop", reason="Said twice")
    await world.advance(hours=5)
    await move(world, late, event="answer", answer="At last")
    counted = await world.get(f"/feedback-figures?incident={incident}")
    by_kind = {one["kind"]: one for one in counted["items"]}
    assert counted["complaints"] == 2
    assert set(by_kind) == {"complaint", "technical_fault", "unsorted"}
    numbers = ("received", "answered", "in_time", "dropped", "owed", "overdue")
    assert [by_kind["complaint"][name] for name in numbers] == [2, 1, 1, 1, 0, 0]
    assert [by_kind["technical_fault"][name] for name in numbers] == [1, 1, 0, 0, 0, 0]
    assert [by_kind["unsorted"][name] for name in numbers] == [1, 0, 0, 0, 1, 1]
    async with world.parts.db.reading() as session:
        reviewed = (await figures.of_incident(session, await record.found(session, incident)))["feedback"]
    assert [reviewed[name] for name in ("received", "answered", "in_time", "owed", "complaints")] == [
        4,
        2,
        1,
        1,
        2,
    ]
    everything = await world.get("/feedback-figures?from=2026-11-22T00:00:00Z&to=2026-11-23T00:00:00Z")
    assert "praise" in [one["kind"] for one in everything["items"]]
    assert (await world.get("/feedback-figures?to=2026-11-22T00:00:00Z"))["items"] == []
