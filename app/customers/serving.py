"""How the public page is served: from memory, whatever becomes of the database, and to each client within measure.

The board is read at most every few seconds, by one request at a time, however many ask. While the database is away the last
copy is given on. What is counted of clients stays in memory, and for a minute or two.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Final

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.clock import Clock
from app.customers.board import Board
from app.customers.page import Form, draw
from app.errors import TooMany
from app.wording import say

FRESH: Final = timedelta(seconds=3)
AT_ONCE: Final = 60  # requests of one client in a burst …
A_SECOND: Final = 1.0  # … and in the long run
_MOST_CLIENTS: Final = 20_000
_AWAY: Final = (SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)

log = structlog.get_logger("status")


@dataclass(frozen=True)
class Copy:
    """The page as bytes, and what tells it from every other."""

    body: bytes
    etag: str
    updated_at: datetime | None


class StatusPage:
    """The public page of one process."""

    def __init__(self, read: Callable[[datetime], Awaitable[Board]], clock: Clock, *, base_url: str) -> None:
        self._read, self._clock, self._base_url = read, clock, base_url
        self._board: Board | None = None
        self._read_at: datetime | None = None
        self._one = asyncio.Lock()
        self._drawn: dict[tuple[Form, str], tuple[Board, Copy]] = {}
        self._clients: OrderedDict[str, tuple[float, datetime]] = OrderedDict()

    async def copy(self, form: Form, language: str) -> Copy:
        """The page now, or the last one there was; raises what the database raised where there never was one."""
        board = await self._latest()
        drawn = self._drawn.get((form, language))
        if drawn is None or drawn[0] is not board:
            body = draw(board, form, language, base_url=self._base_url)
            made = Copy(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', board.updated_at)
            drawn = self._drawn[form, language] = (board, made)
        return drawn[1]

    def let_in(self, client: str) -> None:
        """Count one request of a client, or raise `TooMany` with the time to wait."""
        name, now = _network(client), self._clock.now()
        left, since = self._clients.pop(name, (float(AT_ONCE), now))
        left = min(AT_ONCE, left + max((now - since).total_seconds(), 0) * A_SECOND)
        self._clients[name] = (max(left - 1, 0.0) if left >= 1 else left, now)
        while len(self._clients) > _MOST_CLIENTS:
            self._clients.popitem(last=False)
        if left < 1:
            wait = ceil((1 - left) / A_SECOND)
            raise TooMany(say("status.too_many", seconds=wait), headers={"Retry-After": str(wait)})

    async def _latest(self) -> Board:
        """The board, read anew when it is not fresh: by one request at a time, the others are given the last one."""
        if self._board is not None and (self._is_fresh() or self._one.locked()):
            return self._board
        async with self._one:
            if self._board is None or not self._is_fresh():
                self._board = await self._read_anew(self._board)
            return self._board

    async def _read_anew(self, last: Board | None) -> Board:
        now = self._clock.now()
        try:
            board = await self._read(now)
        except _AWAY as error:
            if last is None:
                raise
            log.warning("the last copy is served", error=type(error).__name__)
            board = last
        self._read_at = now
        return (
            last if last is not None and board == last else board
        )  # the same object: what was drawn is kept

    def _is_fresh(self) -> bool:
        return self._read_at is not None and self._clock.now() - self._read_at < FRESH


def _network(client: str) -> str:
    """One client: an address, or the network a household has of IPv6."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))
    return str(address)
