"""When recurring duties fall due: weekdays as cron counts them, and exact when the clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.plan import cron
from app.plan.document import RecurringDuty
from app.readiness.calendar import Calendar, occurrences_between
from app.vocabulary import Localised

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")


def duty(fields: str) -> RecurringDuty:
    title = Localised(zh="盘点", en="Stock check")
    return RecurringDuty(
        title=title, clause="EP-6.2", owner="officer", cron=fields, due_within=timedelta(days=5)
    )


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_the_plan_speaks_of_its_own_wall_clock() -> None:
    found = occurrences_between(duty("0 9 1 * *"), SHANGHAI, utc(2026, 1, 1), utc(2026, 3, 1, 1))
    assert found == [utc(2026, 1, 1, 1), utc(2026, 2, 1, 1), utc(2026, 3, 1, 1)]


def test_day_one_of_the_week_is_monday_and_both_nought_and_seven_are_sunday() -> None:
    week = (utc(2026, 1, 5), utc(2026, 1, 12))
    [monday] = occurrences_between(duty("0 10 * * 1"), SHANGHAI, *week)
    assert monday.astimezone(SHANGHAI).strftime("%A") == "Monday"
    sundays = [occurrences_between(duty(f"0 10 * * {day}"), SHANGHAI, *week) for day in "07"]
    assert sundays[0] == sundays[1] == [utc(2026, 1, 11, 2)]


def test_with_both_day_fields_either_is_enough() -> None:
    found = occurrences_between(duty("0 9 15 * 1"), SHANGHAI, utc(2026, 1, 5), utc(2026, 1, 20))
    assert [moment.day for moment in found] == [5, 12, 15, 19]


def test_a_time_the_clocks_pass_twice_comes_once() -> None:
    found = occurrences_between(duty("30 2 * * *"), BERLIN, utc(2026, 10, 24, 12), utc(2026, 10, 26, 12))
    assert found == [utc(2026, 10, 25, 0, 30), utc(2026, 10, 26, 1, 30)]


def test_a_time_the_clocks_jump_over_comes_after_the_jump() -> None:
    found = occurrences_between(duty("30 2 * * *"), BERLIN, utc(2026, 3, 28, 12), utc(2026, 3, 30, 12))
    assert found == [utc(2026, 3, 29, 1, 30), utc(2026, 3, 30, 0, 30)]


def test_the_start_is_left_out_and_the_end_is_not() -> None:
    every_hour = duty("0 * * * *")
    found = occurrences_between(every_hour, SHANGHAI, utc(2026, 1, 1, 1), utc(2026, 1, 1, 3))
    assert found == [utc(2026, 1, 1, 2), utc(2026, 1, 1, 3)]
    assert occurrences_between(every_hour, SHANGHAI, utc(2026, 1, 1), utc(2026, 1, 2), most=3) == [
        utc(2026, 1, 1, hour) for hour in (1, 2, 3)
    ]


@given(
    cuts=st.lists(st.integers(0, 3 * 365 * 24 * 60), min_size=2, max_size=6),
    fields=st.sampled_from(["0 9 1 */3 *", "30 2 * * *", "*/20 1-3 * 3,10 *", "0 10 * * 1", "0 0 29 2 *"]),
)
def test_however_the_time_is_cut_up_nothing_is_lost_and_nothing_comes_twice(
    cuts: list[int], fields: str
) -> None:
    moments = [utc(2025, 1, 1) + timedelta(minutes=cut) for cut in sorted(cuts)]
    whole = occurrences_between(duty(fields), BERLIN, moments[0], moments[-1])
    pieces = [
        one
        for start, end in pairwise(moments)
        for one in occurrences_between(duty(fields), BERLIN, start, end)
    ]
    assert pieces == whole == sorted(set(whole))


def test_what_the_check_counted_is_what_is_fired() -> None:
    found = occurrences_between(duty("0 9 5 1,4,7,10 *"), SHANGHAI, utc(2025, 12, 31), utc(2026, 12, 31))
    counted = cron.parse("0 9 5 1,4,7,10 *").days_in(2026)
    assert [moment.astimezone(SHANGHAI).date() for moment in found] == counted


def test_the_scheduler_is_given_the_same_moments() -> None:
    trigger = Calendar(duty("30 2 * * *"), BERLIN)
    first = trigger.get_next_fire_time(None, utc(2026, 10, 25, 0, 30))
    assert first == utc(2026, 10, 25, 0, 30)
    assert trigger.get_next_fire_time(first, utc(2026, 10, 25, 0, 30)) == utc(2026, 10, 26, 1, 30)


def test_a_leap_day_is_found_however_far_and_a_day_that_never_is_is_not() -> None:
    assert Calendar(duty("0 9 29 2 *"), SHANGHAI).get_next_fire_time(None, utc(2025, 1, 1)) == utc(
        2028, 2, 29, 1
    )
    assert Calendar(duty("0 9 31 2 *"), SHANGHAI).get_next_fire_time(None, utc(2025, 1, 1)) is None


def test_a_calendar_is_never_kept_by_a_scheduler() -> None:
    with pytest.raises(TypeError, match="never kept"):
        Calendar(duty("0 9 1 * *"), SHANGHAI).__getstate__()
