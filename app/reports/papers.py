"""A version as it is shown, carried and compared."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from app.incidents import report
from app.incidents.report import Part
from app.incidents.tables import Incident
from app.notify.channel import Attachment
from app.reports.tables import Report, ReportVersion


def as_report(incident: Incident, begun: Report, written: ReportVersion) -> report.Report:
    """A version in the form in which reports are shown, drawn and judged for completeness."""
    parts = [Part(one["name"], one["title"], one["lines"]) for one in written.parts]
    kind: Any = begun.kind
    return report.Report(
        incident.id, incident.number, kind, written.title, written.at, incident.status, written.level, parts,
        [part.title for part in parts if not part.lines],
        ordinal=begun.ordinal if begun.kind == "follow_up" else None, version=written.version, author=written.author,
        approved_by=written.approved_by,
    )  # fmt: skip


def files(incident: Incident, begun: Report, written: ReportVersion, zone: tzinfo) -> tuple[Attachment, ...]:
    """The version as a PDF, drawn when it leaves, and as Markdown: for a notice to somebody who may read it.

    Whoever sends it outside the centre makes sure first that it is approved: `written.approved_by` is set.
    """
    shown = as_report(incident, begun, written)
    paper = report.as_paper(shown, begun.language, zone)
    name = f"{incident.number}-{begun.kind}-{begun.ordinal}-v{written.version}"
    document = report.as_markdown(shown, begun.language, zone)
    return (
        Attachment(f"{name}.pdf", "application/pdf", paper.written(), is_paper=True),
        Attachment(f"{name}.md", "text/markdown; charset=utf-8", document.encode()),
    )


@dataclass(frozen=True)
class Changed:
    """One line of a part that is new or gone, or that stayed beside such a line."""

    part: str
    title: str
    mark: str
    """`+` new, `-` gone."""
    line: str


def difference(older: ReportVersion, newer: ReportVersion) -> Sequence[Changed]:
    """What the newer version says otherwise, part by part, line by line. Pure."""
    before = {part["name"]: part["lines"] for part in older.parts}
    return [
        Changed(part["name"], part["title"], line[0], line[2:])
        for part in newer.parts
        for line in difflib.ndiff(before.get(part["name"], []), part["lines"])
        if line[0] in "+-"
    ]
