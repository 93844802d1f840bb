"""Which colour an indicator has: how long it must hold, how far and how long it must come back before it falls."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.levels import colouring
from app.levels.colouring import Standing

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Queue:
    """A queue that warns blue at 10, yellow at 20, orange at 30, red at 40."""

    worse: str = "higher"
    limits: dict[int, float] = None  # type: ignore[assignment]
    hold: timedelta = timedelta(minutes=3)
    back: float = 2
    dwell: timedelta = timedelta(minutes=10)

    def __post_init__(self) -> None:
        object.__setattr__(self, "limits", self.limits or {1: 40, 2: 30, 3: 20, 4: 10})


QUEUE = Queue()


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def course(rule: Queue, *values: tuple[float, float]) -> Standing:
    standing = Standing()
    for minute, value in values:
        standing = colouring.told(rule, standing, value, at(minute))
    return standing


def level(standing: Standing, minute: float, rule: Queue = QUEUE) -> int | None:
    return colouring.passed(rule, standing, at(minute)).level


def test_a_threshold_must_be_held_before_its_colour_counts() -> None:
    standing = course(QUEUE, (0, 12))
    assert [level(standing, minute) for minute in (0, 2.9, 3)] == [None, None, 4]
    assert colouring.wakes_at(QUEUE, standing) == at(3)


def test_a_moment_below_the_threshold_begins_the_hold_anew() -> None:
    standing = course(QUEUE, (0, 12), (2, 9), (2.5, 12))
    assert [level(standing, minute) for minute in (5, 5.5)] == [None, 4]


def test_a_jump_goes_to_the_gravest_colour_at_once() -> None:
    assert level(course(QUEUE, (0, 45)), 3) == 1


def test_a_climb_goes_from_colour_to_colour() -> None:
    standing = course(QUEUE, (0, 12), (2, 33))
    assert [level(standing, minute) for minute in (3, 4.9, 5)] == [4, 4, 2]


def test_the_colour_stays_within_the_margin_and_falls_only_after_the_dwell() -> None:
    standing = course(QUEUE, (0, 22), (5, 18.5))
    assert level(standing, 500) == 3, "18.5 is within the margin of 2 below 20"
    standing = course(QUEUE, (0, 22), (5, 17))
    assert [level(standing, minute) for minute in (5, 14.9, 15)] == [3, 3, 4]


def test_what_comes_back_all_the_way_loses_every_colour_at_once() -> None:
    assert level(course(QUEUE, (0, 45), (5, 0)), 15) is None


def test_what_flaps_around_the_threshold_keeps_its_colour() -> None:
    flapping = [(minute, 25 if minute % 8 < 4 else 5) for minute in range(120)]
    standing, seen = Standing(), []
    for minute, value in flapping:
        standing = colouring.told(QUEUE, standing, value, at(minute))
        seen.append(standing.level)
    assert set(seen[4:]) == {3}


def test_an_indicator_that_is_worse_when_lower_reads_the_other_way_round() -> None:
    answered = Queue(worse="lower", limits={2: 70, 3: 80, 4: 90}, back=1)
    assert level(course(answered, (0, 90)), 3, answered) == 4
    assert level(course(answered, (0, 65)), 3, answered) == 2
    assert level(course(answered, (0, 65), (5, 90.5)), 15, answered) == 4
    assert level(course(answered, (0, 65), (5, 91.5)), 15, answered) is None


def test_what_is_told_late_or_twice_changes_nothing() -> None:
    standing = course(QUEUE, (0, 12), (5, 13))
    assert colouring.told(QUEUE, standing, 99, at(4)) == standing
    assert colouring.told(QUEUE, standing, 99, at(5)) == standing


def test_a_threshold_that_the_plan_no_longer_has_gives_way() -> None:
    standing = course(QUEUE, (0, 45), (4, 45))
    assert standing.level == 1
    fewer = Queue(limits={3: 20, 4: 10})
    assert level(standing, 4, fewer) == 3


def test_a_row_keeps_all_there_is_to_know() -> None:
    standing = course(QUEUE, (0, 45), (4, 15))
    kept = colouring.kept(standing)
    assert colouring.restored(kept, level=standing.level, value=standing.value, at=standing.at) == standing


_STEPS = st.lists(
    st.tuples(st.integers(1, 400), st.integers(0, 50)), min_size=1, max_size=25
)  # seconds since the value before, and the value
_RULES = st.builds(
    Queue,
    worse=st.sampled_from(["higher", "lower"]),
    limits=st.sampled_from([{1: 40, 2: 30, 3: 20, 4: 10}, {2: 30.0}, {1: 35, 4: 5}]),
    hold=st.integers(0, 300).map(lambda seconds: timedelta(seconds=seconds)),
    back=st.sampled_from([0.0, 2.0, 15.0]),
    dwell=st.integers(0, 900).map(lambda seconds: timedelta(seconds=seconds)),
)


def _facing(rule: Queue) -> Queue:
    """The same thresholds, in the order its direction asks for."""
    if rule.worse == "higher":
        return rule
    return replace(rule, limits={number: 50 - limit for number, limit in rule.limits.items()})


@given(_RULES, _STEPS, st.lists(st.integers(0, 10_000), max_size=10))
def test_looking_oftener_never_changes_what_comes_of_it(
    rule: Queue, steps: list[tuple[int, int]], looks: list[int]
) -> None:
    rule = _facing(rule)
    plain = looked_at = Standing()
    moment, waiting = NOON, sorted(NOON + timedelta(seconds=one) for one in looks)
    for seconds, value in steps:
        moment += timedelta(seconds=seconds)
        while waiting and waiting[0] < moment:
            looked_at = colouring.passed(rule, looked_at, waiting.pop(0))
        looked_at = colouring.told(rule, looked_at, value, moment)
        plain = colouring.told(rule, plain, value, moment)
        assert looked_at == plain


@given(_RULES, _STEPS)
def test_a_colour_is_earned_by_holding_and_lost_by_dwelling(
    rule: Queue, steps: list[tuple[int, int]]
) -> None:
    """Held against the definition, written out over the whole history: no run of values, no memory."""
    rule = _facing(rule)
    sign = -1 if rule.worse == "lower" else 1
    standing, moment, told = Standing(), NOON, list[tuple[datetime, int]]()
    for seconds, value in steps:
        moment += timedelta(seconds=seconds)
        before = colouring.passed(rule, standing, moment)
        told.append((moment, value))
        standing = colouring.told(rule, standing, value, moment)
        if standing.level == before.level:
            continue
        if standing.level is not None and (before.level is None or standing.level < before.level):
            limit = rule.limits[standing.level]
            run = _run(told, lambda one, limit=limit: sign * (one - limit) >= 0)
            assert run is not None
            assert moment - run >= rule.hold
        else:
            assert before.level is not None
            limit = rule.limits[before.level]
            run = _run(told, lambda one, limit=limit: sign * (one - limit) < 0)
            assert run is not None
            assert moment - run >= rule.dwell


def _run(told: list[tuple[datetime, int]], holds: object) -> datetime | None:
    """Since when the condition holds without a break up to the last value."""
    since = None
    for moment, value in reversed(told):
        if not holds(value):  # type: ignore[operator]
            break
        since = moment
    return since
