"""Duties of the calendar and what stands on shelves: their owners hear of them (EP-6.2, EP-8, EP-9.2)."""

from collections.abc import Sequence
from typing import Any

from app.notify import pipeline
from app.reactions.context import Happened
from app.resources import checks
from app.reviews import improvements
from app.wording import localised, say


async def tell_owner(happened: Happened) -> None:
    await _tell(happened, "duty_due")


async def tell_owner_again(happened: Happened) -> None:
    await _tell(happened, "duty_overdue")


async def chase_improvement(happened: Happened) -> None:
    """Its day has passed; its owner hears so, again each week until it is done."""
    if (
        await improvements.chase(happened.session, happened.payload["improvement_id"], at=happened.at)
        is not None
    ):
        await _tell(happened, "improvement_overdue")


async def ask_replenishment(happened: Happened) -> None:
    """The pool's owner and the supplier hear how many are wanted (EP-6.2)."""
    supplier = happened.payload.get("supplier")
    await _tell(happened, "stock_low", [supplier] if supplier is not None else [])


async def ask_for_a_look(happened: Happened) -> None:
    """A stocktake or a check is due; its owner hears so, unless somebody looked meanwhile."""
    if await checks.still_due(happened.session, happened.topic, happened.payload, at=happened.at):
        await _tell(happened, "stocktake_due" if happened.topic == checks.STOCKTAKE_DUE else "check_due")


async def _tell(happened: Happened, what: str, besides: Sequence[str] = ()) -> None:
    said: dict[str, Any] = dict(happened.payload)
    positions: Sequence[str] = [said["owner"], *besides]
    await pipeline.tell(
        happened.session, ref=happened.ref, kind=what, number="", level=4, exercise=False,
        subject=localised(say(f"flow.{what}.subject", **said)), text=localised(say(f"flow.{what}.text", **said)),
        positions=positions, at=happened.at,
    )  # fmt: skip
