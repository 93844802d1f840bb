"""What crosses the wire about parties outside. Addresses come in; only masks go out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.parties.tables import Does, Party, PartyAnswer, PartyContact, PartyKind, PartyRequest, RequestState
from app.people.schemas import ContactRead, Line
from app.vocabulary import LevelNumber, Moment, Slug

_Name = Annotated[Line, Field(min_length=1, max_length=200)]
_Prose = Annotated[str, Field(min_length=1, max_length=4000)]
_Quantity = Annotated[int, Field(ge=1, le=1_000_000)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, use_attribute_docstrings=True)


class PartyContactGiven(_In):
    """Somebody at a party and the one way to reach them."""

    name: _Name
    channel: Annotated[str, Field(max_length=32)]
    address: Annotated[str, Field(max_length=2000)] = ""


class Offer(_In):
    """Something a party may be asked for."""

    id: Slug
    title: _Name
    unit: Annotated[Line, Field(max_length=64)] | None = None
    pool: Slug | None = None
    """A pool of the tier `partner`: what is committed is reserved there for the incident."""
    item: Slug | None = None
    """Which material or asset of that pool."""


class AddParty(_In):
    """A party outside: a department of EP-2.4, a supplier, a partner."""

    id: Slug
    """What plans and requests name it by."""
    name: _Name
    kind: PartyKind
    owner: Slug
    """The position of ours that owns the contract; told when nobody there answers."""
    contract: Annotated[Line, Field(max_length=200)] | None = None
    language: str | None = None
    contacts: Annotated[list[PartyContactGiven], Field(max_length=20)] = Field(default_factory=list)
    """Told in this order, each when the one before has not answered."""
    may_be_asked: Annotated[list[Offer], Field(max_length=100)] = Field(default_factory=list)


class ChangeParty(_In):
    """What is to be different; the rest stays."""

    name: _Name = ""
    kind: PartyKind = PartyKind.PARTNER
    owner: Slug = ""
    contract: Annotated[Line, Field(max_length=200)] | None = None
    language: str | None = None
    contacts: Annotated[list[PartyContactGiven], Field(max_length=20)] = Field(default_factory=list)
    """All of them, in order, in place of those there were."""
    may_be_asked: Annotated[list[Offer], Field(max_length=100)] = Field(default_factory=list)


class PartyContactRead(ContactRead):
    name: str


class PartyRead(BaseModel):
    id: str
    name: str
    kind: PartyKind
    owner: str
    contract: str | None
    language: str | None
    contacts: list[PartyContactRead]
    may_be_asked: list[Offer]
    retired_at: datetime | None
    version: int

    @classmethod
    def of(cls, party: Party, contacts: Sequence[PartyContact]) -> Self:
        return cls(
            id=party.id, name=party.name, kind=party.kind, owner=party.owner, contract=party.contract,
            language=party.language, retired_at=party.retired_at, version=party.version,
            may_be_asked=[Offer.model_validate(one) for one in party.may_be_asked],
            contacts=[
                PartyContactRead(id=one.id, rank=one.rank, name=one.name, channel=one.channel, address=one.address_masked)
                for one in contacts
            ],
        )  # fmt: skip


class PartiesImported(BaseModel):
    created: int
    updated: int


class AskParty(_In):
    """What is shared with a party and asked of it. Nothing else of the incident leaves."""

    party: Slug
    text: _Prose
    """Shared as it stands."""
    subject: Annotated[Line, Field(min_length=1, max_length=200)] | None = None
    """Shared; none: a general one that names no incident."""
    ask: Annotated[dict[Slug, _Quantity], Field(max_length=100)] = Field(default_factory=dict)
    """How many of what the party may be asked for."""
    level: LevelNumber | None = None
    """How urgent it is to them; shared. None: as the incident."""


class AnswerForParty(_In):
    """What a party said on the telephone, or by its link."""

    does: Does
    by: Annotated[Line, Field(max_length=200)] | None = None
    """Who said it."""
    note: Annotated[str, Field(max_length=4000)] | None = None
    ready_at: Moment | None = None
    """An estimate: by when."""
    committed: Annotated[dict[Slug, Annotated[int, Field(ge=0, le=1_000_000)]], Field(max_length=100)] = (
        Field(default_factory=dict)
    )
    """A commitment: how many of what was asked; the last word on a thing counts."""

    @model_validator(mode="after")
    def _reason(self) -> Self:
        if self.does is not Does.COMMIT and self.committed:
            raise ValueError("only 'commit' says how many")
        return self


class CommittedRead(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    title: str
    unit: str | None
    quantity: int
    held: int
    """Of it, reserved for the incident in the pool of partners."""


class PartyAnswerRead(BaseModel):
    does: Does
    by: str
    via: str
    at: datetime
    ready_at: datetime | None
    note: str | None
    committed: list[CommittedRead]

    @classmethod
    def of(cls, one: PartyAnswer) -> Self:
        return cls(
            does=one.does, by=one.by, via=one.via, at=one.at, ready_at=one.ready_at, note=one.note,
            committed=[CommittedRead.model_validate(each) for each in one.committed],
        )  # fmt: skip


class PartyRequestRead(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    incident_id: str
    party: str
    party_name: str
    state: RequestState
    subject: dict[str, Any]
    text: dict[str, Any]
    asked: list[dict[str, Any]]
    level: int
    contact_told: int
    """Rank of the last contact told; 0: none."""
    asked_at: datetime
    asked_by: str
    owner_told_at: datetime | None
    """When our contract owner heard that nobody there answered."""
    ended_at: datetime | None
    answers: list[PartyAnswerRead]
    version: int

    @classmethod
    def of(cls, request: PartyRequest, party: Party, answers: Sequence[PartyAnswer]) -> Self:
        return cls(
            id=request.id, incident_id=request.incident_id, party=party.id, party_name=party.name, state=request.state,
            subject=request.subject, text=request.text, asked=request.asked, level=request.level,
            contact_told=request.rung, asked_at=request.asked_at, asked_by=request.asked_by,
            owner_told_at=request.owner_told_at, ended_at=request.ended_at,
            answers=[PartyAnswerRead.of(one) for one in answers], version=request.version,
        )  # fmt: skip


class PartyRequests(BaseModel):
    items: list[PartyRequestRead]
