"""The board: what is open, the gravest first; who has it, what is owed, whom nobody reached; and what is amiss."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.access.keys import Principal
from app.console import warning
from app.console.pages import may
from app.incidents import authority, record
from app.incidents.tables import Incident, Obligation, ObligationState, State
from app.intake import inbox, windows
from app.intake.tables import MaintenanceWindow, Receipt, ReceiptState, Source
from app.levels import matrix
from app.levels.document import Levels
from app.notify.tables import Round, RoundState
from app.people import holders
from app.warnings.tables import EarlyWarning
from app.watch import set_aside
from app.watch.set_aside import Kind

_MOST: Final = 200
_RECENT: Final = 10
_SHOWN: Final = 5


@dataclass(frozen=True)
class Line:
    """An open incident as the board shows it."""

    incident: Incident
    owed: Obligation | None  # the status update owed next
    reached: bool | None  # whether anybody was written to; none: nobody has been called yet

    def is_overdue(self, now: datetime) -> bool:
        return self.owed is not None and (
            self.owed.state == ObligationState.MISSED or self.owed.due_at <= now
        )


@dataclass(frozen=True)
class Board:
    """Everything on the page; what the reader may not see is `None`."""

    lines: Sequence[Line]
    more: int  # open incidents the page has no room for
    ended: Sequence[Incident]
    levels: Levels
    can_tell: bool
    unread: Sequence[tuple[Receipt, str]] | None  # with the name of the source
    unread_count: int
    parked: int | None
    silent: int | None  # sources that fell silent
    warnings: Sequence[EarlyWarning]
    near: Sequence[Incident]  # in the warning state
    owners: Mapping[str, Any]  # titles of the positions that owe an update, by slug
    maintenance: Sequence[
        tuple[MaintenanceWindow, datetime, int]
    ]  # what holds now: until when, how many problems

    @property
    def nobody_reached(self) -> Sequence[Line]:
        return [line for line in self.lines if line.reached is False]


async def of(session: AsyncSession, who: Principal, now: datetime) -> Board:
    """The board as `who` may see it."""
    query = authority.visible_to(who, record.search(open_=True))
    found = list(await session.scalars(query.order_by(Incident.level, Incident.detected_at).limit(_MOST + 1)))
    ended = authority.visible_to(who, record.search(open_=False))
    recent = ended.order_by(
        func.coalesce(Incident.closed_at, Incident.cancelled_at).desc(), Incident.id.desc()
    )
    _, levels = await matrix.in_force(session)
    oversees = may(who, "GET", "/api/v1/receipts")
    warnings, near = await warning.open_to(session, who) if may(who, "GET", "/warnings") else ([], [])
    lines = await _lines(session, found[:_MOST])
    owing = list(dict.fromkeys(line.owed.owner for line in lines if line.owed is not None))
    return Board(
        owners=dict(zip(owing, await holders.titles(session, owing), strict=True)), lines=lines, more=max(len(found) - _MOST, 0),
        ended=list(await session.scalars(recent.limit(_RECENT))), levels=levels,
        can_tell=await holders.anyone(session), unread=await _unread(session) if oversees else None,
        unread_count=await _unread_count(session) if oversees else 0,
        silent=await _silent(session) if oversees else None,
        warnings=warnings, near=near,
        maintenance=await _maintenance(session, now) if may(who, "GET", "/maintenance") else [],
        parked=await _parked(session) if may(who, "GET", "/api/v1/parked") else None,
    )  # fmt: skip


async def reached(session: AsyncSession, ids: Sequence[str]) -> dict[str, bool]:
    """For each of these that a chain was called about: whether its latest call wrote to anybody."""
    query = (
        select(Round.ref, Round.reached, Round.state)
        .where(Round.ref.in_(ids))
        .order_by(Round.started_at, Round.id)
    )
    return {
        ref: was_reached or state == RoundState.ACKNOWLEDGED
        for ref, was_reached, state in await session.execute(query)
    }


def review_is_owed(incident: Incident) -> bool:
    return incident.state == State.CLOSED


async def _lines(session: AsyncSession, incidents: Sequence[Incident]) -> list[Line]:
    ids = [incident.id for incident in incidents]
    told = await reached(session, ids)
    unpaid = (ObligationState.OWED, ObligationState.MISSED)
    query = select(Obligation).where(Obligation.incident_id.in_(ids), Obligation.state.in_(unpaid))
    owed: dict[str, Obligation] = {}
    for one in await session.scalars(query.where(Obligation.kind == "update").order_by(Obligation.due_at)):
        owed.setdefault(one.incident_id, one)
    return [Line(incident, owed.get(incident.id), told.get(incident.id)) for incident in incidents]


async def _maintenance(session: AsyncSession, now: datetime) -> list[tuple[MaintenanceWindow, datetime, int]]:
    holding = [(one, windows.holds_now(one, now)) for one in await windows.holding(session, at=now)]
    numbers = await windows.numbers_held(session, [one for one, _ in holding])
    return [(one, time[1], numbers[one.id]) for one, time in holding if time is not None]


async def _unread(session: AsyncSession) -> list[tuple[Receipt, str]]:
    query = inbox.search(state=ReceiptState.NOT_UNDERSTOOD).order_by(Receipt.received_at.desc()).limit(_SHOWN)
    receipts = list(await session.scalars(query))
    sources = select(Source.id, Source.name).where(Source.id.in_([one.source_id for one in receipts]))
    names = {row.id: row.name for row in await session.execute(sources)}
    return [(one, names.get(one.source_id, "–")) for one in receipts]


async def _unread_count(session: AsyncSession) -> int:
    query = select(func.count()).select_from(Receipt).where(Receipt.state == ReceiptState.NOT_UNDERSTOOD)
    return int(await session.scalar(query) or 0)


async def _parked(session: AsyncSession) -> int:
    """What was set aside and is no body of a source: those are counted apart."""
    return await set_aside.count(session, Kind.REACTION, Kind.DELIVERY, Kind.STEP)


async def _silent(session: AsyncSession) -> int:
    query = select(func.count()).select_from(Source).where(Source.silent_since.is_not(None))
    return int(await session.scalar(query) or 0)
