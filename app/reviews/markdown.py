"""A review as a document: Markdown, under the four phases of the standard (ST-3), in the reader's language.

Pure. What people wrote is put in so that it stays text: it can begin no heading, table, link, tag or list.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any

from app.incidents.tables import Incident
from app.markup import block, inline
from app.reviews import communication
from app.reviews.figures import from_iso
from app.reviews.tables import Improvement, Review
from app.wording import Wording, render, say, spoken_span


def export(
    incident: Incident, review: Review, improvements: Sequence[Improvement], language: str, zone: tzinfo = UTC
) -> str:
    """The whole document."""
    page = _Page(language, zone)
    page.heading(1, say("reviews.title", number=incident.number), tail=inline(incident.title))
    _head(page, incident, review)
    _preparation(page, incident, review.figures)
    _warning(page, incident, review.figures)
    _handling(page, review)
    _improvement(page, review, improvements)
    return page.text()


class _Page:
    """The lines of a document, in one language."""

    def __init__(self, language: str, zone: tzinfo) -> None:
        self.language = language
        self.zone = zone
        self._blocks: list[str] = []

    def say(self, key: str, **params: Any) -> str:
        return render(say(key, **params), self.language, self.zone)

    def heading(self, depth: int, what: Wording, tail: str = "") -> None:
        self._blocks.append(
            f"{'#' * depth} {render(what, self.language, self.zone)}" + (f" {tail}" if tail else "")
        )

    def add(self, markdown: str) -> None:
        self._blocks.append(markdown)

    def bullets(self, lines: Sequence[str]) -> None:
        self.add("\n".join(f"- {line}" for line in lines) if lines else f"*{self.say('reviews.none')}*")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        lines = [head, ["---"] * len(head), *rows]
        self.add("\n".join("| " + " | ".join(row) + " |" for row in lines))

    def text(self) -> str:
        return "\n\n".join(self._blocks) + "\n"


def _head(page: _Page, incident: Incident, review: Review) -> None:
    fixed = "reviews.head.published" if review.published_at else "reviews.head.draft"
    by = inline(review.published_by or "")
    page.add(page.say(fixed, at=review.published_at or review.drafted_at, by=by))
    # The kind of truth the record is goes with every export.
    page.add(page.say("reviews.head.status", status=str(incident.status), level=incident.level))


def _preparation(page: _Page, incident: Incident, figures: Mapping[str, Any]) -> None:
    page.heading(2, say("reviews.phase.preparation"))
    page.bullets(
        [
            page.say(
                "reviews.line.plan", revision=incident.plan_revision, playbook=inline(incident.playbook)
            ),
            page.say("reviews.line.shortages", number=len(figures["shortages"])),
            *(inline(_localised(one["question"], page.language)) for one in figures["shortages"]),
        ]
    )


def _warning(page: _Page, incident: Incident, figures: Mapping[str, Any]) -> None:
    page.heading(2, say("reviews.phase.warning"))
    source = inline(incident.source or incident.raised_by)
    page.bullets([page.say("reviews.line.detected", at=incident.detected_at, source=source)])
    _times(page, figures, ("acknowledge", "assess"))
    page.add(page.say("reviews.line.chain", **figures["chain"]))
    page.bullets(list(_deliveries(page, figures["deliveries"])))
    if (told := figures.get("communication")) is not None:
        page.heading(3, say("communication.title"))
        page.bullets([render(one, page.language, page.zone) for one in communication.in_words(told)])


def _handling(page: _Page, review: Review) -> None:
    page.heading(2, say("reviews.phase.handling"))
    page.add(block(review.summary) if review.summary.strip() else f"*{page.say('reviews.none')}*")
    _times(page, review.figures, ("activate", "first_task", "recover", "restore", "close"))
    page.bullets(
        [
            page.say("reviews.line.updates", **review.figures["updates"]),
            page.say("reviews.line.tasks", **review.figures["tasks"]),
            *(
                [page.say("reviews.line.feedback", **said)]
                if (said := review.figures.get("feedback"))
                else []
            ),
        ]
    )


def _improvement(page: _Page, review: Review, improvements: Sequence[Improvement]) -> None:
    page.heading(2, say("reviews.phase.improvement"))
    page.heading(3, say("reviews.heading.causes"))
    page.bullets([inline(_cause(cause)) for cause in review.causes])
    page.heading(3, say("reviews.heading.losses"))
    page.bullets([f"{inline(str(kind))}: {inline(_plain(amount))}" for kind, amount in review.losses.items()])
    page.heading(3, say("reviews.heading.went_well"))
    page.bullets([inline(line) for line in review.went_well])
    page.heading(3, say("reviews.heading.went_wrong"))
    page.bullets([inline(line) for line in review.went_wrong])
    page.heading(3, say("reviews.heading.improvements"))
    if not improvements:
        page.bullets([])
        return
    head = [page.say(f"reviews.column.{name}") for name in ("title", "owner", "due_on", "state")]
    page.table(
        head,
        [
            [inline(i.title), inline(i.owner), i.due_on.isoformat(), page.say(f"improvement_state.{i.state}")]
            for i in improvements
        ],
    )


def _times(page: _Page, figures: Mapping[str, Any], names: Sequence[str]) -> None:
    head = [page.say(f"reviews.column.{name}") for name in ("time", "took", "target", "met")]
    page.table(head, [_time(page, name, figures["times"][name]) for name in names])


def _time(page: _Page, name: str, time: Mapping[str, Any]) -> list[str]:
    met = "–" if time["met"] is None else page.say("reviews.met" if time["met"] else "reviews.missed")
    spans = [
        "–" if time[part] is None else render(spoken_span(from_iso(time[part])), page.language)
        for part in ("took", "target")
    ]
    return [page.say(f"reviews.time.{name}"), *spans, met]


def _deliveries(page: _Page, sent: Mapping[str, Any]) -> Iterator[str]:
    share = sent["first_attempt_share"]
    shown = "–" if share is None else f"{share:.0%}"
    yield page.say("reviews.line.deliveries", total=sent["total"], dead=sent["dead"], share=shown)
    for channel, outcomes in sent["by_channel"].items():
        said = [f"{page.say(f'reviews.outcome.{state}')} {number}" for state, number in outcomes.items()]
        yield f"{inline(channel)}: {', '.join(said)}"


def _cause(cause: Mapping[str, Any]) -> str:
    category = cause.get("category")
    return f"{cause['text']} ({category})" if category else str(cause["text"])


def _plain(amount: Any) -> str:
    if isinstance(amount, Mapping):
        return ", ".join(f"{name} {_plain(value)}" for name, value in amount.items())
    if isinstance(amount, list):
        return ", ".join(_plain(value) for value in amount)
    return str(amount)


def _localised(text: Mapping[str, Any], language: str) -> str:
    if language == "en":
        return str(text.get("en", ""))
    return str((text.get("zh_hant") if language == "zh-Hant" else None) or text.get("zh", ""))
