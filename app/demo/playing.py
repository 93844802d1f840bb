"""`muster demo`: the stage is set, the night is played, and everything it started is gone afterwards."""

from contextlib import AsyncExitStack
from pathlib import Path

import httpx

from app.clock import SystemClock
from app.demo.asking import Asking
from app.demo.night import Night
from app.demo.own_service import Stage, own_service
from app.demo.phones import Phones
from app.demo.quick_plan import FASTER
from app.demo.telling import Teller
from app.demo.waiting import DemoFailed
from app.wording import say


async def play(language: str, *, given: Stage | None = None, port: int = 0, plan: Path) -> None:
    """Tell the story on `given`, or on a service of its own. Raises `DemoFailed`."""
    clock = SystemClock()
    began = clock.now()
    teller = Teller(language)
    async with AsyncExitStack() as stack:
        phones = await stack.enter_async_context(Phones.ringing(teller, port))
        if given is None:
            given = await stack.enter_async_context(own_service(phones.url("failover"), language, plan))
            teller.says("demo.own_service", url=given.url, faster=FASTER)
        else:
            teller.says("demo.given_service", url=given.url)
        phones.secret, teller.speed = given.secret, given.speed
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=given.url, timeout=15, trust_env=False)
        )
        try:
            await Night(teller, phones, Asking(client, given.key, language), language).from_alarm_to_review()
        except httpx.TransportError as error:
            raise DemoFailed(say("demo.unreachable", url=given.url, error=type(error).__name__)) from error
    teller.says("demo.end", seconds=round((clock.now() - began).total_seconds()))
