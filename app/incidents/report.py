"""The information report (信息报告, EP-5.1): seven parts compiled from the incident at any time; missing parts are named."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from app.incidents import announcements, command_post, tasks, updates
from app.incidents.tables import Incident, TaskState
from app.levels import matrix
from app.people import holders
from app.wording import render, say

Kind = Literal["first", "follow_up", "final"]
# What could begin a heading, list, fence, table, tag or link: anywhere in a line, and at its start.
_MARKUP: Final = re.compile(r"([\\`*_\[\]<>#|~!&]|:(?=//)|(?<=\bwww)\.)", re.IGNORECASE)
_AT_THE_START: Final = re.compile(r"^([-+=]|\d{1,9}(?=[.)]))")
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


async def compile_report(
    session: AsyncSession, incident: Incident, kind: Kind, *, at: datetime, language: str
) -> Report:
    """All seven parts, each with what is known; a part without a line is missing and named."""

    def told(key: str, **params: Any) -> str:
        return render(say(f"report.{key}", **params), language)

    given = await tasks.of_incident(session, incident.id)
    posted = await updates.of_incident(session, incident.id)
    published = [
        a for a in await announcements.of_incident(session, incident.id) if a.published_at is not None
    ]
    formed = await command_post.of_incident(session, incident.id)
    _, kind_of = (await matrix.of(session, incident.plan_revision)).type_of(incident.type)
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


def as_markdown(report: Report, language: str) -> str:
    """The report as a document; what users typed cannot become a heading or a link."""

    def told(key: str, **params: Any) -> str:
        return render(say(f"report.{key}", **params), language)

    out = [f"# {told(f'kind_{report.kind}')} {report.number}", "", _plain(report.title), ""]
    if report.status != "Actual":
        out += [f"**{report.status.upper()}**", ""]
    out += [told("compiled", at=report.compiled_at), ""]
    for part in report.parts:
        out += [f"## {part.title}", ""]
        out += [f"- {_plain(line)}" for line in part.lines] or [f"- {told('part_missing')}"]
        out.append("")
    if report.missing:
        out += [told("missing", parts=list(report.missing)), ""]
    return "\n".join(out)


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


def _plain(text: str) -> str:
    escaped = _MARKUP.sub(r"\\\1", " ".join(text.split()))
    return _AT_THE_START.sub(lambda m: f"{m[1]}\\" if m[1].isdigit() else f"\\{m[1]}", escaped)
