"""Real databases for tests: a PostgreSQL cluster of the session's own, and a fresh database of either kind.

Holds how a cluster is found or started, and how a database is made from a template that got its tables once.
It never touches a server it was not given: `MUSTER_TEST_PG_URL`, or the one it starts and stops. Where
PostgreSQL is missing a test skips, or fails under `MUSTER_TEST_REQUIRE_REAL=1`, so that CI is not half green.
"""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.util import LRUCache

from app import tables
from app.db import Database

Kind = Literal["sqlite", "postgresql"]
_Result = TypeVar("_Result")

_CLUSTER_OWNER = "postgres"  # initdb refuses to work for root
_USES = 20  # of one PostgreSQL database; the dead rows add up
_STATEMENTS = 3000  # that are kept compiled
_START_ATTEMPTS = 3  # a port that was free may be taken before the server binds it


def missing(what: str) -> NoReturn:
    """Skip the test that needs `what`, or fail it where every real part is required."""
    if os.environ.get("MUSTER_TEST_REQUIRE_REAL") == "1":
        pytest.fail(f"{what} is required here and missing", pytrace=False)
    pytest.skip(f"{what} is missing; MUSTER_TEST_REQUIRE_REAL=1 makes this a failure")


# ── the cluster ───────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def postgres_cluster(*, durable: bool = False) -> Iterator[str | None]:
    """Give a server's URL, ending in `/` for a database name to follow, or None where there is none.

    1. `MUSTER_TEST_PG_URL`, if set: a server somebody else runs, where we may create databases.
    2. The newest Debian binaries: a cluster of our own in a temporary directory, stopped at the end. Tests need
       nothing to survive a crash; a benchmark does, and asks for a durable one.
    """
    if given := os.environ.get("MUSTER_TEST_PG_URL"):
        yield given.rsplit("/", 1)[0] + "/" if given.count("/") > 2 else given + "/"
        return
    with own_cluster(durable=durable) as cluster:
        yield cluster.url if cluster is not None else None


@contextmanager
def own_cluster(*, durable: bool = False) -> Iterator["Cluster | None"]:
    """A cluster nobody else uses, from the newest Debian binaries, gone at the end; None where there are none."""
    binaries = newest_binaries(Path("/usr/lib/postgresql"))
    if binaries is None:
        yield None
        return
    home = Path(tempfile.mkdtemp(prefix="muster-pg-"))
    try:
        if os.getuid() == 0:
            shutil.chown(home, _CLUSTER_OWNER)
        _as_owner(binaries / "initdb", "-D", home / "data", "-A", "trust", "-U", "muster", "--encoding=UTF8",
                  "--no-locale", "--no-sync")  # fmt: skip
        cluster = Cluster(binaries, home, _start(binaries, home, durable=durable), durable)
        try:
            yield cluster
        finally:
            cluster.thaw()
            cluster.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@dataclass(frozen=True)
class Cluster:
    """A server we may do anything to: stop it at once, start it on the same port, freeze every process of it."""

    binaries: Path
    home: Path
    port: int
    durable: bool

    @property
    def url(self) -> str:
        return f"postgresql://muster@127.0.0.1:{self.port}/"

    def stop(self) -> None:
        """Without a goodbye, as a crash would."""
        _as_owner(self.binaries / "pg_ctl", "-D", self.home / "data", "-m", "immediate", "stop")

    def start(self) -> None:
        _launch(self.binaries, self.home, self.port, durable=self.durable)

    def freeze(self) -> None:
        """Stop every process where it stands. Connections stay open, and nothing answers."""
        # The first one first: what it started by then stays all there is.
        for process in self._processes():
            os.kill(process, signal.SIGSTOP)

    def thaw(self) -> None:
        for process in self._processes():
            os.kill(process, signal.SIGCONT)

    def _processes(self) -> list[int]:
        note = self.home / "data" / "postmaster.pid"
        if not note.exists():
            return []
        first = int(note.read_text().split()[0])
        return [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]


def newest_binaries(versions: Path) -> Path | None:
    """The `bin` directory of the highest version under `versions`, or None."""
    found = [path.parent for path in versions.glob("*/bin/initdb")]
    return max(found, key=lambda path: int(path.parent.name), default=None)


def _start(binaries: Path, home: Path, *, durable: bool) -> int:
    for attempt in range(1, _START_ATTEMPTS + 1):
        port = free_port()
        try:
            _launch(binaries, home, port, durable=durable)
        except subprocess.CalledProcessError:
            if attempt == _START_ATTEMPTS:
                raise
        else:
            return port
    raise AssertionError("the loop returns or raises")


def _launch(binaries: Path, home: Path, port: int, *, durable: bool) -> None:
    options = f"-k {home} -h 127.0.0.1 -p {port} -c max_connections=200"
    if not durable:
        options += " -c fsync=off -c full_page_writes=off -c autovacuum=off"
    _as_owner(binaries / "pg_ctl", "-D", home / "data", "-l", home / "log", "-w", "-o", options, "start")


def _as_owner(*command: str | Path) -> None:
    become = (
        ["runuser", "-u", _CLUSTER_OWNER, "--"] if os.getuid() == 0 and pwd.getpwnam(_CLUSTER_OWNER) else []
    )
    subprocess.run(
        [*become, *map(str, command)],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # a pipe would stay open in the server, and be waited for
        stderr=subprocess.DEVNULL,
        cwd="/",
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# ── statements ────────────────────────────────────────────────────────────────────────────────────────────


def compile_once() -> None:
    """Let every engine of this process use what any of them compiled.

    Each test has engines of its own, for the same statements on the same two dialects: compiling was a seventh of the suite.
    """
    for dialect in (PGDialect_asyncpg, SQLiteDialect_aiosqlite):
        # What was compiled is kept by its dialect; those of one class write the same SQL, and so are the same key.
        dialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]
        dialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]
    compiled: LRUCache[Any, Any] = LRUCache(_STATEMENTS)

    @event.listens_for(Engine, "engine_connect")
    def _share(connection: Connection) -> None:
        connection.execution_options(compiled_cache=compiled)


# ── databases made from a template ────────────────────────────────────────────────────────────────────────


@dataclass
class Databases:
    """Fresh databases of the session; the cluster and each kind's template are made when first asked for."""

    directory: Path
    given: str | None = None
    """A server to use instead of the session's own, its URL up to the name of a database."""
    _session: str = field(default_factory=lambda: uuid4().hex[:8])
    _numbers: Iterator[int] = field(default_factory=count)
    _templates: dict[Kind, str] = field(default_factory=dict)
    _idle: list[str] = field(default_factory=list)
    """PostgreSQL databases that were cleared: it takes a tenth of the time of making one."""
    _uses: Counter[str] = field(default_factory=Counter)
    _shape: str | None = None
    _cleanup: ExitStack = field(default_factory=ExitStack)

    def fresh(self, kind: Kind) -> str:
        """Make a database that holds every table and no row, and give its URL."""
        if kind not in self._templates:
            url = self.empty(kind)
            _in_a_thread(_create_tables(url))
            self._templates[kind] = url
            if kind == "postgresql":
                self._shape = _in_a_thread(_cleared(url))
                assert self._shape is not None
        if kind == "sqlite":
            return self.copy(self._templates[kind])
        url = self._idle.pop() if self._idle else self.copy(self._templates[kind])
        self._uses[url] += 1
        return url

    def copy(self, url: str) -> str:
        """Make a database that holds what that one holds, and give its URL. It is never used a second time."""
        if not url.startswith("sqlite"):
            return self._new_postgresql(template=_name(url))
        made = self._new_file()
        shutil.copyfile(_file(url), _file(made))
        return made

    def empty(self, kind: Kind) -> str:
        """Make a database without any table, and give its URL."""
        return self._new_file() if kind == "sqlite" else self._new_postgresql(template="template1")

    def drop(self, url: str) -> None:
        """Take a database away, whoever is still connected. One that had nothing but rows is kept for the next test."""
        if url.startswith("sqlite"):
            shutil.rmtree(_file(url).parent)
        elif 0 < self._uses[url] < _USES and _in_a_thread(_cleared(url)) == self._shape:
            self._idle.append(url)
        else:
            self._administer(f'DROP DATABASE IF EXISTS "{_name(url)}" WITH (FORCE)')

    def close(self) -> None:
        """Leave nothing behind in a server that outlives us, and stop the one that does not."""
        with self._cleanup:
            for left in [*self._idle, *self._templates.values()]:
                self._uses.pop(left, None)
                self.drop(left)

    @cached_property
    def server(self) -> str:
        """The URL of the PostgreSQL server, up to the name of a database."""
        if self.given is not None:
            return self.given
        found = self._cleanup.enter_context(postgres_cluster())
        if found is None:
            missing("PostgreSQL (its Debian package, or a server in MUSTER_TEST_PG_URL)")
        return found

    def _new_file(self) -> str:
        return f"sqlite:///{tempfile.mkdtemp(dir=self.directory)}/muster.db"

    def _new_postgresql(self, *, template: str) -> str:
        name = f"muster_{self._session}_{next(self._numbers)}"
        self._administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.server + name

    def _administer(self, statement: str) -> None:
        _in_a_thread(_execute(f"{self.server}postgres", statement))


def _name(url: str) -> str:
    return url.rsplit("/", 1)[1]


def _file(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


async def _create_tables(url: str) -> None:
    """Make the tables of every room; `app.tables` is what knows them all."""
    assert tables.Base.metadata.tables
    database = Database(url)
    try:
        await database.create_all()
    finally:
        await database.dispose()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


# Waited for: what is on its way to a commit must not come after the rows were deleted.
_SEND_AWAY = """
SELECT coalesce(bool_and(pg_terminate_backend(pid, 10000)), true) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_COUNT_FROM_THE_START = "SELECT setval(seqrelid::regclass, seqstart, false) FROM pg_sequence"
_CATALOGS = ("class", "attribute", "constraint", "proc", "type", "trigger", "event_trigger")
# Whatever is made, altered or taken away changes one of these counts, or is the newest there.
_SHAPE = f"""
SELECT concat_ws(' ', {", ".join(f"(SELECT count(*) || '/' || max(xmin::text::bigint) FROM pg_{c})" for c in _CATALOGS)},
    (SELECT count(*) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = current_database()))
"""


async def _cleared(url: str) -> str | None:
    """Send everybody away and delete every row. What is left is the shape of the database, and this gives a mark of it;
    None where the test left the database so that this cannot be done."""
    try:
        connection = await asyncpg.connect(url)
    except (asyncpg.PostgresError, OSError):
        return None
    try:
        if not await connection.fetchval(_SEND_AWAY):
            return None
        await connection.execute(
            ";".join(f'DELETE FROM "{table}"' for table in reversed(tables.Base.metadata.sorted_tables))
        )
        await connection.execute(_COUNT_FROM_THE_START)
        mark: str = await connection.fetchval(_SHAPE)
        return mark
    except asyncpg.PostgresError:
        return None
    finally:
        await connection.close()


def _in_a_thread(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run `work` to its end on a loop of its own, also from within a test that has one running."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()
