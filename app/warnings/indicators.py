"""Indicators: values that are pushed in, judged by the thresholds of the plan in force, each once and in their order.

A value is known by its indicator and its moment: told again it changes nothing. One older than the newest is kept for the curve and
judged no more. Silence is looked for each minute; a colour that holds or ends with time alone is woken by a timer.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Select, Table, delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import NotFound, WrongShape
from app.ids import new_id
from app.levels import colouring
from app.levels.colouring import Standing
from app.levels.indicator import Indicator
from app.plan import revisions
from app.plan.document import PlanDocument
from app.rows import insert_all
from app.warnings import course
from app.warnings.tables import IndicatorRow, Sample
from app.wording import say

KEPT_FOR: Final = timedelta(days=90)
AHEAD: Final = timedelta(minutes=5)
"""So far before our own a clock may be that tells the moment of a value: what is later would make all that follows late."""


@dataclass(frozen=True)
class Told:
    """One value, as somebody measured it."""

    name: str
    value: float
    at: datetime


class Outcome(StrEnum):
    """What became of a value that was told."""

    TAKEN = "taken"  # the newest of its indicator
    LATE = "late"  # kept; a newer one was known already
    REPEATED = "repeated"  # known before, of this moment


async def take(session: AsyncSession, told: Sequence[Told], *, at: datetime) -> list[Outcome]:
    """Take in values, all or none; says what became of each, in the order given.

    1. Refused are indicators the plan does not have, and moments that are still to come.
    2. Each indicator is locked, in the order of the names, so that no two writers wait for each other.
    3. Its new values are kept, and those newer than the last are judged in the order of their moments.
    4. What the colour came to by now is followed: a warning begins, rises, falls or ends.
    """
    plan = await _plan(session)
    known = _indicators(plan)
    _refuse(told, known, at)
    places: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(told):
        places[one.name].append(place)
    outcomes = [Outcome.REPEATED] * len(told)
    for name in sorted(places):
        row = await _locked(session, name, told[places[name][0]], at=at)
        seen = select(Sample.at).where(Sample.name == name, Sample.at.in_({told[n].at for n in places[name]}))
        moments = set(await session.scalars(seen))
        standing, fresh = _standing(row), []
        for place in sorted(places[name], key=lambda n: told[n].at):
            one = told[place]
            if one.at in moments:
                continue
            moments.add(one.at)
            is_late = standing.at is not None and one.at < standing.at
            outcomes[place] = Outcome.LATE if is_late else Outcome.TAKEN
            standing = colouring.told(known[name], standing, one.value, one.at)
            fresh.append(
                {"id": new_id(one.at), "name": name, "at": one.at, "value": one.value, "is_late": is_late}
            )
        await insert_all(session, _SAMPLES, fresh)
        if fresh:
            await _heard(session, row, at=at)
            await _stand(session, row, plan, standing, at=at)
    return outcomes


async def look(session: AsyncSession, name: str, *, at: datetime) -> None:
    """Time has passed (reaction to `indicator.wake`): does a colour hold now, or hold no longer?"""
    plan = await _plan(session)
    row = await _row(session, name, lock=True)
    if row is not None and name in _indicators(plan):
        await _stand(session, row, plan, _standing(row), at=at)


async def look_for_silence(session: AsyncSession, *, at: datetime) -> list[str]:
    """Note each indicator that should come and does not, once for each silence; says which."""
    revision = await revisions.current(session)
    if revision is None:
        return []
    plan = await revisions.document_of(session, revision.id)
    expected = {
        name: one.silent_after for name, one in _indicators(plan).items() if one.silent_after is not None
    }
    query = select(IndicatorRow).where(IndicatorRow.name.in_(expected), IndicatorRow.silent_since.is_(None))
    silent = []
    for row in await session.scalars(query.order_by(IndicatorRow.name).with_for_update(skip_locked=True)):
        if at - row.heard_at <= expected[row.name]:
            continue
        row.silent_since = row.heard_at
        await course.note_silence(session, row.name, since=row.heard_at, at=at)
        said = {"indicator": row.name, "since": row.heard_at.isoformat()}
        outbox.put(session, "indicator.silent", said, ref=row.name, at=at)
        silent.append(row.name)
    return silent


async def look_again(session: AsyncSession, name: str, *, at: datetime) -> None:
    """What its last warning was about is over: a colour that still holds is warned of anew."""
    plan = await _plan(session)
    row = await _row(session, name, lock=True)
    if row is not None and row.level is not None and (spec := _indicators(plan).get(name)) is not None:
        await course.begin(session, name, spec, level=row.level, value=row.value, at=at)


async def forget(session: AsyncSession, *, at: datetime) -> None:
    """Values are kept for ninety days."""
    await session.execute(delete(Sample).where(Sample.at < at - KEPT_FOR))


async def every(session: AsyncSession) -> list[tuple[str, Indicator, IndicatorRow | None]]:
    """The indicators of the plan in force, each as it stands; none: never heard of."""
    known = _indicators(await _plan(session))
    rows = {row.name: row for row in await session.scalars(select(IndicatorRow))}
    return [(name, spec, rows.get(name)) for name, spec in known.items()]


async def found(session: AsyncSession, name: str) -> tuple[Indicator, IndicatorRow | None]:
    """An indicator of the plan in force. Raises `NotFound`."""
    known = _indicators(await _plan(session))
    if name not in known:
        raise NotFound(say("warnings.no_such_indicator", name=name))
    return known[name], await _row(session, name)


def samples(name: str, *, start: datetime | None = None, end: datetime | None = None) -> Select[Any]:
    """What was told of an indicator, from `start` until `end`."""
    query = select(Sample).where(Sample.name == name)
    if start is not None:
        query = query.where(Sample.at >= start)
    return query if end is None else query.where(Sample.at < end)


_SAMPLES: Table = Sample.__table__  # type: ignore[assignment]


async def _plan(session: AsyncSession) -> PlanDocument:
    _, plan = await revisions.in_force(session)
    return plan


def _indicators(plan: PlanDocument) -> dict[str, Indicator]:
    return plan.monitoring.indicators if plan.monitoring is not None else {}


def _refuse(told: Sequence[Told], known: dict[str, Indicator], at: datetime) -> None:
    path = "{}.{}" if len(told) > 1 else "{1}"
    strange = [
        {"path": path.format(place, "name"), "name": one.name}
        for place, one in enumerate(told)
        if one.name not in known
    ]
    if strange:
        raise WrongShape(
            say("warnings.unknown_indicator", name=strange[0]["name"]), errors=strange, known=sorted(known)
        )
    early = [{"path": path.format(place, "at")} for place, one in enumerate(told) if one.at > at + AHEAD]
    if early:
        raise WrongShape(say("warnings.still_to_come", most=AHEAD, now=at), errors=early)


async def _locked(session: AsyncSession, name: str, first: Told, *, at: datetime) -> IndicatorRow:
    """Its row, under its lock; made with nothing known where there is none."""
    if (row := await _row(session, name, lock=True)) is not None:
        return row
    insert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    values = {"name": name, "value": first.value, "at": NEVER, "heard_at": at, "level": None, "runs": {}}
    statement = insert(IndicatorRow).values(**values, silent_since=None)
    await session.execute(statement.on_conflict_do_nothing(index_elements=["name"]))
    made = await _row(session, name, lock=True)
    assert made is not None
    return made


NEVER: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
"""The moment of the newest value of an indicator that has none yet."""


async def _row(session: AsyncSession, name: str, *, lock: bool = False) -> IndicatorRow | None:
    query = select(IndicatorRow).where(IndicatorRow.name == name)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    row: IndicatorRow | None = await session.scalar(query)
    return row


def _standing(row: IndicatorRow) -> Standing:
    at = None if row.at == NEVER else row.at
    return colouring.restored(row.runs, level=row.level, value=row.value if at else None, at=at)


async def _heard(session: AsyncSession, row: IndicatorRow, *, at: datetime) -> None:
    row.heard_at = at
    if row.silent_since is not None:
        since, row.silent_since = row.silent_since, None
        await course.note_heard(session, row.name, at=at)
        said = {"indicator": row.name, "since": since.isoformat()}
        outbox.put(session, "indicator.heard", said, ref=row.name, at=at)


async def _stand(
    session: AsyncSession, row: IndicatorRow, plan: PlanDocument, standing: Standing, *, at: datetime
) -> None:
    """Write down how it stands by now, and follow its colour."""
    spec = _indicators(plan)[row.name]
    standing = colouring.passed(spec, standing, at)
    before = row.level
    row.level, row.runs = standing.level, colouring.kept(standing)
    if standing.value is not None and standing.at is not None:
        row.value, row.at = standing.value, standing.at
    if (due := colouring.wakes_at(spec, standing)) is not None:
        key = f"indicator:{row.name}:{due:%Y%m%dT%H%M%S%f}"
        await outbox.arm(
            session, "indicator.wake", {"indicator": row.name}, ref=row.name, key=key, due_at=due
        )
    if before != row.level:
        await course.follow(session, row.name, spec, before=before, after=row.level, value=row.value, at=at)
