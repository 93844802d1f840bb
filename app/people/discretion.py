"""Why somebody is away is told to them and to whoever manages; everybody else hears only that they are (EO-1, EO-2, EG-4).

What is written into records that many read (timelines, messages, parked work) says no more than that in the first place.
"""

from enum import StrEnum
from typing import Final

from app.access.keys import Principal
from app.access.rights import MANAGES
from app.errors import Forbidden
from app.people.rota import Absent
from app.people.tables import Availability
from app.wording import Wording, say

_OWN_BUSINESS: Final = frozenset({"leave", "ill"})


class Shown(StrEnum):
    """How somebody's availability reads to the one who asks."""

    ON_DUTY = "on_duty"
    REMOTE = "remote"
    LEAVE = "leave"
    ILL = "ill"
    AWAY = "away"  # on leave or ill: which, is not the reader's business


def may_know(who: Principal | None, person_id: str) -> bool:
    """Whether they may know the reason: it is their own, or they manage. Whoever asks without a key may not."""
    return who is not None and (who.person_id == person_id or who.role in MANAGES)


def must_be_theirs(who: Principal, person_id: str) -> None:
    """How somebody is reached is changed and tried by themselves, or by whoever manages. Raises `Forbidden`."""
    if not may_know(who, person_id):
        raise Forbidden(say("people.reaching.not_yours"))


def shown(kind: Availability, person_id: str, who: Principal) -> Shown:
    """Availability, or the kind of an absence, for this reader."""
    return Shown(kind) if may_know(who, person_id) else Shown(_discreet(kind))


def told(why: Absent, person_id: str, who: Principal | None) -> Wording:
    """Why somebody is passed over, for this reader."""
    return say(f"people.passed.{why}") if may_know(who, person_id) else for_the_record(why)


def for_the_record(why: Absent) -> Wording:
    """Why somebody is passed over, where anybody may come to read it."""
    return say(f"people.passed.{_discreet(why)}")


def _discreet(kind: str) -> str:
    return Shown.AWAY if kind in _OWN_BUSINESS else str(kind)
