"""A review as a document: whatever people wrote stays text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app.markup import block, inline

READER = MarkdownIt("gfm-like", {"linkify": False, "html": True})
NASTY = [
    "# not a heading", "---", "===", "| a | b |\n|---|---|", "<script>alert(1)</script>", "![x](http://evil)", "- item",
    "1. item", "12) item", "`code`", "~~gone~~", "&lt;b&gt;", "[link](javascript:x)", "    indented", "> quoted", "\\", "+ plus",
    "* star", "_a_ **b**", "```\nfence", "line\u2028# second", "www.evil.example", "http://evil.example", "$x^2$", "a@b.example",
]  # fmt: skip
PLAIN = {
    "inline", "text", "paragraph_open", "paragraph_close", "softbreak", "hardbreak", "blockquote_open", "blockquote_close",
    "text_special", "heading_open", "heading_close",
}  # fmt: skip


def kinds(markdown: str) -> set[str]:
    """The kinds of thing a reader of Markdown sees in it."""
    found = set()
    for token in READER.parse(markdown):
        found.add(token.type)
        found.update(child.type for child in token.children or ())
    return found


def headings(markdown: str) -> int:
    return sum(1 for token in READER.parse(markdown) if token.type == "heading_open")


def shown(markdown: str) -> str:
    return "".join(
        child.content
        for token in READER.parse(markdown)
        if token.type == "inline"
        for child in token.children or ()
    )


@pytest.mark.parametrize("text", NASTY)
def test_nothing_a_person_writes_becomes_markup(text: str) -> None:
    assert kinds(inline(text)) <= PLAIN
    assert headings(inline(text)) == 0
    assert shown(inline(text)) == " ".join(text.split())


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_at_all_stays_in_its_cell_its_item_and_its_quotation(text: str) -> None:
    cell = f"| a | b |\n|---|---|\n| {inline(text)} | last |\n"
    rows = [token for token in READER.parse(cell) if token.type == "td_open"]
    assert len(rows) == 2
    after = f"{block(text)}\n\n## After\n"
    assert kinds(after) <= PLAIN
    assert headings(after) == 1
    top = [token for token in READER.parse(after) if token.level == 0]
    assert {token.type for token in top} <= {
        "blockquote_open",
        "blockquote_close",
        "heading_open",
        "heading_close",
        "inline",
    } | ({"paragraph_open", "paragraph_close"} if not block(text) else set())


def test_the_lines_of_a_text_stay_lines() -> None:
    assert block("one\ntwo\n\nthree") == "> one\\\n> two\n>\n> three"


def test_signs_that_hide_or_turn_text_around_are_left_out() -> None:
    assert inline("a\u202eb\u200bc\x07d") == "abcd"
