"""`muster engine` as an operating system stops it."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from typer.testing import CliRunner

from app import cli
from app.access.parts import Parts
from app.commands import serving
from app.db import Database
from app.engine import Engine


@pytest.fixture(params=[signal.SIGTERM, signal.SIGINT])
def asked(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    """A signal that would end this test, and not its process, were nobody to take it."""

    def unheard(number: int, _frame: object) -> NoReturn:
        raise RuntimeError(f"nobody took signal {number}")

    kept = signal.signal(request.param, unheard)
    yield request.param
    signal.signal(request.param, kept)


def test_an_engine_told_to_stop_ends_in_order(
    asked: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    @asynccontextmanager
    async def running(_engine: Engine, _parts: Parts) -> AsyncIterator[None]:
        os.kill(os.getpid(), asked)
        yield
        told.append("stopped, not torn away")

    async def dispose(self: Database) -> None:
        told.append("database closed")

    monkeypatch.setattr(serving, "running", running)
    monkeypatch.setattr(Database, "dispose", dispose)
    monkeypatch.setenv("MUSTER_DATABASE_URL", f"sqlite:///{tmp_path / 'muster.db'}")
    monkeypatch.setenv("MUSTER_DATA_DIR", str(tmp_path))
    answer = CliRunner().invoke(cli.app, ["engine"])
    assert (answer.exit_code, answer.exception) == (0, None)
    assert told == ["stopped, not torn away", "database closed"]
