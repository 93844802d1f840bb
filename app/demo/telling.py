"""The terminal: what the demonstration shows, in the reader's language, beside a clock that runs as the plan is played."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.wording import render, say


@dataclass
class Teller:
    """The terminal. The clock on the left starts at 03:00 with the alarm and runs as fast as the plan is played."""

    language: str
    speed: int = 1
    began: datetime | None = None

    def chapter(self, key: str) -> None:
        print(f"\n── {render(say(key), self.language)} ──", flush=True)

    def says(self, key: str, *, at: datetime | None = None, **params: Any) -> None:
        """A sentence of the catalogue about what was answered."""
        self.shows(render(say(key, **params), self.language), at=at)

    def shows(self, text: str, *, mark: str = " ", at: datetime | None = None) -> None:
        """Words of the service itself."""
        clock = self._clock(at) if at is not None and self.began is not None else ""
        print(f"{clock:5} {mark} {text}", flush=True)

    def of(self, text: Mapping[str, Any]) -> str:
        """A text the plan has in its languages, in the reader's."""
        own = text.get("zh_hant") if self.language == "zh-Hant" else None
        return str(text["en"] if self.language == "en" else own or text["zh"])

    def _clock(self, at: datetime) -> str:
        assert self.began is not None
        passed = max(timedelta(), at - self.began) * self.speed
        minutes = 3 * 60 + int(passed.total_seconds()) // 60
        return f"{minutes // 60 % 24:02}:{minutes % 60:02}"
