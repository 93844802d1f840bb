"""Leave and remote work: asked for, approved or written down by whoever manages, and taken in from a calendar (EO-2).

What is approved counts from its first moment to its last, in every answer about who is called. What is only asked for counts for
nothing. When one begins, the chains that are calling then hear of it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.access.keys import Principal
from app.access.rights import MANAGES
from app.errors import Forbidden, NotFound, Refused, Stale, WrongShape
from app.ids import new_id
from app.people import organisation
from app.people.discretion import may_know
from app.people.tables import REACHABLE, Absence, AbsenceState, Availability
from app.wording import say

LONGEST: Final = timedelta(days=3 * 366)


class AbsenceAnswered(Refused, slug="absence-answered"):
    """It has its answer, or was taken back."""


@dataclass(frozen=True)
class Planned:
    """A time off as a calendar says it."""

    uid: str
    begins: datetime
    ends: datetime


async def ask(
    session: AsyncSession, person_id: str, kind: Availability, *, begins: datetime, ends: datetime, who: Principal,
    at: datetime,
) -> Absence:  # fmt: skip
    """Ask for leave or remote work; written down by somebody who may approve it, it is approved.

    It counts from `at` on where it would begin earlier: what was answered before stays as it was answered.
    """
    await organisation.person(session, person_id)
    if who.person_id != person_id and who.role not in MANAGES:
        raise Forbidden(say("people.not_yours"))
    _must_be_a_span(begins, ends, at)
    approved = may_approve(who, person_id)
    absence = _new(person_id, kind, max(begins, at), ends, who=who, approved=approved, at=at)
    session.add(absence)
    await session.flush()
    if approved:
        await _tell(session, absence, at=at)
    return absence


async def approve(
    session: AsyncSession, absence_id: str, *, who: Principal, at: datetime, expected: int | None = None
) -> Absence:
    """It counts from its beginning, or from now on where that is past. Nobody approves their own."""
    absence = await _open(session, absence_id, {AbsenceState.REQUESTED}, expected)
    _must_approve(who, absence)
    if absence.ends <= at:
        raise AbsenceAnswered(say("people.absence.over"), state=absence.state)
    if absence.begins is not None and absence.begins < at:
        absence.begins = at
    _answer(absence, AbsenceState.APPROVED, who, at)
    await _tell(session, absence, at=at)
    return absence


async def reject(
    session: AsyncSession, absence_id: str, *, who: Principal, at: datetime, expected: int | None = None
) -> Absence:
    absence = await _open(session, absence_id, {AbsenceState.REQUESTED}, expected)
    _must_approve(who, absence)
    _answer(absence, AbsenceState.REJECTED, who, at)
    return absence


async def withdraw(
    session: AsyncSession, absence_id: str, *, who: Principal, at: datetime, expected: int | None = None
) -> Absence:
    """Take it back; one that has begun ends now, and what was of it is kept."""
    absence = await _open(session, absence_id, {AbsenceState.REQUESTED, AbsenceState.APPROVED}, expected)
    if who.person_id != absence.person_id and who.role not in MANAGES:
        raise Forbidden(say("people.not_yours"))
    if absence.ends <= at:
        raise AbsenceAnswered(say("people.absence.over"), state=absence.state)
    if absence.state == AbsenceState.APPROVED and absence.begins is not None and absence.begins < at:
        absence.ends = at
        absence.version += 1
    else:
        _answer(absence, AbsenceState.WITHDRAWN, who, at)
    organisation.tell(session, at=at, person_id=absence.person_id)
    return absence


async def take_in(
    session: AsyncSession, person_id: str, kind: Availability, planned: Sequence[Planned], *, who: Principal, at: datetime
) -> tuple[int, int]:  # fmt: skip
    """Take in what a calendar says, as asked for or approved like by hand; says how many were new and how many changed.

    The same calendar again changes nothing. What ended before `at` is left out: the past is not written anew.
    """
    await organisation.person(session, person_id)
    if who.person_id != person_id and who.role not in MANAGES:
        raise Forbidden(say("people.not_yours"))
    query = select(Absence).where(Absence.person_id == person_id, Absence.uid.is_not(None))
    known = {(one.uid, one.begins): one for one in await session.scalars(query)}
    cut = {one.uid: one for one in known.values() if is_cut(one)}
    approved = may_approve(who, person_id)
    added = changed = 0
    for one in planned:
        if one.ends <= at:
            continue
        absence = known.get((one.uid, one.begins))
        if absence is None and (begun := cut.get(one.uid)) is not None:
            absence = begun if begun.begins is not None and one.begins < begun.begins < one.ends else None
        if absence is None:
            absence = _new(
                person_id, kind, max(one.begins, at), one.ends, who=who, approved=approved, at=at, uid=one.uid
            )
            session.add(absence)
            known[one.uid, one.begins] = absence
            added += 1
        elif absence.ends != one.ends and absence.state in {AbsenceState.REQUESTED, AbsenceState.APPROVED}:
            absence.ends = one.ends
            absence.version += 1
            changed += 1
        else:
            continue
        await session.flush()
        if absence.state == AbsenceState.APPROVED:
            await _tell(session, absence, at=at)
    return added, changed


def listing(person_id: str, *, who: Principal, state: AbsenceState | None = None) -> Select[Absence]:
    """What somebody asked for and what is kept of the past; to those whose business it is not, only what counts."""
    query = select(Absence).where(Absence.person_id == person_id)
    if not may_know(who, person_id):
        query = query.where(Absence.state == AbsenceState.APPROVED)
    return query if state is None else query.where(Absence.state == state)


def is_cut(absence: Absence) -> bool:
    """Whether it was to begin earlier, and counts only from when it was written down or approved."""
    return absence.begins is not None and absence.begins in {absence.asked_at, absence.answered_at}


async def ahead(session: AsyncSession, people: Collection[str], *, at: datetime) -> list[Absence]:
    """What these people asked for or have approved and is not over, the earliest first."""
    query = select(Absence).where(
        Absence.person_id.in_(people), Absence.ends > at,
        Absence.state.in_((AbsenceState.REQUESTED, AbsenceState.APPROVED)),
    )  # fmt: skip
    return list(await session.scalars(query.order_by(Absence.ends, Absence.id)))


def _new(
    person_id: str, kind: Availability, begins: datetime, ends: datetime, *, who: Principal, approved: bool, at: datetime,
    uid: str | None = None,
) -> Absence:  # fmt: skip
    return Absence(
        id=new_id(at), person_id=person_id, kind=kind, begins=begins, ends=ends,
        state=AbsenceState.APPROVED if approved else AbsenceState.REQUESTED, uid=uid, asked_at=at, asked_by=who.name,
        answered_at=at if approved else None, answered_by=who.name if approved else None, version=1,
    )  # fmt: skip


def may_approve(who: Principal, person_id: str) -> bool:
    """Whoever manages, but nobody their own, unless nobody stands above them."""
    return who.role in MANAGES and (who.person_id != person_id or who.leads)


def _must_approve(who: Principal, absence: Absence) -> None:
    if not may_approve(who, absence.person_id):
        raise Forbidden(say("people.absence.not_yours_to_approve"))


def _must_be_a_span(begins: datetime, ends: datetime, at: datetime) -> None:
    if begins >= ends or ends - begins > LONGEST:
        raise WrongShape(say("people.span", days=LONGEST.days))
    if ends <= at:
        raise Refused(say("people.absence.past"))


async def _open(
    session: AsyncSession, absence_id: str, states: set[AbsenceState], expected: int | None
) -> Absence:
    absence = await session.get(Absence, absence_id, with_for_update=True, populate_existing=True)
    if absence is None:
        raise NotFound(say("people.absence.none"))
    if expected is not None and expected != absence.version:
        raise Stale(say("people.stale"), current_version=absence.version)
    if absence.state not in states:
        raise AbsenceAnswered(say("people.absence.answered"), state=absence.state)
    return absence


def _answer(absence: Absence, state: AbsenceState, who: Principal, at: datetime) -> None:
    absence.state, absence.answered_at, absence.answered_by = state, at, who.name
    absence.version += 1


async def _tell(session: AsyncSession, absence: Absence, *, at: datetime) -> None:
    """Now, and again when it begins: whoever is calling them then passes them over."""
    away = absence.kind not in REACHABLE
    begun = absence.begins is None or absence.begins <= at
    organisation.tell(session, at=at, person_id=absence.person_id, unavailable=away and begun)
    if away and absence.begins is not None and not begun:
        payload = {"person_id": absence.person_id, "unavailable": True}
        key = f"absence:{absence.id}"
        await outbox.arm(
            session, "people.changed", payload, ref=organisation.REF, key=key, due_at=absence.begins
        )
