"""The report as people and machines read it: text, JSON, and SARIF 2.1.0 for code hosts. Pure.

Says the same in each form, in the reader's language. The times in it bound when messages are sent; it says so.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from app.plan.finding import Finding, Severity, Witness
from app.plan.outlook.report import Clause, Report, Standing
from app.plan.reading import BadPlan
from app.wording import Wording, render, say

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_OF_ORGANISATION: Final = ("people.", "rosters.", "stock.")
_MARKS: Final = {Standing.HOLDS: "+", Standing.FAILS: "-", Standing.UNKNOWN: "?"}


@dataclass(frozen=True)
class Source:
    """A file that was checked, and where each path of it stands."""

    file: str
    lines: Mapping[str, int] = field(default_factory=dict)

    def line(self, path: str) -> int | None:
        """The line of a path, or of the nearest place above it."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return self.lines.get(path)


@dataclass(frozen=True)
class Written:
    """A report about these files, in one language."""

    report: Report
    plan: Source
    organisation: Source | None
    language: str

    def text(self) -> str:
        """For people: findings with their counter-examples, then clause by clause."""
        return "\n".join(self._lines())

    def data(self) -> dict[str, Any]:
        """For machines: everything there is."""
        report = self.report
        return {
            "ok": report.ok, "from": _iso(report.begins), "to": _iso(report.ends),
            "with_organisation": report.with_organisation, "bound": self._said(say("plan.report.bound")),
            "findings": [self._finding(one) for one in report.findings],
            "clauses": [self._clause(one) for one in report.clauses],
        }  # fmt: skip

    def sarif(self) -> str:
        """For code hosts: one rule for each code, a result with its place for each finding, the trail as a code flow."""
        codes = list(dict.fromkeys(one.code for one in self.report.findings))
        driver = {"name": "muster check", "rules": [self._rule(code) for code in codes]}
        run = {
            "tool": {"driver": driver}, "columnKind": "unicodeCodePoints",
            "results": [self._result(one, codes.index(one.code)) for one in self.report.findings],
            "properties": {"clauses": [self._clause(one) for one in self.report.clauses]},
        }  # fmt: skip
        return json.dumps(
            {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=1
        )

    def _lines(self) -> Iterator[str]:
        report = self.report
        for one in report.findings:
            source, line = self._place(one.path)
            severity = self._said(say(f"plan.severity.{one.severity}"))
            space = " " if self.language == "en" else ""
            sentence = f"{self._said(one.message)}{space}{self._said(one.mend)}"
            yield f"{source.file}:{line}: {severity}: {one.path}: {sentence} [{one.code}, {one.clause}]"
            yield from (f"    {one}" for one in self._shown(one.witness))
        if not report.findings:
            yield self._said(say("plan.report.nothing"))
        yield ""
        yield self._said(say("plan.report.clauses"))
        for clause in report.clauses:
            standing = self._said(say(f"plan.standing.{clause.standing}"))
            space = " " if self.language == "en" else ""
            sentence = f"{self._said(clause.statement)}{space}{self._said(clause.evidence)}"
            yield f"  {_MARKS[clause.standing]} {standing}: {sentence} [{clause.clause}]"
        yield ""
        counted = Counter(one.severity for one in report.findings)
        span = say("plan.report.days", begins=report.begins, ends=report.ends)
        yield self._said(span) + (" " if self.language == "en" else "") + self._said(
            say(
                "plan.report.summary", errors=counted[Severity.ERROR], warnings=counted[Severity.WARNING],
                notes=counted[Severity.NOTE],
            )
        )  # fmt: skip
        yield self._said(say("plan.report.bound" if report.with_organisation else "plan.report.plan_only"))

    def _shown(self, witness: Witness | None) -> Iterator[str]:
        if witness is None:
            return
        yield from (self._said(step) for step in witness.trail if step.key.startswith("plan.outlook.trail."))
        if witness.spells:
            begins, ends = witness.spells[0]
            spell = say("plan.report.spell", begins=begins, ends=ends)
            more = len(witness.spells) - 1
            yield self._said(
                say("plan.report.spells" if more else "plan.report.one_spell", spell=spell, more=more)
            )

    def _finding(self, one: Finding) -> dict[str, Any]:
        source, line = self._place(one.path)
        return {
            "severity": one.severity.value, "code": one.code, "clause": one.clause, "file": source.file,
            "path": one.path, "line": line, "message": self._said(one.message), "mend": self._said(one.mend),
            "witness": None if one.witness is None else witnessed(one.witness, self._said),
        }  # fmt: skip

    def _clause(self, one: Clause) -> dict[str, Any]:
        return {
            "id": one.id, "clause": one.clause, "standing": one.standing.value,
            "statement": self._said(one.statement), "evidence": self._said(one.evidence), "findings": one.findings,
        }  # fmt: skip

    def _rule(self, code: str) -> dict[str, Any]:
        first = next(one for one in self.report.findings if one.code == code)
        return {
            "id": code, "shortDescription": {"text": f"{code} [{first.clause}]"},
            "help": {"text": self._said(first.mend)}, "defaultConfiguration": {"level": first.severity.value},
        }  # fmt: skip

    def _result(self, one: Finding, rule: int) -> dict[str, Any]:
        space = " " if self.language == "en" else ""
        result: dict[str, Any] = {
            "ruleId": one.code, "ruleIndex": rule, "level": one.severity.value,
            "message": {"text": f"{self._said(one.message)}{space}{self._said(one.mend)}"},
            "locations": [self._location(one.path)],
            # The same finding after lines moved is the same: its code, its place in the plan, and what it is about.
            "partialFingerprints": {"musterFinding/v1": one.mark},
            "properties": {"clause": one.clause},
        }  # fmt: skip
        if one.witness is not None:
            shown = witnessed(one.witness, self._said)
            result["properties"] |= {name: shown[name] for name in ("at", "takes_seconds", "spells")}
            if shown["trail"]:
                steps = [
                    {"location": {**self._location(one.path), "message": {"text": step}}}
                    for step in shown["trail"]
                ]
                result["codeFlows"] = [{"threadFlows": [{"locations": steps}]}]
        return result

    def _location(self, path: str) -> dict[str, Any]:
        source, line = self._place(path)
        return {
            "physicalLocation": {
                "artifactLocation": {"uri": _uri(source.file)},
                "region": {"startLine": line},
            },
            "logicalLocations": [{"fullyQualifiedName": path}],
        }

    def _place(self, path: str) -> tuple[Source, int]:
        source = self.organisation if path.startswith(_OF_ORGANISATION) and self.organisation else self.plan
        return source, source.line(path) or 1

    def _said(self, wording: Wording) -> str:
        return render(wording, self.language, self.report.zone)


def unread(refusal: BadPlan, language: str) -> str:
    """SARIF of a file that is no plan: its mistakes."""
    results = [
        {
            "ruleId": "bad_plan", "level": "error", "message": {"text": f"{one.path}: {render(one.message, language)}"},
            "locations": [{"physicalLocation": {
                "artifactLocation": {"uri": _uri(refusal.file)}, "region": {"startLine": max(one.line, 1)},
            }}],
        }
        for one in refusal.mistakes
    ]  # fmt: skip
    run = {"tool": {"driver": {"name": "muster check", "rules": [{"id": "bad_plan"}]}}, "results": results}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=1)


def _uri(file: str) -> str:
    """A file name as the reference to an address that SARIF asks for."""
    return ("file://" if file.startswith("/") else "") + quote(file)


def witnessed(witness: Witness, said: Any) -> dict[str, Any]:
    """A counter-example as data; `said` speaks its sentences."""
    return {
        "at": _iso(witness.at), "trail": [said(step) for step in witness.trail],
        "takes_seconds": None if witness.takes is None else witness.takes.total_seconds(),
        "spells": [{"from": _iso(begins), "to": _iso(ends)} for begins, ends in witness.spells],
    }  # fmt: skip


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
