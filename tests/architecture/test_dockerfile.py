"""The image and the compose file: what can be said of them without an engine."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def _instructions() -> list[tuple[str, str]]:
    """The Dockerfile as pairs, with comments left out and continued lines joined."""
    lines = [
        line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")
    ]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (word, rest.strip())
        for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)
    ]


def _last_stage() -> list[tuple[str, str]]:
    instructions = _instructions()
    start = max(n for n, (word, _) in enumerate(instructions) if word == "FROM")
    return instructions[start:]


def _compose() -> dict[str, Any]:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return compose


@pytest.fixture(params=["muster-1", "muster-2", "migrate"])
def container(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each container that runs our own image."""
    found: dict[str, Any] = _compose()["services"][request.param]
    return found


def test_hadolint_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"

    verdict = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)

    assert (verdict.returncode, verdict.stdout + verdict.stderr) == (0, "")


def test_the_image_runs_as_nobody_in_particular() -> None:
    users = [rest for word, rest in _last_stage() if word == "USER"]

    assert users == ["10001:10001"]


def test_the_image_is_asked_whether_a_tick_finished_lately() -> None:
    (check,) = [rest for word, rest in _last_stage() if word == "HEALTHCHECK"]

    assert "/healthz" in check


def test_the_process_gets_its_signals_itself() -> None:
    stage = dict(_last_stage())

    assert stage["STOPSIGNAL"] == "SIGTERM"
    assert stage["ENTRYPOINT"].startswith("[")
    assert stage["CMD"].startswith("[")


def test_the_dependencies_are_installed_by_their_hashes() -> None:
    installs = [rest for word, rest in _instructions() if word == "RUN" and "pip install" in rest]

    assert all("--require-hashes" in run or "--no-deps --no-build-isolation" in run for run in installs)


def test_what_the_image_copies_is_let_through_to_the_builder() -> None:
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = {
        source.removeprefix("./")
        for word, rest in _instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }

    assert copied == let_through


def test_a_container_can_write_nowhere_and_gain_nothing(container: dict[str, Any]) -> None:
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in container["security_opt"]
    assert any(mount.startswith("/tmp") for mount in container["tmpfs"])


def test_every_container_has_the_same_database_and_key(container: dict[str, Any]) -> None:
    assert {"MUSTER_DATABASE_URL", "MUSTER_SECRET_KEY_FILE"} <= container["environment"].keys()


def test_a_replica_waits_for_the_migration(container: dict[str, Any]) -> None:
    needs = container["depends_on"]

    assert needs["db"] == {"condition": "service_healthy"}
    if container.get("command") != ["migrate"]:
        assert needs["migrate"] == {"condition": "service_completed_successfully"}


def test_the_compose_file_holds_no_password() -> None:
    database = _compose()["services"]["db"]["environment"]

    assert "POSTGRES_PASSWORD" not in database
    assert database["POSTGRES_PASSWORD_FILE"].startswith("/run/secrets/")
