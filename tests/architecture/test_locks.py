"""The locks: one set of versions, every file by its hash, and no word of where they came from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ["requirements.lock", "requirements-dev.lock"]


def _names(requirements: str) -> set[str]:
    lines = (line.strip() for line in (ROOT / requirements).read_text().splitlines())
    return {line for line in lines if line and not line.startswith(("#", "-"))}


def _pins(lock: str) -> dict[str, str]:
    found = re.findall(r"^(\S+?)==([^\s;]+)", (ROOT / lock).read_text(), re.MULTILINE)
    return dict(found)


def test_the_project_and_its_requirements_name_the_same_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert set(project["dependencies"]) == _names("requirements.in") - {"setuptools"}


def test_the_checks_run_against_the_versions_that_are_shipped() -> None:
    assert _pins("requirements.lock").items() <= _pins("requirements-dev.lock").items()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text())

    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text()

    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted-host|\bfile:|@ ", text)
