"""Signals judged in groups: what becomes of them is what becomes of them one by one, and one bad message harms none beside it."""

from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any

import pytest
from sqlalchemy import select, update

from app import rush
from app.db import Database
from app.intake import correlation, inbox
from app.intake.signals import Signal
from app.intake.tables import Outcome, Problem, Source
from app.outbox import MessageState, OutboxMessage
from app.rush import Rush
from tests.rooms.monitoring import MOST, T1, T2, T3, World, acked, problem, recovered, remark
from tests.world import World as Service


@pytest.fixture
async def sources(database_url: str) -> AsyncIterator[World]:
    db = Database(database_url)
    made = World(db)
    await made.prepare()
    await made.enrol("other", "alertmanager")
    yield made
    await db.dispose()


async def told_together(sources: World, told: Sequence[Signal]) -> list[Outcome]:
    receipt = await sources.receive(*told, slug="other")
    pending = select(OutboxMessage).where(
        OutboxMessage.topic == inbox.TOPIC, OutboxMessage.state == MessageState.PENDING
    )
    async with sources.db.transaction() as session:
        messages = list(await session.scalars(pending.order_by(OutboxMessage.id)))
        await correlation.judge(session, [one.payload for one in messages], sources.clock.now())
        await session.execute(update(OutboxMessage).values(state=MessageState.DONE))
    return await sources.outcomes(receipt)


async def stand(sources: World, slug: str) -> list[Any]:
    """All that a source has brought about, without ids."""
    found: list[Any] = []
    for one in await sources.incidents():
        if one.source == slug:
            entries = await sources.entries(one)
            kinds = [(entry.kind, entry.data.get("count"), entry.data.get("still")) for entry in entries]
            found.append((one.level, one.state, one.signals, one.occurrence, one.facts, kinds))
    query = select(Problem.dedup_key, Problem.state, Problem.occurrence, Problem.count)
    async with sources.db.reading() as session:
        rows = await session.execute(
            query.join(Source, Source.id == Problem.source_id)
            .where(Source.slug == slug)
            .order_by(Problem.dedup_key)
        )
        return [found, [tuple(row) for row in rows]]


@pytest.mark.parametrize("seed", range(4))
async def test_together_is_as_one_by_one(sources: World, seed: int) -> None:
    chance = Random(seed)
    for _ in range(3):
        told: list[Signal] = []
        for _ in range(40):
            kind = chance.choice([problem, problem, problem, recovered, recovered, acked, remark])
            said: dict[str, Any] = {"level_hint": chance.choice([2, 3, 3, 4])} if kind is problem else {}
            if kind is problem and chance.random() < 0.5:
                said["facts"] = {"callers": chance.randrange(5)}
            told.append(kind(f"host-{chance.randrange(22)}", chance.choice([T1, T1, T2, T3]), **said))
        assert await told_together(sources, told) == await sources.tell(*told)
        sources.later(minutes=1)
    assert await stand(sources, "other") == await stand(sources, "prom")


async def test_a_storm_is_counted_and_ends_within_one_group(sources: World) -> None:
    many = MOST + 20
    begun = [problem(f"host-{number}", level_hint=3) for number in range(many)]
    ended = [recovered(f"host-{number}") for number in range(many)]
    outcomes = await told_together(sources, [*begun, *ended])
    assert outcomes[:many] == [Outcome.RAISED] * MOST + [Outcome.JOINED] * 20
    assert outcomes[many:] == [Outcome.RECOVERED] * (many - 1) + [Outcome.CANCELLED]


async def test_a_message_that_cannot_be_judged_harms_none_beside_it(world: Service) -> None:
    made = await world.post("/sources", {"slug": "shop", "kind": "generic"})
    for number in range(5):
        body = {"dedup_key": f"p{number}", "status": "firing", "title": "It burns"}
        await world.call("POST", "/intake/shop", body, headers={"Authorization": f"Bearer {made['key']}"})
    async with world.parts.db.transaction() as session:
        query = select(OutboxMessage).where(OutboxMessage.topic == inbox.TOPIC).order_by(OutboxMessage.id)
        third = list(await session.scalars(query))[2]
        payload = dict(third.payload)
        third.payload = {**payload, "source_id": "gone"}
    while await world.engine.follow():
        pass
    async with world.parts.db.transaction() as session:
        rows = list(await session.scalars(query))
        assert [(row.state, row.attempts) for row in rows] == [
            (MessageState.DONE, 0), (MessageState.DONE, 0), (MessageState.PENDING, 1), (MessageState.DONE, 0),
            (MessageState.DONE, 0),
        ]  # fmt: skip
        rows[2].payload, rows[2].attempts, rows[2].not_before = payload, 0, world.clock.now()
    await world.settle()
    assert len((await world.get("/incidents"))["items"]) == 5


async def test_a_rush_lets_work_begin_when_it_is_over_or_has_lasted() -> None:
    few, many = Rush(), Rush()
    few.now_waiting(rush.MANY - 1)
    await few.passing(most=3600)
    many.now_waiting(rush.MANY)
    await many.passing(most=0.001)  # it lasts: nobody is held up for ever
    many.now_waiting(0)
    await many.passing(most=3600)
