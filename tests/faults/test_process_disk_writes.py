"""A real service on an SQLite file is killed at a write the seed chose, again and again; the checkers of the long run look."""

from pathlib import Path

import pytest

from tests.databases import missing
from tests.faults import disk

pytestmark = pytest.mark.real

_AT_AN_EARLY_SYNC = (
    4  # its life dies at the tenth: well before its clients have done all they want, on any machine
)


async def test_killed_at_a_write_to_the_disk_nothing_is_lost(tmp_path: Path) -> None:
    if (what := disk.why_not()) is not None:
        missing(what)
    ended = await disk.run(tmp_path, seed=_AT_AN_EARLY_SYNC, kills=1)

    assert ended.killed.total() == 1
    assert "disk.between" not in ended.killed
    assert ended.found == {}
