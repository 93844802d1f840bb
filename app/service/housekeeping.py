"""The calendar: recurring duties of the plan, and what is tidied away. APScheduler only says when; rows say whether.

Each firing writes an idempotent row, so any number of replicas may fire the same one, and what fell due while nobody ran is caught
up on at the start.
"""

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import delete

from app.access.parts import Parts
from app.access.tables import KeptAnswer
from app.readiness import duties


async def schedule(scheduler: AsyncIOScheduler, parts: Parts) -> None:
    """Put the calendar on the scheduler: every minute what fell due, every hour what has expired."""
    scheduler.add_job(
        fire_duties, "interval", minutes=1, args=[parts], id="duties", next_run_time=parts.clock.now()
    )
    scheduler.add_job(forget_answers, "interval", hours=1, args=[parts], id="answers")


async def fire_duties(parts: Parts) -> None:
    """Every duty of the plan in force that fell due, also while nobody ran."""
    async with parts.db.transaction() as session:
        await duties.fire_due(session, at=parts.clock.now())


async def forget_answers(parts: Parts) -> None:
    """Answers kept for repeated requests are kept for a day."""
    async with parts.db.transaction() as session:
        await session.execute(delete(KeptAnswer).where(KeptAnswer.expires_at <= parts.clock.now()))
