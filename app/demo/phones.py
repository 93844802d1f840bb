"""Where the sample organisation is reached, and the failover system the plan calls: a receiver that checks every signature."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from app.demo.telling import Teller


@dataclass(frozen=True)
class Call:
    """One message that rang a telephone."""

    staff_number: str
    link: str | None
    kind: str


class Phones:
    """Where the sample organisation is reached, and the failover system: a receiver in this process."""

    def __init__(self, teller: Teller) -> None:
        self.calls: list[Call] = []
        self.bell = asyncio.Event()
        self.secret = b""
        self.forged = 0
        self.names: Mapping[str, str] = {}
        self._teller = teller
        self._base = ""

    @classmethod
    @asynccontextmanager
    async def ringing(cls, teller: Teller, port: int) -> AsyncIterator["Phones"]:
        phones = cls(teller)
        served = web.Application()
        served.router.add_post("/phone/{number}", phones._ring)
        served.router.add_post("/failover", phones._fail_over)
        runner = web.AppRunner(served, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            phones._base = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield phones
        finally:
            await runner.cleanup()

    def url(self, path: str) -> str:
        return f"{self._base}/{path}"

    def link_of(self, staff_number: str) -> str | None:
        return next(
            (call.link for call in self.calls if call.staff_number == staff_number and call.link), None
        )

    async def _ring(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not is_genuine(request.headers, body, self.secret):
            self.forged += 1
            self.bell.set()
            return web.Response(status=401)
        said = json.loads(body)
        number, data = request.match_info["number"], said["data"]
        self.calls.append(Call(number, data["link"], said["type"]))
        at = datetime.fromisoformat(said["timestamp"])
        self._teller.shows(f"{self.names.get(number, number)} ← {data['subject']}", mark="☎", at=at)
        self.bell.set()
        return web.Response(status=204)

    async def _fail_over(self, request: web.Request) -> web.Response:
        """The other system of the plan's `http` step."""
        asked = await request.json()
        idempotency_key = request.headers.get("Idempotency-Key")
        self._teller.says("demo.failover_called", idempotency_key=idempotency_key, target=asked["target"])
        self.bell.set()
        return web.json_response({"switched": asked["target"]})


def is_genuine(headers: Mapping[str, str], body: bytes, secret: bytes) -> bool:
    """Whether the body bears a signature of this secret (Standard Webhooks)."""
    signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
    expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(f"v1,{expected}", one) for one in given)
