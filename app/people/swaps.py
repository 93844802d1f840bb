"""Turns that change hands: one proposes, the other accepts, and from then on the roster says so.

A swap that is accepted is one override, or two where something is given back, each only while the turn is still that of the one
who gives it: a roster written anew in between is not bent by it.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Select, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.keys import Principal
from app.access.rights import MANAGES
from app.errors import Forbidden, NotFound, Refused, WrongShape
from app.ids import new_id
from app.people import holders, rosters
from app.people.rota import Why
from app.people.tables import Swap, SwapState
from app.wording import say

Span = tuple[datetime, datetime]
_THEIRS = frozenset({Why.TURN, Why.SWAP, Why.OVERRIDE})


class SwapAnswered(Refused, slug="swap-answered"):
    """The swap has its answer."""


async def propose(
    session: AsyncSession, position: str, *, who: Principal, giver: str, span: Span, taker: str, back: Span | None,
    at: datetime,
) -> Swap:  # fmt: skip
    """Offer a turn, or a part of one, to somebody else who holds the position, perhaps for one of theirs."""
    _must_speak_for(who, giver)
    if giver == taker or any(begins >= ends for begins, ends in filter(None, (span, back))):
        raise WrongShape(say("people.swap.shape"))
    for person in (giver, taker):
        if not await holders.holds(session, person, position, at):
            raise Refused(say("people.swap.not_a_holder"))
    await _must_have(session, position, giver, span, at=at)
    if back is not None:
        await _must_have(session, position, taker, back, at=at)
    swap = Swap(
        id=new_id(at), position_id=position, person_id=giver, begins=span[0], ends=span[1], with_id=taker,
        back_begins=back[0] if back else None, back_ends=back[1] if back else None, state=SwapState.PROPOSED,
        proposed_at=at, answered_at=None, answered_by=None, version=1,
    )  # fmt: skip
    session.add(swap)
    await session.flush()
    return swap


async def accept(session: AsyncSession, swap_id: str, *, who: Principal, at: datetime) -> Swap:
    """The turns change hands, if they still belong to the two; only the one it was offered to can accept."""
    swap = await _open(session, swap_id)
    _must_speak_for(who, swap.with_id)
    if who.person_id == swap.person_id:
        raise Forbidden(say("people.swap.own"))
    span, back = (swap.begins, swap.ends), _back(swap)
    await _must_have(session, swap.position_id, swap.person_id, span, at=at)
    if back is not None:
        await _must_have(session, swap.position_id, swap.with_id, back, at=at)
    _answer(swap, SwapState.ACCEPTED, who, at)
    await rosters.put_in(
        session, swap.position_id, swap.with_id, begins=span[0], ends=span[1], instead_of=swap.person_id,
        swap_id=swap.id, by=who.name, at=at,
    )  # fmt: skip
    if back is not None:
        await rosters.put_in(
            session, swap.position_id, swap.person_id, begins=back[0], ends=back[1], instead_of=swap.with_id,
            swap_id=swap.id, by=who.name, at=at,
        )  # fmt: skip
    return swap


async def decline(session: AsyncSession, swap_id: str, *, who: Principal, at: datetime) -> Swap:
    """The one it was offered to says no."""
    swap = await _open(session, swap_id)
    _must_speak_for(who, swap.with_id)
    _answer(swap, SwapState.DECLINED, who, at)
    return swap


async def withdraw(session: AsyncSession, swap_id: str, *, who: Principal, at: datetime) -> Swap:
    """The one who offered it takes it back before it is answered."""
    swap = await _open(session, swap_id)
    _must_speak_for(who, swap.person_id)
    _answer(swap, SwapState.WITHDRAWN, who, at)
    return swap


def listing(position: str, *, state: SwapState | None = None) -> Select[Swap]:
    """The swaps of a position."""
    query = select(Swap).where(Swap.position_id == position)
    return query if state is None else query.where(Swap.state == state)


async def offered(session: AsyncSession, people: Collection[str], *, at: datetime) -> list[Swap]:
    """Swaps between any of these people and anybody that wait for their answer, the earliest first."""
    theirs = or_(Swap.person_id.in_(people), Swap.with_id.in_(people))
    query = select(Swap).where(theirs, Swap.state == SwapState.PROPOSED, Swap.ends > at)
    return list(await session.scalars(query.order_by(Swap.begins, Swap.id)))


def _must_speak_for(who: Principal, person_id: str) -> None:
    if who.person_id != person_id and who.role not in MANAGES:
        raise Forbidden(say("people.not_yours"))


async def _must_have(
    session: AsyncSession, position: str, person_id: str, span: Span, *, at: datetime
) -> None:
    """The whole of the span lies ahead and is this person's turn, not one they stand in for."""
    if span[0] < at:
        raise Refused(say("people.swap.begun", now=at))
    if span[1] - span[0] > rosters.LONGEST_OVERRIDE:
        raise Refused(say("people.swap.span", days=rosters.LONGEST_OVERRIDE.days))
    calendar = await holders.calendar(session, position, *span, at=at)
    if any(one.people != (person_id,) or one.why not in _THEIRS for one in calendar.stretches):
        raise Refused(say("people.swap.not_theirs", name=calendar.names.get(person_id, person_id)))


async def _open(session: AsyncSession, swap_id: str) -> Swap:
    swap = await session.get(Swap, swap_id, with_for_update=True, populate_existing=True)
    if swap is None:
        raise NotFound(say("people.swap.none"))
    if swap.state != SwapState.PROPOSED:
        raise SwapAnswered(say("people.swap.answered"), state=swap.state)
    return swap


def _back(swap: Swap) -> Span | None:
    if swap.back_begins is None or swap.back_ends is None:
        return None
    return swap.back_begins, swap.back_ends


def _answer(swap: Swap, state: SwapState, who: Principal, at: datetime) -> None:
    swap.state, swap.answered_at, swap.answered_by = state, at, who.name
    swap.version += 1
