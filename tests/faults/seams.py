"""Where a process may die: the points between the service and everything around it.

The product has no hook for this. Statements, commits, sends, calls and answers are wrapped from outside, in the process that is to
die, so what is attacked is what ships. Each passing of a seam is a numbered event with a name; at the chosen number the
process kills itself with SIGKILL: no `finally` runs, no connection is closed, no buffer is flushed.
"""

import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import Database
from tests.faults.history import History

_SUBJECT = re.compile(r"(?:INTO|UPDATE|FROM)\s+\"?(\w+)", re.IGNORECASE)


@dataclass
class Seams:
    """Counts events and dies at the `deadly`-th; with none, never."""

    history: History
    deadly: int | None = None
    passed: int = 0
    armed: bool = False

    def reached(self, name: str) -> None:
        if not self.armed:
            return
        self.passed += 1
        if self.passed == self.deadly:
            self.history.note("killed", at=name, number=self.passed)
            os.kill(os.getpid(), signal.SIGKILL)


def watch_database(database: Database, seams: Seams) -> None:
    """Make a seam of each statement and each commit of both engines."""
    for engine in _engines(database):
        sync = engine.sync_engine

        @event.listens_for(sync, "before_cursor_execute")
        def _before(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            seams.reached(f"sql.before {name_of(statement)}")

        @event.listens_for(sync, "after_cursor_execute")
        def _after(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            seams.reached(f"sql.after {name_of(statement)}")

        commit = sync.dialect.do_commit

        def _commit(connection: Any, commit: Any = commit) -> None:
            seams.reached("commit.before")
            commit(connection)
            seams.reached("commit.after")

        sync.dialect.do_commit = _commit  # type: ignore[method-assign, assignment]


def lead_to(database: Database, where: Callable[[], str]) -> None:
    """Connect to whatever `where` says, so that a fork works on a database of its own with everything compiled before.

    Nothing is forced onto a disk: what a killed process wrote is in the kernel, which lives on.
    """
    for engine in _engines(database):

        @event.listens_for(engine.sync_engine, "do_connect")
        def _elsewhere(_d: Any, _r: Any, given: list[Any], named: dict[str, Any]) -> None:
            url = make_url(where())
            if database.is_sqlite:
                given[:] = [url.database]
            else:
                named["database"] = url.database

        @event.listens_for(engine.sync_engine, "connect")
        def _quickly(connection: Any, _record: Any) -> None:
            if database.is_sqlite:
                connection.cursor().execute("PRAGMA synchronous=OFF")


def _engines(database: Database) -> list[AsyncEngine]:
    """Every engine of both sides of the process, each once."""
    sides = (database._own, database._requests)
    found = {id(engine): engine for side in sides for engine in (side.writer, side.reader)}
    return list(found.values())


def name_of(statement: str) -> str:
    """`UPDATE deliveries`: the verb and the first table."""
    verb = statement.split(None, 1)[0].upper()
    subject = _SUBJECT.search(statement)
    return f"{verb} {subject[1]}" if subject else verb


class Answering:
    """ASGI: a seam before the answer leaves."""

    def __init__(self, app: Any, seams: Seams) -> None:
        self.app, self.seams = app, seams

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def answering(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.seams.reached("answer.before")
            await send(message)

        await self.app(scope, receive, answering)
