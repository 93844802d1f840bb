"""The yardstick of timers: a bare loop that sends message `bare-N` at its moment, and knows no database.

A process of its own: `python -m bench.bare_timers URL NUMBER SECONDS START`, START by `time.perf_counter`, which all processes of
a machine share.
"""

import asyncio
import json
import sys
import time

import aiohttp


async def main(url: str, number: int, seconds: float, start: float) -> None:
    async with aiohttp.ClientSession() as client, asyncio.TaskGroup() as sends:

        async def send(n: int) -> None:
            async with client.post(url, data=json.dumps({"ref": f"bare-{n}", "text": "y" * 400})) as answer:
                await answer.read()

        for n in range(number):
            await asyncio.sleep(start + seconds * n / number - time.perf_counter())
            sends.create_task(send(n))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])))
