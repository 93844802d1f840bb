"""A source that should say something every so often and does not: a mild incident, which ends when it speaks again.

The product says so through its own inbox, as a problem of its own source, so that a silence is graded, told, repeated and recovered
as any problem is. Once per silence, however many replicas look.
"""

from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.intake import inbox, ourselves
from app.intake.signals import Signal, SignalState
from app.intake.tables import Source
from app.wording import render, say

_LEVEL = 4
_TYPE = "equipment_failure"


async def look(session: AsyncSession, *, language: str, at: datetime) -> list[str]:
    """Look at every source something is expected of; says which fell silent or are heard again, by slug."""
    query = select(Source).where(or_(Source.expect_every.is_not(None), Source.silent_since.is_not(None)))
    changed = []
    for source in await session.scalars(query.order_by(Source.id).with_for_update(skip_locked=True)):
        is_silent = silent(source, at)
        if is_silent == (source.silent_since is not None):
            continue
        if is_silent:
            source.silent_since = source.last_seen_at or source.created_at
            state, occurrence = SignalState.PROBLEM, source.silent_since
        else:
            assert source.silent_since is not None
            state, occurrence = SignalState.RECOVERED, source.silent_since
            source.silent_since = None
        await _say(session, source, state, occurrence, language=language, at=at)
        changed.append(source.slug)
    return changed


def silent(source: Source, at: datetime) -> bool:
    """Whether nothing came of it for longer than is expected; of one that is disabled nothing is."""
    if source.expect_every is None or source.disabled_at is not None:
        return False
    return at - (source.last_seen_at or source.created_at) > timedelta(seconds=source.expect_every)


async def _say(
    session: AsyncSession, source: Source, state: SignalState, occurrence: datetime, *, language: str, at: datetime
) -> None:  # fmt: skip
    every = timedelta(seconds=source.expect_every or 0)
    signal = Signal(
        dedup_key=f"silence:{source.slug}", occurrence=occurrence.isoformat(), state=state,
        title=render(say("watch.silence.title", source=source.name), language),
        text=render(say("watch.silence.text", source=source.name, every=every, since=occurrence), language),
        labels={ourselves.SILENT: source.slug},
        level_hint=_LEVEL, type_hint=_TYPE, started_at=occurrence, ended_at=at if state is SignalState.RECOVERED else None,
    )  # fmt: skip
    watch = await ourselves.source(session, ourselves.WATCH, at=at)
    await inbox.say_ourselves(session, watch, signal, at=at)
