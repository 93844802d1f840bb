"""A wire to PostgreSQL that can be cut at the one moment that matters: around a commit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum

_COMMIT = b"COMMIT;"
_AT_ONCE = 65536


class Cut(StrEnum):
    """When the wire is cut."""

    BEFORE = "before"  # the commit never reaches the server
    AFTER = "after"  # the server has committed, and its answer is lost


class Proxy:
    """Passes bytes both ways; `cut`, once set, is for the next commit that comes by, whoever's it is."""

    def __init__(self, host: str, port: int) -> None:
        self.cut: Cut | None = None
        self._to = (host, port)

    async def _serve(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        server, on = await asyncio.open_connection(*self._to)
        answers = asyncio.create_task(_pass(server, back))
        try:
            while data := await client.read(_AT_ONCE):
                cut = self.cut if _COMMIT in data else None
                if cut is not None:
                    self.cut = None
                    answers.cancel()
                    if cut is Cut.AFTER:
                        on.write(data)
                        assert await server.read(_AT_ONCE)
                    break
                on.write(data)
                await on.drain()
        except ConnectionError:
            pass
        finally:
            answers.cancel()
            for end in (back, on):
                end.transport.abort()
            with suppress(asyncio.CancelledError):
                await answers


async def _pass(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(_AT_ONCE):
            to.write(data)
            await to.drain()
        to.close()


@asynccontextmanager
async def a_proxy(host: str, port: int) -> AsyncIterator[tuple[Proxy, int]]:
    """A proxy to that address, and the port it listens on."""
    proxy = Proxy(host, port)
    server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
    try:
        yield proxy, server.sockets[0].getsockname()[1]
    finally:
        server.close()
