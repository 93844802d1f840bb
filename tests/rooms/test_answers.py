"""Acknowledge from anywhere (EP-5.2): I have it, I cannot, call others; it belongs to a call, and lapses if nothing is done."""

from typing import Any

from sqlalchemy import select

from app.notify.tables import Answer, Round
from tests.world import World

HERE = "http://muster.example"


async def raised(world: World, **asked: Any) -> str:
    made = await world.post(
        "/incidents", {"title": "坐席登录失败", "type": "staff_illness", "level": 2, **asked}
    )
    await world.settle()
    return str(made["id"])


async def answer(world: World, name: str, *, role: str = "leadership", **said: Any) -> Any:
    entry = await world.post(f"/incidents/{name}/acknowledgements", said, role=role)
    await world.settle()
    return entry


async def press(world: World, link: str | None, **said: str) -> str:
    assert link is not None
    page = await world.client.post(link.removeprefix(HERE), data=said, headers={"accept-language": "en"})
    await world.settle()
    return page.text


async def kinds(world: World, name: str) -> list[str]:
    return [one["kind"] for one in (await world.get(f"/incidents/{name}/timeline"))["items"]]


# ── I cannot ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_i_cannot_tells_the_next_at_once_and_is_on_the_record(world: World) -> None:
    name = await raised(world)
    (lin,) = world.messages()
    page = await press(world, lin.link, answer="cannot")
    assert "Noted: you cannot" in page
    assert sorted(set(world.told())) == ["Ben", "Tao"], "the second rung, nine minutes early"
    assert "incident.declined" in await kinds(world, name)
    await world.nothing_failed()
    await world.the_auditor_finds_nothing()


async def test_when_all_of_the_last_rung_cannot_it_is_said_that_nobody_could_be_reached(world: World) -> None:
    name = await raised(world)
    for _ in range(3):
        for message in world.messages():
            await press(world, message.link, answer="cannot")
    assert "chain.nobody" in await kinds(world, name)
    assert world.told() == []
    await world.advance(minutes=10)
    assert world.told() == ["Lin"], "and in the next lap everybody is asked again"


async def test_whoever_has_it_can_hand_it_back_and_is_not_called_again_for_it(world: World) -> None:
    name = await raised(world)
    (lin,) = world.messages()
    await press(world, lin.link)
    assert (await world.get(f"/incidents/{name}"))["acknowledged_by"] == "Lin"
    world.told()
    await press(world, lin.link, answer="cannot")
    assert (await world.get(f"/incidents/{name}"))["acknowledged_by"] is None
    assert sorted(set(world.told())) == ["Ben", "Tao"]


# ── call others ───────────────────────────────────────────────────────────────────────────────────────────


async def test_others_are_called_as_well_and_who_has_it_keeps_it(world: World) -> None:
    name = await raised(world)
    (lin,) = world.messages()
    await answer(world, name, answer="take", add=["public_relations_officer", "Fin"])
    assert sorted(world.told()) == ["Fin", "Pr"]
    await press(world, lin.link, answer="add", whom="service_coach")
    assert world.told() == [], "the link is Lin's, and it is not Lin who has it"
    incident = await world.get(f"/incidents/{name}")
    assert incident["acknowledged_by"] == "leadership"


async def test_the_link_of_a_call_calls_others_while_the_chain_goes_on(world: World) -> None:
    name = await raised(world)
    (lin,) = world.messages()
    await press(world, lin.link, answer="add", whom="public_relations_officer")
    assert world.told() == ["Pr"]
    assert (await world.get(f"/incidents/{name}"))["acknowledged_by"] is None
    await world.advance(minutes=10)
    assert {"Ben", "Tao"} <= set(world.told())


async def test_a_name_nobody_has_is_refused_with_what_there_is(world: World) -> None:
    name = await raised(world)
    refusal = await world.post(
        f"/incidents/{name}/acknowledgements", {"answer": "take", "add": ["Nemo"]}, expect=422
    )
    assert "Nemo" in refusal["detail"]
    assert "duty_lead" in refusal["known"]
    assert (await world.get(f"/incidents/{name}"))["acknowledged_by"] is None


# ── it belongs to a call, and lapses ──────────────────────────────────────────────────────────────────────


async def test_an_answer_after_which_nothing_is_done_lapses_and_the_chain_asks_again(world: World) -> None:
    name = await raised(world)
    (lin,) = world.messages()
    await press(world, lin.link)
    await world.advance(minutes=59, seconds=59)
    assert world.told() == []
    await world.advance(seconds=1)
    assert world.told() == ["Lin"]
    incident = await world.get(f"/incidents/{name}")
    assert incident["acknowledged_by"] is None
    assert "acknowledgement.expired" in await kinds(world, name)
    assert "has had it since" not in await press(world, lin.link), "the old link does not answer the new call"
    assert (await world.get(f"/incidents/{name}"))["acknowledged_by"] is None


async def test_an_answer_after_which_something_is_done_stands(world: World) -> None:
    name = await raised(world)
    await answer(world, name)
    world.told()
    await world.apply(name, "assess")
    world.told()
    await world.advance(hours=5)
    assert (await world.get(f"/incidents/{name}"))["acknowledged_by"] == "leadership"
    assert world.told() == []


async def test_every_answer_is_kept_the_late_one_with_the_reason(world: World) -> None:
    name = await raised(world)
    (lin,) = world.messages()
    await answer(world, name)
    await press(world, lin.link)
    async with world.parts.db.reading() as session:
        (late,) = await session.scalars(select(Answer).where(Answer.ref == name))
        codes = list(await session.scalars(select(Round.code)))
    assert (late.by, late.deed, late.state) == ("Lin", "take", "late")
    assert late.reason is not None
    assert all(len(code) == 4 for code in codes)
