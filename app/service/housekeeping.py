"""The calendar: recurring duties of the plan, and what is tidied away. APScheduler only says when; rows say whether.

Each firing writes an idempotent row, so any number of replicas may fire the same one, and what fell due while nobody ran is caught
up on at the start.
"""

from datetime import timedelta
from typing import Final

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import delete

from app import installation
from app.access.parts import Parts
from app.access.tables import KeptAnswer
from app.plan.outlook import nightly
from app.readiness import daily_health, drills, duties, handovers
from app.warnings import indicators
from app.watch import failing, self_test, silence

_SELF_TEST_LOOK: Final = timedelta(seconds=30)


async def schedule(scheduler: AsyncIOScheduler, parts: Parts) -> None:
    """Put the calendar on the scheduler: every minute what fell due, every hour what has expired."""
    scheduler.add_job(
        fire_duties, "interval", minutes=1, args=[parts], id="duties", next_run_time=parts.clock.now()
    )
    if every := parts.settings.self_test_every:
        # Oftener than the slots of time: a process that begins in the middle of one does not wait for the next.
        seconds = min(every, _SELF_TEST_LOOK).total_seconds()
        scheduler.add_job(begin_self_test, "interval", seconds=seconds, args=[parts], id="self-test")
        scheduler.add_job(forget_self_tests, "interval", hours=1, args=[parts], id="self-tests")
    scheduler.add_job(look_around, "interval", minutes=1, args=[parts], id="watch")
    scheduler.add_job(
        look_ahead, "interval", seconds=nightly.LOOK_EVERY.total_seconds(), args=[parts], id="outlook"
    )
    scheduler.add_job(forget_answers, "interval", hours=1, args=[parts], id="answers")


async def begin_self_test(parts: Parts) -> None:
    """The synthetic incident of this slot of time, unless another replica has begun it."""
    settings = parts.settings
    async with parts.db.transaction() as session:
        if await installation.held(session) is not None:
            return  # it could not come through, and nobody is to be told of that
        await self_test.begin_due(
            session, every=settings.self_test_every, limit=settings.self_test_limit, at=parts.clock.now()
        )


async def forget_self_tests(parts: Parts) -> None:
    """Self-tests are kept for a day."""
    async with parts.db.transaction() as session:
        await self_test.forget(session, at=parts.clock.now())


async def look_around(parts: Parts) -> None:
    """Sources and indicators that fell silent, sources that are heard again, channels that fail or work again."""
    async with parts.db.transaction() as session:
        await silence.look(session, language=parts.settings.language, at=parts.clock.now())
        await failing.look(session, at=parts.clock.now())
    async with parts.db.transaction() as session:
        await indicators.look_for_silence(session, at=parts.clock.now())


async def look_ahead(parts: Parts) -> None:
    """Once a night, whether the plan in force would hold over the coming days."""
    async with parts.db.reading() as session:
        if await installation.held(session) is not None:
            return  # nobody is to be told of what was restored
    await nightly.look(parts.db, at=parts.clock.now(), channels=parts.settings.channels)


async def fire_duties(parts: Parts) -> None:
    """Every duty of the plan that fell due, also while nobody ran; handovers of the last minutes; the day's check-ins."""
    async with parts.db.transaction() as session:
        await duties.fire_due(session, at=parts.clock.now())
    async with parts.db.transaction() as session:
        await drills.watch_year(session, at=parts.clock.now())
    async with parts.db.transaction() as session:
        await handovers.fire_due(session, at=parts.clock.now())
    async with parts.db.transaction() as session:
        await daily_health.fire_due(session, at=parts.clock.now())


async def forget_answers(parts: Parts) -> None:
    """Answers kept for repeated requests are kept for a day, values of indicators for ninety."""
    async with parts.db.transaction() as session:
        await session.execute(delete(KeptAnswer).where(KeptAnswer.expires_at <= parts.clock.now()))
    async with parts.db.transaction() as session:
        await indicators.forget(session, at=parts.clock.now())
