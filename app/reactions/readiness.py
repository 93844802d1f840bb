"""Duties of the calendar, handovers, and what stands on shelves: whom they concern hears of them (EP-6.2, EP-8, EP-9.2)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.incidents import record
from app.incidents.tables import Incident, Status
from app.levels import matrix
from app.notify import pipeline, receivers
from app.people import holders
from app.plan import revisions
from app.reactions.context import Happened
from app.readiness import handovers
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
    await _tell(happened, "stock_low")


async def tell_handover(happened: Happened) -> None:
    """Both who had the duty and who has it now hear so, the latter whatever the hour, with what is open."""
    said, session = happened.payload, happened.session
    if happened.at - datetime.fromisoformat(said["at"]) > handovers.LATEST:
        return  # the engine was away, or held: whoever has the duty knows by now
    position = said["position"]
    names = await holders.names(session, [one for one in (said["from_id"], said["to_id"]) if one])
    query = record.search(open_=True).where(Incident.status == Status.ACTUAL).order_by(Incident.id).limit(20)
    still_open = [incident.number for incident in await session.scalars(query)]
    words: dict[str, Any] = {
        "position": (await holders.titles(session, [position]))[0],
        "at": said["at"],
        "before": names.get(said["from_id"], say("flow.handover.nobody")),
        "after": names.get(said["to_id"], say("flow.handover.nobody")),
        "open": still_open or say("flow.handover.nothing"),
    }
    revision_id, _ = await matrix.in_force(session)
    zone = ZoneInfo((await revisions.document_of(session, revision_id)).plan.time_zone)
    people = [
        await receivers.somebody(session, one, position=position)
        for one in (said["to_id"], said["from_id"])
        if one in names
    ]
    await pipeline.tell_people(
        session, ref=happened.ref, kind="handover", number="", level=4, exercise=False,
        subject=localised(say("flow.handover.subject", **words), zone),
        text=localised(say("flow.handover.text", **words), zone), people=people, at=happened.at,
    )  # fmt: skip


async def _tell(happened: Happened, what: str) -> None:
    said: dict[str, Any] = dict(happened.payload)
    positions: Sequence[str] = [said["owner"]]
    await pipeline.tell(
        happened.session, ref=happened.ref, kind=what, number="", level=4, exercise=False,
        subject=localised(say(f"flow.{what}.subject", **said)), text=localised(say(f"flow.{what}.text", **said)),
        positions=positions, at=happened.at,
    )  # fmt: skip
