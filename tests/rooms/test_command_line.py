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
    written = CliRunner().invoke(app, ["check", str(plan), "--format", "sarif"])
    (result, *_) = json.loads(written.stdout)["runs"][0]["results"]
    assert (written.exit_code, result["ruleId"], result["level"]) == (1, "bad_plan", "error")


SAMPLE = ROOT / "docs" / "examples" / "organisation.yaml"
LOOK = ["check", str(ROOT / "playbooks.yaml"), "--from", "2026-04-10", "--days", "7"]


def test_the_check_looks_at_an_organisation_file_where_there_is_no_database() -> None:
    done = CliRunner().invoke(app, [*LOOK, "--organisation", str(SAMPLE)])
    assert done.exit_code == 0, done.output
    assert "Nothing was found." in done.stdout
    assert "+ holds: The first person, the head of department and the leadership" in done.stdout
    assert "how soon a person reads and reacts is not bounded" in done.stdout
    alone = CliRunner().invoke(app, LOOK)
    assert (alone.exit_code, "? not looked at: " in alone.stdout) == (0, True)


def test_the_check_for_code_hosts_has_a_rule_a_place_and_the_way_of_each_finding(tmp_path: Path) -> None:
    broken = tmp_path / "organisation.yaml"
    text = SAMPLE.read_text("utf-8")
    broken.write_text(text.replace("positions: [deputy_general_manager]", "positions: []"), "utf-8")
    done = CliRunner().invoke(app, [*LOOK, "--organisation", str(broken), "--format", "sarif"])
    assert done.exit_code == 1
    log = json.loads(done.stdout)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert log["version"] == "2.1.0"
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"error", "warning", "note"}
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"].endswith(".yaml")
        assert place["region"]["startLine"] >= 1
    late = next(one for one in run["results"] if one["ruleId"] == "leadership_never_told")
    steps = late["codeFlows"][0]["threadFlows"][0]["locations"]
    assert "rung 1 (Duty lead) tells" in steps[0]["location"]["message"]["text"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--organisation", "nowhere.yaml"], "nowhere.yaml"),
        (["--from", "next week"], "--from"),
        (["--from", "9999-12-30"], "--from"),
        (["--organisation", "bad.yaml"], "bad.yaml:3"),
    ],
)
def test_what_cannot_be_checked_is_not_taken_for_a_bad_plan(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_text("people:\n  ada:\n    nane: Ada\n", "utf-8")
    done = CliRunner().invoke(app, [*LOOK[:2], *words])
    assert done.exit_code == 2, done.output
    assert said in done.stderr


def test_an_organisation_that_does_not_fit_the_plan_is_told_every_mistake(tmp_path: Path) -> None:
    bad = tmp_path / "organisation.yaml"
    bad.write_text(
        "people:\n  ada: {name: Ada, positions: [juggler], leave: [{first: 2026-02-02, last: 2026-02-01}]}\n"
        "rosters:\n  duty_lead: {starts_on: 2026-01-01, handover: '09:00', days_per_shift: 1, participants: [ada, ben]}\n"
        "stock:\n  - {pool: service_supplies, item: unicorn}\n",
        "utf-8",
    )
    told = CliRunner().invoke(app, [*LOOK, "--organisation", str(bad)]).stderr
    for words in (
        "juggler",
        "ends before it begins",
        "does not hold the position",
        "no person “ben”",
        "unicorn",
    ):
        assert words in told


def test_the_check_of_the_database_finds_that_nobody_is_there(muster: CliRunner) -> None:
    done = muster.invoke(app, [*LOOK, "--organisation", "database", "--json"])
    assert done.exit_code == 1, done.output
    told = json.loads(done.stdout)
    assert "first_never_told" in {one["code"] for one in told["findings"]}
    assert told["from"] == "2026-04-09T16:00:00Z"


def test_who_is_on_call_is_asked_of_any_moment(muster: CliRunner, tmp_path: Path) -> None:
    good = tmp_path / "good.csv"
    good.write_text("name,department,positions\nAda,customer_service,duty_lead\n")
    muster.invoke(app, ["people", "import", str(good)])
    told = muster.invoke(app, ["on-call", "--at", "2099-12-24T22:00+08:00"])
    assert told.stdout.startswith("2099-12-24 14:00 UTC\n")
    assert [line.split()[0] for line in told.stdout.splitlines() if "Ada (assigned)" in line] == ["duty_lead"]
    asked = ["on-call", "--at", "2020-01-01T00:00Z", "--position", "duty_lead", "--json"]
    [item] = json.loads(muster.invoke(app, asked).stdout)["items"]
    assert (item["position"], item["holders"]) == ("duty_lead", [])  # nobody was there yet
    assert "with its offset" in refused(muster, "on-call", "--at", "tomorrow").stderr
    refused(muster, "on-call", "--position", "king")


def test_a_channel_is_tried_at_an_address_and_what_is_not_set_up_is_named(muster: CliRunner) -> None:
    assert json.loads(muster.invoke(app, ["channels", "list", "--json"]).stdout)[0] == "log"
    taken = muster.invoke(app, ["channels", "test", "log", "anything", "--language", "zh-Hans"])
    assert taken.exit_code == 0, taken.output
    assert taken.stdout.startswith("Taken: ")
    assert (
        "Nothing is set up for 'voice': "
        in refused(muster, "channels", "test", "voice", "+8613800000000").stderr
    )
    assert (
        "There is no language 'fr'"
        in refused(muster, "channels", "test", "log", "x", "--language", "fr").stderr
    )
    assert "address" in refused(muster, "channels", "test", "webhook", "not an address").stderr
