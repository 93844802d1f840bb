"""A restored or moved database sends nothing until somebody releases it; what came in meanwhile is not lost."""

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from app import installation
from app.clock import ManualClock
from app.db import Database
from app.installation import Hold, Installation, Watch
from app.notify.tables import Delivery, DeliveryState
from app.wording import say
from tests.world import NIGHT, World

ALARM = {"title": "Lines are dead", "type": "other", "level": 2}


async def put_in_hold(world: World) -> None:
    async with world.parts.db.transaction() as session:
        installation.hold(session, say("service.hold.by_hand", why="a test"), at=world.clock.now())
    world.clock.advance(world.parts.settings.poll_every)


async def release(world: World, overdue: str, **more: Any) -> Any:
    body = {"overdue": overdue, "reason": "the old machine is off"}
    return await world.post("/installation/release", body, **more)


async def test_in_hold_nothing_goes_out_and_a_release_sends_what_waited(world: World) -> None:
    await put_in_hold(world)
    await world.settle()
    answer = await world.client.post("/api/v1/incidents", json=ALARM, headers=world.as_("execution"))
    assert (answer.status_code, answer.headers["Muster-Hold"]) == (201, "true")
    await world.settle()
    assert world.told() == []
    told = await world.get("/installation")
    assert (told["held"], told["reason"]) == (True, "Put in hold by hand: a test")
    assert told["waiting"]["reactions"] >= 1
    assert "muster_hold 1.0" in await world.get("/metrics")
    assert (await world.get("/readyz"))["status"] == "ok"
    assert (await world.get("/healthz"))["status"] == "ok"

    assert (await release(world, "send"))["deliveries_dropped"] == 0
    await world.settle()
    assert world.told() == ["Lin"]
    answer = await world.client.get("/api/v1/installation", headers=world.as_("execution"))
    assert (answer.json()["held"], "Muster-Hold" in answer.headers) == (False, False)
    assert (await release(world, "send", expect=409))["status"] == 409


async def test_a_release_that_drops_what_is_overdue_calls_the_next_rung_at_once(world: World) -> None:
    await world.post("/incidents", ALARM, role="execution")
    await world.settle()
    assert world.told() == ["Lin"]
    async with world.parts.db.reading() as session:
        second = await session.scalar(
            select(func.min(Delivery.not_before)).where(Delivery.state == DeliveryState.PENDING)
        )
    assert second is not None
    await put_in_hold(world)
    world.clock.move_to(second)  # Lin's other contact point is due, the next rung is not yet
    await world.settle()
    assert world.told() == []
    before = (await world.get("/installation"))["waiting"]["deliveries"]
    done = await release(world, "drop")
    assert done["deliveries_dropped"] == before > 0
    async with world.parts.db.reading() as session:
        dropped = list(await session.scalars(select(Delivery).where(Delivery.state == DeliveryState.DROPPED)))
        hold = await session.scalar(select(Hold))
    assert "service.hold.overdue" in {one.reason["key"] for one in dropped if one.reason}
    assert hold is not None
    assert (hold.released_by, hold.why) == ("leadership", "the old machine is off")
    assert hold.outcome == {"overdue": "drop", "deliveries_dropped": before, "steps_dropped": 0}
    await world.settle()
    next_rung = world.told()
    assert next_rung, "the next rung is told at the release"
    assert "Lin" not in next_rung


async def test_only_leadership_releases_and_reading_changes_nothing(world: World) -> None:
    await put_in_hold(world)
    await release(world, "send", role="management", expect=403)
    await world.get("/installation")
    assert (await world.get("/installation"))["held"]


async def test_every_page_of_the_console_says_that_nobody_is_told(world: World) -> None:
    await put_in_hold(world)
    await world.settle()
    page = await world.client.get("/sign-in?lang=en", headers={"Accept": "text/html"})
    assert 'class="hold"' in page.text
    assert "nobody is told" in page.text
    await release(world, "send")
    await world.settle()
    assert 'class="hold"' not in (await world.client.get("/sign-in")).text


async def test_another_process_sees_a_release_at_its_next_look(world: World) -> None:
    other = Watch(world.parts.db, world.clock, timedelta(seconds=1))
    assert not await other.look()
    await put_in_hold(world)
    assert await other.look()
    await release(world, "send")
    assert not await other.look()


async def test_a_database_that_lives_elsewhere_is_held_once(database_url: str) -> None:
    database = Database(database_url)
    try:
        async with database.transaction() as session:
            assert await installation.settle_in(session, at=NIGHT) is None
        async with database.transaction() as session:
            assert await installation.settle_in(session, at=NIGHT) is None
            await session.execute(update(Installation).values(home="another house"))
        async with database.transaction() as session:
            found = await installation.settle_in(session, at=NIGHT)
            assert found is not None
            assert found.reason["params"]["was"] == "another house"
        async with database.transaction() as session:
            await installation.settle_in(session, at=NIGHT)
            assert await session.scalar(select(func.count()).select_from(Hold)) == 1
    finally:
        await database.dispose()


@pytest.mark.parametrize("same_place", [False, True])
async def test_a_copied_file_starts_in_hold(tmp_path: Path, same_place: bool) -> None:
    here = tmp_path / "muster.db"
    first = Database(f"sqlite:///{here}")
    await first.create_all()
    assert not await Watch(first, ManualClock(NIGHT), timedelta(seconds=1)).look()
    await first.dispose()
    there = tmp_path / "copy.db"
    shutil.copyfile(here, there)
    if same_place:
        there = there.replace(here)
    second = Database(f"sqlite:///{there}")
    assert await Watch(second, ManualClock(NIGHT), timedelta(seconds=1)).look()
    await second.dispose()


async def test_an_older_file_put_back_in_the_same_place_starts_in_hold_once(tmp_path: Path) -> None:
    file = tmp_path / "muster.db"

    async def start() -> Hold | None:
        """A run of some minutes; what it finds at its start."""
        database = Database(f"sqlite:///{file}")
        try:
            await database.create_all()
            async with database.transaction() as session:
                found = await installation.settle_in(session, at=NIGHT)
            for _ in range(2):
                await installation.remember(database)
            async with database.transaction() as session:
                await installation.end_holds(
                    session, by="somebody", why="it is the right one", outcome={}, at=NIGHT
                )
        finally:
            await database.dispose()
        return found

    assert [await start(), await start()] == [None, None]
    yesterday = await asyncio.to_thread(file.read_bytes)
    assert await start() is None
    await asyncio.to_thread(file.write_bytes, yesterday)
    found = await start()
    assert found is not None
    assert found.reason["key"] == "service.hold.put_back"
    assert await start() is None, "it goes on from there"
    await asyncio.to_thread(file.unlink)
    assert await start() is None, "a new database is nobody's older copy"
    assert await start() is None


async def test_a_process_killed_at_any_moment_is_not_taken_for_an_older_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the commit and what is left beside the file, and while that is written."""
    database = Database(f"sqlite:///{tmp_path}/muster.db")
    await database.create_all()
    async with database.transaction() as session:
        await installation.settle_in(session, at=NIGHT)
    await installation.remember(database)
    with monkeypatch.context() as killed:
        killed.setattr(installation, "_leave", lambda _file, _mark: None)
        await installation.remember(database)
    (tmp_path / "muster.db.mark.part").write_text("9")
    async with database.transaction() as session:
        assert await installation.settle_in(session, at=NIGHT) is None
    await database.dispose()
