"""What is measured, running: a throwaway database, and beside it the real service or the yardstick, each a process of its own."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Literal

import aiohttp
import asyncpg

from tests.databases import free_port, postgres_cluster

Kind = Literal["sqlite", "postgresql"]
KINDS: Final[tuple[Kind, ...]] = ("sqlite", "postgresql")
ROOT: Final = Path(__file__).parent.parent
_MUSTER: Final = (sys.executable, "-c", "from app.cli import main; main()")
_SERVER_CORE: Final = {0}
_LOAD_CORE: Final = {1}

# Everybody the first rungs of a chain may call; their phone is the receiver.
_PEOPLE: Final = (
    ("Lin", "customer_service", "duty_lead"),
    ("Ben", "customer_service", "customer_service_head"),
    ("Tao", "technical_support", "technical_head"),
    ("Ada", "centre_management", "general_manager"),
)


@dataclass(frozen=True)
class Served:
    """A server that answers."""

    url: str
    headers: Mapping[str, str]
    process: subprocess.Popen[bytes]
    again: Callable[[], AbstractAsyncContextManager[subprocess.Popen[bytes]]] | None = None  # after its end


Serve = Callable[[Path, str, str], AbstractAsyncContextManager[Served]]  # directory, database, receiver


@contextmanager
def throwaway(kind: Kind) -> Iterator[tuple[Path, str]]:
    """A directory and the URL of an empty database, durable as in production; gone afterwards."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="muster-bench-")))
        if kind == "sqlite":
            yield directory, f"sqlite:///{directory}/muster.db"
            return
        server = stack.enter_context(postgres_cluster(durable=True))
        if server is None:
            raise SystemExit("PostgreSQL is missing: its Debian package, or a server in MUSTER_TEST_PG_URL")
        name = f"muster_bench_{os.getpid()}"
        with asyncio.Runner() as runner:
            runner.run(_execute(f"{server}postgres", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
            runner.run(_execute(f"{server}postgres", f'CREATE DATABASE "{name}"'))
        try:
            yield directory, server + name
        finally:
            with asyncio.Runner() as runner:
                runner.run(_execute(f"{server}postgres", f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@asynccontextmanager
async def service(directory: Path, database: str, receiver_url: str) -> AsyncIterator[Served]:
    """The service as `muster serve` runs it, with an organisation whose contact points are the receiver."""
    people = directory / "people.csv"
    rows = (f"{name},{department},{position},{receiver_url}" for name, department, position in _PEOPLE)
    people.write_text("\n".join(["name,department,positions,webhook", *rows]), encoding="utf-8")
    environment = {
        **os.environ,
        "MUSTER_DATABASE_URL": database,
        "MUSTER_DATA_DIR": str(directory),
        "MUSTER_PLAN": str(ROOT / "playbooks.yaml"),
        "MUSTER_SECRET_KEY": "only for this benchmark",
        "MUSTER_LANGUAGE": "en",
        "MUSTER_MESSAGES_PER_PERSON": "0",  # one person is told of everything here
    }
    key = _muster(environment, "migrate").strip()
    _muster(environment, "people", "import", str(people))
    port = free_port()
    command = [*_MUSTER, "serve", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"

    def start() -> AbstractAsyncContextManager[subprocess.Popen[bytes]]:
        return _running(command, environment, url, directory, probe="/healthz")

    async with start() as process:
        yield Served(url, {"Authorization": f"Bearer {key}"}, process, start)


@asynccontextmanager
async def bare(directory: Path, database: str, receiver_url: str) -> AsyncIterator[Served]:
    """The yardsticks of `bench.bare`."""
    port = free_port()
    command = [sys.executable, "-m", "bench.bare", database, receiver_url, str(port)]
    async with _running(
        command, dict(os.environ), f"http://127.0.0.1:{port}", directory, probe="/docs"
    ) as process:
        yield Served(f"http://127.0.0.1:{port}", {}, process)


def on_the_load_core() -> None:
    """Keep this process, the load and the receiver, away from the server's core."""
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, _LOAD_CORE)


def _muster(environment: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [*_MUSTER, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


@asynccontextmanager
async def _running(
    command: list[str], environment: Mapping[str, str], url: str, directory: Path, *, probe: str
) -> AsyncIterator[subprocess.Popen[bytes]]:
    with (directory / "server.log").open("ab") as log:
        process = _on_the_server_core(command, environment, log)
        try:
            await _until_it_answers(url + probe, process)
            yield process
        finally:
            process.terminate()
            process.wait(timeout=20)


def _on_the_server_core(
    command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]
) -> subprocess.Popen[bytes]:
    # A child, its threads included, begins where its parent stands.
    ours = os.sched_getaffinity(0)
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, _SERVER_CORE)
    try:
        return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
    finally:
        os.sched_setaffinity(0, ours)


async def _until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    async with asyncio.timeout(60), aiohttp.ClientSession() as client:
        while process.poll() is None:
            try:
                async with client.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.1)
    raise SystemExit(f"the server ended with {process.returncode}")


def execute(url: str, statements: str) -> None:
    """Run SQL on a PostgreSQL, from outside any loop."""
    with asyncio.Runner() as runner:
        runner.run(_execute(url, statements))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
