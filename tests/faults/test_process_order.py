"""What monitoring sends comes in any order and twice: in the end there is what a reader of the alerts expects."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any, Final

import pytest

from tests.world import NIGHT, World, a_world

FIRST, SECOND = (NIGHT - timedelta(hours=hours) for hours in (2, 1))
NO_END: Final = "0001-01-01T00:00:00Z"

# What one alert went through: it fired, was resolved, and fired again.
WORDS: Final = {
    "fires": {"status": "firing", "startsAt": FIRST.isoformat(), "endsAt": NO_END},
    "ends": {
        "status": "resolved",
        "startsAt": FIRST.isoformat(),
        "endsAt": (FIRST + timedelta(minutes=5)).isoformat(),
    },
    "fires again": {"status": "firing", "startsAt": SECOND.isoformat(), "endsAt": NO_END},
}
# Every order of the three, with each of them told once more at every place.
ORDERS: Final = sorted({order for twice in WORDS for order in permutations((*WORDS, twice))})


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(database_url, tmp_path, messages_per_person=0) as made:
        yield made


def webhook(word: str) -> dict[str, Any]:
    labels = {"alertname": "CallCentreDown", "severity": "critical"}
    alert = {
        **WORDS[word],
        "labels": labels,
        "annotations": {},
        "fingerprint": "45eef34ab06122bd",
        "generatorURL": "",
    }
    return {
        "version": "4", "groupKey": "{}", "status": alert["status"], "receiver": "muster", "groupLabels": {},
        "commonLabels": labels, "commonAnnotations": {}, "externalURL": "", "truncatedAlerts": 0, "alerts": [alert],
    }  # fmt: skip


async def test_in_every_order_and_twice_the_end_is_the_same(world: World) -> None:
    known: set[str] = set()
    for number, order in enumerate(ORDERS):
        # A source for each: many problems of one would be a storm.
        source = await world.post("/sources", {"slug": f"prom-{number}", "kind": "alertmanager"})
        key = {"Authorization": f"Bearer {source['key']}"}
        for word in order:
            await world.call("POST", f"/intake/prom-{number}", webhook(word), headers=key)
            await world.settle()

        everything = (await world.get("/incidents", params={"limit": 200}))["items"]
        incidents = [one for one in everything if one["id"] not in known]
        known.update(one["id"] for one in incidents)

        # It fires, whatever was heard of its past; only an end that was heard between the two makes two of it.
        ended = order.index("fires") < order.index("ends") < order.index("fires again")
        assert Counter(one["state"] for one in incidents) == Counter(
            {"detected": 1, "cancelled": 1} if ended else {"detected": 1}
        ), order
        for incident in incidents:
            assert await pages(world, incident["id"]) == ["Lin"], order


async def pages(world: World, incident: str) -> list[str]:
    """Who was asked to take it, in order."""
    notices = (await world.get(f"/incidents/{incident}/notices"))["items"]
    found = [one for notice in notices for one in notice["deliveries"] if one["asks"] and one["sent_at"]]
    return [one["person"] for one in found]
