"""Where this database lives, and whether it is in hold.

A database that was restored or moved remembers messages its original has sent, or is still sending. So each start compares where
it lives with where it lived, and an SQLite file with the number left beside it; if that differs it is put in hold: what comes in is
stored, nothing goes out, until somebody releases it. A hold that ended stays as the record of who ended it, and why.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Integer, String, Text, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.clock import Clock
from app.db import Base, Database, in_turn
from app.ids import new_id
from app.wording import Wording, kept, say

_ONLY = 1

log = structlog.get_logger("muster")


class Installation(Base):
    """One row: this database, and where it was last seen."""

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    home: Mapped[str] = mapped_column(Text)
    mark: Mapped[int] = mapped_column(default=0)  # of an SQLite file: counts the minutes it was served
    created_at: Mapped[datetime]


class Hold(Base):
    """One time this database was kept from sending; the one that is not released holds it now."""

    __tablename__ = "holds"

    id: Mapped[str] = mapped_column(String(26), primary_key=True)
    since: Mapped[datetime]
    reason: Mapped[dict[str, Any]]  # a wording
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None] = mapped_column(String(200))
    why: Mapped[str | None] = mapped_column(Text)  # in the words of who released it
    outcome: Mapped[dict[str, Any] | None]  # what was chosen for what was overdue, and how much was dropped


async def settle_in(session: AsyncSession, *, at: datetime) -> Hold | None:
    """Compare where the database lives with where it lived, and hold it when it was moved or put back. Gives the hold it is in."""
    await in_turn(session, "installation")
    here, left = await home_of(session), await _left_beside(session)
    known = await session.get(Installation, _ONLY)
    if known is None:
        session.add(Installation(id=_ONLY, home=here, mark=left, created_at=at))
    elif known.home != here:
        hold(session, say("service.hold.elsewhere", was=known.home, now=here), at=at)
        known.home = here
    if known is not None and left > known.mark:
        if await held(session) is None:
            hold(
                session, say("service.hold.put_back", file=_mark_beside(await _file_of(session)).name), at=at
            )
        known.mark = left
    await session.flush()
    return await held(session)


async def remember(db: Database) -> None:
    """Count on in an SQLite file, and leave the number beside it once that is committed.

    So the file is never behind what stands beside it, however the process ends, unless an older one was put in its place.
    """
    if not db.is_sqlite:
        return
    async with db.transaction() as session:
        known = await session.get(Installation, _ONLY)
        name = await _file_of(session)
        if known is None or not name or await _left_beside(session) > known.mark:
            return  # the next start looks at it
        known.mark += 1
        mark = known.mark
    await asyncio.to_thread(_leave, _mark_beside(name), mark)


async def move_in(session: AsyncSession, *, at: datetime) -> None:
    """Let what was copied into this database live here from now on."""
    known, left = await session.get(Installation, _ONLY), await _left_beside(session)
    if known is None:
        session.add(Installation(id=_ONLY, home=await home_of(session), mark=left, created_at=at))
    else:
        known.home, known.mark = await home_of(session), max(known.mark, left)


def hold(session: AsyncSession, reason: Wording, *, at: datetime) -> Hold:
    """Send nothing from the commit of this on; engines see it within a tick."""
    placed = Hold(id=new_id(at), since=at, reason=kept(reason))
    session.add(placed)
    return placed


async def held(session: AsyncSession) -> Hold | None:
    """The oldest hold that is not released."""
    query = select(Hold).where(Hold.released_at.is_(None)).order_by(Hold.id).limit(1)
    found: Hold | None = await session.scalar(query)
    return found


async def end_holds(
    session: AsyncSession, *, by: str, why: str, outcome: Mapping[str, Any], at: datetime
) -> None:
    """Write down that somebody released the database."""
    for one in await session.scalars(select(Hold).where(Hold.released_at.is_(None)).with_for_update()):
        one.released_at, one.released_by, one.why, one.outcome = at, by, why, dict(outcome)


async def home_of(session: AsyncSession) -> str:
    """Where the database lives.

    On SQLite the path and the inode: a copy has another. The device is left out, its number may change when a machine starts
    again. On PostgreSQL the cluster's system identifier and the database's number in it; where the first may not be read, the
    number alone.
    """
    if session.get_bind().dialect.name == "sqlite":
        return _file_home(await _file_of(session))
    number = await session.scalar(
        text("SELECT oid::text FROM pg_database WHERE datname = current_database()")
    )
    may = await session.scalar(text("SELECT has_function_privilege('pg_control_system()', 'execute')"))
    cluster = (
        await session.scalar(text("SELECT system_identifier::text FROM pg_control_system()")) if may else "?"
    )
    return f"postgresql {cluster}/{number}"


async def _file_of(session: AsyncSession) -> str:
    """The path of an SQLite database; nothing where it is in memory."""
    rows = await session.execute(text("PRAGMA database_list"))
    return next((str(row[2] or "") for row in rows if row[1] == "main"), "")


async def _left_beside(session: AsyncSession) -> int:
    """The number that was left beside an SQLite file, or nought. On PostgreSQL there is none: after a failover that lost its last
    commits, as an asynchronous one may, the pages must go on."""
    if session.get_bind().dialect.name != "sqlite" or not (name := await _file_of(session)):
        return 0
    return await asyncio.to_thread(_number_in, _mark_beside(name))


def _mark_beside(name: str) -> Path:
    return Path(f"{name}.mark")


def _number_in(file: Path) -> int:
    try:
        return int(file.read_text("ascii"))
    except (OSError, ValueError):
        return 0


def _leave(file: Path, mark: int) -> None:
    """As a whole or not at all. That it may be lost with the machine's power does no harm: a smaller number accuses nobody."""
    part = file.with_name(f"{file.name}.part")
    try:
        part.write_text(str(mark), "ascii")
        part.replace(file)
    except OSError as error:  # a full disk: what was left before still holds
        log.warning("no mark left beside the database", error=type(error).__name__)


def _file_home(name: str) -> str:
    if not name:
        return "memory"
    path = Path(name).resolve()
    return f"{path} ({path.stat().st_ino})"


class Watch:
    """What a process knows of the hold. Free, it looks again once in `every`; held, at each question, so that a release by
    another process is seen at once."""

    def __init__(self, db: Database, clock: Clock, every: timedelta) -> None:
        self._db, self._clock, self._every = db, clock, every
        self._looked_at: datetime | None = None
        self.is_held = False  # as last seen

    async def look(self) -> bool:
        """Whether nothing may go out now. Raises what the database raises: who cannot tell must not send."""
        now = self._clock.now()
        if self._looked_at is None:
            async with self._db.transaction() as session:
                self.is_held = await settle_in(session, at=now) is not None
        elif self.is_held or now - self._looked_at >= self._every:
            async with self._db.reading() as session:
                self.is_held = await held(session) is not None
        else:
            return False
        self._looked_at = now
        return self.is_held
