"""The course of a warning: it begins, rises and falls in colour, somebody has it, and it ends.

It ends as an incident, by hand or by the plan at a colour, or it is lifted: by somebody who says why, or by itself when no colour
holds. While its incident is open the indicator fills a fact of that, and no second warning begins. Each step is written down with
the wording that says it, and told to the rest of the service in the same transaction.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import NotFound, Refused, Stale, WrongShape
from app.ids import new_id
from app.incidents import facts, raising, record, timeline
from app.incidents.raising import Alarm
from app.incidents.tables import OPEN_STATES, Incident
from app.levels.grading import is_graver
from app.levels.indicator import COLOURS, LEVELS, Indicator
from app.plan import revisions
from app.vocabulary import Localised
from app.warnings.tables import EarlyWarning, IndicatorRow, WarningEntry, WarningState
from app.wording import DEFAULT_LANGUAGE, Wording, kept, render, restored, say

MOST_TOLD_ON: Final = 100
"""So many entries of a warning, its last, go onto the timeline of the incident it becomes."""


class WarningEvent(StrEnum):
    """What somebody may do with an open warning."""

    LIFT = "lift"  # nothing of it came true; a reason is said
    BECOME_INCIDENT = "become_incident"  # what it warned of is here: raised from it, its figures with it


TRANSITIONS: Final[Mapping[tuple[WarningState, WarningEvent], WarningState]] = {
    (WarningState.OPEN, WarningEvent.LIFT): WarningState.LIFTED,
    (WarningState.OPEN, WarningEvent.BECOME_INCIDENT): WarningState.INCIDENT,
}


class WarningOver(Refused, slug="warning-over"):
    """The warning was lifted, or has become an incident."""


async def follow(
    session: AsyncSession, name: str, spec: Indicator, *, before: int | None, after: int | None, value: float,
    at: datetime,
) -> None:  # fmt: skip
    """The colour of an indicator has changed (its row is locked): begin a warning, or let the open one rise, fall or end."""
    warning = await _open(session, name)
    if warning is None:
        if after is not None and (before is None or is_graver(after, before)):
            await begin(session, name, spec, level=after, value=value, at=at)
        return
    warning.level, warning.value, warning.changed_at = after, value, at
    warning.version += 1
    words: dict[str, Any] = {"value": figure(value, spec.unit)}
    if after is None:
        await _note(session, warning, "quiet", actor="plan", at=at, **words)
        if spec.lifted == "by_itself":
            await _lift(session, warning, say("warnings.quiet"), by="plan", at=at)
        else:
            outbox.put(session, "warning.fell", _told(session, warning, before), ref=warning.id, at=at)
        return
    words["colour"] = colour_word(after)
    if before is not None and is_graver(before, after):
        await _note(session, warning, "fell", actor="plan", at=at, **words)
        outbox.put(session, "warning.fell", _told(session, warning, before), ref=warning.id, at=at)
        return
    await _note(session, warning, "rose", actor="plan", at=at, **words)
    if is_graver(after, warning.gravest):
        # Who had it had a lighter one; whoever is told of this colour is asked anew.
        warning.gravest, warning.acknowledged_at, warning.acknowledged_by = after, None, None
    outbox.put(session, "warning.rose", _told(session, warning, before), ref=warning.id, at=at)
    await _become_by_itself(session, warning, spec, at=at)


async def begin(
    session: AsyncSession, name: str, spec: Indicator, *, level: int, value: float, at: datetime
) -> EarlyWarning | None:
    """Raise a warning, unless there is an open one or the incident that the last one became still is: then its fact is filled."""
    if await _open(session, name) is not None:
        return None
    if (incident := await _incident_of_last(session, name)) is not None:
        await facts.merge(session, incident, {spec.fact or name: value}, actor="plan", at=at)
        return None
    warning = EarlyWarning(
        id=new_id(at), indicator=name, title=spec.title.model_dump(), type=spec.type, state=WarningState.OPEN, level=level,
        gravest=level, value=value, began_at=at, changed_at=at, version=1,
    )  # fmt: skip
    session.add(warning)
    await session.flush()
    words = {"value": figure(value, spec.unit), "colour": colour_word(level)}
    await _note(session, warning, "begun", actor="plan", at=at, **words)
    outbox.put(session, "warning.raised", _told(session, warning), ref=warning.id, at=at)
    await _become_by_itself(session, warning, spec, at=at)
    return warning


async def acknowledge(
    session: AsyncSession, warning: EarlyWarning, *, by: str, at: datetime, note: str | None = None
) -> bool:
    """Somebody has it (the warning is locked); says whether they are the first, who is the one that counts."""
    _refuse_over(warning)
    if warning.acknowledged_at is not None:
        return False
    warning.acknowledged_at, warning.acknowledged_by = at, by
    warning.version += 1
    await _note(session, warning, "acknowledged", actor=by, at=at, by=by, note=note or "")
    await outbox.withdraw(session, key_prefix=f"warning:{warning.id}:")
    return True


async def move(
    session: AsyncSession, warning: EarlyWarning, event: WarningEvent, *, by: str, at: datetime, reason: str | None = None,
    version: int | None = None,
) -> EarlyWarning:  # fmt: skip
    """Lift a locked warning, for a reason, or make it an incident.

    Raises `WarningOver` when it has ended, with what became of it, and `WrongShape` when it is lifted without a reason.
    """
    Stale.unless(version, warning.version)
    _refuse_over(warning)
    if event is WarningEvent.LIFT:
        if not reason:
            raise WrongShape(say("warnings.reason_needed"), errors=[{"path": "reason"}])
        await _lift(session, warning, say("warnings.by_hand", reason=reason), by=by, at=at)
    else:
        _, plan = await revisions.in_force(session)
        spec = plan.monitoring.indicators.get(warning.indicator) if plan.monitoring is not None else None
        await _become(session, warning, spec, by=by, at=at, reason=reason)
    return warning


def allowed(warning: EarlyWarning) -> list[WarningEvent]:
    """What may be done with it now."""
    return [event for state, event in TRANSITIONS if state == warning.state]


async def note_silence(session: AsyncSession, name: str, *, since: datetime, at: datetime) -> None:
    """Its indicator is silent: what an open warning shows is old."""
    if (warning := await _open(session, name)) is not None:
        await _note(session, warning, "silent", actor="muster", at=at, since=since)


async def note_heard(session: AsyncSession, name: str, *, at: datetime) -> None:
    if (warning := await _open(session, name)) is not None:
        await _note(session, warning, "heard", actor="muster", at=at)


async def note_escalation(session: AsyncSession, warning: EarlyWarning, *, at: datetime) -> None:
    """Nobody has acknowledged it in time."""
    await _note(session, warning, "unanswered", actor="muster", at=at)


async def found(session: AsyncSession, warning_id: str, *, lock: bool = False) -> EarlyWarning:
    """The warning of that id. Raises `NotFound`. What is locked is its indicator's before it, so that values and people never
    wait for each other."""
    warning = await session.get(EarlyWarning, warning_id)
    if warning is None:
        raise NotFound(say("warnings.not_found", id=warning_id))
    if lock:
        holding = select(IndicatorRow.name).where(IndicatorRow.name == warning.indicator)
        await session.execute(holding.with_for_update())
        query = select(EarlyWarning).where(EarlyWarning.id == warning_id).with_for_update()
        warning = await session.scalar(query.execution_options(populate_existing=True))
        assert warning is not None
    return warning


async def entries(session: AsyncSession, warning: EarlyWarning) -> list[WarningEntry]:
    query = select(WarningEntry).where(WarningEntry.warning_id == warning.id).order_by(WarningEntry.seq)
    return list(await session.scalars(query))


def search(*, open_: bool | None = None, indicator: str | None = None) -> Select[Any]:
    """Warnings that match all that is given."""
    query = select(EarlyWarning)
    if open_ is not None:
        is_open = EarlyWarning.state == WarningState.OPEN
        query = query.where(is_open if open_ else ~is_open)
    return query if indicator is None else query.where(EarlyWarning.indicator == indicator)


async def of_incident(session: AsyncSession, incident_id: str) -> EarlyWarning | None:
    """The warning that became this incident."""
    query = (
        select(EarlyWarning).where(EarlyWarning.incident_id == incident_id).order_by(EarlyWarning.id.desc())
    )
    found_one: EarlyWarning | None = await session.scalar(query.limit(1))
    return found_one


def colour_word(level: int) -> Wording:
    """The colour that warns of a level, with the level beside it (ISO 22324)."""
    return say(f"warnings.colour.{COLOURS[level]}", level=level)


def figure(value: float, unit: Localised | str | None) -> Wording:
    """A value as people read it, with its unit."""
    number = f"{value:.10g}"
    if unit is None:
        return say("warnings.figure_alone", value=number)
    return say("warnings.figure", value=number, unit=unit if isinstance(unit, str) else unit.model_dump())


async def _become_by_itself(
    session: AsyncSession, warning: EarlyWarning, spec: Indicator, *, at: datetime
) -> None:
    at_level = LEVELS[spec.becomes] if spec.becomes is not None else None
    if at_level is not None and warning.level is not None and not is_graver(at_level, warning.level):
        await _become(session, warning, spec, by="plan", at=at)


async def _become(
    session: AsyncSession, warning: EarlyWarning, spec: Indicator | None, *, by: str, at: datetime, reason: str | None = None
) -> None:  # fmt: skip
    """The incident it warned of: of its type, at its colour's level, its fact filled, its history told on."""
    level = warning.level or warning.gravest
    fact = (spec.fact if spec is not None else None) or warning.indicator
    title = say("warnings.incident_title", colour=colour_word(level), title=warning.title)
    alarm = Alarm(
        title=render(title, DEFAULT_LANGUAGE), type=warning.type, description=reason, occurred_at=warning.began_at, reporter=by,
        facts={fact: warning.value}, level_hint=level, dedup_key=f"warning:{warning.id}",
    )  # fmt: skip
    incident, _ = await raising.raise_incident(session, alarm, actor=by, at=at)
    for entry in (await entries(session, warning))[-MOST_TOLD_ON:]:
        timeline.append(
            session,
            incident,
            "warning.told_on",
            actor=entry.actor,
            at=at,
            when=entry.at,
            what=restored(entry.said),
        )
    warning.incident_id = incident.id
    await _note(session, warning, "incident", actor=by, at=at, number=incident.number)
    await _end(session, warning, WarningState.INCIDENT, by=by, at=at)


async def _lift(
    session: AsyncSession, warning: EarlyWarning, reason: Wording, *, by: str, at: datetime
) -> None:
    warning.reason = kept(reason)
    await _note(session, warning, "lifted", actor=by, at=at, reason=reason)
    await _end(session, warning, WarningState.LIFTED, by=by, at=at)


async def _end(
    session: AsyncSession, warning: EarlyWarning, state: WarningState, *, by: str, at: datetime
) -> None:
    warning.state, warning.ended_at, warning.ended_by = state, at, by
    warning.version += 1
    await outbox.withdraw(session, key_prefix=f"warning:{warning.id}:")
    outbox.put(session, "warning.ended", _told(session, warning), ref=warning.id, at=at)


def _refuse_over(warning: EarlyWarning) -> None:
    if warning.state != WarningState.OPEN:
        raise WarningOver(
            say(f"warnings.over.{warning.state}"),
            state=warning.state,
            allowed=[],
            incident=warning.incident_id,
        )


async def _open(session: AsyncSession, name: str) -> EarlyWarning | None:
    query = search(open_=True, indicator=name).with_for_update()
    warning: EarlyWarning | None = await session.scalar(query.execution_options(populate_existing=True))
    return warning


async def _incident_of_last(session: AsyncSession, name: str) -> Incident | None:
    """The incident that its last warning became, locked, while that is open."""
    last = await session.scalar(search(indicator=name).order_by(EarlyWarning.id.desc()).limit(1))
    if last is None or last.incident_id is None:
        return None
    incident = await record.locked(session, last.incident_id)
    return incident if incident.state in OPEN_STATES else None


async def _note(
    session: AsyncSession, warning: EarlyWarning, kind: str, *, actor: str, at: datetime, **said: Any
) -> None:
    query = select(func.max(WarningEntry.seq)).where(WarningEntry.warning_id == warning.id)
    seq = int(await session.scalar(query) or 0) + 1
    wording = kept(say(f"warnings.entry.{kind}", **said))
    session.add(WarningEntry(warning_id=warning.id, seq=seq, at=at, actor=actor, kind=kind, said=wording))


def _told(session: AsyncSession, warning: EarlyWarning, before: int | None = None) -> dict[str, Any]:
    """What the rest of the service is told of it; as urgent as the level it warns of."""
    if warning.level is not None:
        outbox.speaks_of(session, warning.id, outbox.Urgency.of(warning.level))
    return {"warning_id": warning.id, "level": warning.level, "level_before": before}
