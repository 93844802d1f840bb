"""Who a position stands for at a moment, and by which ways each of them can be told.

Puts the organisation's answer into the form the pipeline decides on, those who cannot be told included, each
with the reason. It chooses nobody: the plan names positions, `people` says who holds them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.people import holders
from app.people.holders import Contact
from app.people.rota import Quiet
from app.people.tables import Position
from app.wording import Wording, say


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


async def at_position(
    session: AsyncSession, position: str, *, via: Sequence[str] = (), at: datetime
) -> list[Receiver]:
    """Everybody the position stands for at this moment.

    Never empty, so that "why was nobody told" has an answer.
    """
    answer = await holders.answer(session, position, at=at)
    found = []
    for holder in answer.holders:
        contacts, note = contacts_via(holder.contacts, via)
        found.append(
            Receiver(
                position, holder.person_id, holder.name, holder.language, contacts, note=note, quiet=holder.quiet
            )
        )  # fmt: skip
    found += [Receiver(position, one.person_id, one.name, reason=one.why) for one in answer.passed_over]
    return found or [Receiver(position, reason=say("notify.vacant", position=await title(session, position)))]


async def somebody(session: AsyncSession, person_id: str, *, position: str) -> Receiver:
    """A certain person, about a position that need not be theirs any more; woken if need be."""
    person, contacts = await holders.person_with_contacts(session, person_id)
    gone = say("people.passed.left") if person.left_at is not None else None
    return Receiver(position, person.id, person.name, person.language, contacts, reason=gone)


def contacts_via(contacts: Sequence[Contact], via: Sequence[str]) -> tuple[Sequence[Contact], Wording | None]:
    """The contact points on the plan's channels, in the plan's order; where there is none, all of them, and a
    note of it.

    A person who cannot be reached as the plan wishes is reached as they can be.
    """
    if not via or not contacts:
        return contacts, None
    wanted = [contact for channel in dict.fromkeys(via) for contact in contacts if contact.channel == channel]
    return (wanted, None) if wanted else (contacts, say("notify.other_channel", channels=list(via)))


async def title(session: AsyncSession, position: str) -> dict[str, Any] | str:
    """What the position is called; its slug where the organisation does not know it."""
    row = await session.get(Position, position)
    return row.title if row is not None else position
