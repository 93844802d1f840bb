"""A far side for HTTP calls that can misbehave: a local server that records what it gets and answers as told.

Speaks just enough HTTP/1.1 by hand, since a proper server would not let itself be made to drip or to hang up
half-way.
"""

import asyncio
import gzip
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Received:
    """One request as it came in; header names in lower case, `path` with its query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Line:
    """The open connection an answer is written to; `hung_up` is set when the receiver closes."""

    writer: asyncio.StreamWriter
    hung_up: asyncio.Event


Answer = Callable[[Line], Awaitable[None]]


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    """Answer properly; `retry_after="7"` becomes the header `retry-after: 7`."""

    async def answer(line: Line) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named.setdefault("content-length", str(len(body)))
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        line.writer.write(f"HTTP/1.1 {code} Told\r\n{head}\r\n".encode() + body)

    return answer


def redirect(to: str) -> Answer:
    return status(302, location=to)


def compressed(size: int = 1_000_000, code: int = 200) -> Answer:
    return status(code, gzip.compress(b"0" * size), content_encoding="gzip")


def huge(size: int = 1_000_000, code: int = 200) -> Answer:
    return status(code, b"x" * size)


async def hang(line: Line) -> None:
    """Say nothing, and keep the line open."""
    await line.hung_up.wait()


async def drip(line: Line) -> None:
    """Answer 200 at once, and then a byte at a time without end."""
    line.writer.write(b"HTTP/1.1 200 Told\r\ncontent-length: 100000\r\n\r\n")
    await _drip_bytes(line, b"x")


async def drip_the_head(line: Line) -> None:
    """Never come to the end of the headers."""
    line.writer.write(b"HTTP/1.1 200 Told\r\nx-slow: ")
    await _drip_bytes(line, b"y")


async def hang_up(line: Line) -> None:
    """Reset the connection instead of answering."""
    line.writer.transport.abort()


async def hang_up_half_way(line: Line) -> None:
    line.writer.write(b"HTTP/1.1 200 Told\r\ncontent-length: 1000\r\n\r\nonly this")
    line.writer.close()


async def talk_gibberish(line: Line) -> None:
    line.writer.write(b"220 this is not the protocol you are looking for\r\n\r\n")
    line.writer.close()


async def _drip_bytes(line: Line, drop: bytes) -> None:
    while not line.hung_up.is_set():
        line.writer.write(drop)
        await line.writer.drain()
        with suppress(TimeoutError):
            await asyncio.wait_for(line.hung_up.wait(), 0.01)


class Receiver:
    """`async with Receiver() as receiver:` - then call `receiver.url()`, and read `receiver.received`.

    Queued `answers` are given once each, in turn; after them what `judge` says, or `always`.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.answers: deque[Answer] = deque()
        self.always: Answer = status(200)
        self.judge: Callable[[Received], Answer] | None = None  # decides by the request, where it is set
        self.port = 0
        self._tls = tls
        self._hung_up = asyncio.Event()
        self._lines: set[asyncio.Task[None]] = set()

    def url(self, path: str = "/hook", *, host: str = "127.0.0.1") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._pick_up, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._hung_up.set()
        for task in self._lines:
            task.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    def _pick_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._lines.add(task)
        task.add_done_callback(self._lines.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The far side may hang up at any moment; that is part of the tests.
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                while not writer.is_closing():
                    request = await _read(reader)
                    self.received.append(request)
                    usual = self.judge(request) if self.judge else self.always
                    answer = self.answers.popleft() if self.answers else usual
                    await answer(Line(writer, self._hung_up))
                    await writer.drain()
            finally:
                writer.close()
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *rest = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(method, path, headers, body)
