"""Running the service, its engine alone, and what both need first."""

import asyncio
import base64
import gc
import signal

import uvicorn

from app import telemetry
from app.commands.answering import fail
from app.engine import Engine
from app.main import create_app, parts_of, reach_of, running, signing_secrets
from app.plan.reading import BadPlan
from app.service import starting
from app.settings import Settings


def serve(host: str = "127.0.0.1", port: int = 8000) -> None:
    """API, console and engine in one process; migrates and loads the plan first."""
    settings = Settings()
    if "base_url" not in settings.model_fields_set:
        settings = settings.model_copy(update={"base_url": f"http://{host}:{port}"})
    telemetry.set_up(settings.log_level)
    starting.migrate(settings.database)
    try:
        with starting.only_service(settings.database):
            shown = asyncio.run(_prepare(settings))
            print(f"Muster: http://{host}:{port}", flush=True)
            if shown:
                print(f"First sign-in key, shown this once: {shown}", flush=True)
            app = create_app(settings)
            gc.freeze()  # what is loaded by now stays; looking through it again and again would hold up requests
            uvicorn.run(
                app, host=host, port=port, loop="asyncio", log_config=None, server_header=False,
                timeout_graceful_shutdown=3, access_log=False,
            )  # fmt: skip
    except starting.AlreadyServing:
        fail(
            "Another service has this SQLite database open. Stop it, or set MUSTER_DATABASE_URL to PostgreSQL."
        )
    except BadPlan as error:
        fail("\n".join([*error.told("en"), "No plan is in force, so the service does not start."]))


def engine() -> None:
    """The engine only, beside services on PostgreSQL."""
    settings = Settings()
    telemetry.set_up(settings.log_level)

    async def run() -> None:
        parts = parts_of(settings)
        reach = reach_of(settings, parts.vault)
        asked_to_stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
        async with running(Engine(parts, reach), parts):
            await asked_to_stop.wait()
        await reach.outgoing.aclose()
        await parts.db.dispose()

    try:
        with starting.only_service(settings.database):
            asyncio.run(run())
    except starting.AlreadyServing:
        fail(
            "A service has this SQLite database open and runs the engine itself; engines apart need PostgreSQL."
        )


def migrate() -> None:
    """Bring the database to the newest form and load the plan file."""
    settings = Settings()
    starting.migrate(settings.database)
    try:
        if shown := asyncio.run(_prepare(settings)):
            print(shown)
    except BadPlan as error:
        fail("\n".join(error.told("en")))


def signing_secret() -> None:
    """The secret receivers of our webhooks verify them with (Standard Webhooks)."""
    settings = Settings()
    for secret in signing_secrets(settings, parts_of(settings).vault):
        print(f"whsec_{base64.b64encode(secret).decode()}")


async def _prepare(settings: Settings) -> str | None:
    parts = parts_of(settings)
    try:
        return await starting.prepare(parts)
    finally:
        await parts.db.dispose()
