"""Waiting for what must happen: look again until it has, or say that it has not."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from app.wording import Wording, say

PATIENCE: Final = 20.0  # seconds beyond what the plan says, for whatever is due at once
LOOK_EVERY: Final = 0.2


class DemoFailed(Exception):
    """Something that had to happen did not."""

    def __init__(self, wording: Wording) -> None:
        super().__init__(str(wording))
        self.wording = wording


def must(holds: bool, otherwise: str) -> None:
    if not holds:
        raise DemoFailed(say(otherwise))


async def looks(within: float, bell: asyncio.Event) -> AsyncIterator[None]:
    """Look now, at every ring of the bell, and now and then; end when the time is over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while loop.time() < end:
        yield
        bell.clear()
        try:
            await asyncio.wait_for(bell.wait(), LOOK_EVERY)
        except TimeoutError:
            continue
