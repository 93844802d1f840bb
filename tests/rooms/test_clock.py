"""Due times follow the database's clock, so that replicas whose own clocks are wrong agree."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.clock import DatabaseClock, ManualClock, SystemClock, keep_in_step
from app.db import Database
from app.main import parts_of
from app.settings import Settings
from tests.databases import Kind

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Server:
    """A database that is asked for the time: each answer takes so long, on a counter that only it moves."""

    def __init__(self, moment: datetime = NOON) -> None:
        self.moment, self.counter = moment, 1000.0
        self.trips: Iterator[tuple[float, float]] = iter(())  # seconds there, seconds back; then none

    def pass_time(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        self.counter += seconds

    async def ask(self) -> datetime:
        there, back = next(self.trips, (0.0, 0.0))
        self.pass_time(there)
        told = self.moment
        self.pass_time(back)
        return told

    def clock(self, own: datetime = NOON) -> DatabaseClock:
        return DatabaseClock(self.ask, own=ManualClock(own), steady=lambda: self.counter)


async def test_replicas_with_wrong_clocks_agree() -> None:
    server = Server()
    ahead, behind = server.clock(NOON + timedelta(hours=3)), server.clock(NOON - timedelta(days=1))
    for clock in (ahead, behind):
        await clock.look()
    server.pass_time(40)

    assert ahead.now() == behind.now() == server.moment == NOON + timedelta(seconds=40)


async def test_before_the_first_look_it_is_the_machines_own() -> None:
    own = NOON - timedelta(hours=1)

    assert Server().clock(own).now() == own


async def test_the_quickest_answer_counts_and_is_taken_in_its_middle() -> None:
    server = Server()
    server.trips = iter([(3.0, 0.0), (0.2, 0.2), (0.0, 5.0)])
    clock = server.clock()
    await clock.look()

    assert abs(clock.now() - server.moment) < timedelta(milliseconds=1)


async def test_a_small_step_back_is_waited_out_and_a_large_one_taken() -> None:
    server = Server()
    clock = server.clock()
    await clock.look()
    shown = clock.now()

    server.moment -= timedelta(seconds=0.5)
    await clock.look()
    assert clock.now() == shown
    server.pass_time(0.2)
    assert clock.now() == shown
    server.pass_time(0.4)
    assert clock.now() == server.moment > shown

    server.moment -= timedelta(hours=1)  # another server took over
    await clock.look()
    assert clock.now() == server.moment


async def test_postgresql_tells_the_time(fresh_database: Callable[[Kind], str]) -> None:
    database = Database(fresh_database("postgresql"))
    clock = DatabaseClock(database.moment, own=ManualClock(NOON))
    await keep_in_step(clock)
    told = clock.now()
    await database.dispose()

    # The server of a test shares the machine's clock.
    assert abs(told - SystemClock().now()) < timedelta(seconds=5)


@pytest.mark.parametrize(("kind", "clock"), [("sqlite", SystemClock), ("postgresql", DatabaseClock)])
async def test_a_process_goes_by_the_clock_its_replicas_share(
    kind: Kind, clock: type, fresh_database: Callable[[Kind], str], tmp_path: Path
) -> None:
    parts = parts_of(
        Settings(
            _env_file=None, database_url=fresh_database(kind), data_dir=tmp_path, secret_key=SecretStr("none")
        )
    )
    await keep_in_step(parts.clock)
    await parts.db.dispose()

    assert type(parts.clock) is clock
