"""Announcements to people outside: drafted, approved by another hand, published, followed up, ended (EP-7.1.2, EP-7.1.3).


An announcement is a thread; what it says comes in versions, and each is kept as it was told. Of a drill nothing is ever told:
its announcements go the same way on the record, and `is_public` says no. Nothing here touches the world.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app import outbox
from app.access.four_eyes import is_same_hand
from app.access.keys import Principal
from app.errors import NotFound, Refused, Stale
from app.ids import new_id
from app.incidents import record, timeline
from app.incidents.tables import (
    Announcement,
    AnnouncementState,
    AnnouncementWording,
    Incident,
    Stage,
    Status,
    WordingState,
)
from app.wording import Wording, localised, say

BY_PLAN: Final = "plan"
CUSTOMERS: Final = "customers"
"""The audience of the public status page."""


class AnnouncementEvent(StrEnum):
    APPROVE = "approve"  # the newest version may be published
    REJECT = "reject"  # the newest version is not to be told
    PUBLISH = "publish"  # tell it
    END = "end"  # what it was about is over
    WITHDRAW = "withdraw"  # show it to nobody any more


A, W, E = AnnouncementState, WordingState, AnnouncementEvent
OF_WORDING: Final[Mapping[tuple[WordingState, AnnouncementEvent], WordingState]] = {
    (W.DRAFTED, E.APPROVE): W.APPROVED,
    (W.DRAFTED, E.REJECT): W.REJECTED,
    (W.APPROVED, E.REJECT): W.REJECTED,
    (W.APPROVED, E.PUBLISH): W.PUBLISHED,
}
OF_THREAD: Final[Mapping[tuple[AnnouncementState, AnnouncementEvent], AnnouncementState]] = {
    (A.DRAFTED, E.WITHDRAW): A.WITHDRAWN,
    (A.REJECTED, E.WITHDRAW): A.WITHDRAWN,
    (A.PUBLISHED, E.END): A.ENDED,
    (A.PUBLISHED, E.WITHDRAW): A.WITHDRAWN,
    (A.ENDED, E.WITHDRAW): A.WITHDRAWN,
}
EDITABLE: Final = frozenset({A.DRAFTED, A.PUBLISHED, A.REJECTED})
_OVER: Final = frozenset({A.ENDED, A.WITHDRAWN})


class IllegalAnnouncementEvent(Refused, slug="illegal-announcement-event"):
    """Not possible with the announcement as it stands; `allowed` says what is."""


class SameHand(Refused, slug="same-hand"):
    """Whoever wrote the words does not approve them; another who may has to."""


class AskedOfThePlan(Refused, slug="announcement-asked-in-a-decision"):
    """A step of the plan waits for an answer to this one: give it there."""


@dataclass(frozen=True)
class Words:
    """What an announcement says, in every language."""

    stage: Stage
    title: Mapping[str, Any]
    text: Mapping[str, Any]


def draft(
    session: AsyncSession,
    incident: Incident,
    *,
    audience: str,
    text: Mapping[str, Any],
    at: datetime,
    step: str | None,
    title: Mapping[str, Any] | None = None,
    stage: Stage = Stage.BEGUN,
    outlets: Sequence[str] = (),
    by: Principal | None = None,
    parties: Sequence[str] = (),
    ask: Mapping[str, int] | None = None,
) -> Announcement:
    """Put the first version down; who wrote it is the plan, unless somebody is named.

    `parties` outside are told of each version once it is published, and asked for so much with the first.
    """
    if incident.status != Status.ACTUAL:  # whoever copies it out to the world copies the mark with it
        text = localised(say("announcement.exercise", text=dict(text)))
    announcement = Announcement(
        id=new_id(at),
        incident_id=incident.id,
        step=step,
        audience=audience,
        text=dict(text),
        outlets=list(outlets),
        parties=list(parties),
        ask=dict(ask or {}),
        state=AnnouncementState.DRAFTED,
        drafted_at=at,
        version=1,
    )
    session.add(announcement)
    words = Words(stage, title or localised(say("announcement.title")), text)
    session.add(_written(announcement, 1, words, by=by, at=at))
    _note(session, incident, announcement, "drafted", by=by, at=at, text=dict(text))
    if by is not None:  # what the plan writes waits for its own question
        _tell(session, incident, announcement, "written", at=at)
    return announcement


async def revise(
    session: AsyncSession, incident: Incident, announcement: Announcement, words: Words, *, by: Principal, at: datetime,
    outlets: Sequence[str] | None = None, version: int | None = None,
) -> AnnouncementWording:  # fmt: skip
    """Write a new version on a locked incident: it waits for approval as the first did, and what is told stays until then."""
    Stale.unless(version, announcement.version)
    newest = await latest(session, announcement)
    _refuse_asked(announcement, newest)
    if announcement.state not in EDITABLE:
        raise IllegalAnnouncementEvent(say("announcement.over"), allowed=allowed(announcement, newest))
    if incident.status != Status.ACTUAL:
        words = Words(
            words.stage, words.title, localised(say("announcement.exercise", text=dict(words.text)))
        )
    if newest.state in (W.DRAFTED, W.APPROVED):
        newest.state = W.REPLACED
    written = _written(announcement, newest.number + 1, words, by=by, at=at)
    session.add(written)
    if announcement.state != A.PUBLISHED:
        announcement.state, announcement.text = A.DRAFTED, dict(words.text)
    if outlets is not None:
        announcement.outlets = list(outlets)
    announcement.version += 1
    _note(session, incident, announcement, "revised", by=by, at=at, text=dict(words.text))
    _tell(session, incident, announcement, "written", at=at)
    await session.flush()
    return written


async def move(
    session: AsyncSession, incident: Incident, announcement: Announcement, event: AnnouncementEvent, *, by: Principal,
    at: datetime, entitled: bool, reason: str | None = None, version: int | None = None,
) -> Announcement:  # fmt: skip
    """Carry out what somebody decided, on a locked incident; all of it or nothing.

    1. What the two tables do not list is refused, with what they do.
    2. Words are approved by another hand than wrote them, of somebody entitled to.
    3. The change, the entry on the timeline, and the message to the rest of the service.
    """
    Stale.unless(version, announcement.version)
    newest = await latest(session, announcement)
    _refuse_asked(announcement, newest)
    if event not in allowed(announcement, newest):
        raise IllegalAnnouncementEvent(
            say("announcement.not_now", event=say(f"announcement_event.{event}")),
            allowed=allowed(announcement, newest),
        )
    if event in (E.APPROVE, E.REJECT) and not entitled:
        raise Refused(say("announcement.not_yours"))
    if event is E.APPROVE and await is_same_hand(session, by, newest.key_id):
        raise SameHand(say("announcement.same_hand", by=newest.by))
    if event is E.PUBLISH:
        publish(session, incident, announcement, newest, approved_by=newest.decided_by, at=at, by=by.name)
        return announcement
    announcement.version += 1
    if (thread := OF_THREAD.get((A(announcement.state), event))) is not None:
        announcement.state = thread
        if event is E.END:
            announcement.ended_at = announcement.updated_at = at
        if newest.state in (W.DRAFTED, W.APPROVED):
            newest.state = W.REPLACED
        _note(session, incident, announcement, str(thread), by=by, at=at, reason=reason)
        _tell(session, incident, announcement, str(thread), at=at)
    else:
        newest.state = OF_WORDING[W(newest.state), event]
        newest.decided_by, newest.decided_at = by.name, at
        if event is E.REJECT and announcement.state == A.DRAFTED:
            announcement.state = A.REJECTED
        _note(session, incident, announcement, str(newest.state), by=by, at=at, reason=reason)
    await session.flush()
    return announcement


def allowed(announcement: Announcement, newest: AnnouncementWording) -> list[AnnouncementEvent]:
    """What may be done with it now; the buttons are these."""
    thread, words = A(announcement.state), W(newest.state)
    return [
        event
        for event in AnnouncementEvent
        if (thread, event) in OF_THREAD or (thread not in _OVER and (words, event) in OF_WORDING)
    ]


def publish(
    session: AsyncSession, incident: Incident, announcement: Announcement, words: AnnouncementWording, *,
    approved_by: str | None, at: datetime, by: str | None = None,
) -> None:  # fmt: skip
    """Record a version as told, on a locked incident."""
    words.state, words.published_at = W.PUBLISHED, at
    words.decided_by, words.decided_at = approved_by, words.decided_at or at
    announcement.state, announcement.text = A.PUBLISHED, words.text
    announcement.published_at = announcement.published_at or at
    announcement.updated_at, announcement.approved_by = at, approved_by
    announcement.version += 1
    timeline.append(
        session,
        incident,
        "announcement.published",
        actor=by or approved_by or BY_PLAN,
        at=at,
        audience=announcement.audience,
        to_whom=_to_whom(announcement),
        text=announcement.text,
    )
    _tell(session, incident, announcement, "published", at=at, number=words.number)


def reject(
    session: AsyncSession,
    incident: Incident,
    announcement: Announcement,
    words: AnnouncementWording,
    *,
    by: str,
    at: datetime,
) -> None:
    announcement.state, words.state = A.REJECTED, W.REJECTED
    words.decided_by, words.decided_at = by, at
    announcement.version += 1
    timeline.append(
        session,
        incident,
        "announcement.rejected",
        actor=by,
        at=at,
        audience=announcement.audience,
        to_whom=_to_whom(announcement),
    )


async def end_all(session: AsyncSession, incident: Incident, *, at: datetime) -> None:
    """The incident is over: what was told of it stands among the past from now on."""
    for announcement in await of_incident(session, incident.id):
        if announcement.state == A.PUBLISHED:
            announcement.state = OF_THREAD[A.PUBLISHED, E.END]
            announcement.ended_at = announcement.updated_at = at
            announcement.version += 1


def is_public(incident: Incident) -> bool:
    """Whether anything of it may be told outside at all: never of a drill, and never of the product trying itself."""
    return incident.status == Status.ACTUAL


async def found(session: AsyncSession, announcement_id: str) -> Announcement:
    """The announcement, as the lock of its incident finds it. Raises `NotFound`."""
    query = select(Announcement).where(Announcement.id == announcement_id)
    announcement = await session.scalar(query.execution_options(populate_existing=True))
    if announcement is None:
        raise NotFound(say("announcement.none", id=announcement_id))
    return announcement


async def locked(session: AsyncSession, announcement_id: str) -> tuple[Incident, Announcement]:
    """The announcement and its incident, held until the transaction ends: who changes the one writes on the other's timeline."""
    incident = await record.locked(session, (await found(session, announcement_id)).incident_id)
    return incident, await found(session, announcement_id)


async def latest(session: AsyncSession, announcement: Announcement) -> AnnouncementWording:
    """The newest version of its words, told or not."""
    return (await wordings(session, [announcement.id]))[announcement.id][-1]


async def wordings(session: AsyncSession, ids: Sequence[str]) -> Mapping[str, list[AnnouncementWording]]:
    """The versions of each, in their order."""
    query = select(AnnouncementWording).where(AnnouncementWording.announcement_id.in_(ids))
    found_: dict[str, list[AnnouncementWording]] = {one: [] for one in ids}
    for row in await session.scalars(query.order_by(AnnouncementWording.number)):
        found_[row.announcement_id].append(row)
    return found_


async def of_step(session: AsyncSession, step: str) -> tuple[Announcement, AnnouncementWording] | None:
    """What a step of the plan drafted, with the words that wait for the answer."""
    announcement = await session.scalar(
        select(Announcement).where(Announcement.step == step).order_by(Announcement.id.desc()).limit(1)
    )
    return (announcement, await latest(session, announcement)) if announcement is not None else None


async def of_incident(session: AsyncSession, incident_id: str) -> list[Announcement]:
    query = select(Announcement).where(Announcement.incident_id == incident_id)
    return list(await session.scalars(query.order_by(Announcement.drafted_at, Announcement.id)))


async def withdraw_drafts(session: AsyncSession, incident_id: str, *, step: str | None = None) -> None:
    """What nobody outside has seen is not wanted any more: whole announcements, and versions that were to follow."""
    for announcement in await of_incident(session, incident_id):
        if step is not None and announcement.step != step:
            continue
        newest = await latest(session, announcement)
        if newest.state in (W.DRAFTED, W.APPROVED):
            newest.state = W.REPLACED
            announcement.version += 1
        if announcement.state == A.DRAFTED:
            announcement.state = A.WITHDRAWN


def _written(
    announcement: Announcement, number: int, words: Words, *, by: Principal | None, at: datetime
) -> AnnouncementWording:
    return AnnouncementWording(
        announcement_id=announcement.id, number=number, stage=words.stage, title=dict(words.title), text=dict(words.text),
        state=W.DRAFTED, by=by.name if by else BY_PLAN, key_id=by.key_id if by else None, at=at,
    )  # fmt: skip


def _refuse_asked(announcement: Announcement, newest: AnnouncementWording) -> None:
    if announcement.step is not None and newest.state == W.DRAFTED and newest.key_id is None:
        raise AskedOfThePlan(say("announcement.asked_in_decision"))


def _to_whom(announcement: Announcement) -> Wording:
    return say(f"audience.{announcement.audience}")


def _note(
    session: AsyncSession, incident: Incident, announcement: Announcement, what: str, *, by: Principal | None,
    at: datetime, **more: Any,
) -> None:  # fmt: skip
    timeline.append(
        session, incident, f"announcement.{what}", actor=by.name if by else BY_PLAN, at=at,
        audience=announcement.audience, to_whom=_to_whom(announcement), **more,
    )  # fmt: skip


def _tell(
    session: AsyncSession,
    incident: Incident,
    announcement: Announcement,
    what: str,
    *,
    at: datetime,
    **more: Any,
) -> None:
    payload = {"incident_id": incident.id, "announcement_id": announcement.id, **more}
    outbox.put(session, f"announcement.{what}", payload, ref=incident.id, at=at)
