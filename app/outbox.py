"""What happened, and what falls due: the two tables everything else follows from.

`put` writes a message in the transaction of the change it tells of; the engine runs the reactions of `flow.py` on it, once,
in the transaction that marks it done. A timer is a message that is not due yet: a row with a unique key, withdrawn by an
UPDATE. Messages of one `ref` are handled in order; one that keeps failing is set aside with its reason. What is about a grave
level goes first, then what a source calls grave: a transaction that knows how grave its subject is says so once (`speaks_of`), and
all it puts and arms follows.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Identity,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    text,
    update,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Work, wake
from app.rows import insert_all

BigId = BigInteger().with_variant(Integer, "sqlite")

_URGENT_PENDING = text("state = 'pending' and urgency < 2")
_GRAVE_ARMED = text("state = 'armed' and urgency = 0")


class Urgency(IntEnum):
    """What goes first."""

    GRAVE = 0  # about level 1 or 2
    HINTED = 1  # a signal not judged yet, whose source hints at level 1 or 2; those judged grave go before it
    ORDINARY = 2

    @classmethod
    def of(cls, level: int) -> "Urgency":
        """Of what is about an incident of that level."""
        return cls.GRAVE if level <= 2 else cls.ORDINARY


class MessageState(StrEnum):
    PENDING = "pending"  # its reactions have not run yet
    DONE = "done"  # they ran, in the transaction that wrote this
    PARKED = "parked"  # they failed too often; shown, retried by command


class OutboxMessage(Base):
    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigId, Identity(always=False), primary_key=True)
    topic: Mapped[str] = mapped_column(String(64))
    ref: Mapped[str] = mapped_column(
        String(64)
    )  # what it is about: the incident's id, mostly; order holds within it
    payload: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    not_before: Mapped[datetime]
    state: Mapped[MessageState] = mapped_column(String(16), default=MessageState.PENDING)
    urgency: Mapped[int] = mapped_column(SmallInteger, default=Urgency.ORDINARY)
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None] = mapped_column(Text)
    done_at: Mapped[datetime | None]

    __table_args__ = (
        # The engine's poll: what is pending, oldest first …
        Index("ix_outbox_oldest", "id", postgresql_where=text("state = 'pending'"), sqlite_where=text("state = 'pending'")),
        # … what is urgent before the rest …
        Index("ix_outbox_urgent", "urgency", "id", postgresql_where=_URGENT_PENDING, sqlite_where=_URGENT_PENDING),
        # … and whether an older one of the same ref still is.
        Index("ix_outbox_pending", "ref", "id", postgresql_where=text("state = 'pending'"), sqlite_where=text("state = 'pending'")),
        # What was set aside.
        Index("ix_outbox_parked", "id", postgresql_where=text("state = 'parked'"), sqlite_where=text("state = 'parked'")),
    )  # fmt: skip


_TABLE = cast(Table, OutboxMessage.__table__)


class TimerState(StrEnum):
    ARMED = "armed"  # will fall due
    FIRED = "fired"  # fell due; its message stands in the outbox
    WITHDRAWN = "withdrawn"  # no longer wanted


class Timer(Base):
    __tablename__ = "timers"

    id: Mapped[int] = mapped_column(BigId, Identity(always=False), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), unique=True)  # one occurrence, however often it is armed
    topic: Mapped[str] = mapped_column(String(64))
    ref: Mapped[str] = mapped_column(String(64), index=True)
    payload: Mapped[dict[str, Any]]
    due_at: Mapped[datetime]
    state: Mapped[TimerState] = mapped_column(String(16), default=TimerState.ARMED)
    urgency: Mapped[int] = mapped_column(SmallInteger, default=Urgency.ORDINARY)

    __table_args__ = (
        # The engine's poll; a million armed timers cost what is due, not what is pending.
        Index("ix_timers_due", "due_at", postgresql_where=text("state = 'armed'"), sqlite_where=text("state = 'armed'")),
        Index("ix_timers_grave", "urgency", "due_at", postgresql_where=_GRAVE_ARMED, sqlite_where=_GRAVE_ARMED),
    )  # fmt: skip


def put(
    session: AsyncSession, topic: str, payload: Mapping[str, Any], *, ref: str, at: datetime, urgency: Urgency | None = None
) -> None:  # fmt: skip
    """Tell the rest of the service, in the caller's transaction; as urgent as what the transaction speaks of, if not said."""
    urgency = _urgency(session, ref) if urgency is None else urgency
    session.add(
        OutboxMessage(
            topic=topic, ref=ref, payload=dict(payload), created_at=at, not_before=at, urgency=urgency
        )
    )
    wake(session, Work.MESSAGES)


def speaks_of(session: AsyncSession, ref: str, urgency: Urgency) -> None:
    """From here on in this transaction, what is put and armed about `ref` is as urgent as that."""
    session.info.setdefault("urgencies", {})[ref] = urgency


def _urgency(session: AsyncSession, ref: str) -> Urgency:
    known: Mapping[str, Urgency] = session.info.get("urgencies", {})
    return known.get(ref, Urgency.ORDINARY)


async def put_all(
    session: AsyncSession, topic: str, told: Sequence[tuple[str, Mapping[str, Any]]], *, at: datetime
) -> None:
    """`put` for many, in their order, with one statement: each a ref and a payload."""
    if not told:
        return
    rows = [
        {
            "topic": topic,
            "ref": ref,
            "payload": payload,
            "created_at": at,
            "not_before": at,
            "state": MessageState.PENDING,
            "attempts": 0,
            "urgency": _urgency(session, ref),
        }
        for ref, payload in told
    ]
    await insert_all(session, _TABLE, rows)
    wake(session, Work.MESSAGES)


async def arm(
    session: AsyncSession, topic: str, payload: Mapping[str, Any], *, ref: str, key: str, due_at: datetime
) -> None:
    """Let `topic` happen at `due_at`, once per `key`; arming the same key again changes nothing."""
    upsert = sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert
    values = {
        "topic": topic,
        "ref": ref,
        "key": key,
        "payload": dict(payload),
        "due_at": due_at,
        "state": TimerState.ARMED,
        "urgency": _urgency(session, ref),
    }
    await session.execute(upsert(Timer).values(values).on_conflict_do_nothing(index_elements=["key"]))
    wake(session, Work.MESSAGES)


async def withdraw(session: AsyncSession, *, key_prefix: str) -> int:
    """Take back every armed timer whose key begins so; says how many there were."""
    return await _withdraw(session, Timer.key.startswith(key_prefix, autoescape=True))


async def withdraw_all(session: AsyncSession, *, ref: str) -> int:
    """Take back every armed timer of one ref."""
    return await _withdraw(session, Timer.ref == ref)


async def _withdraw(session: AsyncSession, which: Any) -> int:
    changed = await session.execute(
        update(Timer).where(which, Timer.state == TimerState.ARMED).values(state=TimerState.WITHDRAWN)
    )
    return int(changed.rowcount)  # type: ignore[attr-defined]
