"""What the product notices about itself: the steps of its self-test, and whom it tells of what is wrong with it."""

from collections.abc import Sequence
from typing import Any, Final

from app.incidents.lifecycle import Event, Move, apply
from app.incidents.tables import Status
from app.levels import matrix
from app.notify import pipeline, receivers
from app.notify.pipeline import News
from app.people.contact_points import CHANNELS
from app.plan import revisions
from app.plan.document import PlanDocument
from app.reactions.context import Happened, is_open
from app.watch import self_test
from app.wording import Wording, localised, say

_LEVEL: Final = 3
_GRAVEST: Final = 1


async def go_on_with_self_test(happened: Happened) -> None:
    """A synthetic incident was graded: its timer is next."""
    incident = await happened.incident()
    if incident.status == Status.TEST:
        await self_test.graded(happened.session, incident, at=happened.at)


async def send_self_test(happened: Happened) -> None:
    await self_test.fired(happened.session, happened.payload["key"], at=happened.at)


async def end_self_test(happened: Happened) -> None:
    """It came through: its incident ends."""
    incident = await happened.incident()
    if is_open(incident) and incident.status == Status.TEST:
        levels = await matrix.of(happened.session, incident.plan_revision)
        move = Move(spec=levels.levels[incident.level], reason=say("watch.came_through"))
        apply(happened.session, incident, Event.CANCEL, actor="muster", at=happened.at, move=move)


async def say_self_test_is_late(happened: Happened) -> None:
    """It has not come through in time: whoever looks after the service hears of it."""
    if await self_test.note_late(happened.session, happened.payload["key"], at=happened.at):
        await _tell(happened, "self_test_late")


async def say_channel_fails(happened: Happened) -> None:
    """By a contact point of any other channel."""
    await _tell_of_channel(happened, "channel_failing")


async def say_channel_works(happened: Happened) -> None:
    await _tell_of_channel(happened, "channel_working")


async def say_plan_would_fail(happened: Happened) -> None:
    """The nightly check found something grave that was not there the night before."""
    await _tell(happened, "plan_worse", **happened.payload)


async def _tell_of_channel(happened: Happened, what: str) -> None:
    channel = happened.payload["channel"]
    others = [one for one in CHANNELS if one != channel]
    await _tell(
        happened, what, via=others, **{**happened.payload, "channel": say(f"watch.channel.{channel}")}
    )


async def _tell(happened: Happened, what: str, *, via: Sequence[str] = (), **said: Any) -> None:
    """Tell the plan's default position; where nobody of it can be told by `via`, whoever comes first in the gravest chain."""
    revision = await revisions.current(happened.session)
    if revision is None:
        return
    plan = await revisions.document_of(happened.session, revision.id)
    subject, text = Wording(f"flow.{what}.subject", said), Wording(f"flow.{what}.text", said)
    await pipeline.tell(
        happened.session,
        News(ref=happened.ref, kind=what, level=_LEVEL, subject=localised(subject), text=localised(text)),
        positions=[await _position(happened, plan, via)],
        via=via,
        at=happened.at,
    )


async def _position(happened: Happened, plan: PlanDocument, via: Sequence[str]) -> str:
    first = plan.organisation.default_position
    chain = [position for hop in plan.chain_of(_GRAVEST, None).hops for position in hop.tell]
    for position in dict.fromkeys([first, *chain]):
        for who in await receivers.at_position(happened.session, position, at=happened.at):
            if any(not via or contact.channel in via for contact in who.contacts):
                return position
    return first
