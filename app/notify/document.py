"""The reporting chain as the plan writes it (EP-5.2).

Per level, who is told, within what time, who is next.
"""

from typing import Annotated

from pydantic import Field

from app.vocabulary import ChannelName, Part, Slug, Span


class Hop(Part):
    """One rung: these positions are told together; nobody answering `within` that time, the next rung is."""

    tell: Annotated[list[Slug], Field(min_length=1)]
    within: Span
    via: list[ChannelName] = Field(default_factory=list)
    """Channels to use, in this order; empty: each person's own order of contact points."""
    contact_wait: Span | None = None
    """How long to wait for an answer before a person's next contact point is tried.

    None: half of `within`.
    """


class Chain(Part):
    """Called from the top until somebody answers."""

    hops: Annotated[list[Hop], Field(min_length=1, max_length=20)]
    repeat_after: Span
    """When the last rung has not answered for this long, the chain starts again from the top."""
