"""Several processes on one PostgreSQL: without a fault exactly once, after a crash or a freeze never lost."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from time import perf_counter

import pytest

from tests.databases import Kind
from tests.faults.processes import Replicas
from tests.receiver import Line, Receiver, status
from tests.serving import until

IN_TIME = 10.0  # seconds; the promise
SLACK = 10.0  # two cores, and other tests beside this one; it is the figure noted that is to be kept

pytestmark = pytest.mark.real


@pytest.fixture
async def replicas(empty_database: Callable[[Kind], str], tmp_path: Path) -> AsyncIterator[Replicas]:
    async with Receiver() as receiver:
        made = Replicas(empty_database("postgresql"), tmp_path, receiver)
        await made.prepare()
        try:
            yield made
        finally:
            made.close()


async def test_a_rolling_restart_loses_nothing_and_copies_nothing(replicas: Replicas) -> None:
    replicas.start_engine()
    urls = await replicas.serve(3)
    told = [await replicas.raise_incident(urls, number) for number in range(20)]
    await replicas.are_told(urls[0], told)

    # The two that served go, one after the other; what came in their place is there before.
    for _ in range(2):
        async with load(replicas, tuple(urls), told):
            await replicas.stop(urls.pop(0))

    await replicas.are_told(urls[0], told)
    assert len(set(told)) == len(told)
    assert set(replicas.copies().values()) == {1}
    await replicas.are_intact(urls[0], told)


async def test_what_a_killed_replica_was_sending_another_sends_in_time_under_the_same_key(
    replicas: Replicas, record_property: Callable[[str, object], None]
) -> None:
    doomed, other = await replicas.serve(2)
    incident, first = await caught_sending(replicas, asyncio.Event(), by=doomed, not_by=other)

    replicas.send(doomed, signal.SIGKILL)
    killed = perf_counter()
    await until(partial(copied, replicas, first), within=IN_TIME + SLACK)
    took = perf_counter() - killed

    record_property("seconds from a kill to the message sent by another", took)
    assert took < IN_TIME + SLACK
    await replicas.are_told(other, [incident])
    assert max(replicas.copies().values()) == 2
    await replicas.are_intact(other, [incident])


async def test_a_replica_that_stood_still_past_its_lease_changes_nothing_when_it_wakes(
    replicas: Replicas,
) -> None:
    replicas.lease = 3  # the promise in seconds is held above; here any lease will do
    sleeper, other = await replicas.serve(2)
    answered = asyncio.Event()
    incident, first = await caught_sending(replicas, answered, by=sleeper, not_by=other)

    replicas.send(sleeper, signal.SIGSTOP)
    await until(partial(copied, replicas, first), within=IN_TIME + SLACK)
    await replicas.are_told(other, [incident])
    before = {one["id"]: one["sent_at"] for one in await replicas.deliveries(other, incident)}
    answered.set()
    replicas.send(sleeper, signal.SIGCONT)

    async def noted() -> bool:
        deliveries = await replicas.deliveries(other, incident)
        return all(attempt["ended_at"] for one in deliveries for attempt in one["attempts"])

    await until(noted)
    after = await replicas.deliveries(other, incident)
    assert {one["id"]: one["sent_at"] for one in after} == before
    assert {one["state"] for one in after} == {"sent"}
    assert [len(one["attempts"]) for one in after if one["id"] == first] == [2]
    assert max(replicas.copies().values()) == 2
    await replicas.are_intact(sleeper, [incident])


@asynccontextmanager
async def load(replicas: Replicas, urls: Sequence[str], told: list[str]) -> AsyncIterator[None]:
    """A caller who raises one incident after the other: some before what happens meanwhile, and some after it."""
    ended = asyncio.Event()

    async def calling() -> None:
        while not ended.is_set():
            told.append(await replicas.raise_incident(urls, len(told)))

    async def some_more() -> None:
        goal = len(told) + 5

        async def reached() -> bool:
            return len(told) >= goal

        await until(reached)

    async with asyncio.TaskGroup() as callers:
        callers.create_task(calling())
        try:
            await some_more()
            yield
            await some_more()
        finally:
            ended.set()


async def caught_sending(
    replicas: Replicas, answered: asyncio.Event, *, by: str, not_by: str
) -> tuple[str, str]:
    """An incident whose first message one replica is sending, to a receiver that does not answer yet; the incident's id and the
    message's key."""

    async def answers_late(line: Line) -> None:
        await answered.wait()
        await status(200)(line)

    replicas.receiver.answers.append(answers_late)
    replicas.send(not_by, signal.SIGSTOP)
    incident = await replicas.raise_incident([by], 1)
    await until(partial(heard, replicas))
    replicas.send(not_by, signal.SIGCONT)
    return incident, replicas.receiver.received[0].headers["webhook-id"]


async def heard(replicas: Replicas) -> bool:
    return bool(replicas.receiver.received)


async def copied(replicas: Replicas, key: str) -> bool:
    return replicas.copies()[key] > 1
