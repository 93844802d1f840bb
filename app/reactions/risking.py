"""Risks and assessments: who must review hears so, who must score is asked, and asked again (EP-3.1, EP-3.2)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.levels import matrix
from app.notify import pipeline
from app.notify.pipeline import News
from app.plan import revisions
from app.reactions.context import Happened
from app.risks import assessments, register
from app.risks.tables import AssessmentState, Risk
from app.wording import Wording, localised

_NO_HURRY: Final = 4  # a risk of the register is told as the lightest level is: quiet hours are kept


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
        words = {"title": risk.title, "review_on": risk.review_on.isoformat()}
        await _tell(happened, "risk_review_overdue", [risk.owner, *above], words)


async def ask_assessors(happened: Happened) -> None:
    await _ask(happened, "assessment_asked")


async def remind_assessors(happened: Happened) -> None:
    """Time is running out: those who have not scored are asked again."""
    await _ask(happened, "assessment_reminder")


async def withdraw_assessments(happened: Happened) -> None:
    """The incident is over: nobody need score it any more."""
    await assessments.withdraw_all(happened.session, await happened.incident(), at=happened.at)


async def _ask(happened: Happened, notice: str) -> None:
    assessment = await assessments.found(happened.session, happened.payload["assessment_id"])
    if assessment.state != AssessmentState.OPEN:
        return
    positions = await assessments.missing(happened.session, assessment)
    if assessment.incident_id is not None:
        await happened.tell(await happened.incident(), notice, positions, due_at=assessment.due_at)
        return
    risk = await happened.session.get_one(Risk, assessment.risk_id)
    await _tell(happened, notice, positions, {"title": risk.title, "due_at": assessment.due_at})


async def _tell(happened: Happened, what: str, positions: Sequence[str], words: Mapping[str, Any]) -> None:
    _, levels = await matrix.in_force(happened.session)
    subject, text = (
        localised(Wording(f"flow.{what}.{part}", words), levels.zone) for part in ("subject", "text")
    )
    await pipeline.tell(
        happened.session,
        News(ref=happened.ref, kind=what, level=_NO_HURRY, subject=subject, text=text),
        positions=positions,
        at=happened.at,
    )
