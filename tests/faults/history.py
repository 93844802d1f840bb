"""What happened in a run, written so that it outlives whoever wrote it: one JSON line per event, appended with one write.

A line that was written is in the file when its writer is killed the moment after; nothing is buffered.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Event = Mapping[str, Any]


@dataclass
class History:
    """The file of one run. `note` appends, from any process; `read` gives all events in order. A forked process turns its own
    to another file by `move_to`, and goes on reading where the one it was forked from had come to."""

    path: Path
    _events: list[Event] = field(default_factory=list)
    _read: int = 0  # bytes of the file that are in `_events`

    def note(self, what: str, **said: Any) -> None:
        line = json.dumps({"what": what, **said}, ensure_ascii=False, default=str).encode() + b"\n"
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def read(self) -> Sequence[Event]:
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._read)
                further = file.read()
            self._events += (json.loads(line) for line in further.splitlines())
            self._read += len(further)
        return list(self._events)

    def move_to(self, path: Path) -> None:
        self.path, self._events, self._read = path, [], 0
