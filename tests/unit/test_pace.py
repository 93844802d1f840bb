"""How many messages a far side takes in a time."""

from datetime import UTC, datetime, timedelta

from app.notify.channels.pace import Pace

AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_so_many_go_within_the_time_and_the_next_is_told_how_long_to_wait() -> None:
    pace = Pace(3, MINUTE)
    assert pace.take("ops", at=AT) is None
    assert pace.take("ops", at=AT + timedelta(seconds=20)) is None
    assert pace.take("ops", at=AT + timedelta(seconds=30)) == timedelta(seconds=30)
    assert pace.take("other", at=AT + timedelta(seconds=30)) is None
    assert pace.take("ops", at=AT + MINUTE) is None


def test_those_turned_away_are_spread_so_that_they_do_not_all_come_back_at_once() -> None:
    pace = Pace(3, MINUTE)
    waits = [pace.take("ops", at=AT) for _ in range(6)]
    assert waits == [None, None, MINUTE, MINUTE, 2 * MINUTE, 2 * MINUTE]


def test_the_light_leave_a_quarter_to_the_grave_and_never_keep_them_waiting_in_their_line() -> None:
    pace = Pace(8, MINUTE)
    assert [pace.take("ops", at=AT) for _ in range(20)].count(None) == 6
    assert [pace.take("ops", at=AT, grave=True) for _ in range(3)] == [None, None, MINUTE]
    assert pace.take("ops", at=AT + MINUTE, grave=True) is None
