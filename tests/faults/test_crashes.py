"""The short form of the long run: the service dies at seeded points, and nothing is lost; and each checker finds its mutant.

The fork server is a program of its own, because a process with threads, such as a worker of the tests, must not be forked.
"""

import json
import subprocess
import sys
from typing import Any

from tests.databases import Databases
from tests.faults import page
from tests.faults.checkers import CHECKERS
from tests.faults.mutants import MUTANTS, QUICK

_ENOUGH = 40  # crash points of the short form, per database


def _run(databases: Databases, *arguments: str) -> Any:
    """The result of `python -m tests.faults …` on the databases of the tests."""
    done = subprocess.run(
        ["env", f"MUSTER_TEST_PG_URL={databases.server}", sys.executable, "-m", "tests.faults", *arguments],
        cwd=page.PLACE.parent.parent,
        check=False,
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout.splitlines()[-1])


def test_on_sqlite_nothing_is_lost_wherever_the_process_dies_and_each_mistake_is_found_by_its_checker(
    databases: Databases,
) -> None:
    result = _run(databases, "--seed=7", f"--count={_ENOUGH}", "--db=sqlite", "--mutants=quick")

    assert result["survived"] >= _ENOUGH
    assert result["found"] == {}
    assert [name for name, caught in result["mutants"].items() if not caught] == []


def test_on_postgresql_nothing_is_lost_wherever_the_process_dies_and_without_faults_it_folds_as_sqlite_does(
    databases: Databases,
) -> None:
    result = _run(databases, "--seed=7", f"--count={_ENOUGH}", "--db=postgresql", "--equal=1")

    assert result["survived"] >= _ENOUGH
    assert result["found"] == {}
    assert result["equal"] == {"tried": 1, "same": 1}


def test_each_checker_has_a_mistake_to_find() -> None:
    assert {MUTANTS[name].caught_by for name in QUICK} == {one.__name__ for one in CHECKERS}


def test_the_page_is_what_the_last_long_run_gives() -> None:
    assert page.PAGE.read_text("utf-8") == page.text_of(json.loads(page.RESULT.read_text("utf-8")))
