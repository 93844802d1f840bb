"""Likelihood and impact from what was recorded, from several people, or from both (EP-3.2)."""

from datetime import timedelta

from app.levels import assessing
from app.levels.assessing import Case, Judged, Score
from app.levels.document import Assessing

PLAN = Assessing()
YEAR = timedelta(days=365)


def test_the_rate_gives_the_likelihood_and_the_gravest_harm_the_impact() -> None:
    cases = [Case(loss=50_000, customers=5_000, minutes=20)] * 4
    figures = assessing.by_figures(PLAN, cases, watched=YEAR)
    assert (figures.likelihood, figures.impact, figures.per_year) == (3, 4, 4.0)
    assert {name: one.score for name, one in figures.measures.items()} == {
        "loss": 2,
        "customers": 4,
        "minutes": 2,
    }


def test_the_same_incidents_in_half_the_time_are_twice_as_likely() -> None:
    cases = [Case(minutes=5)] * 8
    assert assessing.by_figures(PLAN, cases, watched=YEAR).likelihood == 3
    assert assessing.by_figures(PLAN, cases, watched=YEAR / 2).likelihood == 4


def test_too_little_is_said_and_judges_nothing_but_the_numbers_are_shown() -> None:
    few = assessing.by_figures(PLAN, [Case(minutes=20)] * 2, watched=YEAR)
    short = assessing.by_figures(PLAN, [Case(minutes=20)] * 9, watched=timedelta(days=29))
    harmless = assessing.by_figures(PLAN, [Case()] * 9, watched=YEAR)
    for figures, why in (
        (few, "risks.too_few_incidents"), (short, "risks.watched_too_short"), (harmless, "risks.no_harm_recorded"),
    ):  # fmt: skip
        assert (figures.likelihood, figures.impact) == (None, None)
        assert figures.lacking is not None
        assert figures.lacking.key == why
    assert (few.incidents, few.measures["minutes"].mean) == (2, 20)


def test_the_median_counts_whatever_one_outlier_says_and_the_spread_is_shown() -> None:
    scores = [Score(2, 2), Score(2, 3), Score(5, 3)]
    assert assessing.by_assessors(scores) == Judged(2, 3)
    spread = assessing.spread(one.likelihood for one in scores)
    assert spread is not None
    assert (spread.median, spread.lowest, spread.highest) == (2.0, 2, 5)


def test_between_two_scores_the_graver_counts() -> None:
    assert assessing.by_assessors([Score(2, 4), Score(3, 4)]) == Judged(3, 4)


def test_both_are_weighted_as_the_plan_says() -> None:
    figures = assessing.by_figures(PLAN, [Case(customers=20_000)] * 60, watched=YEAR)
    assert (figures.likelihood, figures.impact) == (5, 5)
    scores = [Score(1, 2), Score(1, 2)]
    quarter = PLAN.model_copy(update={"weight_of_figures": 0.25})
    assert assessing.combined(quarter, figures, scores) == Judged(2, 3)
    assert assessing.combined(PLAN, figures, []) is None


def test_where_the_record_says_too_little_the_assessors_count_alone() -> None:
    nothing = assessing.by_figures(PLAN, [], watched=YEAR)
    assert assessing.combined(PLAN, nothing, [Score(2, 4), Score(2, 4)]) == Judged(2, 4)
