"""What crosses the wire about reports."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.incidents.report import completeness
from app.incidents.tables import Incident
from app.notify.tables import Delivery, DeliveryState
from app.reports import papers, written
from app.reports.oral import Way
from app.reports.papers import Changed
from app.reports.tables import OralReport, Report, ReportRecipient, ReportState, ReportVersion, Whom
from app.reports.written import ReportEvent
from app.vocabulary import Moment
from app.wording import spoken

Language = Literal["zh-Hans", "zh-Hant", "en"]
PartName = Literal["event_type", "time", "departments", "scope", "cause", "countermeasures", "follow_up"]
PartText = Annotated[str, StringConstraints(max_length=20_000)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class DraftReport(_Asked):
    kind: Literal["first", "follow_up", "final"]
    language: Language | None = None
    """Of the report; unsaid, that of the request."""
    parts: dict[PartName, PartText] = Field(default_factory=dict)
    """Parts written by hand, a line each line; the others are compiled from the incident."""
    note: Text | None = None


class RewriteReport(_Asked):
    parts: dict[PartName, PartText] = Field(default_factory=dict)
    compile_anew: bool = False
    """Whether what nobody wrote by hand is compiled from the incident again."""
    note: Text | None = None
    """Why there is a new version."""


class MoveReport(_Asked):
    event: ReportEvent
    reason: Text | None = None
    """reject: why it may not leave."""


class NoteOralReport(_Asked):
    told: Name
    """Who was told, as they are called."""
    position: Annotated[str, StringConstraints(min_length=1, max_length=63)] | None = None
    """In whose place they were told; only a position the level's report is for makes it the first report."""
    at: Moment
    way: Way
    text: Text
    """What was said."""
    told_by: Name | None = None
    """Unsaid: whoever records it."""


class _Told(BaseModel):
    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class PartRead(_Told):
    name: str
    title: str
    lines: list[str]
    by_hand: bool


class RecipientRead(_Told):
    position: str
    whom: Whom
    outside: bool
    told_at: datetime | None
    withheld: str | None
    """Why nothing was sent."""
    deliveries: list[DeliveryState]
    """What came of each message, in order."""


class ReportRead(_Told):
    id: str
    incident_id: str
    kind: str
    ordinal: int
    state: ReportState
    version: int
    """Of its text: what is approved and sent is this one."""
    language: str
    author: str
    note: str | None
    written_at: datetime
    parts: list[PartRead]
    missing: list[str]
    """Titles of the parts that lack."""
    filled: int
    """Of the seven parts."""
    allowed: list[ReportEvent]
    approved_by: str | None
    approved_at: datetime | None
    rejected_because: str | None
    sent_at: datetime | None
    recipients: list[RecipientRead]

    @classmethod
    def of(
        cls, incident: Incident, begun: Report, text: ReportVersion, sent: Sequence[ReportRecipient],
        came: Mapping[str, Sequence[Delivery]], language: str,
    ) -> "ReportRead":  # fmt: skip
        whole = completeness(papers.as_report(incident, begun, text))
        return cls(
            id=begun.id, incident_id=begun.incident_id, kind=begun.kind, ordinal=begun.ordinal,
            state=ReportState(begun.state), version=begun.version, language=begun.language, author=text.author,
            note=text.note, written_at=text.at, parts=[PartRead(**one) for one in text.parts],
            missing=[one["title"] for one in text.parts if not one["lines"]], filled=whole.filled,
            allowed=written.allowed(ReportState(begun.state)), approved_by=begun.approved_by,
            approved_at=begun.approved_at, rejected_because=begun.rejected_because, sent_at=begun.sent_at,
            recipients=[
                RecipientRead(
                    position=one.position, whom=Whom(one.whom), outside=Whom(one.whom).is_outside, told_at=one.told_at,
                    withheld=spoken(one.withheld, language),
                    deliveries=[DeliveryState(row.state) for row in came.get(one.id, ())],
                )
                for one in sent
            ],
        )  # fmt: skip


class Reports(_Told):
    items: list[ReportRead]
    next: None = None


class VersionRead(_Told):
    version: int
    author: str
    at: datetime
    note: str | None
    approved_by: str | None
    parts: list[PartRead]
    changed: list[Changed]
    """Against the version before."""

    @classmethod
    def of(cls, text: ReportVersion, before: ReportVersion | None) -> "VersionRead":
        columns: dict[str, Any] = {
            name: getattr(text, name) for name in ("version", "author", "at", "note", "approved_by")
        }
        changed = list(papers.difference(before, text)) if before is not None else []
        return cls(**columns, parts=[PartRead(**one) for one in text.parts], changed=changed)


class Versions(_Told):
    items: list[VersionRead]
    next: None = None

    @classmethod
    def of(cls, newest_first: Sequence[ReportVersion]) -> "Versions":
        before: list[ReportVersion | None] = [*newest_first[1:], None]
        return cls(items=[VersionRead.of(*pair) for pair in zip(newest_first, before, strict=True)])


class OralReportRead(_Told):
    id: str
    told_by: str
    told: str
    position: str | None
    at: datetime
    way: Way
    text: str
    counts: bool
    """As the first report; the written one is then still owed."""
    recorded_by: str
    recorded_at: datetime

    @classmethod
    def of(cls, row: OralReport) -> "OralReportRead":
        return cls.model_validate(row)


class OralReports(_Told):
    items: list[OralReportRead]
    next: None = None
