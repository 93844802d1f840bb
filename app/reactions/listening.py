"""What monitoring says becomes incidents (EP-4.2.1, OR-2)."""

from app.intake import correlation
from app.reactions.context import Happened


async def correlate(happened: Happened) -> None:
    await correlation.judge(happened.session, happened.payload, happened.at)
