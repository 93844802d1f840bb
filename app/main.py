"""Puts the parts together: settings, database, vault, channels, engine, routes. Only the command line and tests import it."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from importlib.metadata import version
from ipaddress import ip_network
from typing import Final

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline

from app import installation
from app.access.parts import Parts
from app.access.routes import router as access_routes
from app.carrying import Reach
from app.clock import Clock, DatabaseClock, SystemClock, keep_in_step
from app.console.communication import router as communication_pages
from app.console.customers import router as customer_pages
from app.console.drilling import router as drill_pages
from app.console.maintaining import router as maintenance_pages
from app.console.meeting import router as meeting_pages
from app.console.outside import router as party_pages
from app.console.planning import router as plan_pages
from app.console.pools import router as pool_pages
from app.console.reaching import router as reaching_pages
from app.console.reporting import router as report_pages
from app.console.risking import router as risk_pages
from app.console.rostering import router as roster_pages
from app.console.routes import router as console_routes
from app.console.routes import static_files
from app.console.warning import router as warning_pages
from app.console.watching import router as watch_pages
from app.customers import board
from app.customers.board import Board
from app.customers.public import router as status_page
from app.customers.routes import router as customer_routes
from app.customers.serving import StatusPage
from app.db import Database
from app.door import BodyLimit
from app.engine import Engine
from app.hints import KEEP_EVERY, Hints
from app.incidents.routes import router as incident_routes
from app.intake.certified import Certified
from app.intake.lane import StraightLane
from app.intake.preview_routes import router as preview_routes
from app.intake.receiving import router as receiving_routes
from app.intake.routes import router as intake_routes
from app.intake.window_routes import router as window_routes
from app.levels.routes import router as level_routes
from app.meetings.routes import router as meeting_routes
from app.notify.callbacks.routes import router as callback_routes
from app.notify.channel import Channel
from app.notify.channels import registry
from app.notify.channels.chat import Chat
from app.notify.channels.mail import MailSettings, Security
from app.notify.channels.providers import Gateway
from app.notify.routes import router as notify_routes
from app.outgoing import Outgoing
from app.parties.routes import router as party_routes
from app.people.roster_routes import router as roster_routes
from app.people.routes import router as people_routes
from app.plan.change_routes import router as plan_change_routes
from app.plan.routes import router as plan_routes
from app.playbooks.routes import router as playbook_routes
from app.readiness.routes import router as readiness_routes
from app.reports.routes import router as report_routes
from app.resources.routes import router as resource_routes
from app.reviews.routes import router as review_routes
from app.risks.routes import router as risk_routes
from app.service import housekeeping, refusals
from app.service.holding import HoldHeader
from app.service.holding import router as holding_routes
from app.service.of_incident import router as of_incident_routes
from app.service.openapi import describe
from app.service.parked import router as parked_routes
from app.service.problem_pages import router as problem_routes
from app.service.requests import RequestLog
from app.service.stream import router as stream_routes
from app.service.vitals import router as vital_routes
from app.settings import Settings, Telephone
from app.simulation.routes import pages as simulation_pages
from app.simulation.routes import router as simulation_routes
from app.vault import Vault
from app.warnings.routes import router as warning_routes
from app.watch import guard
from app.watch.guard import Guard
from app.watch.routes import router as watch_routes

# Looked through in this order: what comes by the thousand first.
ROUTERS: Sequence[APIRouter] = (
    receiving_routes, incident_routes, of_incident_routes, playbook_routes, notify_routes, callback_routes, resource_routes,
    report_routes, review_routes, risk_routes, warning_routes, level_routes, plan_routes, plan_change_routes, simulation_routes,
    people_routes, roster_routes, readiness_routes, customer_routes, status_page, customer_pages,
    party_routes, party_pages, meeting_routes, meeting_pages, intake_routes, window_routes, preview_routes,
    access_routes, parked_routes, watch_routes, holding_routes, stream_routes, vital_routes, problem_routes,
    console_routes, reaching_pages, watch_pages, plan_pages, roster_pages, drill_pages, pool_pages, risk_pages, warning_pages,
    communication_pages, maintenance_pages, report_pages, simulation_pages,
)  # fmt: skip

_ALL: Final = APIRouter()  # what they come to is worked out once, not for each app of a process
for _router in ROUTERS:
    _ALL.include_router(_router)

_TO_WRITE_DOWN: Final = timedelta(
    seconds=5
)  # after the longest call, before the engine breaks off what is left

log = structlog.get_logger("muster")


def parts_of(settings: Settings, clock: Clock | None = None) -> Parts:
    """What requests and commands work with."""
    db = Database(
        settings.database, deadline=settings.database_deadline, pooler=settings.database_pooler, queue=settings.request_queue
    )  # fmt: skip
    # Replicas share the database, and so its clock; on SQLite that is the machine's.
    clock = clock or (SystemClock() if db.is_sqlite else DatabaseClock(db.moment))
    return Parts(settings, db, clock, Vault(settings.key()))


def reach_of(settings: Settings, vault: Vault) -> Reach:
    """How this process touches the world."""
    outgoing = Outgoing(
        allow=[ip_network(part.strip()) for part in settings.egress_allow.split(",") if part.strip()]
    )
    return Reach(outgoing, channels_of(settings, vault, outgoing))


def channels_of(settings: Settings, vault: Vault, outgoing: Outgoing) -> Mapping[str, Channel]:
    mail = None
    if settings.smtp_host:
        mail = MailSettings(
            host=settings.smtp_host, port=settings.smtp_port, username=settings.smtp_user or None,
            password=settings.smtp_password if settings.smtp_user else None, security=Security(settings.smtp_security),
            sender=settings.mail_from, answers=settings.mail_answers.receiver if settings.mail_answers else None,
        )  # fmt: skip
    secrets = signing_secrets(settings, vault)
    return registry.channels(
        outgoing, mail=mail, webhook_secrets=lambda _to: secrets, deadline=settings.request_deadline,
        chats=_chats(settings), sms=_gateway(settings.sms), voice=_gateway(settings.voice),
    )  # fmt: skip


def _chats(settings: Settings) -> registry.Chats:
    found: dict[str, dict[str, Chat]] = {}
    for name, chat in settings.chats.items():
        found.setdefault(chat.channel, {})[name] = Chat(
            chat.url, chat.secret, answers=chat.answers is not None
        )
    return found


def _gateway(account: Telephone | None) -> Gateway | None:
    if account is None:
        return None
    said = {name: getattr(account, name) for name in Telephone.model_fields if name != "answers"}
    return Gateway(**said, answers=account.answers is not None)


def signing_secrets(settings: Settings, vault: Vault) -> Sequence[bytes]:
    """The secrets that sign outgoing webhooks, newest first; with none set, one that belongs to this installation."""
    given = [secret.get_secret_value().removeprefix("whsec_") for secret in settings.webhook_secrets]
    return [base64.b64decode(secret) for secret in given] or [vault.sign("webhook", "signing").encode()]


def create_app(
    settings: Settings, *, clock: Clock | None = None, parts: Parts | None = None, reach: Reach | None = None
) -> FastAPI:
    """The service. With `reach` given the caller runs the engine itself (tests); otherwise it runs with the app."""
    parts = parts or parts_of(settings, clock)
    runs_engine = reach is None
    reach = reach or reach_of(settings, parts.vault)
    engine = Engine(parts, reach)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if not runs_engine:
            yield
            return
        async with running(engine, parts, app.state.guard):
            yield
        await reach.outgoing.aclose()
        await parts.db.dispose()

    app = FastAPIOffline(
        title="Muster", version=version("muster"), lifespan=lifespan, redirect_slashes=False,
        description="Incident-response orchestration for a customer service centre.",
    )  # fmt: skip
    app.state.parts, app.state.engine, app.state.running = parts, engine, set()
    app.state.guard = Guard(parts, engine, reach.outgoing)
    app.state.certified = Certified(reach.outgoing)
    app.state.status_page = StatusPage(partial(_board, parts), parts.clock, base_url=settings.base_url)
    app.router.routes.extend(_ALL.routes)
    app.mount("/static", static_files(), name="static")
    refusals.install(app)
    describe(app)
    app.add_middleware(StraightLane, routes=receiving_routes.routes, refuse=refusals.answer)
    app.add_middleware(HoldHeader, watch=engine.hold)
    app.add_middleware(RequestLog, clock=parts.clock)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body)
    return app


async def _board(parts: Parts, at: datetime) -> Board:
    """What the public may know, read among the requests."""
    async with parts.db.request(writing=False) as session:
        return await board.read(session, at=at)


@asynccontextmanager
async def running(engine: Engine, parts: Parts, watching: Guard | None = None) -> AsyncIterator[None]:
    """The engine, its calendar and its guard, until the context ends."""
    await keep_in_step(parts.clock)
    watching = watching or Guard(parts, engine, engine.reach.outgoing)
    scheduler = AsyncIOScheduler(timezone="UTC")
    scheduler.add_job(keep_in_step, "interval", minutes=1, args=[parts.clock], id="clock")
    scheduler.add_job(
        parts.db.wake.set, "interval", seconds=parts.settings.poll_every.total_seconds(), id="tick"
    )
    await housekeeping.schedule(scheduler, parts)
    scheduler.add_job(installation.remember, "interval", minutes=1, args=[parts.db], id="mark")
    hints = Hints(parts.db)
    scheduler.add_job(hints.keep, "interval", seconds=KEEP_EVERY.total_seconds(), id="hints")
    await hints.keep()
    for look, every in ((watching.watch, guard.LOOK_EVERY), (watching.beat, guard.BEAT_EVERY)):
        scheduler.add_job(look, "interval", seconds=every.total_seconds(), id=f"guard-{look.__name__}")
    scheduler.start()
    serving = asyncio.create_task(engine.run())
    parts.db.wake.set()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)
        await hints.end()
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
        # What was handed to a channel must be written down while the database is open, or it is sent twice.
        await engine.finish(parts.settings.request_deadline + _TO_WRITE_DOWN)
