"""The plan as it crosses the wire."""

from datetime import datetime, tzinfo
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from app import wording
from app.plan.changes import Change, Kind
from app.plan.check import refuses
from app.plan.document import PlanDocument
from app.plan.finding import Finding, Severity
from app.plan.outlook.report import Standing
from app.plan.outlook.standing import Looked
from app.plan.reading import BadPlan
from app.plan.revisions import Checked, PlanRefused, RevisionEvent, allowed
from app.plan.tables import PlanRevision, RevisionState
from app.wording import Wording, say

PREFIX: Final = "/api/v1/plan/revisions"
_COLUMNS: Final = (
    "id", "digest", "state", "author", "created_at", "decided_by", "decided_at", "in_force_from", "note",
    "version",
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
    """The check of the plan together with people, rosters and stock."""

    ok: bool
    """False: something grave was found."""
    plan_revision: str
    begins: datetime
    ends: datetime
    bound: str
    """What the times in it say, and what they do not."""
    findings: list[OutlookFindingRead]
    clauses: list[ClauseRead]

    @classmethod
    def of(cls, looked: Looked, language: str) -> "OutlookRead":
        report, line_of = looked.report, looked.source.line
        return cls(
            ok=report.ok, plan_revision=looked.revision_id, begins=report.begins, ends=report.ends,
            bound=wording.render(say("plan.report.bound"), language),
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

    @classmethod
    def of(cls, checked: Checked, language: str) -> "CheckRead":
        return cls(ok=not refuses(checked.findings), findings=findings(checked.findings, checked, language))


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


class RevisionDetail(RevisionRead):
    """A revision with its check report, and where it differs from the plan in force."""

    check: CheckRead
    changes: list[ChangeRead]

    @classmethod
    def whole(cls, row: PlanRevision, changes: list[Change], language: str) -> "RevisionDetail":
        report = CheckRead(ok=True, findings=[FindingRead.kept(kept, language) for kept in row.findings])
        return cls(**_head(row), check=report, changes=[ChangeRead.of(change) for change in changes])


class PlanRead(BaseModel):
    revision: RevisionRead
    document: PlanDocument


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
