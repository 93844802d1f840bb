"""What happens before the first request: the tables, the plan, the first key, and on SQLite the promise to be the only one."""

import asyncio
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy import func, select

from app import installation
from app.access import keys
from app.access.parts import Parts
from app.access.tables import Key, Role
from app.clock import keep_in_step
from app.db import in_turn
from app.plan import revisions
from app.plan.reading import BadPlan
from app.readiness import duties
from app.wording import render, restored, say

MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"

log = structlog.get_logger("muster")


class AlreadyServing(Exception):
    """Another service has this SQLite file open; one process at a time, or PostgreSQL."""


def migrate(url: str, revision: str = "head") -> None:
    """Bring the tables to the newest form. Repeatable."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    command.upgrade(config, revision)


@contextmanager
def only_service(database: str) -> Iterator[None]:
    """Hold the SQLite file as its one service, or raise `AlreadyServing`. On PostgreSQL there may be any number."""
    if not database.startswith("sqlite"):
        yield
        return
    path = Path(database.partition(":///")[2] + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyServing from error
        yield


async def prepare(parts: Parts) -> str | None:
    """Load the shipped plan and, where there is no key yet, make the first one; it is returned to be shown once.

    Raises `BadPlan` when the file has mistakes and no plan is in force; with one in force that one stays.
    """
    await keep_in_step(parts.clock)
    now = parts.clock.now()
    async with parts.db.transaction() as session:
        if (hold := await installation.settle_in(session, at=now)) is not None:
            log.warning("in hold: nothing is sent until `muster release`", reason=str(restored(hold.reason)))
    text = await asyncio.to_thread(parts.settings.plan.read_text, "utf-8")
    try:
        async with parts.db.transaction() as session:
            # What fell due while nobody ran was due under the plan then in force.
            await duties.fire_due(session, at=now)
            await revisions.load_shipped(session, text, parts.settings.plan.name, at=now)
    except BadPlan as error:
        async with parts.db.reading() as session:
            if await revisions.current(session) is None:
                raise
        log.error("plan file refused, the plan in force stays", mistakes=error.told("en"))
    async with parts.db.transaction() as session:
        await in_turn(session, "first key")
        if await session.scalar(select(func.count()).select_from(Key)):
            return None
        name = render(say("service.first_key"), parts.settings.language)
        _, shown = await keys.issue(session, name=name, role=Role.LEADERSHIP, by="muster", at=now)
        return shown
