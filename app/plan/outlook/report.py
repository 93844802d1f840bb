"""The whole check: the plan's own findings, those over the coming days, and EP-10.3 clause by clause. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.plan.check import check, in_order, refuses
from app.plan.document import PlanDocument
from app.plan.finding import Finding, Severity, Witness, found
from app.plan.outlook import answering, chains, spans, supply
from app.plan.outlook.answering import Outlook
from app.plan.outlook.chains import Directory
from app.plan.outlook.snapshot import Snapshot
from app.plan.outlook.supply import Supply
from app.vocabulary import Layer
from app.wording import Wording, say

DAYS: Final = 90
MOST_DAYS: Final = 400
BEYOND: Final = chains.LONGEST + timedelta(days=1)
"""A snapshot reaches this far past the days looked at: a chain that starts on the last of them goes on."""

_QUESTIONS: Final[Sequence[Callable[[Outlook], Iterable[Finding]]]] = (
    answering.heads_are_known,
    answering.limits_are_set,
    answering.told_in_time,
    answering.rungs_reach_somebody,
    answering.approvals_can_be_given,
    answering.commanders_are_there,
    answering.levels_can_be_declared,
    answering.positions_are_answered_for,
    answering.callable_people_have_a_way,
)
_OF_SUPPLY: Final[Sequence[Callable[[Outlook, Supply], Iterable[Finding]]]] = (
    supply.demands_are_met,
    supply.playbooks_are_met,
    supply.pairs_are_met,
)


class Standing(StrEnum):
    """How a clause stands."""

    HOLDS = "holds"
    FAILS = "fails"  # a finding says so
    UNKNOWN = "unknown"  # nobody said who there is


@dataclass(frozen=True)
class Clause:
    """One thing EP-10.3 asks of the plan, whether it holds, and what shows it."""

    id: str
    clause: str
    statement: Wording
    standing: Standing
    evidence: Wording
    findings: int


@dataclass(frozen=True)
class Report:
    """What there is to say about a plan."""

    findings: tuple[Finding, ...]
    clauses: tuple[Clause, ...]
    begins: datetime
    ends: datetime
    zone: tzinfo
    with_organisation: bool

    @property
    def ok(self) -> bool:
        """Whether nothing grave was found."""
        return not refuses(self.findings)


def look(plan: PlanDocument, snapshot: Snapshot | None, *, since: datetime, days: int = DAYS) -> Report:
    """Check the plan, and with a snapshot what would come of it in the coming `days`.

    A plan that fails by itself is not carried further: what it names may not be there.
    """
    findings = check(plan)
    begins, ends = since.astimezone(UTC), since.astimezone(UTC) + timedelta(days=days)
    looked = snapshot is not None and not refuses(findings)
    findings += list(_bases_expire(plan, begins, ends)) if not refuses(findings) else []
    if snapshot is not None and looked:
        findings += over(plan, snapshot, begins=begins, ends=ends)
    try:
        zone: tzinfo = plan.grading().zone
    except (OSError, ValueError, KeyError):
        zone = UTC
    ordered = tuple(in_order(findings))
    return Report(ordered, tuple(_clauses(plan, ordered, looked)), begins, ends, zone, looked)


def over(plan: PlanDocument, snapshot: Snapshot, *, begins: datetime, ends: datetime) -> list[Finding]:
    """What would come of the plan between two moments; everything it names must be there."""
    days = (spans.moment(begins), spans.moment(ends))
    outlook = Outlook(plan, Directory(snapshot, days[0], days[1] + spans.ticks(BEYOND)), days)
    pools = Supply.of(outlook)
    findings = [finding for question in _QUESTIONS for finding in question(outlook)]
    return findings + [finding for question in _OF_SUPPLY for finding in question(outlook, pools)]


def _bases_expire(plan: PlanDocument, begins: datetime, ends: datetime) -> Iterator[Finding]:
    """A law or rule the plan rests on ends within the days (EP-1.2, EP-10.1)."""
    zone = ZoneInfo(plan.plan.time_zone)
    for index, basis in enumerate(plan.plan.legal_bases):
        if basis.expires is None:
            continue
        over = datetime.combine(basis.expires + timedelta(days=1), time(), zone).astimezone(UTC)
        if over < ends:
            when = (max(over, begins), ends)
            yield found(
                Severity.WARNING, "legal_basis_expires", "EP-10.1", f"plan.legal_bases.{index}.expires",
                witness=Witness(when[0], spells=(when,)), title=basis.title, expires=basis.expires.isoformat(),
            )  # fmt: skip


# ── EP-10.3, clause by clause ─────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Ask:
    """A thing asked for: the findings that speak against it, and whether it takes the organisation to say."""

    clause: str
    against: frozenset[str]
    of_people: bool = False


def _of(clause: str, *codes: str, of_people: bool = False) -> _Ask:
    return _Ask(clause, frozenset(codes), of_people)


ASKED: Final[dict[str, _Ask]] = {
    "parts": _of("EP-1.4", "part_missing"),
    "bases": _of("EP-1.2", "legal_basis_expires"),
    "chains": _of("EP-5.2", "chain_missing", "chain_without_leadership"),
    "told": _of(
        "EP-4.2.1", "told_limit_missing", "head_unknown", "first_told_late", "first_never_told",
        "department_head_told_late", "department_head_never_told", "leadership_told_late", "leadership_never_told",
        of_people=True,
    ),
    "reached": _of(
        "EP-5.2", "rung_reaches_nobody", "person_without_channel", "position_unanswered", "position_vacant",
        of_people=True,
    ),
    "playbooks": _of("EP-1.3", "unknown_playbook", "level_without_steps", "playbook_unused"),
    "measures": _of("EP-4.1", "measure_missing", "customers_never_told"),
    "runs": _of(
        "EP-4.2.3", "step_never_runs", "step_never_reached", "wait_without_end", "wait_never_holds", "need_cycle",
        "wait_without_limit", "unknown_name", "unknown_need", "need_at_no_common_level", "name_at_no_common_level",
        "name_not_awaited", "rule_never_decides", "escalation_goes_nowhere", "due_after_timeout", "duplicate_step",
    ),
    "decisions": _of(
        "EP-2.1", "approval_by_nobody", "no_commander", "nobody_declares", "commander_missing", "commander_layer",
        "notice_without_approval", of_people=True,
    ),
    "resources": _of(
        "EP-6", "demand_too_large", "demand_never_met", "demand_short", "playbook_short", of_people=True
    ),
    "drills": _of("EP-8.3", "too_few_drills", "bad_cron", "cron_never"),
    "training": _of("EP-8.1", "too_few_training_days", "too_few_trainings", "bad_cron", "cron_never"),
    "reviews": _of("EP-9.3", "review_not_due"),
}  # fmt: skip
_PART_OF: Final = {"drills": "training", "training": "training", "reviews": "revision"}


def _clauses(plan: PlanDocument, findings: Sequence[Finding], looked: bool) -> Iterator[Clause]:
    evidence = _evidence(plan)
    for name, asked in ASKED.items():
        against = sum(finding.code in asked.against for finding in findings)
        missing = name in _PART_OF and getattr(plan, _PART_OF[name]) is None
        standing = Standing.UNKNOWN if asked.of_people and not looked else Standing.HOLDS
        if against or missing:
            standing = Standing.FAILS
        yield Clause(
            name, asked.clause, say(f"plan.clause.{name}"), standing,
            say(f"plan.clause.{name}.evidence", **evidence.get(name, {})), against,
        )  # fmt: skip


def _evidence(plan: PlanDocument) -> dict[str, dict[str, Any]]:
    positions = plan.organisation.positions
    ends = [
        positions[name].title.model_dump()
        for name in dict.fromkeys(name for chain in plan.chains.values() for name in chain.hops[-1].tell)
        if name in positions and positions[name].layer is Layer.LEADERSHIP
    ]
    steps = [step for playbook in plan.playbooks.values() for step in playbook.steps]
    training, revision = plan.training, plan.revision
    cells = len(plan.types) * len(plan.levels)
    return {
        "bases": {"number": len(plan.plan.legal_bases)},
        "chains": {"number": len(plan.chains), "ends": ends},
        "told": {"number": cells},
        "reached": {"number": sum(len(chain.hops) for chain in plan.chains.values())},
        "playbooks": {"types": len(plan.types), "playbooks": len(plan.playbooks)},
        "measures": {"number": cells},
        "runs": {"number": len(steps)},
        "decisions": {"number": sum(step.kind in ("approval", "notice") for step in steps)},
        "resources": {"number": sum(step.kind == "reserve" for step in steps)},
        "drills": {"number": training.drills_per_year if training else 0},
        "training": {"number": training.training_days_per_quarter if training else 0},
        "reviews": {"every": revision.review_every if revision else "–"},
    }
