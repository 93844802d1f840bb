"""The breaker of a destination: closed, open, one probe, and closed again."""

from datetime import UTC, datetime, timedelta

from app.breaker import COOLING, FAILURES, Breakers

NOW = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def opened() -> Breakers:
    breakers = Breakers()
    for _ in range(FAILURES):
        assert breakers.wait("gateway:443", at=NOW) is None, "until then every call is made"
        breakers.failed("gateway:443", at=NOW)
    return breakers


def test_after_so_many_failures_in_a_row_it_is_left_alone_and_no_other_is() -> None:
    breakers = opened()
    assert breakers.wait("gateway:443", at=NOW + 5 * SECOND) == COOLING - 5 * SECOND
    assert breakers.wait("other:443", at=NOW) is None
    assert breakers.open() == {"gateway:443": NOW + COOLING}


def test_a_success_in_between_begins_the_count_anew() -> None:
    breakers = Breakers()
    for _ in range(FAILURES - 1):
        breakers.failed("gateway:443", at=NOW)
    breakers.worked("gateway:443")
    breakers.failed("gateway:443", at=NOW)
    assert breakers.wait("gateway:443", at=NOW) is None


def test_after_the_cooling_one_call_probes_and_the_others_wait_for_it() -> None:
    breakers = opened()
    assert breakers.wait("gateway:443", at=NOW + COOLING) is None
    assert breakers.wait("gateway:443", at=NOW + COOLING) == COOLING


def test_a_probe_that_works_closes_it_and_one_that_fails_opens_it_again() -> None:
    breakers = opened()
    assert breakers.wait("gateway:443", at=NOW + COOLING) is None
    breakers.failed("gateway:443", at=NOW + COOLING + SECOND)
    assert breakers.wait("gateway:443", at=NOW + COOLING + SECOND) == COOLING
    assert breakers.wait("gateway:443", at=NOW + 2 * COOLING + SECOND) is None
    breakers.worked("gateway:443")
    assert breakers.wait("gateway:443", at=NOW + 2 * COOLING + SECOND) is None
    assert breakers.open() == {}


def test_a_probe_that_never_comes_back_does_not_close_it_for_ever() -> None:
    breakers = opened()
    assert breakers.wait("gateway:443", at=NOW + COOLING) is None
    assert breakers.wait("gateway:443", at=NOW + 2 * COOLING) is None


def test_destinations_without_end_are_not_remembered_without_end() -> None:
    breakers = opened()
    for number in range(3000):
        breakers.failed(f"host-{number}:80", at=NOW)
    assert len(breakers._circuits) <= 1001
    assert breakers.wait("gateway:443", at=NOW) is not None
