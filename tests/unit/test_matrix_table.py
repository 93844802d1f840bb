"""EP-3.3: the shipped 5×5 matrix, cell by cell, against the bands of the plan's words."""

from itertools import product

import pytest

from app.levels import grading
from app.levels.document import Levels, RiskLevel
from app.plan import reading
from tests.world import PLAN

# product of likelihood and impact: up to and including → risk level → response level
BANDS = [
    (3, RiskLevel.MINOR, 4), (7, RiskLevel.MODERATE, 3), (12, RiskLevel.CONSIDERABLE, 2), (19, RiskLevel.MAJOR, 1),
    (25, RiskLevel.EXTRAORDINARILY_MAJOR, 1),
]  # fmt: skip


@pytest.fixture(scope="module")
def levels() -> Levels:
    return reading.read(PLAN.read_text("utf-8"), file=PLAN.name).grading()


@pytest.mark.parametrize(("likelihood", "impact"), list(product(range(1, 6), range(1, 6))))
def test_each_cell_falls_into_the_band_of_its_product(levels: Levels, likelihood: int, impact: int) -> None:
    _, gravity, level = next(band for band in BANDS if likelihood * impact <= band[0])
    graded = grading.by_matrix(levels, likelihood=likelihood, impact=impact)
    assert (graded.gravity, graded.level) == (gravity, level)
    assert graded.reason.params["likelihood"] == likelihood
    assert graded.reason.params["impact"] == impact
