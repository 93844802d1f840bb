"""What crosses the wire about sources and what they sent. A key goes out once, a signing secret never."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from app.access.tables import Key
from app.intake.enrolment import SLUG
from app.intake.signals import Signal, SignalState, packed
from app.intake.sources import generic
from app.intake.tables import Outcome, Receipt, ReceiptState, Source, Verdict
from app.intake.trying import Trial
from app.vocabulary import Slug, Span
from app.wording import render, restored, spoken


def _on_one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters and line breaks have no place here")
    return text


Expected = Annotated[Span, Field(ge=timedelta(minutes=2), le=timedelta(days=31))]


def _network(text: str) -> str:
    return str(ip_network(text.strip(), strict=False))


Network = Annotated[str, Field(max_length=64), AfterValidator(_network)]


class ChangeSource(BaseModel):
    """What may be changed of a source; what is not named stays."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    expect_every: Expected | None = None
    """Something is expected of it at least this often; null: it may be quiet."""
    mapping: generic.Mapping | None = None
    """How its bodies are read from now on; null: as its kind has it."""
    addresses: Annotated[list[Network], Field(max_length=1_000)] | None = None
    """The networks it comes from; null: from anywhere."""
    topics: Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=100)] | None = None
    """The topics of SNS it may bring; null: any."""


class EnrolSource(BaseModel):
    """A monitoring source."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, use_attribute_docstrings=True)

    slug: Annotated[str, Field(pattern=SLUG)]
    """Names it in the address: `/intake/{slug}`."""
    kind: Annotated[str, Field(max_length=32)]
    name: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_on_one_line)] | None = None
    mapping: generic.Mapping | None = None
    """Where things stand in bodies that no parser of ours knows."""
    default_type: Slug = "other"
    """The type of incident where the source says none."""
    signing_secret: SecretStr | None = None
    """For a source that signs instead of showing a key: `whsec_…` of Standard Webhooks; for Grafana and Sentry, which sign in
    their own way, the secret as it stands there."""
    addresses: Annotated[list[Network], Field(max_length=1_000)] | None = None
    """Networks it comes from (CIDR); nothing is taken from elsewhere."""
    topics: Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=100)] | None = None
    """For SNS: the ARNs of the topics it may bring."""
    expect_every: Expected | None = None
    """Something is expected of it at least this often, such as `15m`; silent for longer, an incident is raised."""


class KeyOfSource(BaseModel):
    id: str
    created_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, key: Key) -> Self:
        return cls(id=key.id, created_at=key.created_at, last_used_at=key.last_used_at)


class SourceRead(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    slug: str
    kind: str
    name: str
    mapping: dict[str, Any] | None
    default_type: str
    signs: bool
    """Whether it may sign instead of showing a key."""
    addresses: list[str] | None
    """The networks it comes from; null: from anywhere."""
    topics: list[str] | None
    """The topics of SNS it may bring; null: any."""
    keys: list[KeyOfSource]
    """The valid ones; revoke one with `POST /api/v1/keys/{id}/revoke`."""
    created_at: datetime
    disabled_at: datetime | None
    last_seen_at: datetime | None
    expect_every: Span | None
    silent_since: datetime | None
    """When it was last heard, should it have fallen silent."""

    @classmethod
    def of(cls, source: Source, keys: Sequence[Key], **more: Any) -> Self:
        return cls(
            id=source.id,
            slug=source.slug,
            kind=source.kind,
            name=source.name,
            mapping=source.mapping,
            default_type=source.default_type,
            signs=source.signing_sealed is not None,
            addresses=source.addresses,
            topics=source.topics,
            created_at=source.created_at,
            keys=[KeyOfSource.of(key) for key in keys],
            disabled_at=source.disabled_at,
            last_seen_at=source.last_seen_at,
            expect_every=timedelta(seconds=source.expect_every) if source.expect_every else None,
            silent_since=source.silent_since,
            **more,
        )


class SourceMade(SourceRead):
    key: str
    """The source's key; shown this once."""


class KeyMade(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    key: str
    """A further key of the source; shown this once. The others stay valid until they are revoked."""


class SignalRead(BaseModel):
    dedup_key: str
    occurrence: str
    state: SignalState
    title: str
    text: str
    level_hint: int | None
    type_hint: str | None
    labels: dict[str, str]
    annotations: dict[str, str]
    facts: dict[str, Any]
    links: list[str]
    started_at: datetime | None
    ended_at: datetime | None
    note: str | None

    @classmethod
    def of(cls, signal: Signal) -> Self:
        return cls.model_validate(packed(signal))


class Tried(BaseModel):
    """What a body would give. Nothing is kept, nobody is told."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    understood: bool
    signals: list[SignalRead]
    declared: str
    """The kind of the source."""
    looks_like: str | None
    """The product the body most likely comes from."""
    hint: str | None
    """In words, should that be of another kind than was declared."""
    reason: str | None
    """Why it was not understood."""
    errors: list[str]

    @classmethod
    def of(cls, trial: Trial, language: str) -> Self:
        refusal = trial.refusal
        return cls(
            understood=refusal is None,
            signals=[SignalRead.of(signal) for signal in trial.signals],
            declared=trial.declared,
            looks_like=trial.looks_like,
            hint=render(trial.hint, language) if trial.hint else None,
            reason=render(refusal.detail, language) if refusal else None,
            errors=[render(error, language) for error in refusal.errors] if refusal else [],
        )


class Accepted(BaseModel):
    """We have it."""

    status: str = "accepted"
    receipt: str
    signals: int


class Enqueued(BaseModel):
    """PagerDuty's answer to an event it takes."""

    status: str = "success"
    message: str = "Event processed"
    dedup_key: str


class ChangeEnqueued(BaseModel):
    """PagerDuty's answer to a change event it takes."""

    status: str = "success"
    message: str = "Change event processed"


class Requested(BaseModel):
    """Opsgenie's answer to a call it takes."""

    result: str = "Request will be processed"
    took: float = 0.0
    requestId: str  # noqa: N815 - their name


class InvalidEvent(BaseModel):
    """PagerDuty's answer to an event it does not take."""

    status: str = "invalid event"
    message: str
    errors: list[str]


class JudgedSignal(SignalRead):
    outcome: Outcome | None
    """What became of it; null: not judged yet."""
    incident_id: str | None


class ReceiptSummary(BaseModel):
    id: str
    source: str
    received_at: datetime
    content_type: str | None
    state: ReceiptState
    reason: str | None
    errors: list[str]

    @classmethod
    def of(cls, receipt: Receipt, slugs: Mapping[str, str], language: str, **more: Any) -> Self:
        error = receipt.error
        return cls(
            id=receipt.id,
            source=slugs[receipt.source_id],
            received_at=receipt.received_at,
            content_type=receipt.content_type,
            state=ReceiptState(receipt.state),
            reason=spoken(error, language) if error else None,
            errors=[render(restored(one), language) for one in error["errors"]] if error else [],
            **more,
        )


class ReceiptRead(ReceiptSummary):
    model_config = ConfigDict(use_attribute_docstrings=True)

    signals: list[JudgedSignal]
    body: str
    """As it came; bytes that are no text are shown escaped."""

    @classmethod
    def whole(
        cls, receipt: Receipt, verdicts: Mapping[int, Verdict], slugs: Mapping[str, str], language: str
    ) -> Self:
        signals = [
            JudgedSignal(
                **signal,
                outcome=verdict.outcome if (verdict := verdicts.get(position)) else None,
                incident_id=verdict.incident_id if verdict else None,
            )
            for position, signal in enumerate(receipt.signals)
        ]
        return cls.of(
            receipt, slugs, language, signals=signals, body=receipt.body.decode("utf-8", "backslashreplace")
        )
