"""A local webhook receiver, bare and quick: it notes when a message about a ref first arrived, and answers 200."""

import asyncio
import re
import time
from types import TracebackType
from typing import Final, Self

_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_REF: Final = re.compile(rb'"ref": *"([^"]+)"')
_ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Receiver:
    """`first[ref]`: the moment, by `time.perf_counter`, of the first message about `ref`."""

    def __init__(self) -> None:
        self.first: dict[str, float] = {}
        self.messages = 0
        self.port = 0
        self._arrived = asyncio.Event()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Line(self), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def heard(self, ref: str, *, patience: float = 60.0) -> float:
        """When the first message about `ref` came; waits for it."""
        async with asyncio.timeout(patience):
            while ref not in self.first:
                self._arrived.clear()
                await self._arrived.wait()
        return self.first[ref]

    async def quiet(self, *, seconds: float = 1.0) -> None:
        """Wait until nothing has come for a while."""
        before = -1
        while before != self.messages:
            before = self.messages
            await asyncio.sleep(seconds)

    def note(self, body: bytes) -> None:
        self.messages += 1
        if found := _REF.search(body):
            self.first.setdefault(found[1].decode(), time.perf_counter())
        self._arrived.set()


class _Line(asyncio.Protocol):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._held, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._held) < whole:
                return
            self._receiver.note(self._held[end + 4 : whole])
            self._held = self._held[whole:]
            self._transport.write(_ANSWER)
