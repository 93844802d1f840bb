"""Many rows with one statement, whichever database it is.

On PostgreSQL a column travels as one array and the server takes the rows from those: one trip and one plan, where `executemany`
binds and runs the statement for each row. SQLite does the same in one call of its driver.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import JSON, Dialect, String, Table, insert
from sqlalchemy.ext.asyncio import AsyncSession


class _Statement(NamedTuple):
    sql: str
    to_driver: Sequence[Callable[[Any], Any] | None]  # of each column; none: the value goes as it is


async def insert_all(session: AsyncSession, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert them in their order, in the caller's transaction. All rows name the same columns; defaults of Python do not apply."""
    if not rows:
        return
    connection = await session.connection()
    if connection.dialect.name == "sqlite":
        await connection.execute(insert(table), list(rows))
        return
    names = tuple(rows[0])
    sql, to_driver = _statement(table, names, connection.dialect)
    columns = tuple(
        [row[name] if convert is None else convert(row[name]) for row in rows]
        for name, convert in zip(names, to_driver, strict=True)
    )
    await connection.exec_driver_sql(sql, columns)


@lru_cache(maxsize=256)
def _statement(table: Table, names: tuple[str, ...], dialect: Dialect) -> _Statement:
    """The order is said: numbers that the server gives must follow it."""
    columns = [table.c[name] for name in names]
    quoted = [dialect.identifier_preparer.quote(name) for name in names]
    arrays = [f"${place}::{_array_of(column.type, dialect)}" for place, column in enumerate(columns, 1)]
    taken = [
        f"{name}::{column.type.compile(dialect=dialect)}" if isinstance(column.type, JSON) else name
        for name, column in zip(quoted, columns, strict=True)
    ]
    into, named = dialect.identifier_preparer.format_table(table), ", ".join(quoted)
    given = f"unnest({', '.join(arrays)}) WITH ORDINALITY AS given ({named}, place)"
    sql = f"INSERT INTO {into} ({named}) SELECT {', '.join(taken)} FROM {given} ORDER BY place"  # noqa: S608 - our own names
    return _Statement(sql, [_to_driver(column.type, dialect) for column in columns])


def _array_of(kind: Any, dialect: Dialect) -> str:
    # Text and not its length: a cast would cut what is too long, where the insert refuses it.
    return "text[]" if isinstance(kind, String | JSON) else f"{kind.compile(dialect=dialect)}[]"


def _to_driver(kind: Any, dialect: Dialect) -> Callable[[Any], Any] | None:
    found: Callable[[Any], Any] | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return found
