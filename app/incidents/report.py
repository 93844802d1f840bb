"""The information report (信息报告, EP-5.1): seven parts compiled from the incident at any time; missing parts are named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from app.incidents import announcements, command_post, tasks, updates
from app.incidents.tables import Incident, Status, TaskState
from app.levels import matrix
from app.markup import inline
from app.people import holders
from app.typeset.pdf import Paper, Section
from app.wording import render, say

Kind = Literal["first", "follow_up", "final"]
PARTS: Final = ("event_type", "time", "departments", "scope", "cause", "countermeasures", "follow_up")


@dataclass(frozen=True)
class Part:
    name: str
    title: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Report:
    incident_id: str
    number: str
    kind: Kind
    title: str
    compiled_at: datetime
    status: str
    level: int
    parts: Sequence[Part]
    missing: Sequence[str]
    ordinal: int | None = None
    """Which follow-up it is; none: it is not kept as a report, or there is one of the kind."""
    version: int | None = None
    """None: compiled just now, and not kept."""
    author: str | None = None
    approved_by: str | None = None


@dataclass(frozen=True)
class Completeness:
    """How much of a report is there (EP-5.1)."""

    filled: int
    of: int
    missing: Sequence[str]
    """Names of the parts, as in `PARTS`."""


def completeness(report: Report) -> Completeness:
    """Parts filled out of the seven, and which lack. Pure."""
    lacking = [part.name for part in report.parts if not part.lines]
    return Completeness(len(report.parts) - len(lacking), len(report.parts), lacking)


async def compile_report(
    session: AsyncSession, incident: Incident, kind: Kind, *, at: datetime, language: str
) -> Report:
    """All seven parts, each with what is known; a part without a line is missing and named."""

    levels = await matrix.of(session, incident.plan_revision)

    def told(key: str, **params: Any) -> str:
        return render(say(f"report.{key}", **params), language, levels.zone)

    given = await tasks.of_incident(session, incident.id)
    posted = await updates.of_incident(session, incident.id)
    published = [
        a for a in await announcements.of_incident(session, incident.id) if a.published_at is not None
    ]
    formed = await command_post.of_incident(session, incident.id)
    _, kind_of = levels.type_of(incident.type)
    department = await holders.department_title(session, incident.department)
    facts = dict(incident.facts)
    cause = facts.pop("cause", None)
    lines: dict[str, list[str]] = {
        "event_type": [
            told(
                "event_type_line",
                type=kind_of.title.model_dump(),
                level=incident.level,
                state=say(f"state.{incident.state}"),
            )
        ],
        "time": [
            told("moment", what=say(f"report.{column}"), at=moment)
            for column in (
                "occurred_at",
                "detected_at",
                "acknowledged_at",
                "activated_at",
                "recovering_at",
                "closed_at",
            )
            if (moment := getattr(incident, column)) is not None
        ],
        "departments": [told("department_line", title=department)]
        + ([told("post_line", members=[m["name"] for m in formed.members if m["name"]])] if formed else []),
        "scope": [told("fact", name=name, value=_in_words(value)) for name, value in sorted(facts.items())],
        "cause": [told("cause_line", cause=_in_words(cause))] if cause else [],
        "countermeasures": [
            told("task_line", title=task.title, state=say(f"task_state.{task.state}"))
            for task in given
            if task.state != TaskState.WITHDRAWN
        ]
        + [
            told("announcement_line", text=a.text, at=a.published_at, to_whom=say(f"audience.{a.audience}"))
            for a in published
        ],
        "follow_up": [told("update_line", text=update.text, at=update.at) for update in posted[-3:]]
        + [
            told("open_task_line", title=task.title, at=task.due_at)
            for task in given
            if task.state in (TaskState.OPEN, TaskState.STARTED)
        ],
    }
    parts = [Part(name, told(f"part_{name}"), lines[name]) for name in PARTS]
    missing = [part.title for part in parts if not part.lines]
    return Report(
        incident.id,
        incident.number,
        kind,
        incident.title,
        at,
        incident.status,
        incident.level,
        parts,
        missing,
    )


def as_markdown(report: Report, language: str, zone: tzinfo = UTC) -> str:
    """The report as a document; what users typed cannot become a heading or a link."""
    paper = as_paper(report, language, zone)
    out = [f"# {inline(paper.title)}", "", inline(paper.subtitle), ""]
    if paper.mark is not None:
        out += [f"**{report.status.upper()}** {_told(language, zone, 'drill_mark')}", ""]
    out += [line for said in paper.head for line in (inline(said), "")]
    for section in paper.sections:
        out += [f"## {section.title}", ""]
        out += [f"- {inline(line)}" for line in section.lines]
        out.append("")
    if report.missing:
        out += [_told(language, zone, "missing", parts=list(report.missing)), ""]
    return "\n".join(out)


def as_paper(report: Report, language: str, zone: tzinfo = UTC) -> Paper:
    """The report as it is drawn; a part that is missing says so in its place."""

    def told(key: str, **params: Any) -> str:
        return _told(language, zone, key, **params)

    kind = told(f"kind.{report.kind}")
    heading = told("ordinal", kind=kind, number=report.ordinal) if report.ordinal is not None else kind
    head = [told("compiled", at=report.compiled_at)]
    if report.version is not None:
        head.append(told("by_version", version=report.version, author=report.author))
        head.append(
            told("approved_line", by=report.approved_by) if report.approved_by else told("not_approved")
        )
    is_real = report.status == Status.ACTUAL
    return Paper(
        title=f"{heading} {report.number}", subtitle=report.title,
        mark=None if is_real else f"{report.status.upper()} {told('drill_mark')}",
        head=head, language=language, foot=f"{report.number} · {heading}",
        sections=[
            Section(part.title, list(part.lines) or [told("part_missing")]) for part in report.parts
        ],
    )  # fmt: skip


def _told(language: str, zone: tzinfo, key: str, **params: Any) -> str:
    return render(say(f"report.{key}", **params), language, zone)


def _in_words(value: Any) -> Any:
    """A fact as people write it: no braces, no `True`; the renderer puts what is left into the reader's language."""
    match value:
        case bool():
            return say("report.yes" if value else "report.no")
        case Mapping():
            return [
                say("report.fact", name=name, value=_in_words(inner)) for name, inner in sorted(value.items())
            ]
        case list() | tuple():
            return [_in_words(inner) for inner in value]
        case _:
            return value
