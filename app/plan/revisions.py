"""Revisions of the plan (EP-9.3, ST-4): stored, submitted, approved by leadership, put in force one by one.

A draft may be written anew until it is submitted; from then on its text never changes, only where it stands in its life.
The plan file of the installation is one author among others: it never overrides what people approved over the API.
Running incidents keep the revision they were activated under (`app.plan.following` moves one), so nothing here touches
an incident.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.access.four_eyes import is_same_hand
from app.access.keys import Principal
from app.db import in_turn
from app.errors import Forbidden, NotFound, Refused, Stale, Unavailable
from app.ids import new_id
from app.levels import matrix
from app.people import organisation
from app.plan import check, due, reading
from app.plan.differences.told import told
from app.plan.document import PlanDocument
from app.plan.finding import Finding, Severity
from app.plan.reading import BadPlan
from app.plan.strict_yaml import Mistake
from app.plan.tables import PlanRevision, Reason, RevisionState
from app.resources import pools
from app.wording import kept, say

FILE_AUTHOR: Final = "plan file"
REF: Final = "plan"

_log = logging.getLogger(__name__)

# The document of what was submitted never changes, so what was read once may be kept. A draft's is read each time.
_READ: dict[str, PlanDocument] = {}
_KEEP = 32


class RevisionEvent(StrEnum):
    """What can be done to a revision."""

    SUBMIT = "submit"  # lay it before leadership
    APPROVE = "approve"  # leadership agrees; never its author
    REJECT = "reject"  # leadership does not, and says why
    ENFORCE = "enforce"  # new incidents follow it from now on


S, E = RevisionState, RevisionEvent
TRANSITIONS: Final[Mapping[tuple[RevisionState, RevisionEvent], RevisionState]] = {
    (S.DRAFT, E.SUBMIT): S.SUBMITTED,
    (S.SUBMITTED, E.APPROVE): S.APPROVED,
    (S.SUBMITTED, E.REJECT): S.REJECTED,
    (S.APPROVED, E.REJECT): S.REJECTED,
    (S.APPROVED, E.ENFORCE): S.IN_FORCE,
    (S.SUPERSEDED, E.ENFORCE): S.IN_FORCE,  # back to a plan that was approved before
}


class IllegalRevisionTransition(Refused, slug="illegal-revision-transition"):
    """That is not possible with this revision now; `allowed` says what is."""


class EditedMeanwhile(Stale, slug="edited-meanwhile"):
    """Somebody else wrote this draft anew; `differences` says what is other in yours."""


class OwnRevision(Forbidden, slug="own-revision"):
    """Nobody approves the plan they wrote."""


class PlanRefused(BadPlan, slug="plan-refused"):
    """A plan that can be read and would fail in use; `errors` lists why."""

    def __init__(self, checked: "Checked", *, file: str) -> None:
        found = [Mistake(checked.line_of(f.path) or 1, 1, f.path, f.message) for f in checked.errors]
        super().__init__(found, file=file)
        self.detail = say("revisions.refused", count=len(found))
        self.checked = checked


@dataclass(frozen=True)
class Checked:
    """A plan that can be read, and what the check has to say."""

    document: PlanDocument
    findings: list[Finding]
    lines: Mapping[str, int]  # where each path stands in the text

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity is Severity.ERROR]

    @property
    def warnings(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity is Severity.WARNING]

    def line_of(self, path: str) -> int | None:
        """The line of a path, or of the nearest place above it that the text has."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return self.lines.get(path)


def allowed(state: RevisionState) -> list[RevisionEvent]:
    return [event for event in RevisionEvent if (state, event) in TRANSITIONS]


def examine(text_: str | bytes, *, file: str) -> Checked:
    """Read and check a plan; nothing is stored. Raises `BadPlan` if it cannot be read.

    Works for a second or more where the plan is large: never on the event loop, whose engine has others to tell.
    """
    document = reading.read(text_, file=file)
    return Checked(document, check.check(document), reading.lines(text_))


async def store(
    session: AsyncSession, text_: str, *, by: Principal, at: datetime, file: str,
    reasons: Collection[Reason] = (),
) -> PlanRevision:  # fmt: skip
    """Keep a plan as a draft, or raise `BadPlan` or `PlanRefused` with everything that is wrong.

    `reasons`: why it was written (ST-4).
    """
    checked = await asyncio.to_thread(sound, text_, file)
    revision = _put(session, text_, checked, author=by.name, author_key=by.key_id, at=at)
    revision.reasons = _in_order(reasons)
    return revision


async def rewrite(
    session: AsyncSession, revision_id: str, text_: str, *, by: Principal, at: datetime, file: str,
    version: int | None, reasons: Collection[Reason] = (),
) -> PlanRevision:  # fmt: skip
    """Write a draft anew, from the version the writer saw.

    1. One such change at a time. Only a draft: what was laid before leadership stays what they read.
    2. Of two who saw the same version one wins; the other is told who was first, and where the two texts differ.
    3. Whoever wrote it last is its author; all who wrote it before count as authors when it is approved.
    4. An impact that was replayed for the text before is no longer there.
    """
    checked = await asyncio.to_thread(sound, text_, file)
    await in_turn(session, "plan")
    revision = await found(session, revision_id)
    if revision.state != RevisionState.DRAFT:
        state = RevisionState(revision.state)
        raise IllegalRevisionTransition(
            say("revisions.not_a_draft", state=say(f"revision_state.{state}")),
            state=state, allowed=allowed(state), current_version=revision.version,
        )  # fmt: skip
    if version is None:
        raise Refused(say("revisions.version_needed"), current_version=revision.version)
    if version != revision.version:
        found_there = told(await document_of(session, revision_id), checked.document)
        raise EditedMeanwhile(
            say("revisions.edited_meanwhile", by=revision.author, version=revision.version),
            current_version=revision.version, edited_by=revision.author,
            differences=[one.said for one in found_there],
        )  # fmt: skip
    if revision.author_key is not None and revision.author_key != by.key_id:
        revision.hands = [*dict.fromkeys([*revision.hands, revision.author_key])]
    revision.author, revision.author_key = by.name, by.key_id
    revision.source, revision.digest = text_, reading.digest(checked.document)
    revision.document = checked.document.model_dump(mode="json", by_alias=True)
    revision.findings = [_kept(finding, checked) for finding in checked.warnings]
    revision.reasons = _in_order([*(Reason(one) for one in revision.reasons), *reasons])
    revision.impact = None
    revision.version += 1
    return revision


async def load_shipped(session: AsyncSession, text_: str, file: str, *, at: datetime) -> PlanRevision:
    """Bring the installation's plan file in; give the revision in force, or the draft made of the file.

    1. A file with errors raises `BadPlan` or `PlanRefused`; the plan in force stays, and the caller decides.
    2. The file means what is in force: nothing happens.
    3. Leadership rejected this very file before: it stays rejected, and that is logged.
    4. Nothing is in force, or what is came from the file too: the file is put in force.
    5. Another revision was put in force over the API: the file becomes a draft, once, and that is logged.
    """
    checked = await asyncio.to_thread(sound, text_, file)
    await in_turn(session, "plan")  # two starting replicas must not both be first
    digest = reading.digest(checked.document)
    standing = await current(session)
    if standing is not None and standing.digest == digest:
        return standing
    known = await _from_file(session, digest)
    if standing is not None and known is not None and known.state == RevisionState.REJECTED:
        _log.warning("plan_file_was_rejected", extra={"revision": known.id, "in_force": standing.id})
        return known
    if standing is None or is_from_file(standing):
        revision = known or _put(session, text_, checked, author=FILE_AUTHOR, author_key=None, at=at)
        await enforce(session, revision, at=at)
        return revision
    if known is None:
        known = _put(session, text_, checked, author=FILE_AUTHOR, author_key=None, at=at)
        _log.warning("plan_file_became_draft", extra={"revision": known.id, "in_force": standing.id})
    return known


def is_from_file(revision: PlanRevision) -> bool:
    """Whether the installation's plan file is its author."""
    return revision.author_key is None and revision.author == FILE_AUTHOR


async def move(
    session: AsyncSession, revision_id: str, event: RevisionEvent, *, by: Principal, at: datetime,
    note: str | None = None, version: int | None = None,
) -> PlanRevision:  # fmt: skip
    """Apply `event` to a revision, or raise what stands against it.

    1. One such change at a time, whatever the number of processes.
    2. Look the pair up; refuse what the table does not list.
    3. Only leadership decides, and never about its own text.
    4. Move the state; enforcing supersedes the revision in force.
    """
    await in_turn(session, "plan")  # two starting replicas must not both be first
    revision = await found(session, revision_id)
    Stale.unless(version, revision.version)
    state = RevisionState(revision.state)
    to = TRANSITIONS.get((state, event))
    if to is None:
        event_said, state_said = say(f"revision_event.{event}"), say(f"revision_state.{state}")
        raise IllegalRevisionTransition(
            say("revisions.illegal", event=event_said, state=state_said),
            state=state, allowed=allowed(state), current_version=revision.version,
        )  # fmt: skip
    await _may(session, revision, event, by, note)
    revision.note = note or revision.note
    if event is RevisionEvent.ENFORCE:
        await enforce(session, revision, at=at)
        return revision
    if event is not RevisionEvent.SUBMIT:
        revision.decided_by, revision.decided_at = by.name, at
    revision.state, revision.version = to, revision.version + 1
    return revision


async def enforce(session: AsyncSession, revision: PlanRevision, *, at: datetime) -> None:
    """Put it in force: matrix, organisation and pools follow it, and the old one is superseded."""
    await session.flush()
    document = await document_of(session, revision.id)
    superseded = await current(session)
    if superseded is not None and superseded.id != revision.id:
        superseded.state, superseded.version = RevisionState.SUPERSEDED, superseded.version + 1
        # Before the new one is written: no more than one is in force, at no moment.
        await session.flush()
    revision.state, revision.in_force_from = RevisionState.IN_FORCE, at
    revision.version += 1
    await session.flush()
    await matrix.adopt(session, revision.id, document.grading(), at=at)
    await organisation.adopt(session, document.organisation.departments, document.organisation.positions)
    await pools.adopt(session, document.pools, at=at, time_zone=document.plan.time_zone)
    await due.settle(session, revision, at=at)
    payload = {"revision_id": revision.id, "superseded": superseded.id if superseded else None}
    outbox.put(session, "plan.enforced", payload, ref=REF, at=at)


async def found(session: AsyncSession, revision_id: str) -> PlanRevision:
    revision = await session.get(PlanRevision, revision_id, populate_existing=True)
    if revision is None:
        raise NotFound(say("revisions.no_such", id=revision_id))
    return revision


async def in_force(session: AsyncSession) -> tuple[str, PlanDocument]:
    """The id of the revision in force, and its document."""
    query = select(PlanRevision.id).where(PlanRevision.state == RevisionState.IN_FORCE)
    if (revision_id := await session.scalar(query)) is None:
        raise Unavailable(say("levels.no_plan"))
    return revision_id, await document_of(session, revision_id)


async def document_of(session: AsyncSession, revision_id: str) -> PlanDocument:
    """The plan as that revision has it."""
    if (known := _READ.get(revision_id)) is not None:
        return known
    revision = await found(session, revision_id)
    document = PlanDocument.model_validate(revision.document)
    if revision.state == RevisionState.DRAFT:
        return document
    if len(_READ) >= _KEEP:
        _READ.clear()
    _READ[revision_id] = document
    return document


def every(*, state: RevisionState | None = None) -> Select[Any]:
    query = select(PlanRevision)
    return query if state is None else query.where(PlanRevision.state == state)


async def _may(
    session: AsyncSession, revision: PlanRevision, event: RevisionEvent, by: Principal, note: str | None
) -> None:
    if event is RevisionEvent.SUBMIT:
        return
    if not by.leads:
        raise Forbidden(say("revisions.leadership_decides"), role=by.role.value)
    if event is RevisionEvent.APPROVE:
        for key in (revision.author_key, *revision.hands):
            if await is_same_hand(session, by, key):
                raise OwnRevision(say("revisions.own"), author=revision.author)
    if event is RevisionEvent.REJECT and not note:
        raise Refused(say("revisions.note_needed"), needs=["note"])


def sound(text_: str, file: str) -> Checked:
    """`examine`, refusing what would fail in use as well. Raises `BadPlan` or `PlanRefused`."""
    checked = examine(text_, file=file)
    if checked.errors:
        raise PlanRefused(checked, file=file)
    return checked


def _put(
    session: AsyncSession, text_: str, checked: Checked, *, author: str, author_key: str | None, at: datetime
) -> PlanRevision:
    revision = PlanRevision(
        id=new_id(at), digest=reading.digest(checked.document),
        document=checked.document.model_dump(mode="json", by_alias=True), source=text_,
        state=RevisionState.DRAFT, author=author, author_key=author_key, created_at=at,
        findings=[_kept(finding, checked) for finding in checked.warnings], reasons=[], hands=[], version=1,
    )  # fmt: skip
    session.add(revision)
    return revision


def _in_order(reasons: Collection[Reason]) -> list[str]:
    return [str(reason) for reason in Reason if reason in reasons]


def _kept(finding: Finding, checked: Checked) -> dict[str, object]:
    return {
        "severity": finding.severity, "code": finding.code, "clause": finding.clause,
        "path": finding.path, "line": checked.line_of(finding.path),
        "message": kept(finding.message), "mend": kept(finding.mend),
    }  # fmt: skip


async def current(session: AsyncSession) -> PlanRevision | None:
    """The revision in force; none before the first plan was loaded."""
    query = select(PlanRevision).where(PlanRevision.state == RevisionState.IN_FORCE)
    return await session.scalar(query.execution_options(populate_existing=True))


async def _from_file(session: AsyncSession, digest: str) -> PlanRevision | None:
    query = select(PlanRevision).where(
        PlanRevision.digest == digest, PlanRevision.author == FILE_AUTHOR, PlanRevision.author_key.is_(None)
    )
    return await session.scalar(query.order_by(PlanRevision.id.desc()).limit(1))
