"""The documents: no link leads nowhere, the reference says what the code says, and each decision is told in the same four parts."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.errors import every_problem
from app.flow import REACTIONS
from app.incidents import lifecycle
from app.intake.kinds import KINDS
from app.settings import Settings
from app.wording import LANGUAGES, known

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
WRITTEN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def names(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference, printed anew."""
    directory = tmp_path_factory.mktemp("reference")
    assert CliRunner().invoke(app, ["docs", str(directory)]).exit_code == 0
    return directory


@pytest.mark.parametrize("page", WRITTEN, ids=names(WRITTEN))
def test_no_link_leads_nowhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = [page.relative_to(ROOT / "docs") for page in WRITTEN if ROOT / "docs" in page.parents]

    assert [str(page) for page in pages if f"({page})" not in index and page.name != "index.md"] == []


@pytest.mark.parametrize("decision", DECISIONS, ids=names(DECISIONS))
def test_a_decision_has_its_four_parts_in_order(decision: Path) -> None:
    heads = re.findall(r"^## (.+)$", decision.read_text(encoding="utf-8"), re.MULTILINE)

    assert heads == ["Context", "Decision", "Consequences", "Alternatives"]


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [decision.name[:4] for decision in DECISIONS] == [f"{n:04}" for n in range(1, len(DECISIONS) + 1)]


def test_the_glossary_has_one_word_per_thing_in_three_scripts() -> None:
    rows = re.findall(
        r"^\| (.+) \|$", (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    cells = [[cell.strip() for cell in row.split(" | ")] for row in rows[2:]]

    assert all(len(row) == 5 and all(row) for row in cells)
    terms = [row[0] for row in cells]
    assert len(terms) == len(set(terms)), "a word stands for one thing"


def test_the_same_code_prints_the_same_bytes(printed: Path, tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["docs", str(tmp_path)]).exit_code == 0

    assert {page.name: page.read_bytes() for page in tmp_path.iterdir()} == {
        page.name: page.read_bytes() for page in printed.iterdir()
    }


def test_a_stale_page_is_named_and_nothing_is_written(printed: Path, tmp_path: Path) -> None:
    for page in printed.iterdir():
        (tmp_path / page.name).write_bytes(page.read_bytes())
    assert CliRunner().invoke(app, ["docs", "--check", str(tmp_path)]).exit_code == 0
    (tmp_path / "topics.md").write_text("What follows from nothing.\n", encoding="utf-8")
    (tmp_path / "rights.md").unlink()

    checked = CliRunner().invoke(app, ["docs", "--check", str(tmp_path)])

    assert checked.exit_code == 1
    assert "topics.md" in checked.output
    assert "rights.md" in checked.output
    assert "steps.md" not in checked.output
    assert not (tmp_path / "rights.md").exists()


def everything(printed: Path) -> Iterator[tuple[str, str]]:
    for (state, event), step in lifecycle.TRANSITIONS.items():
        yield "lifecycle.md", f"    {state} --> {step.to}: {event}"
    for topic in REACTIONS:
        yield "topics.md", f"`{topic}`"
    for kind in KINDS:
        yield "sources.md", f"## `{kind}`"
    for name in Settings.model_fields:
        yield "settings.md", f"`MUSTER_{name.upper()}`"
    for problem in every_problem():
        yield "problems.md", f"`{problem.slug}`"


def test_the_reference_leaves_nothing_out(printed: Path) -> None:
    pages = {page.name: page.read_text(encoding="utf-8") for page in printed.iterdir()}

    assert [(page, words) for page, words in everything(printed) if words not in pages[page]] == []


def test_every_value_of_a_state_machine_is_explained(printed: Path) -> None:
    lifecycles = (printed / "lifecycle.md").read_text(encoding="utf-8")

    assert re.findall(r"^\| `\w+` \|  \|$", lifecycles, re.MULTILINE) == []


def test_every_problem_is_told_in_words_and_not_by_its_key() -> None:
    parts = [f"problem.{kind.slug}.{part}" for kind in every_problem() for part in ("title", "about")]

    assert [key for key in parts if not known(key)] == []
    assert set(LANGUAGES) == {"zh-Hans", "zh-Hant", "en"}
