"""The tutorial does what it says: its blocks, in order, in one shell, against a service that was started for them."""

import json
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.databases import missing

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
LONGEST = 240  # seconds; only so that a tutorial that hangs ends


@contextmanager
def service(home: Path) -> Iterator[tuple[str, str]]:
    """`muster serve` on a fresh data directory: its address and its first key."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {
        "MUSTER_DATA_DIR": str(home), "MUSTER_PLAN": str(ROOT / "playbooks.yaml"), "MUSTER_BASE_URL": url, "HOME": str(home),
    }  # fmt: skip
    with (home / "service.log").open("wb") as log:
        command = [sys.executable, "-c", "from app.cli import main; main()", "serve", "--port", str(port)]
        running = subprocess.Popen(
            command, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert running.stdout is not None
        try:
            found = re.search(r"mst_\w+", running.stdout.readline() + running.stdout.readline())
            assert found, (home / "service.log").read_text(encoding="utf-8")
            yield url, found[0]
        finally:
            running.terminate()
            running.wait(30)
            running.stdout.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, str]]:
    for program in ("bash", "curl"):
        if shutil.which(program) is None:
            missing(program)
    with service(tmp_path) as made:
        yield made


def blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_tutorial_leads_from_an_empty_service_to_a_reviewed_incident(
    served: tuple[str, str], tmp_path: Path
) -> None:
    url, key = served
    script = "set -eu\n" + "\n".join(blocks())
    python = str(Path(sys.executable).parent)

    followed = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env={"URL": url, "KEY": key, "PATH": f"{python}:/usr/bin:/bin"},
        capture_output=True, text=True, timeout=LONGEST, check=False,
    )  # fmt: skip

    assert followed.returncode == 0, followed.stdout[-3000:] + followed.stderr[-3000:]
    asked = urllib.request.Request(f"{url}/api/v1/incidents", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(asked) as answer:
        (incident,) = json.load(answer)["items"]
    assert (incident["state"], incident["level"]) == ("reviewed", 3)
