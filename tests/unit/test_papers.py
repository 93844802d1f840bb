"""A report on paper: what users typed stays text, what lacks is counted, and two versions are told apart."""

from datetime import timedelta

import pytest

from app.incidents.report import PARTS, Part, Report, as_paper, completeness
from app.reports.papers import Changed, difference
from app.reports.tables import ReportVersion
from app.typeset import pdf
from app.typeset.pdf import Paper, Section, Undrawable
from app.wording import render, say
from tests.world import NIGHT

TRICKS = (
    '#panic("x")',
    '#import "@preview/x:1.0.0"',
    "$ x",
    "*b* _i_ `r`",
    "= heading",
    "]",
    '"',
    "\\",
    '#read("/etc/passwd")',
)


def paper(*lines: str) -> Paper:
    return Paper("首报", "title", "DRILL", ["head"], [Section("事件类型", lines)], "foot", "zh-Hans")


async def test_what_a_person_typed_is_never_read_as_markup() -> None:
    assert (await pdf.drawn(paper(*TRICKS).written())).startswith(b"%PDF-")


async def test_a_paper_that_takes_too_long_is_said_to() -> None:
    with pytest.raises(Undrawable) as caught:
        await pdf.drawn(paper("x").written(), deadline=timedelta(seconds=-1))
    assert caught.value.wording.key == "typeset.too_slow"


async def test_english_needs_no_font_for_chinese_and_chinese_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "families", lambda: frozenset({"Libertinus Serif"}))
    plain = Paper("Report", "title", None, [], [Section("Cause", ["a cable"])], "foot", "en")
    assert await pdf.drawn(plain.written())
    with pytest.raises(Undrawable) as caught:
        await pdf.drawn(paper("x").written())
    assert caught.value.wording.key == "typeset.no_font"


def report(*filled: str) -> Report:
    parts = [Part(name, name, ["x"] if name in filled else []) for name in PARTS]
    return Report("01", "INC-2026-0001", "first", "t", NIGHT, "Actual", 3, parts, [])


def test_completeness_counts_the_parts_and_names_those_that_lack() -> None:
    found = completeness(report("time", "cause"))
    assert (found.filled, found.of) == (2, 7)
    assert set(found.missing) == set(PARTS) - {"time", "cause"}


def test_a_missing_part_says_so_on_paper() -> None:
    lines = {section.title: section.lines for section in as_paper(report("time"), "en").sections}
    assert lines["time"] == ["x"]
    assert lines["cause"] == [render(say("report.part_missing"), "en")]


def test_two_versions_are_told_apart_line_by_line() -> None:
    older, newer = (
        ReportVersion(parts=[{"name": "cause", "title": "Cause", "lines": lines, "by_hand": True}])
        for lines in (["unknown", "being looked for"], ["a cable", "being looked for"])
    )
    assert difference(older, newer) == [
        Changed("cause", "Cause", "-", "unknown"),
        Changed("cause", "Cause", "+", "a cable"),
    ]
