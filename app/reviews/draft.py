"""The first draft of a review, written by nobody: from the timeline and the figures (EP-4.2.5).

Causes are left empty: they must be said by a human. Once a person has edited the draft, only its figures are
computed again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.ids import new_id
from app.incidents import obligations, timeline
from app.incidents.tables import Incident, TimelineEntry
from app.levels import matrix
from app.levels.document import LevelSpec
from app.reviews import figures
from app.reviews.tables import Improvement, ImprovementState, Review, ReviewState
from app.wording import DEFAULT_LANGUAGE, Wording, render, say

MOST_LINES: Final = 80
_TIME_TO_MEND: Final = timedelta(days=30)

# The four phases a review is arranged by (ST-3), and which entries of the timeline tell of each.
PHASES: Final[Mapping[str, frozenset[str]]] = {
    "preparation": frozenset({"command_post.formed"}),
    "warning": frozenset(
        {
            "incident.detected", "incident.acknowledged", "incident.assessed", "incident.releveled",
            "level.suggested",
        }
    ),
    "handling": frozenset(
        {
            "incident.activated", "incident.response_started", "decision.made", "update.posted",
            "announcement.published", "obligation.missed", "task.declined", "task.waived",
            "incident.recovering", "incident.reopened",
        }
    ),
    "improvement": frozenset({"incident.closed"}),
}  # fmt: skip


@dataclass(frozen=True)
class Wrong:
    """Something that did not go as promised, and who is to see that it does next time."""

    what: Wording
    mend: Wording
    owner: str


async def open_review(
    session: AsyncSession, incident: Incident, *, at: datetime, language: str = DEFAULT_LANGUAGE
) -> Review | None:
    """Draft the review of a locked, closed incident (reaction to `incident.closed`). Repeatable.

    1. A published review is left as it is.
    2. A draft that a person has edited keeps every word; figures and due date follow the new close.
    3. Any other is written anew, its proposed improvements with it.
    """
    if incident.closed_at is None:
        return None
    review = await locked(session, incident.id)
    if review is not None and review.state == ReviewState.PUBLISHED:
        return review
    levels = await matrix.of(session, incident.plan_revision)
    spec = levels.levels[incident.level]
    computed = await figures.of_incident(session, incident)
    due_at = await _due_at(session, incident, spec)
    if review is not None and review.edited_by is not None:
        review.figures, review.due_at, review.version = computed, due_at, review.version + 1
        return review
    entries = await timeline.entries(session, incident.id)
    missed = list(what_went_wrong(computed, spec))
    words = {
        "summary": summary(entries, language, levels.zone),
        "went_well": [render(line, language) for line in what_went_well(computed)],
        "went_wrong": [render(wrong.what, language) for wrong in missed],
    }
    if review is None:
        review = Review(
            incident_id=incident.id, state=ReviewState.DRAFT, causes=[], losses={}, figures=computed,
            drafted_at=at, due_at=due_at, version=1, **words,
        )  # fmt: skip
        session.add(review)
    else:
        review.figures, review.due_at, review.drafted_at = computed, due_at, at
        review.version += 1
        for column, text in words.items():
            setattr(review, column, text)
    await session.flush()
    await _propose(session, incident, missed, language, at=at)
    return review


async def locked(session: AsyncSession, incident_id: str) -> Review | None:
    """The review under its row lock, if there is one. Who also locks the incident locks that first."""
    query = select(Review).where(Review.incident_id == incident_id).with_for_update()
    return await session.scalar(query.execution_options(populate_existing=True))


def summary(entries: list[TimelineEntry], language: str, zone: tzinfo = UTC) -> str:
    """The timeline as a text under the four phases; a long one keeps its beginning and its end."""
    told = [entry for entry in entries if any(entry.kind in kinds for kinds in PHASES.values())]
    left_out = max(len(told) - MOST_LINES, 0)
    if left_out:
        half = MOST_LINES // 2
        told = told[:half] + told[-half:]
    lines: list[str] = []
    for phase, kinds in PHASES.items():
        said = [_line(entry, language, zone) for entry in told if entry.kind in kinds]
        if said:
            heading = say("reviews.summary.heading", phase=say(f"reviews.phase.{phase}"))
            lines += ["", render(heading, language), *said]
    if left_out:
        lines += ["", render(say("reviews.summary.left_out", number=left_out), language)]
    return "\n".join(lines).strip()


def what_went_well(computed: Mapping[str, Any]) -> Iterator[Wording]:
    """The targets that were met."""
    for name, time in computed["times"].items():
        if time["met"]:
            yield say("reviews.well.target", what=say(f"reviews.time.{name}"), **_spans(time))
    owed = computed["updates"]
    if owed["owed"] and not owed["missed"]:
        yield say("reviews.well.updates", number=owed["owed"])


def what_went_wrong(computed: Mapping[str, Any], spec: LevelSpec) -> Iterator[Wrong]:
    """Targets and updates missed, messages that reached nobody, pools that were short; each with its mend."""
    for name, time in computed["times"].items():
        if time["met"] is False:
            never = "never" if time["took"] is None else "target"
            what = say(f"reviews.time.{name}")
            yield Wrong(
                say(f"reviews.wrong.{never}", what=what, **_spans(time)),
                say("reviews.mend.target", what=what, target=_spans(time)["target"]), spec.update_owner,
            )  # fmt: skip
    owed, sent = computed["updates"], computed["deliveries"]
    if owed["missed"]:
        yield Wrong(say("reviews.wrong.updates", **owed), say("reviews.mend.updates"), spec.update_owner)
    reports = computed.get("communication", {}).get("reports", {})
    if reports.get("missing"):
        parts = [say(f"report.part_{name}") for name in reports["missing"]]
        yield Wrong(
            say("reviews.wrong.report", parts=parts),
            say("reviews.mend.report", parts=parts),
            spec.update_owner,
        )
    if late := computed["tasks"]["late"]:
        yield Wrong(say("reviews.wrong.tasks", number=late), say("reviews.mend.tasks"), spec.update_owner)
    if sent["dead"]:
        yield Wrong(
            say("reviews.wrong.deliveries", number=sent["dead"], total=sent["total"]),
            say("reviews.mend.deliveries"), spec.update_owner,
        )  # fmt: skip
    for short in computed["shortages"]:
        owner = next(iter(short["positions"]), spec.update_owner)
        question = short["question"]
        what, mend = (say(f"reviews.{part}.shortage", question=question) for part in ("wrong", "mend"))
        yield Wrong(what, mend, owner)


async def improvements_of(session: AsyncSession, incident_id: str) -> list[Improvement]:
    query = select(Improvement).where(Improvement.incident_id == incident_id)
    return list(await session.scalars(query.order_by(Improvement.created_at, Improvement.id)))


async def _propose(
    session: AsyncSession, incident: Incident, missed: list[Wrong], language: str, *, at: datetime
) -> None:
    await session.execute(
        delete(Improvement).where(
            Improvement.incident_id == incident.id, Improvement.state == ImprovementState.PROPOSED
        )
    )
    due_on = ((incident.closed_at or at) + _TIME_TO_MEND).date()
    for order, wrong in enumerate(missed):
        title = render(wrong.mend, language)[:500]
        # The order in which they are found is the order in which they are shown.
        moment = at + timedelta(microseconds=order)
        proposed = Improvement(
            id=new_id(at), incident_id=incident.id, title=title, owner=wrong.owner, due_on=due_on,
            state=ImprovementState.PROPOSED, created_at=moment, version=1,
        )  # fmt: skip
        session.add(proposed)
    await session.flush()


async def _due_at(session: AsyncSession, incident: Incident, spec: LevelSpec) -> datetime:
    owed = await obligations.unpaid(session, incident.id, "review")
    if owed:
        return max(one.due_at for one in owed)
    assert incident.closed_at is not None
    return incident.closed_at + spec.targets.review_within


def _line(entry: TimelineEntry, language: str, zone: tzinfo) -> str:
    what = timeline.summary(entry, language, zone)
    return render(say("reviews.summary.line", at=entry.at, what=what), language, zone)


def _spans(time: Mapping[str, str | None]) -> dict[str, timedelta]:
    spans = {name: time[name] for name in ("took", "target")}
    return {name: figures.from_iso(span) for name, span in spans.items() if span}
