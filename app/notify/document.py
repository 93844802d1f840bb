"""The reporting chain as the plan writes it (EP-5.2).

Per level, who is told, within what time, who is next.
"""

from typing import Annotated, Final

from pydantic import Field

from app.vocabulary import ChannelName, Part, Slug, Span

DEPARTMENT_HEAD: Final = "department_head"
"""In a rung: whoever heads the department of the incident (EP-4.2.1)."""


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

    def told_about(self, head: str | None) -> "Chain":
        """With the head's position in place of the word for it; where there is none, the word is left out.

        A rung that named nobody else keeps the word: a position nobody holds, and the next rung is told.
        """
        return self.model_copy(update={"hops": [_with_head(hop, head) for hop in self.hops]})


def _with_head(hop: Hop, head: str | None) -> Hop:
    if DEPARTMENT_HEAD not in hop.tell:
        return hop
    named = [head if name == DEPARTMENT_HEAD else name for name in hop.tell]
    known = list(dict.fromkeys(name for name in named if name is not None))
    return hop.model_copy(update={"tell": known or [DEPARTMENT_HEAD]})
