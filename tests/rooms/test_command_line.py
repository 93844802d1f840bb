"""The command line: held to the same forms as the API, and its refusals say every mistake."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app

ROOT = Path(__file__).parents[2]


@pytest.fixture
def muster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """A service of its own, migrated, with the shipped plan."""
    monkeypatch.setenv("MUSTER_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path / 'muster.db'}")
    monkeypatch.setenv("MUSTER_SECRET_KEY", "a key of the test, long enough to be one")
    monkeypatch.setenv("MUSTER_PLAN", str(ROOT / "playbooks.yaml"))
    runner = CliRunner()
    migrated = runner.invoke(app, ["migrate"])
    assert migrated.exit_code == 0, migrated.output
    return runner


def refused(runner: CliRunner, *words: str) -> Result:
    result = runner.invoke(app, list(words))
    assert result.exit_code == 1, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    return result


def test_an_import_with_mistakes_prints_each_with_its_line(muster: CliRunner, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("name,department,positions\nAda,nowhere,duty_lead\nBen,customer_service,juggler\n")
    told = refused(muster, "people", "import", str(bad)).stderr
    assert "line 2, department: " in told
    assert "line 3, positions: " in told
    problem = json.loads(refused(muster, "people", "import", str(bad), "--json").stdout)
    assert [error["line"] for error in problem["errors"]] == [2, 3]


def test_an_import_says_in_words_what_it_did(muster: CliRunner, tmp_path: Path) -> None:
    good = tmp_path / "good.csv"
    good.write_text("name,department,positions\nAda,customer_service,duty_lead\n")
    first = muster.invoke(app, ["people", "import", str(good)])
    assert first.stdout == "1 people added, 0 brought up to date.\n"
    again = muster.invoke(app, ["people", "import", str(good), "--json"])
    assert json.loads(again.stdout) == {"created": 0, "updated": 1}


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["--title", " "], "title"),
        (["--title", "x" * 501], "title"),
        (["--title", "x", "--fact", "a=NaN"], "a"),
        (["--title", "x", "--fact", "a=[[1]]"], "facts.a"),
    ],
)
def test_an_incident_is_raised_in_the_form_the_api_takes(
    muster: CliRunner, words: list[str], place: str
) -> None:
    assert place in refused(muster, "raise", *words).stderr
    assert json.loads(muster.invoke(app, ["incidents", "--all", "--json"]).stdout) == []


def test_a_source_is_made_in_the_form_the_api_takes(muster: CliRunner) -> None:
    assert "slug" in refused(muster, "sources", "create", "--kind", "generic", "--slug", "No Slug").stderr
    made = muster.invoke(app, ["sources", "create", "--kind", "generic", "--slug", "desk", "--json"])
    assert json.loads(made.stdout)["slug"] == "desk"


def test_an_argument_that_is_no_text_is_refused_without_a_traceback() -> None:
    program = "from app.cli import main; main()"
    command: list[str | bytes] = [sys.executable, "-X", "utf8", "-c", program, "raise", "--title", b"a\xff"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"not text" in done.stderr
    assert b"Traceback" not in done.stderr


def test_the_check_speaks_in_json_too(tmp_path: Path) -> None:
    shipped = (ROOT / "playbooks.yaml").read_text("utf-8")
    plan = tmp_path / "plan.yaml"
    plan.write_text(shipped.replace("default_position: duty_lead", "default_position: nobody_there"), "utf-8")
    for language, word in (("en", "There is no"), ("zh-Hans", "没有")):
        checked = CliRunner().invoke(app, ["check", str(plan), "--json", "--lang", language])
        (finding,) = [one for one in json.loads(checked.stdout)["findings"] if one["severity"] == "error"]
        assert word.lower() in finding["message"].lower()
        assert "plan.check" not in finding["message"] + finding["mend"]
    plan.write_text(shipped.replace("default_position:", "default_positio:"), "utf-8")
    (mistake, *_) = json.loads(CliRunner().invoke(app, ["check", str(plan), "--json"]).stdout)["mistakes"]
    assert isinstance(mistake["message"], str)
    assert mistake["line"] > 1
