"""Who a position stands for at a moment, and by which ways each of them can be told.

Puts the organisation's answer into the form the pipeline decides on, those who cannot be told included, each
with the reason. It chooses nobody: the plan names positions, `people` says who holds them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.notify.tables import Delivery, DeliveryState, Notice
from app.outbox import Urgency
from app.people import contact_rules, holders
from app.people.contact_rules import Rule
from app.people.holders import Contact
from app.people.rota import Quiet
from app.people.tables import Position
from app.wording import Wording, say

LATELY: Final = timedelta(hours=1)  # in which messages by one channel are counted before it steps down


@dataclass(frozen=True)
class Receiver:
    """Somebody to tell; with a `reason`, somebody who cannot be, or a position nobody holds."""

    position: str
    person_id: str | None = None
    name: str | None = None
    language: str | None = None
    contacts: Sequence[Contact] = ()
    reason: Wording | None = None
    note: Wording | None = None
    quiet: Quiet | None = None  # hours in which they are not told what can wait
    wait: timedelta | None = None  # between two contact points; none: as the plan says


async def at_position(
    session: AsyncSession, position: str, *, via: Sequence[str] = (), level: int | None = None, at: datetime
) -> list[Receiver]:
    """Everybody the position stands for at this moment.

    With a `level` their own rules say which contact point is first. Never empty, so that "why was nobody told" has an answer.
    """
    answer = await holders.answer(session, position, at=at)
    found = []
    for holder in answer.holders:
        rule = contact_rules.in_force(holder.rules, level, at) if level is not None else None
        worn = await _worn(session, holder.person_id, rule, level=level, at=at)
        contacts, note = contacts_via(holder.contacts, via, rule, worn)
        found.append(
            Receiver(
                position, holder.person_id, holder.name, holder.language, contacts, note=note, quiet=holder.quiet,
                wait=rule.wait if rule is not None else None,
            )
        )  # fmt: skip
    found += [Receiver(position, one.person_id, one.name, reason=one.why) for one in answer.passed_over]
    return found or [Receiver(position, reason=say("notify.vacant", position=await title(session, position)))]


async def somebody(session: AsyncSession, person_id: str, *, position: str, woken: bool = False) -> Receiver:
    """A certain person, about a position that need not be theirs any more; `woken`: in their quiet hours too."""
    person, contacts = await holders.person_with_contacts(session, person_id)
    gone = say("people.passed.left") if person.left_at is not None else None
    quiet = None if woken else holders.quiet_of(person)
    return Receiver(position, person.id, person.name, person.language, contacts, reason=gone, quiet=quiet)


def contacts_via(
    contacts: Sequence[Contact], via: Sequence[str], rule: Rule | None = None, worn: Collection[str] = ()
) -> tuple[Sequence[Contact], Wording | None]:
    """The contact points on the plan's channels, in the person's order or else the plan's; where there is none, all
    of them, and a note of it.

    A person who cannot be reached as the plan wishes is reached as they can be.
    """
    channels = [contact.channel for contact in contacts]
    places = contact_rules.order(channels, via, rule, worn=worn)
    as_wished = not via or not contacts or any(contact.channel in via for contact in contacts)
    note = None if as_wished else say("notify.other_channel", channels=list(via))
    if note is None and places != contact_rules.order(channels, via, rule):
        note = say("notify.stepped_down", channels=sorted(worn))
    return [contacts[place] for place in places], note


async def _worn(
    session: AsyncSession, person_id: str, rule: Rule | None, *, level: int | None, at: datetime
) -> Collection[str]:
    """The channels that have carried so much to them of late that their rule lets them step down; never for what is grave."""
    if rule is None or rule.steps_down_after is None or level is None or Urgency.of(level) is Urgency.GRAVE:
        return ()
    query = (
        select(Delivery.channel)
        .join(Notice, Notice.id == Delivery.notice_id)
        .where(Delivery.person_id == person_id, Delivery.created_at > at - LATELY, Notice.exercise.is_(False))
        .where(Delivery.state.in_((DeliveryState.SENT, DeliveryState.ACKNOWLEDGED)))
        .group_by(Delivery.channel)
        .having(func.count() >= rule.steps_down_after)
    )
    return frozenset(await session.scalars(query))


async def title(session: AsyncSession, position: str) -> dict[str, Any] | str:
    """What the position is called; its slug where the organisation does not know it."""
    row = await session.get(Position, position)
    return row.title if row is not None else position
