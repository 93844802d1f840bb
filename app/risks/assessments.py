"""Assessments of a risk, or of an incident, by record, by several assessors, or by both (EP-3.2, EP-4.2.2).

Assessors score by themselves: nobody sees another's score before all have given theirs, or the assessment ended. Each hand
scores once. Its conclusion changes the register, or grades the incident through its lifecycle, and nothing else does.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.access.four_eyes import is_same_hand
from app.access.keys import Principal
from app.access.tables import Role
from app.errors import Forbidden, NotFound, Refused, WrongShape
from app.ids import new_id
from app.incidents import authority, record, timeline, transitions
from app.incidents.tables import OPEN_STATES, Incident
from app.levels import assessing
from app.levels.assessing import Figures, Judged, Measure, Score, Spread
from app.levels.document import Assessing
from app.people import holders
from app.people.tables import Assignment
from app.plan import revisions
from app.risks import history, register
from app.risks.register import RiskRetired
from app.risks.tables import Assessment, AssessmentState, Assessor, Method, Risk
from app.wording import Wording, kept, restored, say


class AssessmentEvent(StrEnum):
    CONCLUDE = "conclude"  # take likelihood and impact over
    WITHDRAW = "withdraw"  # no longer wanted


S, E = AssessmentState, AssessmentEvent
TRANSITIONS: Final[Mapping[tuple[AssessmentState, AssessmentEvent], AssessmentState]] = {
    (S.OPEN, E.CONCLUDE): S.CONCLUDED,
    (S.OPEN, E.WITHDRAW): S.WITHDRAWN,
}


class AssessmentEnded(Refused, slug="assessment-ended"):
    """It was concluded or withdrawn; ask for a new one."""


class NotEnough(Refused, slug="not-enough-to-assess-by"):
    """The record or the assessors say too little; the detail says what is missing and what to do."""


class AlreadyScored(Refused, slug="already-scored"):
    """A position scores once, and so does a person, whatever positions they hold."""


def allowed(state: AssessmentState) -> list[AssessmentEvent]:
    return [event for event in AssessmentEvent if (state, event) in TRANSITIONS]


async def ask(
    session: AsyncSession, subject: Risk | Incident, method: Method, *, actor: str, at: datetime,
    positions: Sequence[str] = (), start: datetime | None = None, end: datetime | None = None,
    due_at: datetime | None = None,
) -> Assessment:  # fmt: skip
    """Open an assessment: what was recorded is counted now, and the assessors are asked."""
    _, plan = await revisions.in_force(session)
    assessing_ = plan.risk.assessing
    by_people = method is not Method.QUANTITATIVE
    if unknown := sorted(set(positions) - set(plan.organisation.positions)):
        known = sorted(plan.organisation.positions)
        raise WrongShape(say("risks.not_in_plan", name=unknown), errors=[{"path": "positions"}], known=known)
    asked = list(dict.fromkeys(positions)) if by_people else []
    if by_people and len(asked) < assessing_.least_assessors:
        raise WrongShape(
            say("risks.ask_more", least=assessing_.least_assessors), errors=[{"path": "positions"}]
        )
    within = assessing_.incident_within if isinstance(subject, Incident) else assessing_.within
    due_at = at + within if due_at is None else due_at
    if due_at <= at:
        raise WrongShape(say("risks.due_in_the_past"), errors=[{"path": "due_at"}])
    if isinstance(subject, Incident) and subject.state not in OPEN_STATES:
        raise Refused(say("incidents.over"), state=subject.state)
    if isinstance(subject, Risk) and subject.retired_at is not None:
        raise RiskRetired(say("risks.retired"), retired_at=subject.retired_at)
    made = Assessment(
        id=new_id(at), risk_id=subject.id if isinstance(subject, Risk) else None,
        incident_id=subject.id if isinstance(subject, Incident) else None, method=method, state=S.OPEN,
        asked_by=actor, asked_at=at, due_at=due_at,
    )  # fmt: skip
    if method is not Method.QUALITATIVE:
        if subject.type is None:
            raise NotEnough(say("risks.no_type"), needs=["type"])
        made.type, made.end = subject.type, min(end or at, at)
        made.start = start or made.end - assessing_.period
        if made.start >= made.end:
            raise WrongShape(say("risks.from_not_before_to"), errors=[{"path": "from"}])
        recorded, watched = await history.cases(
            session, made.type, start=made.start, end=made.end, money=assessing_.money
        )
        made.figures = _kept(assessing.by_figures(assessing_, recorded, watched=watched))
    session.add(made)
    await session.flush()
    session.add_all(Assessor(assessment_id=made.id, position=position) for position in asked)
    if asked:
        payload = {"assessment_id": made.id}
        if made.incident_id is not None:
            payload["incident_id"] = made.incident_id
        outbox.put(session, "assessment.asked", payload, ref=subject.id, at=at)
        await outbox.arm(
            session, "assessment.reminder", payload, ref=subject.id, key=f"assessment:{made.id}:reminder",
            due_at=max(at + (due_at - at) / 2, due_at - assessing_.remind_before),
        )  # fmt: skip
    return made


async def score(
    session: AsyncSession, assessment_id: str, position: str, given: Score, *, by: Principal, at: datetime,
    note: str | None = None,
) -> Assessment:  # fmt: skip
    """One assessor's score, once, for a position that was asked."""
    assessment = await found(session, assessment_id, lock=True)
    _refuse_ended(assessment)
    asked = {one.position: one for one in await assessors(session, assessment)}
    if position not in asked:
        raise Refused(say("risks.not_asked", position=position), positions=list(asked))
    if not await authority.may_act_for(session, by, [position]):
        [called] = await holders.titles(session, [position])
        raise Forbidden(say("risks.not_yours", position=called), position=position)
    for one in asked.values():
        mine = one.position == position or await is_same_hand(session, by, one.key_id)
        if one.given is not None and mine:
            [called] = await holders.titles(session, [one.position])
            raise AlreadyScored(say("risks.already_scored", position=called), position=one.position)
    seat = asked[position]
    seat.likelihood, seat.impact, seat.note = given.likelihood, given.impact, note
    seat.by, seat.key_id, seat.at = by.name, by.key_id, at
    await session.flush()
    return assessment


async def move(
    session: AsyncSession, assessment_id: str, event: AssessmentEvent, *, by: Principal, at: datetime,
    reason: str | None = None,
) -> Assessment:  # fmt: skip
    """End an open assessment.

    1. What the method asks for must be there: enough records, enough assessors.
    2. While somebody has not scored and still may, a reason is needed to go on without them.
    3. The register takes the result over; an incident is graded by the matrix, through its lifecycle.
    """
    assessment = await found(session, assessment_id, lock=True)
    _refuse_ended(assessment)
    if event is AssessmentEvent.CONCLUDE:
        judged = await _judged(session, assessment, reason=reason, at=at)
        assessment.likelihood, assessment.impact = judged.likelihood, judged.impact
        await _take_over(session, assessment, judged, by=by, at=at, reason=reason)
    assessment.state = TRANSITIONS[AssessmentState(assessment.state), event]
    assessment.ended_by, assessment.ended_at, assessment.reason = by.name, at, reason
    await outbox.withdraw(session, key_prefix=f"assessment:{assessment.id}:")
    return assessment


async def withdraw_all(session: AsyncSession, incident: Incident, *, at: datetime) -> None:
    """The incident is over: what is still being assessed of it is not wanted any more."""
    still = (Assessment.incident_id == incident.id) & (Assessment.state == S.OPEN)
    for assessment in await session.scalars(select(Assessment).where(still).with_for_update()):
        assessment.state = TRANSITIONS[S.OPEN, E.WITHDRAW]
        assessment.ended_by, assessment.ended_at = "plan", at
        await outbox.withdraw(session, key_prefix=f"assessment:{assessment.id}:")


def visible_to(who: Principal, query: Select[Any]) -> Select[Any]:
    """Assessments the caller may see: the collaboration layer sees those it is asked to score in (EP-2.4)."""
    if who.role is not Role.COLLABORATION:
        return query
    held = select(Assignment.position_id).where(Assignment.person_id == who.person_id)
    return query.where(Assessment.id.in_(select(Assessor.assessment_id).where(Assessor.position.in_(held))))


async def seen(session: AsyncSession, who: Principal, assessment_id: str) -> Assessment:
    """The assessment, if the caller may see it; otherwise it is not there."""
    query = visible_to(who, select(Assessment).where(Assessment.id == assessment_id))
    assessment: Assessment | None = await session.scalar(query)
    if assessment is None:
        raise NotFound(say("risks.no_such_assessment", id=assessment_id))
    return assessment


def every(*, risk_id: str | None = None, incident_id: str | None = None) -> Select[Any]:
    query = select(Assessment)
    if risk_id is not None:
        query = query.where(Assessment.risk_id == risk_id)
    return query if incident_id is None else query.where(Assessment.incident_id == incident_id)


async def found(session: AsyncSession, assessment_id: str, *, lock: bool = False) -> Assessment:
    query = select(Assessment).where(Assessment.id == assessment_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    assessment: Assessment | None = await session.scalar(query)
    if assessment is None:
        raise NotFound(say("risks.no_such_assessment", id=assessment_id))
    return assessment


async def assessors(session: AsyncSession, assessment: Assessment) -> list[Assessor]:
    """The positions that were asked, with their scores."""
    query = select(Assessor).where(Assessor.assessment_id == assessment.id)
    return list(await session.scalars(query.order_by(Assessor.position)))


async def missing(session: AsyncSession, assessment: Assessment) -> list[str]:
    """The positions that were asked and have not scored."""
    return [one.position for one in await assessors(session, assessment) if one.given is None]


def shown(
    assessment: Assessment, asked: Collection[Assessor], *, to: Principal
) -> tuple[list[Assessor], dict[str, Spread]]:
    """The scores `to` may see, and how far apart they lie: all once nobody can be swayed any more, until then their own.

    An assessment that was withdrawn half-way keeps them: who is asked again scores as freely as at first.
    """
    scored = [one for one in asked if one.given is not None]
    if len(scored) < len(asked) and assessment.state != S.CONCLUDED:
        return [one for one in scored if one.key_id == to.key_id], {}
    return scored, spreads(scored)


def spreads(scored: Collection[Assessor]) -> dict[str, Spread]:
    """How far apart the scores lie, of likelihood and of impact."""
    scores = [one.given for one in scored if one.given is not None]
    found = {
        name: assessing.spread(getattr(one, name) for one in scores) for name in ("likelihood", "impact")
    }
    return {name: one for name, one in found.items() if one is not None}


def figures_of(assessment: Assessment) -> Figures | None:
    if assessment.figures is None:
        return None
    plain = dict(assessment.figures)
    measures = {name: Measure(**one) for name, one in plain.pop("measures").items()}
    lacking = plain.pop("lacking")
    return Figures(**plain, measures=measures, lacking=restored(lacking) if lacking else None)


def _kept(figures: Figures) -> dict[str, Any]:
    return {**asdict(figures), "lacking": kept(figures.lacking) if figures.lacking else None}


def _refuse_ended(assessment: Assessment) -> None:
    if assessment.state != S.OPEN:
        state = say(f"assessment_state.{assessment.state}")
        raise AssessmentEnded(say("risks.assessment_ended", state=state), state=assessment.state, allowed=[])


async def _judged(
    session: AsyncSession, assessment: Assessment, *, reason: str | None, at: datetime
) -> Judged:
    _, plan = await revisions.in_force(session)
    figures = figures_of(assessment)
    if assessment.method == Method.QUANTITATIVE:
        if figures is None or figures.likelihood is None or figures.impact is None:
            raise NotEnough(_too_little(figures))
        return Judged(figures.likelihood, figures.impact)
    asked = await assessors(session, assessment)
    given = [one.given for one in asked if one.given is not None]
    waiting = [one.position for one in asked if one.given is None]
    called = await holders.titles(session, waiting)
    if len(given) < plan.risk.assessing.least_assessors:
        raise NotEnough(
            say("risks.too_few_scores", number=len(given), least=plan.risk.assessing.least_assessors, missing=called),
            missing=waiting,
        )  # fmt: skip
    if waiting and at < assessment.due_at and not reason:
        raise NotEnough(say("risks.still_waiting", missing=called), missing=waiting, needs=["reason"])
    judged = _by_people(plan.risk.assessing, figures, given)
    assert judged is not None  # of at least one assessor
    return judged


def _by_people(assessing_: Assessing, figures: Figures | None, given: Sequence[Score]) -> Judged | None:
    if figures is None:
        return assessing.by_assessors(given)
    return assessing.combined(assessing_, figures, given)


def _too_little(figures: Figures | None) -> Wording:
    return say("risks.not_enough", why=figures.lacking if figures else "")


async def _take_over(
    session: AsyncSession, assessment: Assessment, judged: Judged, *, by: Principal, at: datetime, reason: str | None
) -> None:  # fmt: skip
    if assessment.risk_id is not None:
        risk = await register.found(session, assessment.risk_id, lock=True)
        values = {"likelihood": judged.likelihood, "impact": judged.impact}
        await register.change(
            session, risk, values, actor=by.name, at=at, reason=reason, assessment_id=assessment.id
        )
        return
    assert assessment.incident_id is not None
    incident = await record.locked(session, assessment.incident_id)
    lies = {name: asdict(one) for name, one in spreads(await assessors(session, assessment)).items()}
    given = transitions.Assessment(assessment.method, judged.likelihood, judged.impact)
    await transitions.grade(
        session, incident, given, actor=by.name, layer=authority.layer_of(by), at=at, reason=reason
    )
    timeline.append(
        session, incident, "incident.judged", actor=by.name, at=at, assessment=assessment.id,
        method=say(f"assessment_method.{assessment.method}"), likelihood=judged.likelihood, impact=judged.impact,
        figures=assessment.figures, spread=lies,
        facts=dict(incident.facts), gravity=incident.gravity, because=restored(incident.level_reason),
    )  # fmt: skip
