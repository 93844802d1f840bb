"""How Alembic reaches the database: the address comes from `app.service.starting`, or for its own command from the settings."""

import asyncio
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection, inspect
from sqlalchemy import text as sql

from app.db import Database, Json, UtcDateTime
from app.outbox import BigId
from app.settings import Settings
from app.tables import Base


def run(connection: Connection) -> None:
    sqlite = connection.dialect.name == "sqlite"
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite changes a table by rebuilding it; where there is no table yet, nothing needs to be rebuilt.
        render_as_batch=sqlite and bool(inspect(connection).get_table_names()),
        render_item=portable,
        compare_type=True,
        compare_server_default=False,
    )
    with context.begin_transaction():
        context.run_migrations()
    if sqlite and (broken := connection.execute(sql("PRAGMA foreign_key_check")).all()):
        raise RuntimeError(f"the migration left {len(broken)} rows without their parent")


def portable(kind: str, item: Any, _autogenerating: AutogenContext) -> str | Literal[False]:
    """Write our column types so that a revision runs on both databases and does not change when the models do."""
    if kind != "type":
        return False
    if isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if item is Json or repr(item) == repr(Json):
        return "JSON"
    return "BIG_ID" if repr(item) == repr(BigId) and item._variant_mapping else False


def take_turns(connection: Connection) -> None:
    """Replicas that start together migrate one after the other; the later ones find it done."""
    if connection.dialect.name == "postgresql":
        connection.execute(sql("select pg_advisory_xact_lock(hashtext('muster migration'))"))


async def migrate() -> None:
    settings = Settings()
    url = context.config.attributes.get("url") or settings.database
    database = Database(str(url), pooler=settings.database_pooler)
    try:
        async with database.schema_change() as connection:
            await connection.run_sync(take_turns)
            await connection.run_sync(run)
    finally:
        await database.dispose()


if (given := context.config.attributes.get("connection")) is not None:
    run(given)
else:
    asyncio.run(migrate())
