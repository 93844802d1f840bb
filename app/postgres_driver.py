"""A connection to PostgreSQL on which every call ends: by the server's own limits, or by a deadline on this side.

A frozen server enforces no `statement_timeout`, sends no reset and keeps its sockets open. So connecting, beginning, each
statement, commit and rollback have a deadline of ours, and a connection that missed one is dropped without a goodbye: a polite
close would wait for the same server.
"""

import asyncio
from datetime import timedelta
from typing import Any, cast

import asyncpg
from sqlalchemy import URL, ExceptionContext, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.away import Away, is_away

_SERVERS_SHARE = 0.9  # of the deadline: the server's own limit comes first, and leaves the connection whole
_SILENCE = 6  # deadlines; a client that froze in mid-transaction holds its locks no longer than this


def engine(url: URL, *, connections: int, deadline: timedelta | None, pooler: bool) -> AsyncEngine:
    """Connections that are lost in time. `deadline` is for one statement; without one (migrations, a restore) none is waited for in
    vain but the connecting. `pooler`: between here and the server one server connection serves many clients, a transaction each."""
    seconds = deadline.total_seconds() if deadline is not None else None
    arguments: dict[str, Any] = {
        "async_creator_fn": connect,
        "timeout": seconds or 10,
        "command_timeout": seconds,
        "server_settings": _server_settings(None if pooler else seconds),
    }
    if pooler:
        # Nothing may be kept in the server's session: the next transaction may run in another one's. A statement without
        # a name lives until the next, in the same transaction.
        arguments |= {
            "statement_cache_size": 0, "prepared_statement_cache_size": 0, "prepared_statement_name_func": str,
        }  # fmt: skip
    made = create_async_engine(
        url, pool_size=connections, max_overflow=0, connect_args=arguments, hide_parameters=True,
        pool_timeout=_SILENCE * seconds if seconds else 30,
    )  # fmt: skip
    event.listen(made.sync_engine, "handle_error", _translate, retval=True)
    event.listen(made.sync_engine, "checkout", _refuse_closed)
    if deadline is None:
        event.listen(made.sync_engine, "begin", _lift_limits)
    return made


def _server_settings(seconds: float | None) -> dict[str, str]:
    """What the session is opened with. A pooler refuses what it does not know, so behind one the role has to bear it."""
    settings = {"application_name": "muster"}
    if seconds is not None:
        settings["statement_timeout"] = str(int(seconds * _SERVERS_SHARE * 1000))
        settings["idle_in_transaction_session_timeout"] = str(int(seconds * _SILENCE * 1000))
    return settings


TROUBLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)  # of the driver itself


async def connect(*where: Any, **options: Any) -> Any:
    """A connection, or `Away`: whatever the reason is, there is no database."""
    try:
        return await asyncpg.connect(*where, **options)
    except TROUBLE as error:
        raise Away(f"not connected: {type(error).__name__}: {error}") from error


def _translate(context: ExceptionContext) -> Exception | None:
    """Drop the connection of a call that was broken off, and name what happened."""
    error = context.original_exception
    connection = context.connection
    lost = context.is_disconnect
    if isinstance(error, TimeoutError | asyncio.CancelledError):
        if connection is not None and not connection.invalidated:
            # Now, and not by the pool: it would first say goodbye, and wait for the answer.
            cast(Any, connection.connection.driver_connection).terminate()
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False  # one slow statement says nothing about the others
    if not isinstance(error, Exception) or not (lost or is_away(error)):
        return None
    return Away(f"{type(error).__name__}: {error}")


def _lift_limits(connection: Any) -> None:
    """Those that the role bears, where a pooler lets no session have its own."""
    for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
        connection.exec_driver_sql(f"SET LOCAL {limit} = 0")


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """A restart closes what lies in the pool; noticed here, it costs nobody an answer. No trip to the server is made."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError
