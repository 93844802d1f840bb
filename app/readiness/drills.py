"""Drills (EP-8.3): planned, approved by another hand, held, scored on the six topics of ST-4, closed with findings.

The life of a drill is a table. A live one raises an Exercise incident, of which only those enrolled are told; all that keeps
a drill inside the house hangs on that status and that list, and on nothing here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.access.four_eyes import is_same_hand
from app.access.keys import Principal
from app.access.tables import Role
from app.errors import Forbidden, NotFound, Refused, Stale, WrongShape
from app.ids import new_id
from app.incidents import lifecycle, raising, record
from app.incidents.lifecycle import Event, Move
from app.incidents.raising import Alarm
from app.incidents.tables import OPEN_STATES, Status
from app.levels import matrix
from app.notify import enrolment
from app.people import holders
from app.people.tables import Person, Position
from app.plan import revisions
from app.readiness import duties
from app.readiness.tables import (
    Drill,
    DrillFinding,
    DrillMode,
    DrillPart,
    DrillScore,
    DrillState,
    DutyOccurrence,
    DutyState,
    Topic,
)
from app.vocabulary import Layer, parse_span, write_span
from app.wording import Wording, kept, say

CLAUSE: Final = "EP-8.3"
LEAST_TYPES: Final = 2
"""Different types of event a year (EP-8.3)."""
EARLIEST: Final = timedelta(hours=1)  # before its time that a drill may begin
REMINDED_BEFORE: Final = timedelta(days=1)
_MANAGES: Final = frozenset({Role.LEADERSHIP, Role.MANAGEMENT})


class DrillEvent(StrEnum):
    """What can be done to a drill."""

    APPROVE = "approve"  # another hand says it may be held
    BRIEF = "brief"  # those enrolled are told scheme, time, place and part
    START = "start"  # begin; unannounced, where nobody was briefed
    STOP = "stop"  # at once; whoever is there may, and need not say why
    EVALUATE = "evaluate"  # all six topics are scored
    CLOSE = "close"  # with a summary; findings become improvement items
    CANCEL = "cancel"  # it is not held, with a reason


S, E = DrillState, DrillEvent
TRANSITIONS: Final[Mapping[tuple[DrillState, DrillEvent], DrillState]] = {
    (S.PLANNED, E.APPROVE): S.APPROVED,
    (S.PLANNED, E.CANCEL): S.CANCELLED,
    (S.APPROVED, E.BRIEF): S.BRIEFED,
    (S.APPROVED, E.START): S.RUNNING,
    (S.APPROVED, E.CANCEL): S.CANCELLED,
    (S.BRIEFED, E.START): S.RUNNING,
    (S.BRIEFED, E.CANCEL): S.CANCELLED,
    (S.RUNNING, E.STOP): S.ENDED,
    (S.ENDED, E.EVALUATE): S.EVALUATED,
    (S.EVALUATED, E.CLOSE): S.CLOSED,
}
_NEEDS: Final[Mapping[DrillEvent, str]] = {E.CANCEL: "reason", E.CLOSE: "summary"}


class IllegalDrillTransition(Refused, slug="illegal-drill-transition"):
    """That is not possible with this drill now; `allowed` says what is."""


class OwnDrill(Forbidden, slug="own-drill"):
    """Nobody approves the drill they planned, or scores one they take part in."""


@dataclass(frozen=True)
class Inject:
    """Something let happen during the drill."""

    after: timedelta  # from the start
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Taking:
    """Somebody's part: a position or a person."""

    position: str | None = None
    person_id: str | None = None
    observes: bool = False
    role: str | None = None


@dataclass(frozen=True)
class Scheme:
    """All that is laid down before a drill (EP-8.3: time, place, people, scheme, props)."""

    title: str
    type: str
    level: int
    mode: DrillMode
    starts_at: datetime
    lasts: timedelta
    place: str
    scheme: str
    parts: Sequence[Taking]
    playbook: str | None = None
    scenario: Sequence[Inject] = ()
    props: Sequence[str] = ()
    duty: str | None = None


@dataclass(frozen=True)
class Year:
    """What a year's drills come to beside what is asked (EP-8.3)."""

    year: int
    needed: int
    held: int
    types: Sequence[str]

    @property
    def is_met(self) -> bool:
        return self.held >= self.needed and len(self.types) >= LEAST_TYPES


def allowed(state: DrillState) -> list[DrillEvent]:
    """What the table lists for a state, in the order of `DrillEvent`."""
    return [event for event in DrillEvent if (state, event) in TRANSITIONS]


def every(*, state: DrillState | None = None, type_: str | None = None) -> Select[Any]:
    """Drills that match all that is given."""
    query = select(Drill)
    for column, value in ((Drill.state, state), (Drill.type, type_)):
        if value is not None:
            query = query.where(column == value)
    return query


async def plan(session: AsyncSession, scheme: Scheme, *, by: Principal, at: datetime) -> Drill:
    """Lay a drill down. Raises `WrongShape` for what the plan or the organisation does not know, `NotFound` for a duty."""
    await _check(session, scheme, at)
    drill = Drill(
        id=new_id(at), title=scheme.title, type=scheme.type, level=scheme.level, playbook=scheme.playbook, mode=scheme.mode,
        state=DrillState.PLANNED, starts_at=scheme.starts_at, ends_at=scheme.starts_at + scheme.lasts, place=scheme.place,
        scheme=scheme.scheme, props=list(scheme.props), duty=scheme.duty, planned_by=by.name, planned_key=by.key_id, version=1,
        scenario=[{"after": write_span(i.after), "text": i.text, "facts": dict(i.facts)} for i in scheme.scenario],
    )  # fmt: skip
    session.add(drill)
    await session.flush()
    session.add_all(
        DrillPart(
            drill_id=drill.id, who=part.person_id or part.position, is_person=part.person_id is not None,
            observes=part.observes, role=part.role,
        )
        for part in scheme.parts
    )  # fmt: skip
    await session.flush()
    return drill


async def move(
    session: AsyncSession, drill_id: str, event: DrillEvent, *, by: Principal, at: datetime, reason: str | None = None,
    summary: str | None = None, version: int | None = None,
) -> Drill:  # fmt: skip
    """Apply `event` to a drill, or raise what stands against it. Repeatable by nobody: of two, one wins."""
    drill = await locked(session, drill_id)
    Stale.unless(version, drill.version)
    state = DrillState(drill.state)
    to = TRANSITIONS.get((state, event))
    if to is None:
        raise IllegalDrillTransition(
            say("drills.illegal", event=say(f"drill_event.{event}"), state=say(f"drill_state.{state}")),
            state=state, allowed=allowed(state), current_version=drill.version,
        )  # fmt: skip
    if event is not DrillEvent.STOP and by.role not in _MANAGES:
        raise Forbidden(say("drills.management_only", event=say(f"drill_event.{event}")))
    if (need := _NEEDS.get(event)) is not None and not {"reason": reason, "summary": summary}[need]:
        raise Refused(say(f"drills.{need}_needed"), allowed=allowed(state), needs=[need])
    match event:
        case DrillEvent.APPROVE:
            await _approve(session, drill, by, at)
        case DrillEvent.BRIEF:
            outbox.put(session, "drill.briefed", {"drill_id": drill.id}, ref=drill.id, at=at)
        case DrillEvent.START:
            await _start(session, drill, by, at)
        case DrillEvent.STOP:
            await _end(
                session, drill, say("drills.stopped", by=by.name, reason=reason or "–"), by=by.name, at=at
            )
        case DrillEvent.EVALUATE:
            await _must_be_scored(session, drill)
        case DrillEvent.CLOSE:
            await _close(session, drill, summary, by, at)
        case DrillEvent.CANCEL:
            drill.ended_because = kept(say("drills.cancelled", by=by.name, reason=reason))
            await outbox.withdraw(session, key_prefix=f"drill:{drill.id}:")
            if state is DrillState.BRIEFED:
                outbox.put(session, "drill.called_off", {"drill_id": drill.id}, ref=drill.id, at=at)
    drill.state, drill.version = to, drill.version + 1
    return drill


async def end_with(session: AsyncSession, incident_id: str, *, by: str, at: datetime) -> None:
    """The incident of a live drill has ended: so has the drill."""
    query = select(Drill).where(Drill.incident_id == incident_id).with_for_update()
    drill = await session.scalar(query.execution_options(populate_existing=True))
    if drill is not None and drill.state == DrillState.RUNNING:
        await _end(session, drill, say("drills.over", by=by), by=by, at=at)
        drill.state, drill.version = DrillState.ENDED, drill.version + 1


async def time_is_up(session: AsyncSession, drill_id: str, *, at: datetime) -> None:
    """Its time has passed and nobody ended it: it ends by itself."""
    drill = await locked(session, drill_id)
    if drill.state == DrillState.RUNNING:
        await _end(session, drill, say("drills.time_is_up"), by="plan", at=at)
        drill.state, drill.version = DrillState.ENDED, drill.version + 1


async def note_result(
    session: AsyncSession, drill_id: str, result: Mapping[str, Any], *, by: str, at: datetime
) -> Drill:
    """What the simulation of a running simulated drill gave; that ends it. `muster drills play` hands it in."""
    drill = await locked(session, drill_id)
    must_take_result(drill)
    drill.figures = dict(result)
    await _end(session, drill, say("drills.over", by=by), by=by, at=at)
    drill.state, drill.version = DrillState.ENDED, drill.version + 1
    return drill


def must_take_result(drill: Drill) -> None:
    """Raises `Refused` for one that is not simulated, or does not run."""
    if drill.mode != DrillMode.SIMULATED or drill.state != DrillState.RUNNING:
        raise Refused(
            say("drills.no_result_wanted"), state=drill.state, allowed=allowed(DrillState(drill.state))
        )


async def score(
    session: AsyncSession, drill_id: str, topic: Topic, points: int, *, remark: str | None, by: Principal, at: datetime
) -> DrillScore:  # fmt: skip
    """An evaluator's points, 1 to 5, on one topic of ST-4; the same evaluator again takes the earlier ones' place."""
    drill = await locked(session, drill_id)
    _must_be(drill, DrillState.RUNNING, DrillState.ENDED)
    if by.person_id is not None and await _takes_part(session, drill, by.person_id):
        raise OwnDrill(say("drills.own_score"))
    given = await session.get(DrillScore, (drill.id, topic, by.key_id))
    if given is None:
        given = DrillScore(drill_id=drill.id, topic=topic, evaluator_key=by.key_id)
        session.add(given)
    given.evaluator, given.points, given.remark, given.at = by.name, points, remark, at
    await session.flush()
    return given


async def find(
    session: AsyncSession, drill_id: str, topic: Topic, text: str, *, owner: str, due_on: date, by: str, at: datetime
) -> DrillFinding:  # fmt: skip
    """Put down what was found wanting, with who mends it until when."""
    drill = await locked(session, drill_id)
    _must_be(drill, DrillState.RUNNING, DrillState.ENDED, DrillState.EVALUATED)
    finding = DrillFinding(
        id=new_id(at), drill_id=drill.id, topic=topic, text=text, owner=owner, due_on=due_on, found_by=by
    )
    session.add(finding)
    await session.flush()
    return finding


async def parts(session: AsyncSession, drill_id: str, *, observe: bool | None = None) -> list[DrillPart]:
    query = (
        select(DrillPart).where(DrillPart.drill_id == drill_id).order_by(DrillPart.observes, DrillPart.who)
    )
    if observe is not None:
        query = query.where(DrillPart.observes.is_(observe))
    return list(await session.scalars(query))


async def scores(session: AsyncSession, drill_id: str) -> list[DrillScore]:
    query = select(DrillScore).where(DrillScore.drill_id == drill_id)
    given = await session.scalars(query.order_by(DrillScore.at))
    order = list(Topic)
    return sorted(given, key=lambda one: order.index(Topic(one.topic)))


async def findings(session: AsyncSession, drill_id: str) -> list[DrillFinding]:
    query = select(DrillFinding).where(DrillFinding.drill_id == drill_id)
    return list(await session.scalars(query.order_by(DrillFinding.id)))


def mean_points(given: Iterable[DrillScore]) -> dict[Topic, float]:
    """The mean of the evaluators, by topic; a topic nobody scored is not there."""
    by_topic: dict[Topic, list[int]] = {}
    for one in given:
        by_topic.setdefault(Topic(one.topic), []).append(one.points)
    return {
        topic: round(sum(by_topic[topic]) / len(by_topic[topic]), 2) for topic in Topic if topic in by_topic
    }


async def of_year(session: AsyncSession, year: int) -> Year:
    """The drills of a year of the plan's zone that were held, evaluated and closed (EP-8.3)."""
    zone, needed = await _asked(session)
    start, end = (datetime(one, 1, 1, tzinfo=zone) for one in (year, year + 1))
    query = select(Drill.type).where(Drill.state == DrillState.CLOSED)
    held = list(await session.scalars(query.where(Drill.started_at >= start, Drill.started_at < end)))
    return Year(year, needed, len(held), sorted(set(held)))


async def watch_year(session: AsyncSession, *, at: datetime) -> None:
    """Let the present year be looked at when it is over, once (EP-8.3, EP-10.2)."""
    zone, _ = await _asked(session)
    year = at.astimezone(zone).year
    key = f"drill-year:{year}"
    if await session.scalar(select(outbox.Timer.id).where(outbox.Timer.key == key)) is None:
        over = datetime(year + 1, 1, 1, 9, tzinfo=zone)
        await outbox.arm(session, "drill.year_over", {"year": year}, ref=key, key=key, due_at=over)


async def found(session: AsyncSession, drill_id: str) -> Drill:
    """The drill of that id. Raises `NotFound`."""
    drill = await session.get(Drill, drill_id)
    if drill is None:
        raise NotFound(say("drills.no_such", id=drill_id))
    return drill


async def locked(session: AsyncSession, drill_id: str) -> Drill:
    """The drill under its row lock until the transaction ends; a live one's incident is locked before it, as reactions do."""
    incident_id = (await found(session, drill_id)).incident_id
    if incident_id is not None:
        await record.locked(session, incident_id)
    query = select(Drill).where(Drill.id == drill_id).with_for_update()
    return (await session.scalars(query.execution_options(populate_existing=True))).one()


async def _asked(session: AsyncSession) -> tuple[ZoneInfo, int]:
    """By whose clocks the year goes, and how many drills it needs: what the plan says, and never fewer than the measures do."""
    standing = await revisions.current(session)
    if standing is None:
        return ZoneInfo("UTC"), LEAST_TYPES
    document = await revisions.document_of(session, standing.id)
    asked = document.training.drills_per_year if document.training else LEAST_TYPES
    return ZoneInfo(document.plan.time_zone), max(asked, LEAST_TYPES)


async def _check(session: AsyncSession, scheme: Scheme, at: datetime) -> None:
    """All mistakes at once, each with its path."""
    revision_id, levels = await matrix.in_force(session)
    document = await revisions.document_of(session, revision_id)
    wrong: list[tuple[str, Wording]] = []
    if scheme.type not in levels.types:
        wrong.append(("type", say("drills.no_such_type", type=scheme.type)))
    if scheme.playbook is not None and scheme.playbook not in document.playbooks:
        wrong.append(("playbook", say("drills.no_such_playbook", playbook=scheme.playbook)))
    if scheme.starts_at <= at - timedelta(minutes=1):
        wrong.append(("starts_at", say("drills.in_the_past")))
    if not any(not part.observes for part in scheme.parts):
        wrong.append(("parts", say("drills.nobody_enrolled")))
    taken: set[str] = set()
    for number, part in enumerate(scheme.parts):
        table, name = (Person, part.person_id) if part.person_id else (Position, part.position)
        if name is None or await session.get(table, name) is None:
            wrong.append((f"parts.{number}", say("drills.nobody_of_that_name", name=name or "")))
        elif name in taken:
            wrong.append((f"parts.{number}", say("drills.twice", name=name)))
        taken.add(name or "")
    for number, inject in enumerate(scheme.scenario):
        if inject.after >= scheme.lasts:
            wrong.append((f"scenario.{number}.after", say("drills.after_the_end", lasts=scheme.lasts)))
    if scheme.duty is not None and (await duties.found(session, scheme.duty)).clause != CLAUSE:
        wrong.append(("duty", say("drills.other_duty", id=scheme.duty, clause=CLAUSE)))
    if wrong:
        errors = [{"path": path, "message": message} for path, message in wrong]
        raise WrongShape(say("drills.not_plannable", what=[message for _, message in wrong]), errors=errors)


async def _approve(session: AsyncSession, drill: Drill, by: Principal, at: datetime) -> None:
    if await is_same_hand(session, by, drill.planned_key):
        raise OwnDrill(say("drills.own_approval", by=drill.planned_by))
    _, levels = await matrix.in_force(session)
    if levels.levels[drill.level].declared_by is Layer.LEADERSHIP and not by.leads:
        raise Forbidden(say("drills.leadership_approves", level=drill.level))
    drill.approved_by = by.name
    if (due_at := drill.starts_at - REMINDED_BEFORE) > at:
        key, payload = f"drill:{drill.id}:reminder", {"drill_id": drill.id}
        await outbox.arm(session, "drill.reminder", payload, ref=drill.id, key=key, due_at=due_at)


async def _start(session: AsyncSession, drill: Drill, by: Principal, at: datetime) -> None:
    """Live: within the time it was approved for, an Exercise incident, known to those enrolled only; then what the scenario lets
    happen, and the end of its time."""
    if drill.mode == DrillMode.LIVE and not drill.starts_at - EARLIEST <= at < drill.ends_at:
        raise Refused(
            say("drills.not_its_time", earliest=drill.starts_at - EARLIEST, ends_at=drill.ends_at),
            allowed=[one for one in allowed(DrillState(drill.state)) if one is not E.START],
        )
    drill.started_at = at
    await outbox.withdraw(session, key_prefix=f"drill:{drill.id}:reminder")
    if drill.mode == DrillMode.SIMULATED:
        return
    alarm = Alarm(
        title=drill.title, type=drill.type, description=drill.scheme[:4000], level=drill.level, reporter=by.name,
        status=Status.EXERCISE,
    )  # fmt: skip
    incident, _ = await raising.raise_incident(session, alarm, actor=by.name, at=at)
    if drill.playbook is not None:
        incident.playbook = drill.playbook
    drill.incident_id = incident.id
    enrolment.enrol(
        session, incident.id, [part.who for part in await parts(session, drill.id, observe=False)]
    )
    for number, inject in enumerate(drill.scenario):
        payload = {"drill_id": drill.id, "incident_id": incident.id, "number": number}
        key = f"drill:{drill.id}:inject:{number}"
        due_at = at + parse_span(inject["after"])
        await outbox.arm(session, "drill.inject", payload, ref=incident.id, key=key, due_at=due_at)
    lasts = drill.ends_at - drill.starts_at
    payload = {"drill_id": drill.id, "incident_id": incident.id}
    key = f"drill:{drill.id}:end"
    await outbox.arm(session, "drill.time_is_up", payload, ref=incident.id, key=key, due_at=at + lasts)


async def _end(session: AsyncSession, drill: Drill, because: Wording, *, by: str, at: datetime) -> None:
    """Nothing of it goes on. Its figures are taken first, as things stand."""
    drill.ended_at, drill.ended_because = at, kept(because)
    await outbox.withdraw(session, key_prefix=f"drill:{drill.id}:")
    if drill.incident_id is None:
        return
    incident = await record.locked(session, drill.incident_id)
    payload = {"drill_id": drill.id, "incident_id": incident.id}
    outbox.put(session, "drill.ended", payload, ref=incident.id, at=at)
    if incident.state in OPEN_STATES:
        levels = await matrix.of(session, incident.plan_revision)
        move = Move(spec=levels.levels[incident.level], reason=because)
        lifecycle.apply(session, incident, Event.CANCEL, actor=by, at=at, move=move)


async def _must_be_scored(session: AsyncSession, drill: Drill) -> None:
    given = mean_points(await scores(session, drill.id))
    if missing := [topic for topic in Topic if topic not in given]:
        what = [say(f"drill_topic.{topic}") for topic in missing]
        raise Refused(
            say("drills.not_scored", what=what), allowed=allowed(DrillState(drill.state)), missing=missing
        )


async def _close(
    session: AsyncSession, drill: Drill, summary: str | None, by: Principal, at: datetime
) -> None:
    drill.summary = summary
    outbox.put(session, "drill.closed", {"drill_id": drill.id}, ref=drill.id, at=at)
    key = drill.duty
    if key is None:
        oldest = select(DutyOccurrence.key).where(
            DutyOccurrence.clause == CLAUSE, DutyOccurrence.state != DutyState.DONE
        )
        key = await session.scalar(oldest.order_by(DutyOccurrence.key).limit(1))
    if key is None or (await duties.found(session, key)).state == DutyState.DONE:
        return
    drill.duty = key
    await duties.complete(session, key, by=by.name, entitled=True, at=at, note=f"{drill.title} ({drill.id})")


def _must_be(drill: Drill, *states: DrillState) -> None:
    state = DrillState(drill.state)
    if state not in states:
        raise IllegalDrillTransition(
            say("drills.not_now", state=say(f"drill_state.{state}")),
            state=state, allowed=allowed(state), current_version=drill.version,
        )  # fmt: skip


async def _takes_part(session: AsyncSession, drill: Drill, person_id: str) -> bool:
    theirs = {person_id, *await holders.positions_of(session, person_id)}
    return any(part.who in theirs for part in await parts(session, drill.id, observe=False))
