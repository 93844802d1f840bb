"""Whose turn it is, over daylight saving and days that a zone never had."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from app.people.rosters import Rota, in_turn, on_shift, shift_at, shifts

ADA, BEN, CY = "ada", "ben", "cy"
ZONES = [
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Cairo",
]


def rota(
    zone: str = "Asia/Shanghai", *, days: int = 1, handover: str = "09:00", starts: str = "2026-01-01"
) -> Rota:
    return Rota(zone, date.fromisoformat(starts), time.fromisoformat(handover), days, (ADA, BEN, CY))


def wall(zone: str, text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


rotas = st.builds(
    Rota,
    time_zone=st.sampled_from(ZONES),
    starts_on=st.dates(date(2005, 1, 1), date(2026, 12, 31)),
    handover=st.times().map(lambda moment: moment.replace(second=0, microsecond=0)),
    days_per_shift=st.integers(1, 30),
    participants=st.lists(st.sampled_from([ADA, BEN, CY]), min_size=1, max_size=5).map(tuple),
)
moments = st.integers(0, 26 * 366 * 24 * 60).map(
    lambda passed: datetime(2004, 1, 1, tzinfo=UTC) + timedelta(minutes=passed)
)


def test_the_turn_goes_over_at_the_handover_to_the_second() -> None:
    assert on_shift(rota(), wall("Asia/Shanghai", "2026-01-02T08:59:59")) == ADA
    assert on_shift(rota(), wall("Asia/Shanghai", "2026-01-02T09:00:00")) == BEN


def test_nobody_is_on_shift_before_the_first_day() -> None:
    assert on_shift(rota(), wall("Asia/Shanghai", "2026-01-01T08:59:59")) is None
    assert in_turn(rota(), wall("Asia/Shanghai", "2025-12-01T12:00:00")) == ()


def test_a_rota_of_nobody_has_no_shift() -> None:
    assert (
        on_shift(Rota("Asia/Shanghai", date(2026, 1, 1), time(9), 1, ()), datetime(2026, 6, 1, tzinfo=UTC))
        is None
    )


def test_a_week_is_seven_days_of_the_wall_also_when_the_clocks_change() -> None:
    weekly = rota("Europe/Berlin", days=7, starts="2026-03-23")
    shift = shift_at(weekly, wall("Europe/Berlin", "2026-03-25T12:00:00"))
    assert shift is not None
    assert shift.ends == wall("Europe/Berlin", "2026-03-30T09:00:00")
    assert shift.ends - shift.begins == timedelta(days=7, hours=-1)


def test_a_handover_at_an_hour_that_does_not_exist_happens_once() -> None:
    nightly = rota("Europe/Berlin", handover="02:30", starts="2026-03-27")
    night = shifts(
        nightly,
        since=wall("Europe/Berlin", "2026-03-28T12:00:00"),
        until=wall("Europe/Berlin", "2026-03-30T12:00:00"),
    )
    assert [shift.person_id for shift in night] == [BEN, CY, ADA]
    assert night[1].begins == wall("Europe/Berlin", "2026-03-29T03:30:00")


def test_a_handover_at_an_hour_that_comes_twice_is_at_its_first_coming() -> None:
    nightly = rota("Europe/Berlin", handover="02:30", starts="2026-10-24")
    assert on_shift(nightly, datetime(2026, 10, 25, 0, 29, 59, tzinfo=UTC)) == ADA
    assert on_shift(nightly, datetime(2026, 10, 25, 0, 30, tzinfo=UTC)) == BEN
    assert on_shift(nightly, datetime(2026, 10, 25, 1, 30, tzinfo=UTC)) == BEN


def test_a_day_the_zone_skipped_has_a_shift_of_no_length() -> None:
    # Samoa went from the 29th to the 31st of December 2011.
    daily = rota("Pacific/Apia", starts="2011-12-29")
    days = shifts(
        daily,
        since=wall("Pacific/Apia", "2011-12-29T09:00:00"),
        until=wall("Pacific/Apia", "2012-01-01T12:00:00"),
    )
    assert [shift.person_id for shift in days] == [ADA, CY, ADA]


def test_the_others_follow_in_the_order_of_their_turns() -> None:
    assert in_turn(rota(), wall("Asia/Shanghai", "2026-01-02T12:00:00")) == (BEN, CY, ADA)


@settings(deadline=None)
@given(rotas, moments)
def test_every_moment_from_the_first_shift_on_belongs_to_exactly_one_shift(rota: Rota, at: datetime) -> None:
    shift = shift_at(rota, at)
    first = datetime.combine(rota.starts_on, rota.handover, ZoneInfo(rota.time_zone)).astimezone(UTC)
    if shift is None:
        assert at < first
        return
    assert shift.begins <= at < shift.ends
    assert shift.person_id == rota.participants[shift.number % len(rota.participants)] == on_shift(rota, at)


@settings(deadline=None)
@given(rotas, moments)
def test_shifts_join_without_gap_or_overlap(rota: Rota, at: datetime) -> None:
    shift = shift_at(rota, at)
    if shift is None:
        return
    following = shift_at(rota, shift.ends)
    assert following is not None
    assert following.begins == shift.ends
    assert following.number > shift.number
    assert shift_at(rota, shift.ends - timedelta(microseconds=1)) == shift


@settings(deadline=None)
@given(rotas, moments)
def test_the_handover_is_at_the_wall_clock_time_wherever_it_exists(rota: Rota, at: datetime) -> None:
    shift = shift_at(rota, at)
    if shift is None:
        return
    zone = ZoneInfo(rota.time_zone)
    shown = shift.ends.astimezone(zone)
    day = rota.starts_on + timedelta(days=(shift.number + 1) * rota.days_per_shift)
    planned = datetime.combine(day, rota.handover, zone)
    exists = planned.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == planned.replace(tzinfo=None)
    assert not exists or (shown.time() == rota.handover)
