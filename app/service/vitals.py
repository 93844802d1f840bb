"""Whether the service lives, and the figures that matter, read from the database so that they are right in every process."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import generate_latest
from prometheus_client.core import REGISTRY, GaugeMetricFamily, HistogramMetricFamily, Metric
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import installation
from app.access.edge import Edge, Here, Now, Session, problems
from app.access.parts import Parts
from app.breaker import Breakers
from app.errors import Unavailable
from app.incidents.tables import Incident, Status
from app.intake.tables import Receipt, ReceiptState, Source
from app.levels import matrix
from app.levels.indicator import COLOURS
from app.notify.channel import SELF
from app.notify.tables import Delivery, DeliveryState, Notice, Round, RoundState
from app.outbox import MessageState, OutboxMessage, Timer, TimerState
from app.people import holders
from app.playbooks.tables import StepRow, StepState
from app.warnings.tables import EarlyWarning, IndicatorRow
from app.watch import auditor, failing, self_test, silence
from app.watch.guard import Guard
from app.watch.self_test import Standing
from app.wording import say

router = APIRouter(route_class=Edge, tags=["service"])

_BUCKETS = (60, 300, 600, 1800, 3600, 7200, 14400, 86400)


class Health(BaseModel):
    status: str
    last_tick: datetime | None
    """When the engine of this process last finished a look for what is due."""
    self_test: Standing | None
    """How the self-test went, as this process last saw it; null: it has not looked yet."""


@router.get("/healthz", responses=problems(Unavailable))
async def alive(request: Request, here: Here, now: Now) -> Health:
    """Alive: the engine finished a tick lately. 503 when it did not."""
    last: datetime | None = request.app.state.engine.last_tick
    if last is None or now - last > here.settings.tick_limit:
        detail = say("service.no_tick", last=last.isoformat() if last else None)
        raise Unavailable(detail, headers={"Retry-After": "5"}, last_tick=last)
    guard: Guard = request.app.state.guard
    return Health(status="ok", last_tick=last, self_test=guard.standing)


@router.get("/readyz", responses=problems(Unavailable))
async def ready(session: Session) -> dict[str, str]:
    """Ready: the database answers and a plan is in force."""
    await matrix.in_force(session)
    return {"status": "ok"}


@router.get("/metrics", response_class=PlainTextResponse, responses=problems())
async def metrics(request: Request, session: Session, here: Here, now: Now) -> Response:
    """Figures for Prometheus."""
    _COLLECTED.families = [
        *[family async for family in _families(session, here, now)],
        _open_breakers(request.app.state.engine.reach.outgoing.breakers),
    ]
    return Response(generate_latest(REGISTRY), media_type="text/plain; version=0.0.4; charset=utf-8")


class _Collected:
    """What was just read from the database, for the registry to write out with the counters of this process."""

    def __init__(self) -> None:
        self.families: list[Metric] = []

    def collect(self) -> Iterable[Metric]:
        return self.families


_COLLECTED = _Collected()
REGISTRY.register(_COLLECTED)


def _open_breakers(breakers: Breakers) -> Metric:
    """Of this process: each finds out for itself."""
    family = GaugeMetricFamily(
        "muster_open_breakers",
        "Destinations that failed again and again and are left alone.",
        labels=["destination"],
    )
    for destination in breakers.open():
        family.add_metric([destination], 1)
    return family


async def _families(session: AsyncSession, here: Parts, now: datetime) -> Any:
    yield await _incidents(session)
    yield await _warnings(session)
    yield await _indicators(session)
    yield await _time_to_acknowledge(session)
    yield await _deliveries(session)
    yield await _oldest_due(session, now)
    yield await _audited(session, now)
    for family in await _watched(session, here, now):
        yield family
    for name, what, value in (
        (
            "muster_chains_reaching_nobody",
            "Reporting chains calling now that have reached nobody.",
            await _nobody(session),
        ),
        (
            "muster_people_reachable",
            "1 when anybody with a contact point is known.",
            int(await holders.anyone(session)),
        ),
        (
            "muster_parked_messages",
            "Reactions set aside after failing repeatedly.",
            await _count_parked(session),
        ),
        (
            "muster_hold",
            "1 while the database is in hold and nothing is sent.",
            int(await installation.held(session) is not None),
        ),
        (
            "muster_receipts_not_understood",
            "Webhook bodies kept that could not be understood.",
            await _unread(session),
        ),
    ):
        yield GaugeMetricFamily(name, what, value=value)


async def _incidents(session: AsyncSession) -> Metric:
    family = GaugeMetricFamily(
        "muster_incidents",
        "Incidents, drills apart; the self-test is not counted.",
        labels=["level", "state", "status"],
    )
    query = select(Incident.level, Incident.state, Incident.status, func.count()).where(
        Incident.status != Status.TEST
    )
    for level, state, status, number in await session.execute(
        query.group_by(Incident.level, Incident.state, Incident.status)
    ):
        family.add_metric([str(level), state, status], number)
    return family


async def _warnings(session: AsyncSession) -> Metric:
    family = GaugeMetricFamily(
        "muster_warnings",
        "Warnings by their gravest colour and what became of them.",
        labels=["colour", "state"],
    )
    query = select(EarlyWarning.gravest, EarlyWarning.state, func.count())
    for level, state, number in await session.execute(
        query.group_by(EarlyWarning.gravest, EarlyWarning.state)
    ):
        family.add_metric([COLOURS[level], state], number)
    return family


async def _indicators(session: AsyncSession) -> Metric:
    """Those ever heard of, so that an alert can be made of one that is not here."""
    family = GaugeMetricFamily(
        "muster_indicator_silent", "1 while an indicator that should come does not.", labels=["indicator"]
    )
    for name, since in await session.execute(select(IndicatorRow.name, IndicatorRow.silent_since)):
        family.add_metric([name], int(since is not None))
    return family


async def _time_to_acknowledge(session: AsyncSession) -> Metric:
    """Of actual incidents, in seconds from detection to the first answer."""
    family = HistogramMetricFamily(
        "muster_time_to_acknowledge_seconds", "From detection to the first answer.", labels=["level"]
    )
    query = select(Incident.level, Incident.detected_at, Incident.acknowledged_at)
    found: dict[int, list[float]] = {}
    for level, detected, answered in await session.execute(
        query.where(Incident.acknowledged_at.is_not(None), Incident.status == Status.ACTUAL)
    ):
        if answered is not None:
            found.setdefault(level, []).append((answered - detected).total_seconds())
    for level, seconds in found.items():
        buckets = [(str(limit), sum(s <= limit for s in seconds)) for limit in _BUCKETS]
        family.add_metric([str(level)], [*buckets, ("+Inf", len(seconds))], sum(seconds))
    return family


async def _deliveries(session: AsyncSession) -> Metric:
    family = GaugeMetricFamily(
        "muster_deliveries",
        "Messages by channel and outcome; those of drills are not counted.",
        labels=["channel", "state"],
    )
    query = (
        select(Delivery.channel, Delivery.state, func.count())
        .join(Notice, Notice.id == Delivery.notice_id)
        .where(Delivery.channel != SELF, Notice.exercise.is_(False))
    )
    query = query.group_by(Delivery.channel, Delivery.state)
    for channel, state, number in await session.execute(query):
        family.add_metric([channel, state], number)
    return family


async def _oldest_due(session: AsyncSession, now: datetime) -> Metric:
    """How far behind the engine is, per queue: the age of the oldest row that is due and not done."""
    family = GaugeMetricFamily(
        "muster_oldest_due_seconds", "Age of the oldest row that is due.", labels=["queue"]
    )
    oldest = {
        "reactions": select(func.min(OutboxMessage.not_before)).where(
            OutboxMessage.state == MessageState.PENDING
        ),
        "timers": select(func.min(Timer.due_at)).where(Timer.state == TimerState.ARMED),
        "deliveries": select(func.min(Delivery.not_before)).where(Delivery.state == DeliveryState.PENDING),
        "steps": select(func.min(StepRow.not_before)).where(StepRow.state == StepState.QUEUED),
    }
    for queue, query in oldest.items():
        due: datetime | None = await session.scalar(query)
        behind = max(now - due, timedelta()) if due is not None else timedelta()
        family.add_metric([queue], behind.total_seconds())
    return family


async def _audited(session: AsyncSession, now: datetime) -> Metric:
    """Each rule, the satisfied ones too, so that an alert can be written on every one of them."""
    family = GaugeMetricFamily(
        "muster_auditor_findings", "Rows that should not stand as they do; all well is 0.", labels=["rule"]
    )
    found = {one.rule: one.number for one in await auditor.findings(session, at=now)}
    for rule in auditor.RULES:
        family.add_metric([rule], found.get(rule, 0))
    return family


async def _watched(session: AsyncSession, here: Parts, now: datetime) -> list[Metric]:
    """The self-test, silent sources, failing channels."""
    settings = here.settings
    how = await self_test.standing(
        session, every=settings.self_test_every, limit=settings.self_test_limit, at=now
    )
    late = GaugeMetricFamily(
        "muster_self_test_late", "1 when the self-test has not come through.", value=int(how is Standing.LATE)
    )
    took = GaugeMetricFamily(
        "muster_self_test_seconds", "How long the latest self-test took, by stage.", labels=["stage"]
    )
    for stage, seconds in (await self_test.seconds_by_stage(session)).items():
        took.add_metric([stage], seconds)
    quiet = GaugeMetricFamily(
        "muster_source_silent", "1 when nothing came of a source for longer than expected.", labels=["source"]
    )
    expected = select(Source).where(Source.expect_every.is_not(None), Source.disabled_at.is_(None))
    for source in await session.scalars(expected.order_by(Source.slug)):
        quiet.add_metric([source.slug], int(silence.silent(source, now)))
    broken = GaugeMetricFamily(
        "muster_channel_failing", "1 while a channel takes nothing.", labels=["channel"]
    )
    for channel in await failing.failing_now(session):
        broken.add_metric([channel], 1)
    return [late, took, quiet, broken]


async def _nobody(session: AsyncSession) -> int:
    query = (
        select(func.count())
        .select_from(Round)
        .join(Notice, Notice.id == Round.notice_id)
        .where(Round.state == RoundState.CALLING, Round.reached.is_(False), Notice.exercise.is_(False))
    )
    return int(await session.scalar(query) or 0)


async def _count_parked(session: AsyncSession) -> int:
    query = select(func.count()).select_from(OutboxMessage).where(OutboxMessage.state == MessageState.PARKED)
    return int(await session.scalar(query) or 0)


async def _unread(session: AsyncSession) -> int:
    query = select(func.count()).select_from(Receipt).where(Receipt.state == ReceiptState.NOT_UNDERSTOOD)
    return int(await session.scalar(query) or 0)
