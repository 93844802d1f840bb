"""Receivers that misbehave, over real sockets: each attempt ends in time, is shown with its reason, and the next way is tried."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from tests import receiver as far_side
from tests.receiver import Answer, Receiver
from tests.world import World, a_world

DEADLINE = 0.5  # seconds; of one call
SLACK = 5.0  # two cores, and other tests beside this one; without an end it would be for ever
METADATA = "http://169.254.169.254/latest"  # of a cloud; whoever may read it owns the machine


@dataclass(frozen=True)
class Case:
    """What a receiver does, and what is shown of it."""

    name: str
    answer: Answer
    outcome: str
    reason: str = ""
    patience: timedelta = timedelta()  # at least so long until the next attempt


CASES = (
    Case("hangs", far_side.hang, "retry", "in time"),
    Case("drips its head", far_side.drip_the_head, "retry", "in time"),
    Case("drips its body", far_side.drip, "sent"),  # its first line has said that it took the message
    Case("resets", far_side.hang_up, "retry", "hung up"),
    Case("resets half-way", far_side.hang_up_half_way, "sent"),
    Case("speaks something else", far_side.talk_gibberish, "retry", "cannot be read"),
    Case("breaks", far_side.status(500), "retry", "status 500"),
    Case("is busy", far_side.status(429, retry_after="240"), "retry", "status 429", timedelta(seconds=240)),
    Case("is huge", far_side.huge(10_000_000), "sent"),
    Case("breaks hugely", far_side.huge(10_000_000, code=500), "retry", "status 500"),
    Case("is a bomb", far_side.compressed(), "sent"),
    Case("breaks as a bomb", far_side.compressed(code=500), "retry", "status 500"),
    Case("leads inside", far_side.redirect(METADATA), "failed", "status 302"),
)


@pytest.fixture
async def bad() -> AsyncIterator[Receiver]:
    async with Receiver() as made:
        yield made


@pytest.fixture
async def good() -> AsyncIterator[Receiver]:
    async with Receiver() as made:
        yield made


@pytest.fixture
async def world(database_url: str, tmp_path: Path, bad: Receiver, good: Receiver) -> AsyncIterator[World]:
    async with a_world(
        database_url, tmp_path, people=False, real_channels=True, messages_per_person=0,
        request_deadline=timedelta(seconds=DEADLINE),
    ) as made:  # fmt: skip
        await made.import_people(
            "name,department,positions,contact_1,contact_2\n"
            f"Lin,customer_service,duty_lead,webhook:{bad.url()},webhook:{good.url()}\n"
        )
        yield made


async def by_contact(world: World, incident: str, receiver: Receiver) -> list[dict[str, Any]]:
    notices = (await world.get(f"/incidents/{incident}/notices"))["items"]
    found = [one for notice in notices for one in notice["deliveries"]]
    return [one for one in found if one["address"] == f"http://127.0.0.1:{receiver.port}/…"]


async def test_a_receiver_that_misbehaves_costs_its_time_is_shown_and_the_next_way_is_tried(
    world: World, bad: Receiver, good: Receiver
) -> None:
    for case in CASES:
        bad.answers.append(case.answer)
        asked = {"title": f"A receiver that {case.name}", "type": "partial_system_failure", "level": 3}
        incident = (await world.post("/incidents", asked))["id"]
        start = perf_counter()
        await world.settle()
        took = perf_counter() - start

        assert took < DEADLINE + SLACK, case.name
        (tried,) = await by_contact(world, incident, bad)
        (attempt,) = tried["attempts"]
        assert attempt["outcome"] == case.outcome, case.name
        assert case.reason in (tried["reason"] or ""), case.name
        assert bool(tried["reason"]) == (case.outcome != "sent"), case.name
        assert datetime.fromisoformat(tried["not_before"]) - world.clock.now() >= case.patience, case.name

        await world.advance(minutes=10)
        (next_way,) = await by_contact(world, incident, good)
        assert next_way["state"] == "sent", case.name
        assert next_way["id"] in {one.headers["webhook-id"] for one in good.received}
        await world.post(f"/incidents/{incident}/acknowledgements")
        await world.settle()
