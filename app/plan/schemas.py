"""The plan as it crosses the wire."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from app import wording
from app.plan import replay
from app.plan.changes import Change, Kind
from app.plan.differences.notes import Difference, Group
from app.plan.document import PlanDocument
from app.plan.finding import Finding, Severity
from app.plan.following import Prospect
from app.plan.outlook.report import Standing
from app.plan.outlook.standing import Looked
from app.plan.reading import BadPlan
from app.plan.replay import Impact
from app.plan.revisions import Checked, PlanRefused, RevisionEvent, allowed
from app.plan.tables import PlanRevision, Reason, RevisionDue, RevisionState
from app.vocabulary import Moment
from app.wording import Wording, say

PREFIX: Final = "/api/v1/plan/revisions"
_COLUMNS: Final = (
    "id", "digest", "state", "author", "created_at", "decided_by", "decided_at", "in_force_from", "note",
    "reasons", "version",
)  # fmt: skip


class FindingRead(BaseModel):
    severity: Severity
    code: str
    clause: str
    path: str
    line: int | None
    message: str
    mend: str
    """How to mend it."""

    @classmethod
    def of(cls, finding: Finding, line: int | None, language: str) -> "FindingRead":
        return cls(
            severity=finding.severity, code=finding.code, clause=finding.clause, path=finding.path, line=line,
            message=wording.render(finding.message, language), mend=wording.render(finding.mend, language),
        )  # fmt: skip

    @classmethod
    def kept(cls, row: dict[str, Any], language: str) -> "FindingRead":
        said = {name: wording.spoken(row[name], language) for name in ("message", "mend")}
        return cls(**{**row, **said})


class SpellRead(BaseModel):
    begins: datetime
    ends: datetime


class WitnessRead(BaseModel):
    """The counter-example to a finding."""

    at: datetime
    trail: list[str]
    """What would happen, step by step."""
    takes_seconds: float | None
    spells: list[SpellRead]
    """Every stretch of the days looked at over which it does not hold."""


class OutlookFindingRead(FindingRead):
    witness: WitnessRead | None

    @classmethod
    def seen(cls, finding: Finding, line: int | None, language: str, zone: tzinfo) -> "OutlookFindingRead":
        def said(sentence: Wording) -> str:
            return wording.render(sentence, language, zone)

        one = finding.witness
        shown = None if one is None else WitnessRead(
            at=one.at, trail=[said(step) for step in one.trail],
            takes_seconds=None if one.takes is None else one.takes.total_seconds(),
            spells=[SpellRead(begins=begins, ends=ends) for begins, ends in one.spells],
        )  # fmt: skip
        return cls(
            severity=finding.severity, code=finding.code, clause=finding.clause, path=finding.path, line=line,
            message=said(finding.message), mend=said(finding.mend), witness=shown,
        )  # fmt: skip


class ClauseRead(BaseModel):
    """One thing EP-10.3 asks, and whether it holds."""

    id: str
    clause: str
    statement: str
    standing: Standing
    evidence: str
    findings: int


class OutlookRead(BaseModel):
    """The check of a plan together with people, rosters and stock."""

    ok: bool
    """False: something grave was found."""
    plan_revision: str | None
    """None: it is not stored."""
    begins: datetime
    ends: datetime
    with_organisation: bool
    """False: the document alone was looked at, because nothing more was asked, or because it fails by itself."""
    bound: str
    """What the times in it say, and what they do not."""
    findings: list[OutlookFindingRead]
    clauses: list[ClauseRead]

    @classmethod
    def of(cls, looked: Looked, language: str) -> "OutlookRead":
        report, line_of = looked.report, looked.source.line
        return cls(
            ok=report.ok, plan_revision=looked.revision_id, begins=report.begins, ends=report.ends,
            with_organisation=report.with_organisation,
            bound=wording.render(
                say("plan.report.bound" if report.with_organisation else "plan.report.plan_only"), language
            ),
            findings=[
                OutlookFindingRead.seen(one, line_of(one.path), language, report.zone) for one in report.findings
            ],
            clauses=[
                ClauseRead(
                    id=one.id, clause=one.clause, statement=wording.render(one.statement, language),
                    standing=one.standing, evidence=wording.render(one.evidence, language), findings=one.findings,
                )
                for one in report.clauses
            ],
        )  # fmt: skip


class CheckRead(BaseModel):
    """What the check has to say about a plan."""

    ok: bool
    """False: with this the plan is refused."""
    findings: list[FindingRead]


class RevisionRead(BaseModel):
    id: str
    digest: str
    plan_version: str
    """What the document calls itself."""
    state: RevisionState
    allowed: list[RevisionEvent]
    author: str
    created_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    in_force_from: datetime | None
    note: str | None
    reasons: list[Reason]
    """Why it was written (ST-4)."""
    version: int
    source: str
    """Where its YAML is."""

    @classmethod
    def of(cls, row: PlanRevision) -> "RevisionRead":
        return cls(**_head(row))


class ChangeRead(BaseModel):
    kind: Kind
    path: str

    @classmethod
    def of(cls, change: Change) -> "ChangeRead":
        return cls(kind=change.kind, path=change.path)


class DifferenceRead(BaseModel):
    """One thing a plan says otherwise, as a sentence."""

    group: Group
    subject: str
    """The number of a level, the id of a type, playbook, pool or command post; empty for a part there is one of."""
    text: str
    weakens: bool
    """Something is promised later, or less of it, or no longer."""

    @classmethod
    def of(cls, difference: Difference, language: str) -> "DifferenceRead":
        text = wording.render(difference.said, language)
        return cls(group=difference.group, subject=difference.subject, text=text, weakens=difference.weakens)


class Compared(BaseModel):
    text: str
    worse: bool


class IncidentCompared(BaseModel):
    """A recorded incident that would have gone otherwise."""

    id: str
    number: str
    title: str
    level: int
    """As it was set in the end."""
    worse: bool
    differences: list[Compared]


class ImpactRead(BaseModel):
    """Recorded incidents of a period, put through the plan in force and through the revision."""

    begins: datetime
    ends: datetime
    against: str
    """The revision in force that it was compared with."""
    looked_at: int
    left_out: int
    """Older incidents of the period beyond the newest so many."""
    otherwise: list[IncidentCompared]
    made_by: str | None
    """Who kept it with the revision; none: it was not kept."""
    made_at: datetime | None
    outdated: bool
    """Another plan has come into force since."""

    @classmethod
    def of(cls, found: Impact, language: str) -> "ImpactRead":
        return cls.kept(vars(found), language)

    @classmethod
    def kept(cls, found: Mapping[str, Any], language: str, *, outdated: bool = False) -> "ImpactRead":
        otherwise = [
            IncidentCompared(
                **{name: one[name] for name in ("id", "number", "title", "level", "worse")},
                differences=[
                    Compared(text=wording.spoken(said["wording"], language) or "", worse=said["worse"])
                    for said in one["said"]
                ],
            )
            for one in found["otherwise"]
        ]
        columns = {
            name: found.get(name) for name in cls.model_fields if name not in ("otherwise", "outdated")
        }
        return cls.model_validate({**columns, "otherwise": otherwise, "outdated": outdated})


class RevisionDetail(RevisionRead):
    """A revision with its check report, where it differs from the plan in force, and what that would have changed."""

    check: CheckRead
    changes: list[ChangeRead]
    """The places."""
    differences: list[DifferenceRead]
    """The same in words, by what it means."""
    impact: ImpactRead | None
    """Kept for whoever approves it."""
    impact_note: str
    """What an approver has, or had, before them; also where that is nothing."""

    @classmethod
    def whole(
        cls, row: PlanRevision, changes: list[Change], differences: list[Difference], language: str, *,
        standing: PlanRevision | None,
    ) -> "RevisionDetail":  # fmt: skip
        report = CheckRead(ok=True, findings=[FindingRead.kept(kept, language) for kept in row.findings])
        outdated = replay.is_outdated(row, standing)
        return cls(
            **_head(row), check=report, changes=[ChangeRead.of(change) for change in changes],
            differences=[DifferenceRead.of(one, language) for one in differences],
            impact=ImpactRead.kept(row.impact, language, outdated=outdated) if row.impact else None,
            impact_note=wording.render(replay.about(row, standing), language),
        )  # fmt: skip


class PlanRead(BaseModel):
    revision: RevisionRead
    document: PlanDocument


class ReplayImpact(BaseModel, extra="forbid"):
    begins: Annotated[Moment, Field(alias="from")]
    ends: Annotated[Moment, Field(alias="to")]


class DueRead(BaseModel):
    """Why the plan is to be revised."""

    id: str
    reason: Reason
    said: str
    noted_at: datetime
    noted_by: str
    reminders: int
    settled_at: datetime | None
    settled_by: str | None
    """The revision that answered it, or who found that none was needed."""
    note: str | None

    @classmethod
    def of(cls, row: RevisionDue, language: str) -> "DueRead":
        columns = {name: getattr(row, name) for name in cls.model_fields if name != "said"}
        return cls(said=wording.spoken(row.said, language) or "", **columns)


class NoteDue(BaseModel, extra="forbid"):
    reason: Reason
    text: Annotated[str, Field(min_length=1, max_length=2000)]
    """What changed, or what was found wanting."""


class DismissDue(BaseModel, extra="forbid"):
    note: Annotated[str, Field(min_length=1, max_length=2000)]
    """Why no revision is needed."""


class ProspectRead(BaseModel):
    """What moving an incident to a revision would change."""

    revision: RevisionRead
    differences: list[DifferenceRead]

    @classmethod
    def of(cls, prospect: Prospect, language: str) -> "ProspectRead":
        differences = [DifferenceRead.of(one, language) for one in prospect.differences]
        return cls(revision=RevisionRead.of(prospect.revision), differences=differences)


class MoveToRevision(BaseModel, extra="forbid"):
    revision_id: Annotated[str | None, Field(max_length=26)] = None
    """None: the one in force."""
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class MoveRevision(BaseModel, extra="forbid"):
    event: RevisionEvent
    note: Annotated[str | None, Field(max_length=2000)] = None


def findings(found: list[Finding], checked: Checked, language: str) -> list[FindingRead]:
    return [FindingRead.of(finding, checked.line_of(finding.path), language) for finding in found]


def in_language(refusal: BadPlan, language: str) -> BadPlan:
    """The refusal with every mistake in the reader's language."""
    if isinstance(refusal, PlanRefused):
        told = findings(refusal.checked.findings, refusal.checked, language)
        for member, severity in (("errors", Severity.ERROR), ("warnings", Severity.WARNING)):
            refusal.members[member] = [f.model_dump(mode="json") for f in told if f.severity is severity]
    else:
        refusal.members["errors"] = [
            {"path": m.path, "line": m.line, "message": wording.render(m.message, language)}
            for m in refusal.mistakes
        ]
    return refusal


def _head(row: PlanRevision) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _COLUMNS} | {
        "allowed": allowed(RevisionState(row.state)),
        "source": f"{PREFIX}/{row.id}/source",
        "plan_version": row.document["plan"]["version"],
    }
