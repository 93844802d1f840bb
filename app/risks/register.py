"""The register of risks (EP-3.1): it begins with the plan's, lives on by people's changes, and is reviewed by its dates.

Each change is kept with who and why. Some time before its review date a risk becomes a duty of its owner; overdue, whoever the
owner reports to hears of it, again each week.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.errors import NotFound, Refused, Stale, WrongShape
from app.ids import new_id
from app.plan import revisions
from app.plan.document import PlanDocument
from app.readiness import duties
from app.risks.tables import Risk, RiskChange
from app.vocabulary import Localised
from app.wording import localised, say

AGAIN_AFTER: Final = timedelta(days=7)


async def begin(session: AsyncSession, plan: PlanDocument, *, at: datetime) -> list[Risk]:
    """Put the plan's risks into the register that are not there yet; what people changed since is left as it is."""
    known = set(await session.scalars(select(Risk.name).where(Risk.name.in_(list(plan.risks)))))
    today = at.astimezone(ZoneInfo(plan.plan.time_zone)).date()
    added = []
    for name, planned in plan.risks.items():
        if name not in known:
            values = planned.model_dump(mode="json", exclude={"review_every"})
            values |= {"name": name, "review_on": today + planned.review_every}
            added.append(await _put(session, plan, values, actor="plan", at=at))
    return added


async def add(session: AsyncSession, values: Mapping[str, Any], *, actor: str, at: datetime) -> Risk:
    """A risk somebody found."""
    _, plan = await revisions.in_force(session)
    _refuse_unknown(plan, values)
    _refuse_past(plan, values, at)
    return await _put(session, plan, values, actor=actor, at=at)


class RiskRetired(Refused, slug="risk-retired"):
    """It is no longer a risk; bring it back first."""


async def change(
    session: AsyncSession, risk: Risk, values: Mapping[str, Any], *, actor: str, at: datetime, reason: str | None = None,
    version: int | None = None, assessment_id: str | None = None,
) -> Risk:  # fmt: skip
    """Change a locked risk. A new review date says that it was reviewed, and what was owed for that is done.

    So does an assessment, which puts the next review off by as long as the plan has it.
    """
    Stale.unless(version, risk.version)
    if risk.retired_at is not None and values.get("retired_at", risk.retired_at) is not None:
        raise RiskRetired(say("risks.retired"), retired_at=risk.retired_at)
    _, plan = await revisions.in_force(session)
    _refuse_unknown(plan, values)
    if assessment_id is not None:
        next_review = at.astimezone(ZoneInfo(plan.plan.time_zone)).date() + plan.risk.assessing.review_every
        values = {**values, "review_on": max(risk.review_on, next_review)}
    changes = {
        name: [_plain(getattr(risk, name)), _plain(value)]
        for name, value in values.items()
        if getattr(risk, name) != value
    }
    if not changes and assessment_id is None:
        return risk
    if "review_on" in changes:
        _refuse_past(plan, values, at)
    for name in changes:
        setattr(risk, name, values[name])
    risk.version += 1
    reviewed = "review_on" in changes or assessment_id is not None
    if reviewed:
        risk.reviewed_at = at
    _note(session, risk, changes, actor=actor, at=at, reason=reason, assessment_id=assessment_id)
    if reviewed or "retired_at" in changes or "owner" in changes:
        await outbox.withdraw(session, key_prefix=f"risk:{risk.id}:")
        await duties.settle(session, duty_of(risk), by=actor, at=at, note=reason)
        await _arm(session, risk, plan)
    return risk


def every(
    *,
    category: str | None = None,
    owner: str | None = None,
    type_: str | None = None,
    retired: bool | None = False,
) -> Select[Any]:
    """Risks that match all that is given; `retired` none: whether or not."""
    query = select(Risk)
    for column, value in ((Risk.category, category), (Risk.owner, owner), (Risk.type, type_)):
        if value is not None:
            query = query.where(column == value)
    if retired is not None:
        query = query.where(Risk.retired_at.is_not(None) if retired else Risk.retired_at.is_(None))
    return query


async def found(session: AsyncSession, risk_id: str, *, lock: bool = False) -> Risk:
    """By its id, or by the plan's name for it."""
    query = select(Risk).where((Risk.id == risk_id) | (Risk.name == risk_id))
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    risk: Risk | None = await session.scalar(query)
    if risk is None:
        raise NotFound(say("risks.no_such", id=risk_id))
    return risk


async def history(session: AsyncSession, risk_id: str) -> list[RiskChange]:
    query = select(RiskChange).where(RiskChange.risk_id == risk_id)
    return list(await session.scalars(query.order_by(RiskChange.version.desc())))


async def fall_due(session: AsyncSession, risk_id: str, *, at: datetime) -> Risk | None:
    """Its review comes near (reaction to `risk.review_due`): a duty of its owner until the date."""
    risk = await found(session, risk_id, lock=True)
    if risk.retired_at is not None:
        return None
    _, plan = await revisions.in_force(session)
    due_at = _end_of(risk.review_on, plan)
    said = Localised.model_validate(localised(say("risks.review_duty", title=risk.title)))
    await duties.let_fall_due(
        session,
        duty_of(risk),
        title=said,
        clause="EP-3.1",
        owner=risk.owner,
        occurrence=at,
        due_at=max(due_at, at),
    )
    return risk


async def escalate(session: AsyncSession, risk_id: str, *, at: datetime) -> tuple[Risk, list[str]] | None:
    """Its review date has passed (reaction to `risk.review_overdue`): the risk, and who must hear so; again in a week."""
    risk = await found(session, risk_id, lock=True)
    _, plan = await revisions.in_force(session)
    if risk.retired_at is not None or _end_of(risk.review_on, plan) > at:
        return None
    await _arm_overdue(session, risk, due_at=at + AGAIN_AFTER)
    return risk, plan.organisation.above(risk.owner)


def duty_of(risk: Risk) -> str:
    """The duty its review is, among those of the calendar."""
    return f"risk-{risk.id}"


async def _put(
    session: AsyncSession, plan: PlanDocument, values: Mapping[str, Any], *, actor: str, at: datetime
) -> Risk:
    risk = Risk(id=new_id(at), created_at=at, version=1, **values)
    session.add(risk)
    await session.flush()
    _note(session, risk, {name: [None, _plain(value)] for name, value in values.items()}, actor=actor, at=at)
    await _arm(session, risk, plan)
    return risk


def _note(
    session: AsyncSession, risk: Risk, changes: dict[str, Any], *, actor: str, at: datetime, reason: str | None = None,
    assessment_id: str | None = None,
) -> None:  # fmt: skip
    session.add(
        RiskChange(
            risk_id=risk.id,
            version=risk.version,
            at=at,
            actor=actor,
            changes=changes,
            reason=reason,
            assessment_id=assessment_id,
        )
    )


def _refuse_past(plan: PlanDocument, values: Mapping[str, Any], at: datetime) -> None:
    today = at.astimezone(ZoneInfo(plan.plan.time_zone)).date()
    if (review_on := values.get("review_on")) is not None and review_on < today:
        raise WrongShape(say("risks.review_in_the_past"), errors=[{"path": "review_on"}])


def _refuse_unknown(plan: PlanDocument, values: Mapping[str, Any]) -> None:
    known: Mapping[str, Collection[str]] = {
        "owner": plan.organisation.positions,
        "type": plan.types,
        "playbook": plan.playbooks,
    }
    for name, names in known.items():
        if (value := values.get(name)) is not None and value not in names:
            raise WrongShape(
                say("risks.not_in_plan", name=value), errors=[{"path": name}], known=sorted(names)
            )


async def _arm(session: AsyncSession, risk: Risk, plan: PlanDocument) -> None:
    if risk.retired_at is not None:
        return
    due_at = _end_of(risk.review_on, plan)
    await outbox.arm(
        session, "risk.review_due", {"risk_id": risk.id}, ref=risk.id, key=f"risk:{risk.id}:{risk.version}:due",
        due_at=due_at - plan.risk.assessing.review_notice,
    )  # fmt: skip
    await _arm_overdue(session, risk, due_at=due_at)


async def _arm_overdue(session: AsyncSession, risk: Risk, *, due_at: datetime) -> None:
    key = f"risk:{risk.id}:{risk.version}:overdue:{due_at:%Y%m%dT%H%M%S}"
    await outbox.arm(
        session, "risk.review_overdue", {"risk_id": risk.id}, ref=risk.id, key=key, due_at=due_at
    )


def _end_of(day: date, plan: PlanDocument) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(plan.plan.time_zone)).astimezone(UTC)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
