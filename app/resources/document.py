"""The pools as the plan writes them (EP-6): people, materials, technology, by tier."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from app.vocabulary import Localised, Part, Slug, Span


class Tier(StrEnum):
    """In which order pools of one purpose are drawn on (EP-6.1)."""

    PRIMARY = "primary"  # the emergency team itself, stock in the centre
    RESERVE = "reserve"  # part-time staff, standby stock
    PARTNER = "partner"  # outsourced staff, suppliers, vendors


class _Pool(Part):
    title: Localised
    tier: Tier = Tier.PRIMARY
    owner: Slug
    """The position that answers for this pool."""
    next: Slug | None = None
    """The pool that is asked when this one is short: the next tier."""


class PeoplePool(_Pool):
    """People by the positions they hold; who they are stands in the organisation, not in the plan."""

    kind: Literal["people"]
    positions: Annotated[list[Slug], Field(min_length=1)]
    minimum: Annotated[int, Field(ge=0, le=100_000)] = 0
    """How many of them there should be at any hour; fewer is said in the daily summary (EO-2)."""


class Batch(Part):
    """So many that were made or bought together."""

    quantity: Annotated[int, Field(ge=0, le=1_000_000)]
    expires: Annotated[date | None, Field(ge=date(2000, 1, 1))] = None
    """The last day on which it may be used; none: it keeps."""
    place: str | None = None
    """Where it lies, if not where the item does."""


class Item(Part):
    """A material: what there is when the plan is first loaded, where, and the least there should be (EP-6.2)."""

    title: Localised
    unit: Localised
    place: str
    quantity: Annotated[int, Field(ge=0, le=1_000_000)]
    minimum: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Of all places and batches together, expired ones left out; below it, more is asked of the supplier."""
    batches: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=64)], Batch], Field(max_length=50)
    ] = Field(default_factory=dict)
    """Beside `quantity`, which belongs to no batch."""
    supplier: Slug | None = None
    """The position that is asked for more; none: the pool's owner sees to it."""
    order: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    """How many are asked for at a time; none: as many as bring the stock to twice the minimum."""


class MaterialsPool(_Pool):
    """Things that are counted."""

    kind: Literal["materials"]
    items: Annotated[dict[Slug, Item], Field(min_length=1)]
    stocktake_every: Span | None = None
    """How long a count of everything holds good; its owner is told when the next is due."""


class Asset(Part):
    """A piece of technology, one of its kind."""

    title: Localised
    place: str
    standby_of: str | None = None
    """The asset whose work it takes over when that one fails."""
    check_every: Span | None = None
    """How long a check holds good; the pool's owner is told when the next is due."""


class TechnologyPool(_Pool):
    """Things that are ready, in use, faulty or in repair."""

    kind: Literal["technology"]
    assets: Annotated[dict[Slug, Asset], Field(min_length=1)]


Pool = Annotated[PeoplePool | MaterialsPool | TechnologyPool, Field(discriminator="kind")]


class Demand(Part):
    """So many units of one pool; of one item or skill where it is named."""

    pool: Slug
    quantity: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    item: Slug | None = None
    """Which material or asset; none: any of the pool."""
    skill: str | None = None
    """People only: a skill each of them must have."""


class Ask(Demand):
    """A demand with its substitutes, tried in order after the pool's own next tiers."""

    substitutes: Annotated[list[Demand], Field(max_length=10)] = Field(default_factory=list)
