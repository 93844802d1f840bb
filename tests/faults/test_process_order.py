"""What monitoring sends comes in any order and twice: in the end there is what a reader of the alerts expects."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any, Final

import pytest

from tests.world import NIGHT, World, a_world

FIRST, SECOND = (NIGHT - timedelta(hours=hours) for hours in (2, 1))
NO_END: Final = "0001-01-01T00:00:00Z"

# What one alert went through: it fired, was resolved, fired again, and was resolved for good.
WORDS: Final = {
    "fires": {"status": "firing", "startsAt": FIRST.isoformat(), "endsAt": NO_END},
    "ends": {
        "status": "resolved",
        "startsAt": FIRST.isoformat(),
        "endsAt": (FIRST + timedelta(minutes=5)).isoformat(),
    },
    "fires again": {"status": "firing", "startsAt": SECOND.isoformat(), "endsAt": NO_END},
    "ends again": {
        "status": "resolved",
        "startsAt": SECOND.isoformat(),
        "endsAt": (SECOND + timedelta(minutes=5)).isoformat(),
    },
}
SO_FAR: Final = ("fires", "ends", "fires again")
# Every order of the first three, the last of them told once more at every place …
STILL_FIRING: Final = sorted(set(permutations((*SO_FAR, "fires again"))))
# … and every order of the four, with a copy of the alarm coming last.
OVER: Final = [(*order, "fires again") for order in permutations(WORDS)]


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


async def test_it_fires_whatever_was_heard_of_its_past_and_in_which_order(world: World) -> None:
    for number, order in enumerate(STILL_FIRING):
        incidents = await told(world, f"prom-{number}", order)
        # Only an end that was heard between the two alarms makes two of it.
        ended = order.index("fires") < order.index("ends") < order.index("fires again")
        assert Counter(one["state"] for one in incidents) == Counter(
            {"detected": 1, "cancelled": 1} if ended else {"detected": 1}
        ), order
        for incident in incidents:
            assert await pages(world, incident["id"]) == ["Lin"], order


async def test_it_is_over_whatever_comes_after_its_last_end(world: World) -> None:
    for number, order in enumerate(OVER):
        incidents = await told(world, f"prom-{number}", order)
        place = order.index
        # An alarm is one unless its end, or something later, was heard before it.
        first = place("fires") < min(map(place, ("ends", "fires again", "ends again")))
        second = place("fires again") < place("ends again")
        apart = place("ends") < place("fires again")
        assert len(incidents) == (2 if first and second and apart else int(first or second)), order
        assert {one["state"] for one in incidents} <= {"cancelled"}, order
        for incident in incidents:
            assert await pages(world, incident["id"]) == ["Lin"], order


async def told(world: World, slug: str, order: Sequence[str]) -> list[dict[str, Any]]:
    """The incidents there are after a source of its own has said all this; many problems of one source would be a storm."""
    source = await world.post("/sources", {"slug": slug, "kind": "alertmanager"})
    before = {one["id"] for one in await incidents_of(world)}
    for word in order:
        headers = {"Authorization": f"Bearer {source['key']}"}
        await world.call("POST", f"/intake/{slug}", webhook(word), headers=headers)
        await world.settle()
    return [one for one in await incidents_of(world) if one["id"] not in before]


async def incidents_of(world: World) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await world.get("/incidents", params={"limit": 200}))["items"]
    return items


async def pages(world: World, incident: str) -> list[str]:
    """Who was asked to take it, in order."""
    notices = (await world.get(f"/incidents/{incident}/notices"))["items"]
    found = [one for notice in notices for one in notice["deliveries"] if one["asks"] and one["sent_at"]]
    return [one["person"] for one in found]
