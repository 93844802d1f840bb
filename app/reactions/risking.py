"""Risks and assessments: who must review hears so, who must score is asked, and asked again (EP-3.1, EP-3.2)."""

from collections.abc import Sequence
from typing import Any

from app.incidents.tables import Incident
from app.notify import pipeline
from app.plan import revisions
from app.reactions.context import Happened
from app.risks import assessments, register
from app.risks.tables import Assessment, AssessmentState, Risk
from app.wording import localised, say


async def fill_register(happened: Happened) -> None:
    """A plan is in force: its risks stand in the register from now on."""
    plan = await revisions.document_of(happened.session, happened.payload["revision_id"])
    await register.begin(happened.session, plan, at=happened.at)


async def make_review_a_duty(happened: Happened) -> None:
    await register.fall_due(happened.session, happened.payload["risk_id"], at=happened.at)


async def escalate_review(happened: Happened) -> None:
    """Its review date has passed: whoever the owner reports to hears of it, beside the owner."""
    overdue = await register.escalate(happened.session, happened.payload["risk_id"], at=happened.at)
    if overdue is not None:
        risk, above = overdue
        words = {"title": risk.title, "review_on": risk.review_on.isoformat(), "owner": risk.owner}
        await _tell(happened, "risk_review_overdue", [risk.owner, *above], words)


async def ask_assessors(happened: Happened) -> None:
    await _ask(happened, "assessment_asked")


async def remind_assessors(happened: Happened) -> None:
    """Time is running out: those who have not scored are asked again."""
    await _ask(happened, "assessment_reminder")


async def _ask(happened: Happened, notice: str) -> None:
    assessment = await assessments.found(happened.session, happened.payload["assessment_id"])
    if assessment.state != AssessmentState.OPEN:
        return
    zone = (await revisions.in_force(happened.session))[1].grading().zone
    words = {"title": await _title(happened, assessment), "due_at": assessment.due_at.isoformat()}
    positions = await assessments.missing(happened.session, assessment)
    await _tell(happened, notice, positions, words, zone)


async def _title(happened: Happened, assessment: Assessment) -> Any:
    if assessment.risk_id is not None:
        return (await happened.session.get_one(Risk, assessment.risk_id)).title
    return (await happened.session.get_one(Incident, assessment.incident_id)).title


async def _tell(
    happened: Happened, what: str, positions: Sequence[str], words: dict[str, Any], *zone: Any
) -> None:
    await pipeline.tell(
        happened.session, ref=happened.ref, kind=what, number="", level=4, exercise=False,
        subject=localised(say(f"flow.{what}.subject", **words), *zone),
        text=localised(say(f"flow.{what}.text", **words), *zone), positions=positions, at=happened.at,
    )  # fmt: skip
