"""The yardsticks: what the same stack does when it does almost nothing.

`/row` commits one row per request through the same `Database`; `/message` posts a message to the receiver before it answers and
knows no database. Run as a process of its own, `python -m bench.bare DATABASE_URL RECEIVER_URL PORT`, with the server settings of
the service.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import Column, MetaData, String, Table, insert
from sqlalchemy.orm import DeclarativeBase

from app.db import Database, UtcDateTime
from app.ids import new_id

ROWS = Table(
    "bare_rows",
    MetaData(),
    Column("id", String(26), primary_key=True),
    Column("ref", String(64)),
    Column("at", UtcDateTime),
)


class _Rows(DeclarativeBase):
    metadata = ROWS.metadata


class Row(_Rows):
    """The same row, as an ORM object."""

    __table__ = ROWS


class Alert(BaseModel):
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    startsAt: datetime  # noqa: N815 - Alertmanager's names
    endsAt: datetime  # noqa: N815
    generatorURL: str  # noqa: N815
    fingerprint: str


class Alerts(BaseModel):
    """Alertmanager's webhook."""

    version: str
    groupKey: str  # noqa: N815
    status: str
    receiver: str
    groupLabels: dict[str, str]  # noqa: N815
    commonLabels: dict[str, str]  # noqa: N815
    commonAnnotations: dict[str, str]  # noqa: N815
    externalURL: str  # noqa: N815
    alerts: list[Alert]


class Asked(BaseModel):
    ref: str


def bare_app(database_url: str, receiver_url: str) -> FastAPI:
    database = Database(database_url)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with database.engine.begin() as connection:
            await connection.run_sync(ROWS.metadata.create_all)
        async with aiohttp.ClientSession() as app.state.client:
            yield
        await database.dispose()

    app = FastAPI(lifespan=lifespan)

    @app.post("/row", status_code=201)
    async def row(asked: Asked) -> Asked:
        now = datetime.now(UTC)
        async with database.transaction() as session:
            await session.execute(insert(ROWS).values(id=new_id(now), ref=asked.ref, at=now))
        return asked

    @app.post("/validate")
    async def validate(alerts: Alerts) -> dict[str, int]:
        return {"signals": len(alerts.alerts)}

    @app.post("/orm")
    async def orm(alerts: Alerts) -> dict[str, int]:
        now = datetime.now(UTC)
        async with database.transaction() as session:
            session.add(Row(id=new_id(now), ref=alerts.alerts[0].fingerprint, at=now))
        return {"signals": len(alerts.alerts)}

    @app.post("/message", status_code=201)
    async def message(asked: Asked) -> Asked:
        async with app.state.client.post(receiver_url, json=asked.model_dump()) as answer:
            answer.raise_for_status()
        return asked

    return app


def main() -> None:
    database_url, receiver_url, port = sys.argv[1:]
    app = bare_app(database_url, receiver_url)
    config = uvicorn.Config(
        app,
        port=int(port),
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
    )
    asyncio.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
