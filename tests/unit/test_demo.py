"""The demonstration's own parts: a plan whose minutes are seconds, and a receiver that believes nobody."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from app.demo.night import PEOPLE
from app.demo.phones import is_genuine
from app.demo.quick_plan import FASTER, quickened
from app.notify.channels.webhook import signature_headers
from app.people import csv_import
from app.plan import check
from app.plan.reading import digest, read
from tests.rooms.organisation import START

PLAN = Path(__file__).parents[2] / "playbooks.yaml"
SECRET = b"thirty-two bytes that nobody knows"


def spans(value: Any) -> Iterator[timedelta]:
    match value:
        case timedelta():
            yield value
        case BaseModel():
            for _, inner in value:
                yield from spans(inner)
        case dict():
            for inner in value.values():
                yield from spans(inner)
        case list():
            for inner in value:
                yield from spans(inner)


def test_a_minute_of_the_plan_becomes_a_second() -> None:
    shipped = read(PLAN.read_bytes(), file="playbooks.yaml")

    quick = read(quickened(shipped), file="quick.yaml")

    assert quick.chains[1].hops[0].within == timedelta(seconds=5)
    assert quick.levels[1].targets.update_every == timedelta(seconds=30)
    for slow, fast in zip(spans(shipped), spans(quick), strict=True):
        assert abs(slow / FASTER - fast) <= timedelta(seconds=1)
        assert bool(slow) == bool(fast), "what was short stays above nought"


def test_the_quick_plan_is_a_sound_plan() -> None:
    quick = read(quickened(read(PLAN.read_bytes(), file="playbooks.yaml")), file="quick.yaml")

    assert not check.refuses(check.check(quick))


def test_nothing_but_durations_is_changed() -> None:
    shipped = read(PLAN.read_bytes(), file="playbooks.yaml")

    assert digest(read(quickened(shipped, by=1), file="same.yaml")) == digest(shipped)


def test_only_the_services_own_signature_is_believed() -> None:
    body = b'{"type": "chain"}'
    headers = signature_headers("delivery-1", START, body, [b"an older secret", SECRET])

    assert is_genuine(headers, body, SECRET)
    assert not is_genuine(headers, body + b" ", SECRET)
    assert not is_genuine({**headers, "webhook-id": "delivery-2"}, body, SECRET)
    assert not is_genuine(headers, body, b"another secret")
    assert not is_genuine({}, body, SECRET)


def test_the_sample_organisation_can_be_imported_and_lacks_one_agent() -> None:
    rows, mistakes = csv_import.read(PEOPLE.read_text(encoding="utf-8"))

    assert mistakes == []
    agents = [row for row in rows if "customer_service_agent" in row.said["positions"]]
    assert len(agents) == 3, "a level 1 outage wants four, so that the reserve tier is drawn on"
