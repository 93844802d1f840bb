"""How Alembic reaches the database: the address is passed in by `app.migrating`, or read from the settings for its own command."""

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy import text as sql

from app.db import Database
from app.settings import Settings
from app.tables import Base


def run(connection: Connection) -> None:
    sqlite = connection.dialect.name == "sqlite"
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=sqlite,
        compare_type=True,
        compare_server_default=False,
    )
    with context.begin_transaction():
        context.run_migrations()
    if sqlite and (broken := connection.execute(sql("PRAGMA foreign_key_check")).all()):
        raise RuntimeError(f"the migration left {len(broken)} rows without their parent")


async def migrate() -> None:
    url = context.config.attributes.get("url") or Settings().database
    database = Database(str(url))
    try:
        async with database.schema_change() as connection:
            await connection.run_sync(run)
    finally:
        await database.dispose()


if (given := context.config.attributes.get("connection")) is not None:
    run(given)
else:
    asyncio.run(migrate())
