"""The answer on both databases: over the API, by the link, twice, too late, and what it stops."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import Response

from app.access.parts import Parts
from app.db import Database
from app.errors import NotFound, Problem
from app.notify import acknowledgement, pipeline
from app.notify.channel import DeliveryError
from app.notify.delivery import Outcome, Result
from app.notify.pipeline import News
from app.notify.routes import router
from app.notify.tables import Delivery, DeliveryState, Round, RoundState
from app.problems import as_response
from app.settings import Settings
from app.wording import say
from tests.databases import Kind
from tests.rooms.organisation import LEASE, SUBJECT, TEXT, World, minutes, three_rungs


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    db = Database(database_url)
    yield World(db)
    await db.dispose()


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without a sign-in, at the room's own routes."""
    service = FastAPI()
    service.include_router(router)
    service.state.parts = Parts(
        settings=Settings(language="zh-Hans"), db=world.db, clock=world.clock, vault=world.vault
    )
    service.state.running = set()

    @service.exception_handler(Problem)
    async def refuse(request: object, problem: Problem) -> Response:
        return as_response(problem, "en", "/")

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(service), base_url="https://muster.example"
    ) as client:
        yield client


async def answer(world: World, by: str) -> list[Round]:
    async with world.db.transaction() as session:
        return await acknowledgement.acknowledge(session, ref="INC", by=by, via="api", at=world.clock.now())


def links(world: World) -> list[str]:
    return [sent.message.link for sent in world.fake.sent if sent.message.link]


# ── what an answer stops
# ─────────────────────────────────────────────────────────────────────────────────────


async def test_after_an_answer_nobody_is_told_any_more(world: World) -> None:
    await world.person("Ada", "duty_lead", addresses=["mail", "phone"])
    await world.person("Ben", "department_head")
    round_id = await world.call(three_rungs())
    await world.settle()
    assert [ended.id for ended in await answer(world, "Ada")] == [round_id]

    before = len(await world.rows())
    await world.advance(minutes(600))
    assert world.told() == ["mail"]
    assert len(await world.rows()) == before
    assert await world.armed() == []
    assert await world.reasons() == ["acknowledged by Ada"]
    ended = await world.round(round_id)
    assert (ended.state, ended.acknowledged_by, ended.via) == (RoundState.ACKNOWLEDGED, "Ada", "api")


async def test_a_second_answer_is_harmless_and_says_who_was_first(world: World) -> None:
    await world.ada_ben_and_cao()
    await world.call(three_rungs())
    await answer(world, "Ada")
    world.clock.advance(minutes(1))
    assert await answer(world, "Ben") == []
    async with world.db.reading() as session:
        first = await acknowledgement.answered(session, "INC")
    assert first is not None
    assert (first.acknowledged_by, first.ended_at) == ("Ada", world.clock.now() - minutes(1))


async def test_a_new_occurrence_calls_again_after_an_answer(world: World) -> None:
    await world.ada_ben_and_cao()
    await world.call(three_rungs(), key="INC:1:1")
    await world.settle()
    await answer(world, "Ada")
    await world.call(three_rungs(), key="INC:2:1")
    await world.settle()
    assert world.told() == ["ada", "ada"]


async def test_an_answer_about_one_thing_leaves_the_others_calling(world: World) -> None:
    await world.ada_ben_and_cao()
    other = await world.call(three_rungs(), key="OTHER", ref="OTHER")
    await world.call(three_rungs())
    await answer(world, "Ada")
    assert (await world.round(other)).state == RoundState.CALLING


async def test_a_retry_that_was_waiting_is_dropped_by_the_answer(world: World) -> None:
    await world.ada_ben_and_cao()
    await world.call(three_rungs())
    world.fake.failure = DeliveryError(say("channel.webhook.status", status=503))
    await world.settle()
    await answer(world, "Ada")
    world.fake.failure = None
    await world.advance(minutes(60))
    assert world.told() == []
    assert await world.reasons() == ["acknowledged by Ada"]


async def test_a_message_under_way_when_the_answer_comes_is_never_repeated(world: World) -> None:
    await world.ada_ben_and_cao()
    await world.call(three_rungs())
    await world.claim()  # its sender dies
    await answer(world, "Ada")
    world.clock.advance(LEASE)
    await world.settle()
    assert world.told() == []
    assert await world.reasons() == ["acknowledged by Ada"]


async def test_a_failure_that_comes_in_after_the_answer_wakes_nobody(world: World) -> None:
    await world.ada_ben_and_cao()
    await world.call(three_rungs())
    (one,) = await world.claim()
    await answer(world, "Ada")
    await world.record(one, Outcome(Result.FAILED, reason=say("notify.no_channel", channel="mail")))
    await world.advance(minutes(60))
    assert world.told() == []


async def test_of_two_answers_at_once_one_is_first(fresh_database: Callable[[Kind], str]) -> None:
    world = World(Database(fresh_database("postgresql")))
    await world.ada_ben_and_cao()
    await world.call(three_rungs(), key="1")
    await world.call(three_rungs(), key="2", kind="update")
    answers = await asyncio.gather(*(answer(world, name) for name in ("Ada", "Ben", "Cao")))
    assert sorted(len(ended) for ended in answers) == [0, 0, 2]
    await world.db.dispose()


async def test_an_answer_and_a_rung_that_falls_due_cannot_both_win(
    fresh_database: Callable[[Kind], str],
) -> None:
    world = World(Database(fresh_database("postgresql")))
    await world.ada_ben_and_cao()
    for number in range(10):
        await world.call(three_rungs(), key=str(number), ref="INC")
        await world.settle()
        world.clock.advance(minutes(15))
        await asyncio.gather(answer(world, "Ada"), world.settle())
        waiting = await world.rows(Delivery.state.in_((DeliveryState.PENDING, DeliveryState.SENDING)))
        assert waiting == []
        assert await world.armed() == []
    await world.db.dispose()


# ── the link
# ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_looking_at_the_link_changes_nothing(world: World, browser: httpx.AsyncClient) -> None:
    await world.ada_ben_and_cao()
    round_id = await world.call(three_rungs())
    await world.settle()
    for _ in range(3):
        page = await browser.get(links(world)[0])
        assert page.status_code == 200
    assert (await world.round(round_id)).state == RoundState.CALLING
    assert "INC-2026-0001" in page.text
    assert "System outage" in page.text
    assert '<form method="post">' in page.text
    assert "I have it" in page.text


async def test_pressing_the_button_stops_the_chain_and_the_service_hears_of_it(
    world: World, browser: httpx.AsyncClient
) -> None:
    await world.ada_ben_and_cao()
    round_id = await world.call(three_rungs())
    await world.settle()
    page = await browser.post(links(world)[0])
    assert page.status_code == 200
    assert "Ada has it, since 2026-11-23 02:00 UTC" in page.text
    assert "I have it" not in page.text

    row = await world.row()
    assert row.state == DeliveryState.ACKNOWLEDGED
    told = {"round_id": round_id, "by": "Ada", "via": "link", "delivery_id": row.id}
    assert (await world.topics())[-1] == ("round.acknowledged", told)
    await world.advance(minutes(60))
    assert world.told() == ["ada"]


async def test_pressing_twice_or_second_says_who_was_first(world: World, browser: httpx.AsyncClient) -> None:
    await world.ada_ben_and_cao()
    await world.call(three_rungs())
    await world.advance(minutes(15))
    adas, bens = links(world)
    await browser.post(bens)
    for page in (await browser.post(adas), await browser.post(bens), await browser.get(adas)):
        assert "Ben has it" in page.text
    assert [topic for topic, _ in await world.topics()].count("round.acknowledged") == 1


async def test_an_old_link_does_not_answer_the_call_that_took_its_place(
    world: World, browser: httpx.AsyncClient
) -> None:
    await world.ada_ben_and_cao()
    await world.call(three_rungs(), key="milder", level=2)
    await world.settle()
    graver = await world.call(three_rungs(), key="graver", level=1)
    page = await browser.post(links(world)[0])
    assert "This call is over" in page.text
    assert (await world.round(graver)).state == RoundState.CALLING


async def test_the_page_speaks_the_receivers_language(world: World, browser: httpx.AsyncClient) -> None:
    await world.person("安达", "duty_lead", addresses=["ada"], language="zh-Hant")
    await world.call(three_rungs(), exercise=True)
    await world.settle()
    page = await browser.get(links(world)[0], headers={"accept-language": "en"})
    assert '<html lang="zh-Hant">' in page.text
    assert "我來處理" in page.text
    assert "【演練】" in page.text


async def test_the_page_lets_nothing_in_from_elsewhere_and_escapes_what_it_shows(
    world: World, browser: httpx.AsyncClient
) -> None:
    await world.ada_ben_and_cao()
    await world.call(three_rungs(), subject={"zh": "<script>", "en": "<script>alert(1)</script>"})
    await world.settle()
    page = await browser.get(links(world)[0])
    assert "<script" not in page.text
    assert "default-src 'none'; style-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    style = await browser.get("/a/page.css")
    assert style.headers["content-type"].startswith("text/css")


@pytest.mark.parametrize(
    "spoil", [lambda url: url[:-1] + "!", lambda url: url.replace("/a/", "/a/0"), lambda url: url + "x"]
)
async def test_a_link_we_did_not_make_leads_nowhere(
    world: World, browser: httpx.AsyncClient, spoil: Callable[[str], str]
) -> None:
    await world.ada_ben_and_cao()
    round_id = await world.call(three_rungs())
    await world.settle()
    assert (await browser.post(spoil(links(world)[0]))).status_code == 404
    assert (await world.round(round_id)).state == RoundState.CALLING


async def test_a_message_that_did_not_ask_has_no_page(world: World) -> None:
    await world.ada_ben_and_cao()
    await world.call(three_rungs())
    row = await world.row()
    other_mark = world.vault.sign("session", row.id)
    async with world.db.reading() as session:
        with pytest.raises(NotFound):
            await acknowledgement.card(session, world.vault, row.id, other_mark)


async def test_an_answer_that_overtakes_the_senders_receipt_stands(
    world: World, browser: httpx.AsyncClient
) -> None:
    await world.ada_ben_and_cao()
    await world.call(three_rungs())
    (one,) = await world.claim()
    outcome = await world.send(one)
    await browser.post(links(world)[0])
    assert await world.record(one, outcome)
    row = await world.row()
    assert (row.state, row.sent_at) == (DeliveryState.ACKNOWLEDGED, world.clock.now())


async def test_a_notice_that_asks_is_answered_by_its_own_link(
    world: World, browser: httpx.AsyncClient
) -> None:
    await world.ada_ben_and_cao()
    chained = await world.call(three_rungs())
    async with world.db.transaction() as session:
        notice = await pipeline.tell(
            session,
            News(ref="INC", kind="step", number="INC-2026-0001", level=1, subject=SUBJECT, text=TEXT),
            positions=["department_head"],
            at=world.clock.now(),
            asks=True,
        )
    await world.settle()
    link = next(sent.message.link for sent in world.fake.sent if sent.to == "ben")
    assert link is not None
    for _ in range(2):
        page = await browser.post(link)
        assert "Noted, Ben." in page.text
    answered = [said for topic, said in await world.topics() if topic == "notice.acknowledged"]
    assert [(said["notice_id"], said["by"]) for said in answered] == [(notice.id, "Ben")]
    assert (await world.round(chained)).state == RoundState.CALLING
