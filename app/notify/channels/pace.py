"""How many messages a far side takes in a time, kept on this side of it.

A robot that is asked too often falls silent for minutes, for the grave message too. So what is beyond the pace is not sent
but said to be untried: a grave message then goes by the next contact point at once, a lighter one waits its turn. The lighter ones
leave some places to the grave. One process keeps its own pace; where several send, the far side's own refusal is the last word.
"""

from collections import deque
from datetime import datetime, timedelta


class Pace:
    """At most `times` within any `within`, for each key by itself; of these a quarter only for what is grave."""

    def __init__(self, times: int, within: timedelta) -> None:
        self._times = times
        self._light = times - max(1, times // 4) if times > 1 else times
        self._within = within
        self._taken: dict[str, deque[datetime]] = {}
        self._waiting: dict[str, int] = {}

    def take(self, key: str, *, at: datetime, grave: bool = False) -> timedelta | None:
        """Take a place and give `None`, or say after how long there may be one.

        Those turned away are spread over the spans to come.
        """
        self._forget(at)
        taken = self._taken.setdefault(key, deque())
        room = self._times if grave else self._light
        if len(taken) < room:
            taken.append(at)
            return None
        before = 0 if grave else self._waiting.get(key, 0)
        self._waiting[key] = self._waiting.get(key, 0) + (not grave)
        return taken[-room] + self._within - at + self._within * (before // room)

    def _forget(self, at: datetime) -> None:
        for key, taken in list(self._taken.items()):
            while taken and taken[0] + self._within <= at:
                taken.popleft()
                self._waiting[key] = 0
            if not taken:
                del self._taken[key]
                self._waiting.pop(key, None)
