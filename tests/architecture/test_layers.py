"""The import contract, held where the tests are run as well."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_imports_point_down_only() -> None:
    contract = Path(sys.executable).parent / "lint-imports"

    verdict = subprocess.run([contract, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
