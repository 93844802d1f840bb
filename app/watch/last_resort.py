"""The last resort: a few addresses in memory that are called when nothing else can be relied upon.

It needs neither database nor disk: addresses and texts are in memory from the start, nothing is logged and nothing is read on the
way. Whoever cannot be told by it is not told again by it either, until the pause is over: it is a cry, and no queue.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from prometheus_client import Counter
from pydantic import SecretStr

from app.outgoing import CallFailed, Outgoing
from app.wording import render, say

PAUSE: Final = timedelta(minutes=15)  # between two cries for the same reason
MOST_AN_HOUR: Final = 12  # for all reasons together
_DEADLINE: Final = timedelta(seconds=10)

_CRIES: Final = Counter(
    "muster_last_resort", "Calls to the last resort, of this process.", ["reason", "outcome"]
)


class Reason(StrEnum):
    """Why the last resort is called."""

    ENGINE = "engine"  # the engine has not got to the database for too long
    NOBODY = "nobody"  # a reporting chain reached nobody
    SELF_TEST = "self_test"  # the self-test has not come through


class LastResort:
    """Tells every address, as plain text by POST: what a topic of ntfy takes, and any webhook can."""

    def __init__(self, urls: Sequence[SecretStr], outgoing: Outgoing, *, service: str, language: str) -> None:
        self._urls = [url.get_secret_value() for url in urls]
        self._outgoing = outgoing
        # Spoken now: when it is needed the catalogues may be on a disk that is gone.
        self._texts: Mapping[Reason, str] = {
            reason: render(say(f"watch.last_resort.{reason}", service=service), language) for reason in Reason
        }
        self._told: dict[Reason, datetime] = {}
        self._lately: list[datetime] = []

    async def tell(self, reason: Reason, *, about: str = "", at: datetime) -> bool:
        """Cry, unless it was done for this reason a while ago or too often for any; says whether somebody took it."""
        if not self._urls or not self._may(reason, at):
            return False
        text = f"{self._texts[reason]} {about}".rstrip()
        took = await asyncio.gather(*(self._call(url, text, reason) for url in self._urls))
        if not any(took):
            # Nobody heard it: the next look cries again, however often it does so before somebody hears.
            self._told.pop(reason, None)
            self._lately.remove(at)
        return any(took)

    def over(self, reason: Reason) -> None:
        """It is well again: should it come back, it is told at once."""
        self._told.pop(reason, None)

    def _may(self, reason: Reason, at: datetime) -> bool:
        self._lately = [one for one in self._lately if at - one < timedelta(hours=1)]
        before = self._told.get(reason)
        if (before is not None and at - before < PAUSE) or len(self._lately) >= MOST_AN_HOUR:
            return False
        self._told[reason] = at
        self._lately.append(at)
        return True

    async def _call(self, url: str, text: str, reason: Reason) -> bool:
        headers = {"Content-Type": "text/plain; charset=utf-8", "Title": "Muster"}
        try:
            reply = await self._outgoing.request(
                "POST", url, headers=headers, content=text.encode(), deadline=_DEADLINE, even_cooling=True
            )
        except CallFailed:
            _CRIES.labels(reason, "failed").inc()
            return False
        took = 200 <= reply.status < 300
        _CRIES.labels(reason, "told" if took else "failed").inc()
        return took
