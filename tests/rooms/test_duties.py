"""Recurring duties: fired once whoever fires them, caught up after an absence, done by whom they belong to."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from app.errors import Forbidden
from app.outbox import OutboxMessage, Timer, TimerState
from app.plan import revisions
from app.readiness import duties
from app.readiness.duties import AlreadyDone
from app.readiness.tables import DutyOccurrence, DutyState
from tests.rooms.centre import AT, Centre, a_centre

DECEMBER = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)  # nine in the morning in Shanghai
STOCK = "20261201T010000Z-stock_check"


@pytest.fixture
async def centre(database_url: str) -> AsyncIterator[Centre]:
    async with a_centre(database_url) as made:
        yield made


async def fire(centre: Centre, at: datetime) -> list[str]:
    async with centre.db.transaction() as session:
        return await duties.fire_due(session, at=at)


async def test_a_duty_falls_due_when_the_plan_says_and_its_owner_hears_of_it(centre: Centre) -> None:
    assert STOCK not in await fire(centre, DECEMBER - timedelta(seconds=1))
    assert STOCK in await fire(centre, DECEMBER)
    async with centre.db.reading() as session:
        occurrence = await duties.found(session, STOCK)
        assert (occurrence.state, occurrence.due_at) == (DutyState.DUE, DECEMBER + timedelta(days=5))
        said = select(OutboxMessage.payload).where(
            OutboxMessage.topic == "duty.due", OutboxMessage.ref == "stock_check"
        )
        [payload] = await session.scalars(said)
        assert payload["owner"] == "administration_officer"


async def test_any_number_of_replicas_fire_it_once(centre: Centre) -> None:
    fired = await asyncio.gather(*(fire(centre, DECEMBER) for _ in range(4)))
    assert sum(keys.count(STOCK) for keys in fired) == 1
    async with centre.db.reading() as session:
        messages = select(func.count()).select_from(OutboxMessage).where(OutboxMessage.ref == "stock_check")
        assert await session.scalar(messages) == 1


async def test_what_fell_due_while_nobody_ran_is_caught_up_on(centre: Centre) -> None:
    fired = await fire(centre, datetime(2027, 3, 1, 2, 0, tzinfo=UTC))
    assert [key for key in fired if key.endswith("-stock_check")] == [
        STOCK, "20270101T010000Z-stock_check", "20270201T010000Z-stock_check", "20270301T010000Z-stock_check",
    ]  # fmt: skip
    assert await fire(centre, datetime(2027, 3, 1, 2, 0, tzinfo=UTC)) == []


async def test_nothing_is_due_from_before_its_plan_was_in_force(centre: Centre) -> None:
    assert all(key >= f"{AT:%Y%m%dT%H%M%SZ}" for key in await fire(centre, DECEMBER))


async def test_without_a_plan_nothing_falls_due(database_url: str) -> None:
    async with a_centre(database_url, with_plan=False) as centre:
        assert await fire(centre, DECEMBER) == []


async def test_what_is_not_done_in_time_is_overdue(centre: Centre) -> None:
    await fire(centre, DECEMBER)
    late = DECEMBER + timedelta(days=5)
    await fire(centre, late)
    async with centre.db.reading() as session:
        assert STOCK in [one.key for one in await duties.overdue(session, late)]
        assert STOCK not in [one.key for one in await duties.overdue(session, late - timedelta(seconds=1))]
        assert (await duties.found(session, STOCK)).state == DutyState.OVERDUE


async def test_done_is_done_and_nobody_is_chased(centre: Centre) -> None:
    await fire(centre, DECEMBER)
    async with centre.db.transaction() as session:
        await duties.complete(session, STOCK, by="Ops", entitled=True, at=DECEMBER, note="complete")
        timer = await session.scalar(select(Timer).where(Timer.key == f"duty:{STOCK}:overdue"))
        assert timer is not None
        assert timer.state == TimerState.WITHDRAWN
        with pytest.raises(AlreadyDone):
            await duties.complete(session, STOCK, by="Lin", entitled=True, at=DECEMBER)
    await fire(centre, DECEMBER + timedelta(days=6))
    async with centre.db.reading() as session:
        assert (await duties.found(session, STOCK)).state == DutyState.DONE


async def test_a_duty_of_somebody_else_is_not_yours_to_report(centre: Centre) -> None:
    await fire(centre, DECEMBER)
    with pytest.raises(Forbidden):
        async with centre.db.transaction() as session:
            await duties.complete(session, STOCK, by="Lin", entitled=False, at=DECEMBER)


async def test_a_long_absence_is_made_up_for_in_several_calls(centre: Centre) -> None:
    async with centre.db.transaction() as session:
        _, document = await revisions.in_force(session)
        assert document.training is not None
        duty = document.training.duties["stock_check"].model_copy(update={"cron": "* * * * *"})
        training = document.training.model_copy(update={"duties": {"often": duty}})
        revisions._READ[(await revisions.in_force(session))[0]] = document.model_copy(
            update={"training": training}
        )
    end = AT + timedelta(minutes=150)
    assert [len(await fire(centre, end)) for _ in range(3)] == [100, 50, 0]


async def test_duties_are_listed_and_completed_over_http(centre: Centre) -> None:
    await fire(centre, DECEMBER)
    listed = (await centre.ask("GET", "/duties?duty=stock_check", "auditor")).json()["items"]
    assert [(one["key"], one["title"], one["state"]) for one in listed] == [
        (STOCK, "Stock check of emergency supplies", "due")
    ]
    done = await centre.ask("POST", f"/duties/{STOCK}/completions", "management", json={"note": "all there"})
    assert (done.status_code, done.json()["done_by"]) == (201, "management")
    again = await centre.ask("POST", f"/duties/{STOCK}/completions", json={})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/duty-already-done")
    assert (await centre.ask("POST", "/duties/none/completions", json={})).status_code == 404
    assert (await centre.ask("GET", "/duties?state=done")).json()["items"][0]["key"] == STOCK
    async with centre.db.reading() as session:
        assert await session.get(DutyOccurrence, STOCK) is not None
