"""What is committed says nothing of the machine it was written on, nor of where packages come from."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Written in pieces, so that this file passes its own test.
REGISTRY = re.compile(
    r"\b(?:[\w-]+\.)*(?:"
    + "|".join(("py" + "pi", "python" + "hosted", "deb" + "ian"))
    + r")\.(?:org|net|com)\b"
)
MACHINE = re.compile(r"(?<![\w.:/$}-])/(?:work|root|home)/[\w.-]+")


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False
    ).stdout.decode()
    if not listed:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize(("rule", "why"), [(REGISTRY, "a registry"), (MACHINE, "a path of one machine")])
def test_no_file_names(rule: re.Pattern[str], why: str) -> None:
    found = []
    for path in _tracked():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        for number, line in enumerate(text.splitlines(), 1):
            if seen := rule.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {seen[0]}")

    assert found == [], f"{why} is named"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("cd /wo" + "rk/main", True),
        ("see /ro" + "ot/.cache", True),
        ("open('/ho" + "me/ada/x')", True),
        ("https://muster.example/ho" + "me/x", False),
        ("docs/wo" + "rk/plan.md", False),
        ("/tmp/x", False),
    ],
)
def test_a_path_of_a_machine_is_told_from_others(line: str, named: bool) -> None:
    assert bool(MACHINE.search(line)) is named
