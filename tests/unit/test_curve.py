"""The curve of an indicator: steps on a scale, thresholds that are near, and no more points than there is room for."""

from datetime import UTC, datetime, timedelta

from app.console import curve
from app.console.curve import HEIGHT, WIDTH

START = datetime(2026, 11, 22, tzinfo=UTC)
END = START + timedelta(hours=24)
LIMITS = {1: 240.0, 2: 120.0, 3: 60.0, 4: 30.0}


def points(made: curve.Curve) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (one.split(",") for one in made.points.split())]


def test_a_value_stands_until_the_next_and_the_last_until_the_end() -> None:
    made = curve.of([(START, 10), (START + timedelta(hours=12), 50)], LIMITS, start=START, end=END)
    found = points(made)
    assert [x for x, _ in found] == [0, WIDTH / 2, WIDTH / 2, WIDTH]
    assert found[0][1] == found[1][1] > found[2][1] == found[3][1], "higher is further up"
    assert [line.level for line in made.lines] == [3, 4], (
        "those crossed, and the next: red would press the curve flat"
    )


def test_many_values_become_few_and_the_peak_is_kept() -> None:
    values = [(START + timedelta(seconds=30 * n), 5.0) for n in range(2880)]
    values[1234] = (values[1234][0], 500.0)
    found = points(curve.of(values, LIMITS, start=START, end=END))
    assert len(found) < 700
    assert min(y for _, y in found) < HEIGHT / 10


def test_nothing_told_is_no_curve_and_one_flat_value_is_one() -> None:
    assert curve.of([], {}, start=START, end=END).last is None
    assert points(curve.of([(START, 0)], {}, start=START, end=END)) == [(0, HEIGHT / 2), (WIDTH, HEIGHT / 2)]
