"""The database is away: what counts as that, and what is raised. It passes by itself, so the answer is "come again".

Away is: not reached, frozen, restarting, gone in the middle, out of places or of disk, and whatever rolled a transaction back
that would go well the next time. A row that is refused is none of it.
"""

import sqlite3

from sqlalchemy.exc import SQLAlchemyError

# SQLSTATE of PostgreSQL, by how it begins (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_PASSING_STATES = (
    "08",  # no connection, or none any more; a pooler says everything with this one
    "25006",  # a standby answered, in the middle of a failover
    "25P03", "25P04",  # the transaction took too long, and was ended there
    "40",  # rolled back: deadlock, serialization
    "53",  # out of disk, memory or connections
    "55P03",  # a lock was not to be had in time
    "57",  # cancelled, shutting down, starting up
    "58",  # the disk under it
)  # fmt: skip
_PASSING_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
    }
)  # fmt: skip


class Away(SQLAlchemyError):
    """The database does not answer. What was asked of it may have been done: only its rows can tell."""


class TooBusy(Away):
    """So many wait for the database that one more would wait in vain. Nothing was asked of it."""


def is_away(error: BaseException) -> bool:
    """Whether a driver's error means that the database is away, rather than that it said no."""
    if isinstance(error, OSError):  # a `TimeoutError` is one
        return True
    if state := getattr(error, "sqlstate", None):
        return str(state).startswith(_PASSING_STATES)
    code = getattr(error, "sqlite_errorcode", None)
    return (
        code is not None and code & 0xFF in _PASSING_CODES
    )  # the low byte; above it stands the finer reason
