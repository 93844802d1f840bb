"""`muster demo` as people run it: the whole path against a service that really runs, ended well and told in order."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from app.cli import main; main()", "demo"]
# In the words of the service's own answers; each must come after the one before.
TOLD = (
    "16 people of the sample organisation",
    "Alertmanager's webhook is taken",
    "☎ 林岚 (duty_lead)",
    "☎ 陈静 (general_manager)",
    "still unanswered",
    "陈静 has it",
    "Commander: 陈静",
    "Reserve team (part-time): ",
    "The step has its answer: 200",
    "The notice to customers is pending",
    "Published to customers",
    "Close: 409",
    "Closed.",
    "the incident is reviewed",
    "| # Review of INC-",
    "is intact",
)


def test_the_demonstration_goes_from_the_alarm_to_the_published_review() -> None:
    played = subprocess.run(
        [*COMMAND, "--lang", "en"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )

    assert played.returncode == 0, played.stdout + played.stderr
    place = 0
    for words in TOLD:
        found = played.stdout.find(words, place)
        assert found >= 0, f"{words!r} is missing or out of order:\n{played.stdout}"
        place = found


@pytest.mark.parametrize(("language", "words"), [("zh-Hans", "服务未能启动"), ("zh-TW", "服務未能啟動")])
def test_a_service_that_does_not_start_ends_it_loudly(tmp_path: Path, language: str, words: str) -> None:
    plan = tmp_path / "playbooks.yaml"
    document = (ROOT / "playbooks.yaml").read_text(encoding="utf-8")
    # Readable, and yet a plan that cannot be carried out: its chain tells a position that does not exist.
    plan.write_text(document.replace("tell: [duty_lead]", "tell: [nobody_at_all]"), encoding="utf-8")

    played = subprocess.run(
        [*COMMAND, "--lang", language], cwd=ROOT, env={"MUSTER_PLAN": str(plan), "LANG": "C.UTF-8"}, capture_output=True,
        text=True, encoding="utf-8", timeout=300, check=False,
    )  # fmt: skip

    assert played.returncode == 1
    assert words in played.stderr


def test_an_address_where_nobody_answers_ends_it_in_one_sentence() -> None:
    given = [
        "--lang",
        "en",
        "--url",
        "http://127.0.0.1:1",
        "--key",
        "mst_none",
        "--signing-secret",
        "whsec_AAAA",
    ]

    played = subprocess.run(
        [*COMMAND, *given],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )

    assert played.returncode == 1
    assert played.stderr.startswith("http://127.0.0.1:1 does not answer")


def test_ctrl_c_ends_it_quietly_and_takes_the_service_along() -> None:
    playing = subprocess.Popen(
        [*COMMAND, "--lang", "en"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    assert playing.stdout is not None
    head = playing.stdout.readline()
    address = re.search(r"127\.0\.0\.1:(\d+)", head)
    assert address, head + playing.communicate(timeout=60)[1]
    playing.send_signal(signal.SIGINT)

    _, errors = playing.communicate(timeout=60)

    assert playing.returncode == 130
    assert errors == ""
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(address[1]))) != 0, "the service it started is gone"
