"""What a signal means for the incidents: a new one, the same one again, its end, or nothing.

Called for each `signal.received`, in the transaction that marks it handled. Signals about one problem come in
the order we received them; that need not be the order in which they were true, so each is held against the
occurrence known last. How a problem ends is said in `app.intake.endings`.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, cast

import structlog
from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.ids import new_id
from app.incidents import acknowledging, facts, lifecycle, raising, record
from app.incidents.tables import Incident
from app.intake import endings, ourselves, reading, routed, signals, storms
from app.intake.known import Known
from app.intake.signals import SignalState
from app.intake.tables import MaintenanceWindow, Outcome, Problem, Receipt, Verdict
from app.intake.word import Word, gets_a_line
from app.levels import grading, matrix
from app.levels.grading import Graded
from app.rows import insert_all

# How long after the end a problem of the same occurrence is taken for a message overtaken on its way. Told
# again later than that, it has begun again: Alertmanager ends an alert it hears nothing of, and when it hears
# of it again, the alert has its old start.
OVERTAKEN_WITHIN: Final = timedelta(minutes=5)
FACTS_EVERY: Final = timedelta(minutes=1)  # for repeats; what changes the grading goes through at once
_STORM_BEGINS: Final = 2  # problems of one incident
log = structlog.get_logger("intake")
_VERDICTS: Final = cast(Table, Verdict.__table__)


async def judge(session: AsyncSession, payloads: Sequence[Mapping[str, Any]], at: datetime) -> None:
    """The reaction to one or several `signal.received`, in their order."""
    said = [signals.unpacked(payload["signal"]) for payload in payloads]
    known = Known(session, at)
    await known.look(
        (payload["source_id"], one.dedup_key) for payload, one in zip(payloads, said, strict=True)
    )
    told = [
        Word(
            known,
            known.sources[payload["source_id"]],
            signal,
            payload,
            at,
        )
        for payload, signal in zip(payloads, said, strict=True)
    ]
    await known.look_for_open(one.incident_key for one in told if one.problem is None)
    verdicts: list[dict[str, Any]] = []
    for payload, one in zip(payloads, told, strict=True):
        problem = one.problem
        if one.was_held:
            await _released(one, problem)
            continue
        outcome = await (_first_word(one) if problem is None else _further_word(one, problem))
        problem = one.problem
        if outcome == Outcome.UNKNOWN:
            # A success to the sender, who cannot know our history; whoever looks for a lost alert finds its receipt by this.
            log.info(
                "told of a problem we know nothing of",
                source=one.source.slug,
                said=one.signal.state,
                receipt=payload["receipt_id"],
            )
        verdicts.append(
            {
                "receipt_id": payload["receipt_id"],
                "position": payload["position"],
                "outcome": outcome,
                "incident_id": problem.incident_id if problem else None,
                "at": at,
            }
        )
    if verdicts:
        await insert_all(session, _VERDICTS, verdicts)
    await _mark_judged(session, {payload["receipt_id"] for payload in payloads})


async def _mark_judged(session: AsyncSession, receipts: Collection[str]) -> None:
    """Whoever judges another signal of the same receipt at this moment marks it: nobody waits for that."""
    waiting = select(Receipt.id).where(Receipt.id.in_(receipts), Receipt.unjudged)
    await session.execute(
        update(Receipt)
        .where(Receipt.id.in_(waiting.with_for_update(skip_locked=True)))
        .values(unjudged=False)
        .execution_options(synchronize_session=False)
    )


async def _first_word(told: Word) -> Outcome:
    match told.signal.state:
        case SignalState.PROBLEM:
            return await _raise(told, _remember(told, SignalState.PROBLEM))
        case SignalState.RECOVERED:
            # Its problem may still be on the way: what has ended must not be raised when that arrives.
            _remember(told, SignalState.RECOVERED).ended_at = told.received_at
    return Outcome.UNKNOWN


async def _further_word(told: Word, problem: Problem) -> Outcome:
    later = _is_later(told.signal.occurrence, problem.occurrence)
    problem.count += 1
    problem.last_seen_at = told.received_at
    match told.signal.state:
        case SignalState.PROBLEM:
            return await _problem(told, problem, later)
        case SignalState.RECOVERED:
            return await endings.recovered(told, problem, later)
        case SignalState.ACKED:
            return await _acked(told, problem, later)
        case SignalState.INFO:
            return await _info(told, problem)


# ── something is wrong ────────────────────────────────────────────────────────────────────────────────────


async def _problem(told: Word, problem: Problem, later: bool | None) -> Outcome:
    ended = problem.state == SignalState.RECOVERED
    if later is False or (ended and later is None and _was_overtaken(told, problem)):
        return Outcome.LATE
    incident = await told.open_incident(problem)
    if later or ended:
        came_back = ended and problem.quiet_at is not None and told.received_at < problem.quiet_at
        _begin_again(told, problem)
        if incident is None:
            return await _raise(told, problem)
        return await (_flap if came_back else _recur)(told, problem, incident)
    if problem.held is not None:
        return await (_raise(told, problem) if incident is None else _recur(told, problem, incident))
    if incident is not None:
        return await _repeat(told, problem, incident)
    if told.signal.occurrence and not await _was_taken_in(told, problem):
        return Outcome.SETTLED  # people closed the incident of this very occurrence
    # A sender without occurrences cannot tell us that it happened again; told after the end, we take it so. And nobody looked at
    # a problem that a storm took in: what still fires after the storm's incident has ended is raised for itself.
    _begin_again(told, problem)
    return await _raise(told, problem)


async def _raise(told: Word, problem: Problem) -> Outcome:
    signal, taken = told.signal, await told.taken()
    problem.dwell = int(taken.route.dwell.total_seconds())
    problem.level_hint = None
    window = await told.known.holder(taken, signal)
    if window is not None:
        return _hold(told, problem, window)
    problem.window_id, problem.held = None, None
    group = await told.known.group(taken)
    if group is not None:
        return _join_many(told, problem, group, is_storm=False)
    storm = await told.known.storm(taken) if told.source.id not in ourselves.OURS else None
    if storm is not None:
        return _join_many(told, problem, storm, is_storm=True)
    incident, is_new = await raising.raise_incident(told.session, taken.alarm, actor=told.actor, at=told.at)
    problem.incident_id = incident.id
    told.known.changed(incident.id)
    if is_new:
        problem.level_hint = signal.level_hint
        await told.known.raised(incident)
        problem.facts_at = told.at
        if (rule := taken.route.rule) is not None:
            told.note(incident, "signal.routed", rule=rule.id)
    else:
        incident = await told.known.held(incident.id)
        told.note(incident, "signal.joined")
        await _tell_facts(told, problem, incident)
    if signal.note:
        told.note(incident, "signal.noted", text=signal.note)
    return Outcome.RAISED if is_new else Outcome.JOINED


def _join_many(told: Word, problem: Problem, incident: Incident, *, is_storm: bool) -> Outcome:
    """Counted on the incident; its facts are not mixed with those of another problem."""
    problem.incident_id, problem.level_hint = incident.id, told.signal.level_hint
    told.known.changed(incident.id)
    storms.begins(told.session, incident, at=told.at)
    incident.signals += 1
    incident.grew_at = told.at
    if incident.signals == _STORM_BEGINS or gets_a_line(incident.signals):
        if is_storm:
            told.note(incident, "signal.storm", count=incident.signals)
        else:
            told.note(incident, "signal.grouped", count=incident.signals)
    return Outcome.JOINED


def _hold(told: Word, problem: Problem, window: MaintenanceWindow) -> Outcome:
    """Kept with the problem until the window is over: what was said last is what is judged then."""
    problem.window_id, problem.held = window.id, dict(told.payload)
    return Outcome.HELD


async def _released(told: Word, problem: Problem | None) -> None:
    """The window that held it is over: what still burns raises, unless something newer has been said of it already.

    Its verdict is written anew: what became of it in the end.
    """
    if problem is None or problem.held is None or problem.window_id is not None:
        return
    if problem.state == SignalState.RECOVERED:
        problem.held = None
        return
    incident = await told.open_incident(problem)
    outcome = await (_raise(told, problem) if incident is None else _recur(told, problem, incident))
    if outcome != Outcome.HELD and problem.incident_id is not None:
        told.note(await told.known.held(problem.incident_id), "signal.was_held", since=told.received_at)
    became = {"outcome": outcome, "incident_id": problem.incident_id, "at": told.at}
    await told.session.execute(
        update(Verdict)
        .where(Verdict.receipt_id == told.payload["receipt_id"], Verdict.position == told.payload["position"])
        .values(became)
    )


async def _flap(told: Word, problem: Problem, incident: Incident) -> Outcome:
    """It came back before it had been quiet for long enough: it was never over, and nobody is called anew."""
    incident.flaps += 1
    if gets_a_line(incident.flaps):
        told.note(incident, "signal.flapping", count=incident.flaps)
    await _tell_facts(told, problem, incident)
    return Outcome.FLAPPED


async def _recur(told: Word, problem: Problem, incident: Incident) -> Outcome:
    """It happened again while the incident is open: an earlier answer no longer holds, so call again.

    Whoever is being called already is called on: a problem that comes and goes must not begin the chain anew each time.
    """
    window = await told.known.holder(await told.taken(), told.signal)
    if window is not None:
        told.note(incident, "signal.held", window=window.title)
        return _hold(told, problem, window)
    problem.window_id, problem.held = None, None
    incident.occurrence += 1
    incident.version += 1
    if incident.acknowledged_at is not None:
        lifecycle.page_again(incident)
    told.note(incident, "signal.recurred", number=incident.occurrence, text=told.signal.note)
    payload = {"incident_id": incident.id, "occurrence": incident.occurrence}
    outbox.put(told.session, "incident.recurred", payload, ref=incident.id, at=told.at)
    await _tell_facts(told, problem, incident)
    return Outcome.RECURRED


async def _repeat(told: Word, problem: Problem, incident: Incident) -> Outcome:
    if gets_a_line(problem.count):
        told.note(incident, "signal.repeated", count=problem.count)
    await _tell_facts(told, problem, incident)
    return Outcome.REPEATED


async def _tell_facts(told: Word, problem: Problem, incident: Incident) -> None:
    """Merge what was measured: once a minute at most, unless it changes the level or the source calls it graver than before."""
    hint = await _graver_hint(told, problem)
    if incident.signals >= _STORM_BEGINS and incident.dedup_key != told.incident_key:
        await _grade_up(told, incident, hint)
        return
    measured = routed.measured(told.signal)
    merged = {name: value for name, value in {**incident.facts, **measured}.items() if value is not None}
    lately = problem.facts_at is not None and told.at - problem.facts_at < FACTS_EVERY
    is_news = merged != incident.facts and len(merged) <= facts.MOST_FACTS
    if is_news and lately and hint is None:
        is_news = await _grades_otherwise(told.session, incident, merged)
    if is_news:
        problem.facts_at = told.at
    if is_news or hint is not None:
        news = measured if is_news else {}
        await facts.merge(told.session, incident, news, actor=told.actor, at=told.at, hint=hint)


async def _graver_hint(told: Word, problem: Problem) -> Graded | None:
    """What the plan makes of a hint that is graver than any the source gave of this problem; what is said again is no news."""
    said = told.signal.level_hint
    if said is None or (problem.level_hint is not None and not grading.is_graver(said, problem.level_hint)):
        return None
    problem.level_hint = said
    alarm = (await told.taken()).alarm
    return grading.by_hint(alarm.level_hint or said, alarm.hinted_by)


async def _grade_up(told: Word, incident: Incident, hint: Graded | None) -> None:
    """A problem that joined in a storm hands its facts and its hint on only where they make the incident graver."""
    measured = routed.measured(told.signal)
    levels = await matrix.of(told.session, incident.plan_revision)
    _, kind = levels.type_of(incident.type)
    known = {**incident.facts, **measured}
    graded = grading.again(kind, record.scope(incident), known, level=incident.level, hint=hint)
    if graded is not None and grading.is_graver(graded.level, incident.level):
        await facts.merge(told.session, incident, measured, actor=told.actor, at=told.at, hint=hint)


async def _grades_otherwise(session: AsyncSession, incident: Incident, merged: Mapping[str, Any]) -> bool:
    levels = await matrix.of(session, incident.plan_revision)
    _, kind = levels.type_of(incident.type)
    scope = record.scope(incident)
    before, after = (grading.by_rules(kind, scope, known) for known in (incident.facts, merged))
    return after is not None and (before is None or before.level != after.level)


# ── somebody took it, or remarked something ───────────────────────────────────────────────────────────────


async def _acked(told: Word, problem: Problem, later: bool | None) -> Outcome:
    if later is False or problem.state == SignalState.RECOVERED:
        return Outcome.LATE
    if problem.state == SignalState.ACKED:
        return Outcome.REPEATED
    incident = await told.open_incident(problem)
    if incident is None:
        return Outcome.SETTLED if problem.held is None else Outcome.HELD
    problem.state = SignalState.ACKED
    told.note(incident, "signal.acked", text=told.signal.note)
    if await _was_taken_in(told, problem):
        return Outcome.ACKED  # one of a storm's many; it is no answer to all of them
    acknowledging.acknowledge(told.session, incident, by=told.actor, at=told.at, via=told.source.slug)
    return Outcome.ACKED


async def _info(told: Word, problem: Problem) -> Outcome:
    incident = await told.open_incident(problem)
    if incident is None:
        return Outcome.UNKNOWN if problem.held is None else Outcome.HELD
    if gets_a_line(problem.count):
        told.note(incident, "signal.noted", text=told.signal.text or told.signal.note)
    return Outcome.NOTED


# ── what is known ─────────────────────────────────────────────────────────────────────────────────────────


def _remember(told: Word, state: SignalState) -> Problem:
    problem = Problem(
        id=new_id(told.at),
        source_id=told.source.id,
        dedup_key=told.signal.dedup_key,
        occurrence=told.signal.occurrence,
        state=state,
        first_seen_at=told.received_at,
        last_seen_at=told.received_at,
        count=1,
    )
    told.known.remember(problem)
    return problem


async def _was_taken_in(told: Word, problem: Problem) -> bool:
    """Whether the problem's incident was raised for another one, whose storm it belongs to."""
    if problem.incident_id is None:
        return False
    incident = await told.known.held(problem.incident_id)
    return incident.signals > 1 and incident.dedup_key not in (None, told.incident_key)


def _begin_again(told: Word, problem: Problem) -> None:
    problem.occurrence = told.signal.occurrence or problem.occurrence
    problem.state, problem.ended_at, problem.quiet_at = SignalState.PROBLEM, None, None
    told.known.changed(problem.incident_id)


def _was_overtaken(told: Word, problem: Problem) -> bool:
    same = bool(told.signal.occurrence) and problem.ended_at is not None
    return same and told.received_at - (problem.ended_at or told.received_at) < OVERTAKEN_WITHIN


def _is_later(one: str, known: str) -> bool | None:
    """Whether occurrence `one` began after the `known` one; `None` when it is the same, or says nothing."""
    if one in ("", known):
        return None
    begun, before = _begun(one), _begun(known)
    if begun is None or before is None:
        return True  # marks without an order: another one is the next
    return None if begun == before else begun > before


def _begun(occurrence: str) -> datetime | None:
    digits = occurrence.isascii() and occurrence.isdigit() and len(occurrence) <= 15
    return reading.moment(int(occurrence) if digits else occurrence)
