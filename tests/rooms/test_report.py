"""The information report (EP-5.1): seven parts, what is missing named, and text that stays text."""

import re
from typing import Any

import pytest
from markdown_it import MarkdownIt

from app.incidents.report import PARTS, Part, Report, as_markdown
from tests.rooms.trial import activated, raised
from tests.world import NIGHT, World


async def test_a_fresh_report_has_seven_parts_and_names_those_it_lacks(world: World) -> None:
    trial = await raised(world, type_="other")
    report = await world.get(f"/incidents/{trial.name}/report")
    assert [part["name"] for part in report["parts"]] == list(PARTS)
    lacking = [part["title"] for part in report["parts"] if not part["lines"]]
    assert report["missing"] == lacking
    assert {part["name"] for part in report["parts"] if not part["lines"]} == {
        "scope", "cause", "countermeasures", "follow_up",
    }  # fmt: skip


async def test_what_becomes_known_fills_them(world: World) -> None:
    trial = await activated(world, level=3, type_="other")
    await trial.fact(cause="光缆中断", customers_affected=120)
    await world.post(f"/incidents/{trial.name}/updates", {"text": "正在抢修"})
    report = await world.get(f"/incidents/{trial.name}/report", params={"kind": "follow_up"})
    lines = {part["name"]: " ".join(part["lines"]) for part in report["parts"]}
    assert (report["kind"], report["missing"]) == ("follow_up", [])
    assert "光缆中断" in lines["cause"]
    assert "120" in lines["scope"]
    assert "光缆中断" not in lines["scope"], "the cause is a part of its own"
    assert "正在抢修" in lines["follow_up"]
    assert "Ben" in lines["departments"], "the command post"


@pytest.mark.parametrize(
    ("language", "scope", "kind", "department"),
    [
        ("en", {"down: yes", "safe: no", "sites: east, west", "seats: full: yes, open: 3"}, "Other", "Customer service"),
        ("zh-Hans", {"down：是", "safe：否", "sites：east、west", "seats：full：是、open：3"}, "其他", "客户服务部"),
    ],
)  # fmt: skip
async def test_it_speaks_in_words_not_in_ids_and_values_of_a_program(
    world: World, language: str, scope: set[str], kind: str, department: str
) -> None:
    facts = {"down": True, "safe": False, "sites": ["east", "west"], "seats": {"open": 3, "full": True}}
    trial = await raised(world, type_="other", department="customer_service", facts=facts)
    headers = {"Accept-Language": language}
    report = await world.get(f"/incidents/{trial.name}/report", headers=headers)
    lines = {part["name"]: part["lines"] for part in report["parts"]}
    assert set(lines["scope"]) == scope
    assert lines["event_type"][0].startswith(kind)
    assert lines["departments"] == [department]


async def test_it_is_a_document_in_the_language_of_the_reader(world: World) -> None:
    trial = await raised(world, type_="other", exercise=True)
    for language, word in (
        ("en", "Type of event|Event type"),
        ("zh-Hans", "事件类型"),
        ("zh-Hant", "事件類型"),
    ):
        headers = {"Accept": "text/markdown", "Accept-Language": language}
        document = await world.get(f"/incidents/{trial.name}/report", headers=headers)
        assert document.startswith("# ")
        assert "**EXERCISE**" in document
        assert re.search(word, document)


TRICKS = [
    "# a heading", "===", "---", "~~~", "```", "- item", "+ item", "1. item", "2) item", "> quote", "| a | b |",
    "<script>alert(1)</script>", "[x](http://evil.example)", "![x](http://evil.example/x.png)", "<http://evil.example>",
    "http://evil.example", "www.evil.example", "*strong*", "_soft_", "`code`", "&lt;b&gt;", "one\n\n# two", "one\r# two",
    "\\# not escaped", "* * *", "    # indented", "[x]: http://evil.example", "\u2028# x",
]  # fmt: skip


def report(title: str, line: str) -> Report:
    parts = [Part(name, name.capitalize(), [line] if name != "cause" else []) for name in PARTS]
    return Report("01", "INC-2026-0001", "first", title, NIGHT, "Actual", 3, parts, ["Cause"])


def shape(document: str) -> list[str]:
    """What the document is made of, without its words."""
    tokens: list[Any] = MarkdownIt("gfm-like", {"linkify": False}).parse(document)
    inner = [child.type for token in tokens for child in token.children or () if child.type != "text_special"]
    return [token.type for token in tokens] + [kind for kind in inner if kind != "text"]


@pytest.mark.parametrize("trick", TRICKS)
def test_nothing_a_person_typed_becomes_markup(trick: str) -> None:
    harmless = shape(as_markdown(report("title", "line"), "en"))
    document = as_markdown(report(trick, trick), "en")
    assert shape(document) == harmless
    assert not re.search(r"(?<!\\)://evil", document), "a bare address would be made a link"
    assert not re.search(r"(?<!\\)www\.evil", document)


def test_the_missing_parts_are_said_in_words() -> None:
    assert as_markdown(report("title", "line"), "en").rstrip().endswith("Missing: Cause.")
