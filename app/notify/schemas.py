"""The record of notices as it crosses the wire.

Names and masked addresses, reasons in the reader's language.
"""

from datetime import datetime

from pydantic import BaseModel

from app.notify.delivery_log import LoggedDelivery, LoggedNotice
from app.notify.languages import in_language
from app.notify.tables import Answer, AnswerState, Attempt, Deed, DeliveryState, Round, RoundState
from app.wording import spoken


class AttemptRead(BaseModel):
    """One try to hand a message to its channel."""

    number: int
    started_at: datetime
    ended_at: datetime | None
    """None: its sender died, or is still at it."""
    outcome: str
    """`sending`, `sent`, `retry` or `failed`."""
    detail: str | None
    """The channel's own words."""

    @classmethod
    def of(cls, attempt: Attempt) -> "AttemptRead":
        return cls.model_validate(attempt, from_attributes=True)


class DeliveryRead(BaseModel):
    """One message to one person by one contact point, or why there was none."""

    id: str
    ref: str
    number: str
    level: int
    position: str
    person: str | None
    """None: nobody holds the position."""
    channel: str | None
    address: str
    """Masked."""
    asks: bool
    state: DeliveryState
    reason: str | None
    """Why it was dropped, failed, or is tried again."""
    note: str | None
    """What is out of the ordinary about the way chosen."""
    lap: int | None
    hop: int | None
    not_before: datetime
    created_at: datetime
    sent_at: datetime | None
    attempts: list[AttemptRead]

    @classmethod
    def of(cls, logged: LoggedDelivery, language: str) -> "DeliveryRead":
        row = logged.delivery
        return cls(
            id=row.id,
            ref=row.ref,
            number=logged.number,
            level=row.level,
            position=row.position,
            person=row.person_name,
            channel=row.channel or None,
            address=row.address_masked,
            asks=row.asks,
            state=DeliveryState(row.state),
            reason=spoken(row.reason, language),
            note=spoken(row.note, language),
            lap=row.lap,
            hop=row.hop,
            not_before=row.not_before,
            created_at=row.created_at,
            sent_at=row.sent_at,
            attempts=[AttemptRead.of(attempt) for attempt in logged.attempts],
        )


class AnswerRead(BaseModel):
    """What somebody answered to a call, by whatever way it came, and what came of it."""

    id: str
    at: datetime
    via: str
    by: str
    """Of a stranger the masked number or account."""
    answer: Deed | None
    """None: it was not understood, or nobody of ours gave it."""
    state: AnswerState
    words: str
    """As they came, cut short."""
    reason: str | None
    """Why nothing was done."""
    ref: str | None

    @classmethod
    def of(cls, row: Answer, language: str) -> "AnswerRead":
        return cls(
            id=row.id, at=row.at, via=row.via, by=row.by, answer=Deed(row.deed) if row.deed else None,
            state=AnswerState(row.state), words=row.words, reason=spoken(row.reason, language), ref=row.ref,
        )  # fmt: skip


class RoundRead(BaseModel):
    """How far the chain was called, and who answered."""

    id: str
    state: RoundState
    code: str
    """Names the call in an answer from a telephone or a group."""
    lap: int
    hop: int
    reached: bool
    started_at: datetime
    ended_at: datetime | None
    acknowledged_by: str | None
    via: str | None

    @classmethod
    def of(cls, called: Round) -> "RoundRead":
        return cls.model_validate(called, from_attributes=True)


class NoticeRead(BaseModel):
    """What was told, and each way it went."""

    id: str
    kind: str
    number: str
    level: int
    exercise: bool
    subject: str
    text: str
    created_at: datetime
    round: RoundRead | None
    """None: told once, not called."""
    deliveries: list[DeliveryRead]

    @classmethod
    def of(cls, logged: LoggedNotice, language: str) -> "NoticeRead":
        row = logged.notice
        return cls(
            id=row.id,
            kind=row.kind,
            number=row.number,
            level=row.level,
            exercise=row.exercise,
            subject=in_language(row.subject, language),
            text=in_language(row.text, language),
            created_at=row.created_at,
            round=RoundRead.of(logged.called) if logged.called else None,
            deliveries=[DeliveryRead.of(one, language) for one in logged.deliveries],
        )
