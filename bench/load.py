"""Load, from one loop with kept-open connections: one at a time, at a steady rate, or as fast as it is answered."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count

import aiohttp

from bench.serving import Served

Once = Callable[[], Awaitable[float]]  # does it once; the moment it was answered, or heard


@asynccontextmanager
async def client_of(served: Served, *, connections: int) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=60)
    async with aiohttp.ClientSession(served.url, headers=dict(served.headers), connector=connector) as client:
        yield client


async def one_at_a_time(once: Once, *, times: int, pause: float = 0.02) -> list[float]:
    """Seconds each took; the pause lets what follows an incident come to rest, so that idle is idle."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        took.append(await once() - began)
        await asyncio.sleep(pause)
    return took


async def at_a_rate(once: Once, *, per_second: float, seconds: float) -> list[float]:
    """Seconds from the moment each was due, whether or not those before it were done."""
    start = time.perf_counter() + 0.1

    async def due(number: int) -> float:
        moment = start + number / per_second
        await asyncio.sleep(moment - time.perf_counter())
        return await once() - moment

    return list(await asyncio.gather(*(due(number) for number in range(int(per_second * seconds)))))


async def as_fast_as_answered(once: Once, *, connections: int, seconds: float) -> float:
    """How many a second were answered, with that many under way at any time."""
    end = time.perf_counter() + seconds
    done = count()

    async def keep_on() -> None:
        while time.perf_counter() < end:
            await once()
            next(done)

    began = time.perf_counter()
    await asyncio.gather(*(keep_on() for _ in range(connections)))
    return next(done) / (time.perf_counter() - began)
