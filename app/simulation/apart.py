"""A simulation beside the service that serves: on a thread of its own, one at a time in a process, and with an end.

What is played never waits for the world, so a thread is busy for all of its time; a second one would only slow the first, and both
the service.
"""

import asyncio
import threading
from datetime import timedelta
from typing import Final

from app.errors import Refused
from app.settings import Settings
from app.simulation import playing
from app.simulation.document import Scenario
from app.simulation.organisation import Given
from app.simulation.outcome import Outcome
from app.wording import say

DEADLINE: Final = timedelta(seconds=30)
_turn: Final = threading.Lock()


class SimulationUnderWay(Refused, slug="simulation-under-way"):
    """This process plays another scenario at this moment."""


class SimulationTooLong(Refused, slug="simulation-too-long"):
    """The scenario was not played to its end in the time there is for it."""


async def play(
    given: Given, scenario: Scenario, *, settings: Settings, deadline: timedelta = DEADLINE
) -> Outcome:
    """Play it, and tell what came of it. Raises `SimulationUnderWay` at once, `SimulationTooLong` after `deadline`."""
    return await asyncio.to_thread(_played, given, scenario, settings, deadline)


def _played(given: Given, scenario: Scenario, settings: Settings, deadline: timedelta) -> Outcome:
    # The turn is taken and given back here: whoever asked may be gone long before the thread has ended.
    if not _turn.acquire(blocking=False):
        raise SimulationUnderWay(say("simulation.under_way"), headers={"Retry-After": "5"})
    try:
        return asyncio.run(_in_time(given, scenario, settings, deadline))
    finally:
        _turn.release()


async def _in_time(given: Given, scenario: Scenario, settings: Settings, deadline: timedelta) -> Outcome:
    try:
        async with asyncio.timeout(deadline.total_seconds()) as limit:
            return await playing.play(given, scenario, settings=settings)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise SimulationTooLong(say("simulation.too_long", deadline=deadline)) from error
