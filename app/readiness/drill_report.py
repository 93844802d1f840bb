"""A drill as a document: Markdown, in the reader's language (EP-8.3: preparation, conduct, evaluation, summary)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.levels import matrix
from app.markup import block, inline
from app.notify import enrolment
from app.notify.tables import Delivery, DeliveryState
from app.people import holders
from app.readiness import drills
from app.readiness.tables import Drill, Topic
from app.vocabulary import parse_span
from app.wording import Wording, render, say, spoken_span

_STANDING: Final = {True: "drills.report.met", False: "drills.report.missed", None: "drills.report.open"}
_DURATION = TypeAdapter(timedelta)


async def of(session: AsyncSession, drill: Drill, language: str) -> str:
    """The whole document."""
    _, levels = await matrix.in_force(session)
    page = _Page(language, levels.zone)
    type_ = levels.types.get(drill.type)
    kind = type_.title.model_dump() if type_ is not None else drill.type
    page.head(1, "drills.report.title", title=inline(drill.title))
    page.lines(
        page.say("drills.report.what", type=kind, level=drill.level, mode=say(f"drill_mode.{drill.mode}")),
        page.say("drills.report.when", starts=drill.starts_at, ends=drill.ends_at, place=inline(drill.place)),
        page.say(
            "drills.report.by", planned=inline(drill.planned_by), approved=inline(drill.approved_by or "–")
        ),
        page.say("drills.report.state", state=say(f"drill_state.{drill.state}")),
    )
    page.head(2, "drills.report.preparation")
    page.add(block(drill.scheme))
    page.lines(
        *(
            page.say("drills.report.happens", after=spoken_span(parse_span(one["after"])), text=inline(one["text"]))
            for one in drill.scenario
        )
    )  # fmt: skip
    page.lines(*await _parts(session, drill, page))
    if drill.props:
        page.lines(page.say("drills.report.props", what=[inline(one) for one in drill.props]))
    page.head(2, "drills.report.conduct")
    if drill.started_at is not None:
        page.lines(page.say("drills.report.held", started=drill.started_at, ended=drill.ended_at))
    if drill.ended_because is not None:
        page.lines(inline(render(say("drills.report.because", why=drill.ended_because), language, page.zone)))
    _times(page, drill)
    if drill.incident_id is not None:
        page.lines(*await _not_told(session, drill.incident_id, page))
    page.head(2, "drills.report.evaluation")
    given = await drills.scores(session, drill.id)
    means = drills.mean_points(given)
    page.table(
        ("topic", "points", "remarks"),
        [
            [
                page.say(f"drill_topic.{topic}"), f"{means[topic]:g}" if topic in means else "–",
                "; ".join(
                    page.say("drills.report.remark", remark=inline(one.remark), by=inline(one.evaluator))
                    for one in given
                    if one.topic == topic and one.remark
                ),
            ]
            for topic in Topic
        ],
    )  # fmt: skip
    page.head(2, "drills.report.findings")
    found = await drills.findings(session, drill.id)
    owners = await holders.titles(session, [one.owner for one in found])
    page.lines(
        *[
            page.say(
                "drills.report.finding", text=inline(one.text), due_on=one.due_on.isoformat(),
                owner=inline(owner) if isinstance(owner, str) else owner,
            )
            for one, owner in zip(found, owners, strict=True)
        ]
        or [page.say("drills.report.none")]
    )  # fmt: skip
    if drill.summary:
        page.head(2, "drills.report.summary")
        page.add(block(drill.summary))
    return page.text()


class _Page:
    """The lines of a document, in one language."""

    def __init__(self, language: str, zone: ZoneInfo) -> None:
        self.language, self.zone = language, zone
        self._blocks: list[str] = []

    def say(self, key: str, **params: Any) -> str:
        return self.render(say(key, **params))

    def render(self, said: Wording) -> str:
        return render(said, self.language, self.zone)

    def head(self, depth: int, key: str, **params: Any) -> None:
        self.add(f"{'#' * depth} {self.say(key, **params)}")

    def add(self, markdown: str) -> None:
        self._blocks.append(markdown)

    def lines(self, *lines: str) -> None:
        if lines:
            self.add("\n".join(f"- {line}" for line in lines))

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        lines = [[self.say(f"drills.report.column.{name}") for name in head], ["---"] * len(head), *rows]
        self.add("\n".join("| " + " | ".join(line) + " |" for line in lines))

    def text(self) -> str:
        return "\n\n".join(self._blocks) + "\n"


async def _parts(session: AsyncSession, drill: Drill, page: _Page) -> list[str]:
    taking = await drills.parts(session, drill.id)
    names = await holders.names(session, [one.who for one in taking if one.is_person])
    lines = []
    for one in taking:
        who = names.get(one.who, one.who) if one.is_person else (await holders.titles(session, [one.who]))[0]
        part = "observer" if one.observes else "enrolled"
        lines.append(
            page.say(
                f"drills.report.{part}",
                who=inline(who) if isinstance(who, str) else who,
                role=inline(one.role or "–"),
            )
        )
    return lines


def _times(page: _Page, drill: Drill) -> None:
    """Each time beside the target of the level; what has none is left out."""
    times = (drill.figures or {}).get("times", {})
    rows = [
        [
            page.say(f"reviews.time.{name}"), _span(page, one["took"]), _span(page, one["target"]),
            page.say(_STANDING[one["met"]]),
        ]
        for name, one in times.items()
        if one.get("target") is not None
    ]  # fmt: skip
    if rows:
        page.table(("time", "took", "target", "met"), rows)
    if (updates := (drill.figures or {}).get("updates")) is not None:
        page.lines(page.say("drills.report.updates", owed=updates["owed"], on_time=updates["on_time"]))


def _span(page: _Page, written: str | None) -> str:
    return "–" if written is None else page.render(spoken_span(_DURATION.validate_python(written)))


async def _not_told(session: AsyncSession, incident_id: str, page: _Page) -> list[str]:
    """Whom the plan would have told, had it happened."""
    dropped = select(Delivery.position, Delivery.person_name, Delivery.reason).where(
        Delivery.ref == incident_id, Delivery.state == DeliveryState.DROPPED
    )
    rows = sorted(
        {
            (position, name or "–")
            for position, name, why in await session.execute(dropped)
            if why is not None and why["key"] == enrolment.REASON
        }
    )
    titles = await holders.titles(session, [position for position, _ in rows])
    return [
        page.say("drills.report.would_have_told", name=inline(name), position=title)
        for (_, name), title in zip(rows, titles, strict=True)
    ]
