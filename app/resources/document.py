"""The pools as the plan writes them (EP-6): people, materials, technology, by tier."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from app.vocabulary import Localised, Part, Slug


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


class Item(Part):
    """A material at one place: what there is when the plan is first loaded, and the least there should be."""

    title: Localised
    unit: Localised
    place: str
    quantity: Annotated[int, Field(ge=0, le=1_000_000)]
    minimum: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class MaterialsPool(_Pool):
    """Things that are counted."""

    kind: Literal["materials"]
    items: Annotated[dict[Slug, Item], Field(min_length=1)]


class Asset(Part):
    """A piece of technology, one of its kind."""

    title: Localised
    place: str
    standby_of: str | None = None


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
