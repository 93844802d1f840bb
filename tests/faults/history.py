"""What happened in a run, written so that it outlives whoever wrote it: one JSON line per event, appended with one write.

A line that was written is in the file when its writer is killed the moment after; nothing is buffered.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Event = Mapping[str, Any]


@dataclass
class History:
    """The file of one run. `note` appends, from any process; `read` gives all events in order. A forked process turns its own
    to another file by `path`."""

    path: Path

    def note(self, what: str, **said: Any) -> None:
        line = json.dumps({"what": what, **said}, ensure_ascii=False, default=str).encode() + b"\n"
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def read(self) -> Sequence[Event]:
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_bytes().splitlines()]
