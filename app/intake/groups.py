"""What arrives together is stored together: one transaction for all requests that waited while the last one committed.

Groups form by themselves, without a timer: a lone request is a group of one and waits for nobody. Each is answered
after the commit. One bad request never fails its neighbours: where a group cannot be stored it is stored one by one.
The queue is bounded; beyond the bound, and while the database is away, the sender gets the refusal it comes again on.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.away import Away
from app.clock import Clock
from app.db import Database
from app.errors import Problem
from app.intake import inbox
from app.intake.inbox import Kept, Told
from app.intake.kinds import KINDS, Kind
from app.rush import Rush
from app.vault import Vault

AT_ONCE: Final = 200  # requests of one transaction: the engine waits no longer than this takes
WAITING: Final = 1000  # requests in the queue; the next one is told to come again
_RESERVE: Final = 4  # times as many, for senders that never come again
_LONGEST: Final = 8.0  # seconds for one group; senders hang up after ten
_UNKNOWN: Final = KINDS["generic"]  # for a source that this process has not heard of yet
_REMEMBERED: Final = 1000  # slugs

log = structlog.get_logger("inbox")
_Waiting = tuple[Told, asyncio.Future[Kept]]


class Groups:
    """The queue of one process and its writer, which lives while there is something to write."""

    def __init__(
        self, db: Database, clock: Clock, vault: Vault, *, rush: Rush | None = None, at_once: int = AT_ONCE,
        waiting: int = WAITING,
    ) -> None:  # fmt: skip
        self._db, self._clock, self._vault = db, clock, vault
        self._rush = rush or Rush()
        self._at_once, self._bound = at_once, waiting
        self._waiting: deque[_Waiting] = deque()
        self._in_hand = 0  # of the group that is being stored
        self._writer: asyncio.Task[None] | None = None
        self._kinds: dict[str, str] = {}  # of a slug, so that a refusal needs no database

    async def keep(self, told: Told) -> Kept:
        """What became of it, once that is committed. Raises the refusal of the caller, or that of an overload."""
        if len(self._waiting) >= self._bound * (1 if self._kind_of(told).comes_again else _RESERVE):
            raise self._overloaded(told)
        answer: asyncio.Future[Kept] = asyncio.get_running_loop().create_future()
        self._waiting.append((told, answer))
        self._rush.now_waiting(self._in_hand + len(self._waiting))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        return await answer

    async def _write(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(self._at_once, len(self._waiting)))]
            self._in_hand = len(group)
            # Gathered and not caught, as below: whoever waits is answered, and those behind them have their turn.
            (broken,) = await asyncio.gather(self._store_or_refuse(group), return_exceptions=True)
            if broken is not None:
                self._answer_overloaded(group)
                log.error("writer broke", number=len(group), error=type(broken).__name__, exc_info=broken)
            self._in_hand = 0
            self._rush.now_waiting(len(self._waiting))

    async def _store_or_refuse(self, group: Sequence[_Waiting]) -> None:
        failure = await self._store(group)
        if failure is not None and len(group) > 1 and not _is_away(failure):
            log.warning("group stored one by one", number=len(group), error=type(failure).__name__)
            await self._one_by_one(group)
        elif failure is not None:
            self._refuse(group, failure)

    async def _one_by_one(self, group: Sequence[_Waiting]) -> None:
        for number, one in enumerate(group):
            failure = await self._store([one])
            if failure is not None and _is_away(failure):
                self._refuse(group[number:], failure)  # nobody waits for each of the others to find out
                return
            if failure is not None:
                self._refuse([one], failure)

    async def _store(self, group: Sequence[_Waiting]) -> BaseException | None:
        """Commit and answer; or say what went wrong, with nobody answered."""
        # Gathered and not caught: whatever a body provokes is its own request's failure, never the writer's.
        (stored,) = await asyncio.gather(self._commit([told for told, _ in group]), return_exceptions=True)
        if isinstance(stored, BaseException):
            return stored
        for (told, answer), kept in zip(group, stored, strict=True):
            if answer.done():
                continue  # the client has gone
            if isinstance(kept, Problem):
                answer.set_exception(kept)
            else:
                self._remember(told, kept)
                answer.set_result(kept)
        return None

    async def _commit(self, group: Sequence[Told]) -> list[Kept | Problem]:
        async with asyncio.timeout(_LONGEST), self._db.transaction() as session:
            return await inbox.keep(session, group, vault=self._vault, at=self._clock.now())

    def _refuse(self, group: Sequence[_Waiting], failure: BaseException) -> None:
        log.error("not stored", number=len(group), error=type(failure).__name__, exc_info=failure)
        for told, answer in group:
            if not answer.done():
                passes = isinstance(failure, SQLAlchemyError | OSError)  # a `TimeoutError` is an `OSError`
                answer.set_exception(self._overloaded(told) if passes else failure)

    def _answer_overloaded(self, group: Sequence[_Waiting]) -> None:
        """To those of the group that have no answer yet; what of theirs is stored is known again when they come again."""
        for told, answer in group:
            if not answer.done():
                answer.set_exception(self._overloaded(told))

    def _overloaded(self, told: Told) -> Problem:
        return self._kind_of(told).overloaded()

    def _kind_of(self, told: Told) -> Kind:
        asking = told.asking
        name = asking.kind if asking.slug is None else self._kinds.get(asking.slug)
        return KINDS[name] if name is not None else _UNKNOWN

    def _remember(self, told: Told, kept: Kept) -> None:
        if len(self._kinds) >= _REMEMBERED:
            self._kinds.clear()
        if told.asking.slug is not None:
            self._kinds[told.asking.slug] = kept.kind.kind


def _is_away(failure: BaseException) -> bool:
    """Whether it is the database and not a row."""
    return isinstance(failure, Away | OSError)  # a `TimeoutError` is an `OSError`
