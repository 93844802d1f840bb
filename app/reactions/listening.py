"""What monitoring says becomes incidents (EP-4.2.1, OR-2)."""

from collections.abc import Sequence

from app.intake import correlation, endings, windows
from app.reactions.context import Happened


async def correlate(happened: Happened) -> None:
    await correlate_all([happened])


async def correlate_all(happened: Sequence[Happened]) -> None:
    """`correlate` for several messages of one transaction, in their order."""
    first = happened[0]
    await correlation.judge(first.session, [one.payload for one in happened], first.at)


async def end_quiet(happened: Happened) -> None:
    """A problem has been quiet for its dwell time: it is over, unless it came back."""
    await endings.end_quiet(happened.session, happened.payload, happened.at)


async def look_at_window(happened: Happened) -> None:
    """A maintenance window is over: what still burns is judged."""
    again = bool(happened.payload["again"])
    await windows.look(happened.session, happened.payload["window_id"], again=again, at=happened.at)
