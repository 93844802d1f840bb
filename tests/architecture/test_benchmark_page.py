"""The pages of figures are what their generators make of what is committed."""

from typing import Any

from bench import page, scale
from bench.__main__ import BENCHMARKS


def test_the_page_is_what_the_generator_makes_of_the_lines() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.text_of(page.kept_lines(), BENCHMARKS)


def test_the_tables_of_the_capacity_model_are_what_it_gives_for_its_inputs() -> None:
    said = scale.PAGE.read_text(encoding="utf-8")
    assert said == scale.page_with(said, scale.tables())


def test_every_line_belongs_to_a_benchmark_and_says_when_it_was_measured() -> None:
    names = {benchmark.NAME for benchmark in BENCHMARKS}
    for told in page.kept_lines():
        assert told["benchmark"] in names
        assert {"date", "commit", "load", "machine"} <= set(told["measured"])


def test_new_lines_replace_those_of_the_same_benchmark_and_database_only() -> None:
    kept = [_line("raises", "sqlite", 1), _line("raises", "postgresql", 2), _line("storm", "sqlite", 3)]
    new = [_line("raises", "sqlite", 4), _line("raises", "sqlite", 5)]
    figures = [told["figure"] for told in page.merged(kept, new)]
    assert figures == [4, 5, 2, 3]


def _line(benchmark: str, database: str, figure: int) -> dict[str, Any]:
    return {"benchmark": benchmark, "database": database, "figure": figure}
