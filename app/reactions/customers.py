"""Customers: who may approve hears of a draft, outlets get what is published, and who owes an answer hears so (EP-7.1.2, EG-3)."""

from collections.abc import Sequence
from typing import Any

from app.customers import announcing, feedback, outlets
from app.customers.tables import Feedback, FeedbackState
from app.incidents import announcements, timeline
from app.incidents.tables import AnnouncementState, Incident, WordingState
from app.levels import matrix
from app.notify import pipeline
from app.notify.pipeline import News
from app.reactions.context import Happened
from app.wording import Wording, localised, say

_NO_HURRY = 3


async def ask_approval(happened: Happened) -> None:
    """Words wait for approval: those the plan names hear so, of whom whoever wrote them is not the one to answer."""
    incident = await happened.incident()
    announcement = await announcements.found(happened.session, happened.payload["announcement_id"])
    newest = await announcements.latest(happened.session, announcement)
    if newest.state == WordingState.DRAFTED:
        positions = list(await announcing.approvers(happened.session, incident))
        await happened.tell(incident, "announcement_written", positions, by=newest.by, text=newest.text)


async def tell_outlets(happened: Happened) -> None:
    """A version was published: it goes to the outlets that were chosen. Of a drill it goes nowhere."""
    incident = await happened.incident()
    announcement = await announcements.found(happened.session, happened.payload["announcement_id"])
    if not announcement.outlets or not announcements.is_public(incident):
        return
    if announcement.state != AnnouncementState.PUBLISHED:
        return
    said = (await announcements.wordings(happened.session, [announcement.id]))[announcement.id]
    words = next(one for one in said if one.number == happened.payload["number"])
    told = await outlets.tell(happened.session, announcement, words, at=happened.at)
    timeline.append(
        happened.session, incident, "announcement.sent", actor="plan", at=happened.at, outlets=told
    )


async def tell_who_owes(happened: Happened) -> None:
    """Something a customer said waits for a position: to be sorted, or to be answered."""
    row = await feedback.found(happened.session, happened.payload["feedback_id"])
    if row.state in (FeedbackState.RECEIVED, FeedbackState.SORTED):
        await _tell(happened, row, f"feedback_{row.state}", [row.position])


async def escalate(happened: Happened) -> None:
    """It was not sorted or answered in time: the debt is told to whoever the position reports to as well."""
    missed = await feedback.miss(happened.session, happened.payload["feedback_id"], at=happened.at)
    if missed is not None:
        row, above = missed
        await _tell(happened, row, "feedback_overdue", list(dict.fromkeys([row.position, *above])))


async def _tell(happened: Happened, row: Feedback, what: str, positions: Sequence[str]) -> None:
    _, levels = await matrix.in_force(happened.session)
    known = await feedback.kinds(happened.session)
    kind: Any = say("customers.unsorted")
    if row.kind is not None and row.kind in known:
        kind = known[row.kind].title.model_dump()
    words = {"kind": kind, "text": row.text[:300], "due_at": row.due_at}
    exercise = False
    if row.incident_id is not None:
        incident = await happened.session.get_one(Incident, row.incident_id)
        exercise = not announcements.is_public(incident)
    subject, text = (
        localised(Wording(f"flow.{what}.{part}", words), levels.zone) for part in ("subject", "text")
    )
    news = News(ref=happened.ref, kind=what, level=_NO_HURRY, subject=subject, text=text, exercise=exercise)
    await pipeline.tell(happened.session, news, positions=positions, at=happened.at)
