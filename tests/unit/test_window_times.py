"""When a maintenance window holds, by pure reckoning: once, each day or week by the clocks of the centre, ended early, extended."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from app.intake.times import Times

BERLIN = ZoneInfo("Europe/Berlin")  # with summer time, unlike Shanghai
FIRST = datetime(2026, 3, 1, 1, 0, tzinfo=UTC)
DAY, WEEK, HOUR = timedelta(days=1), timedelta(days=7), timedelta(hours=1)
ONCE = Times(FIRST, FIRST + 2 * HOUR)
NIGHTLY = Times(FIRST, FIRST + 2 * HOUR, DAY, zone="Europe/Berlin")


def test_it_holds_from_its_begin_to_before_its_end() -> None:
    moments = [
        FIRST - timedelta(microseconds=1),
        FIRST,
        ONCE.ends_at - timedelta(microseconds=1),
        ONCE.ends_at,
    ]
    assert [ONCE.at(moment) is not None for moment in moments] == [False, True, True, False]
    assert ONCE.over_at == ONCE.ends_at


def test_one_that_repeats_keeps_its_hour_on_the_wall_when_the_clocks_change() -> None:
    before, after = (NIGHTLY.current(datetime(2026, month, 20, tzinfo=UTC)) for month in (3, 4))
    assert before is not None
    assert after is not None
    assert [time[0].astimezone(BERLIN).hour for time in (before, after)] == [2, 2]
    assert after[0].hour == before[0].hour - 1


def test_none_begins_after_its_last_day() -> None:
    until = replace(NIGHTLY, until=FIRST + 2 * DAY)
    assert until.over_at == FIRST + 2 * DAY + 2 * HOUR
    assert until.at(FIRST + 3 * DAY) is None
    assert until.next_end(FIRST + 3 * DAY) is None
    assert replace(NIGHTLY, until=None).over_at is None


def test_one_time_is_ended_early_or_extended_and_the_next_is_as_ever() -> None:
    second = FIRST + DAY
    early = replace(NIGHTLY, changed=(second, second + HOUR))
    late = replace(NIGHTLY, changed=(second, second + 5 * HOUR))
    assert early.at(second + HOUR) is None
    assert late.at(second + 4 * HOUR) == (second, second + 5 * HOUR)
    assert early.at(second + DAY) == late.at(second + DAY) == (second + DAY, second + DAY + 2 * HOUR)


@given(
    minutes=st.integers(0, 60 * 24 * 400), lasts=st.integers(1, 24 * 60), every=st.sampled_from([DAY, WEEK]),
    last=st.integers(0, 60 * 24 * 300),
)  # fmt: skip
def test_what_holds_ends_next_and_by_the_time_all_is_over(
    minutes: int, lasts: int, every: timedelta, last: int
) -> None:
    moment = FIRST + timedelta(minutes=minutes)
    times = Times(
        FIRST,
        FIRST + timedelta(minutes=lasts),
        every,
        until=FIRST + timedelta(minutes=last),
        zone="Europe/Berlin",
    )
    time, current, over = times.at(moment), times.current(moment), times.over_at
    assert over is not None
    assert (current is None) == (moment >= over)
    if time is not None:
        assert time == current
        assert time[0] <= moment < time[1] == times.next_end(moment)
    elif current is not None:
        assert moment < current[0]
