"""What monitoring says becomes incidents (EP-4.2.1, OR-2)."""

from collections.abc import Sequence

from app.intake import correlation
from app.reactions.context import Happened


async def correlate(happened: Happened) -> None:
    await correlate_all([happened])


async def correlate_all(happened: Sequence[Happened]) -> None:
    """`correlate` for several messages of one transaction, in their order."""
    first = happened[0]
    await correlation.judge(first.session, [one.payload for one in happened], first.at)
