"""What this engine has taken and not yet written down: leases, and which of them it still holds.

A lease is short, so that what a killed process had is soon taken up by another; while the process lives it extends its leases
long before they end. A pure record with time passed in: the engine does the writing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.db import Work

# Of the lease: extended when so much of it has passed, so that two attempts may fail before it ends.
_EXTENDED_AFTER: Final = 1 / 4

Fence = tuple[str, int]  # the row's id, and the attempt it was taken under


@dataclass
class _Held:
    since: datetime  # taken, or last extended
    until: datetime


class InHand:
    """The rows in hand, by the work they belong to."""

    def __init__(self, lease: timedelta) -> None:
        self.lease = lease
        self._held: dict[Work, dict[Fence, _Held]] = {Work.DELIVERIES: {}, Work.CALLS: {}}

    def took(self, work: Work, fence: Fence, *, at: datetime) -> None:
        self._held[work][fence] = _Held(at, at + self.lease)

    def put_down(self, work: Work, fence: Fence) -> None:
        self._held[work].pop(fence, None)

    def holds(self, work: Work, fence: Fence, *, at: datetime) -> bool:
        """Whether it is still ours: neither lost to another engine nor past its lease."""
        held = self._held[work].get(fence)
        return held is not None and at < held.until

    def to_extend(self, *, at: datetime) -> Mapping[Work, list[Fence]]:
        """The leases to extend now. When one is, all are: they are one statement."""
        age = self.lease * _EXTENDED_AFTER
        found = {}
        for work, held in self._held.items():
            if any(at - one.since >= age for one in held.values()):
                found[work] = list(held)
        return found

    def extended(
        self, work: Work, asked: Iterable[Fence], kept: Iterable[Fence], *, at: datetime
    ) -> list[Fence]:
        """Note what the database said; gives those that another engine has by now."""
        still = set(kept)
        lost = []
        for fence in asked:
            if fence in still and fence in self._held[work]:
                self._held[work][fence] = _Held(at, at + self.lease)
            elif fence not in still and self._held[work].pop(fence, None) is not None:
                lost.append(fence)
        return lost

    def __len__(self) -> int:
        return sum(map(len, self._held.values()))
