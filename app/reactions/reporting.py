"""Reports fall due (EP-5.1): the first and the follow-ups while the work goes on, the final one after it."""

from app.reactions.context import Happened
from app.reports import due


async def owe_report(happened: Happened) -> None:
    """From activation on, and anew at each change of level."""
    await due.owe(happened.session, await happened.incident(), at=happened.at)


async def owe_final_report(happened: Happened) -> None:
    await due.owe_final(happened.session, await happened.incident(), at=happened.at)
