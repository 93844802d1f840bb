"""What stands in the log: one line of JSON each, that whoever reads it can decode."""

import json
import logging

import pytest
import structlog

from app import telemetry


def test_half_a_character_that_somebody_sent_leaves_a_line_that_can_be_decoded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # put back afterwards
    telemetry.set_up("WARNING")

    structlog.get_logger("app.test").warning("refused", said="客\ud800")

    line = capsys.readouterr().err
    assert line.encode("utf-8")
    assert json.loads(line)["said"] == "客\ud800"
