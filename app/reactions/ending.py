"""When an incident ends, nothing of it is left running, held, or called (EP-4.2.5, EP-7.1.4)."""

from app import outbox
from app.incidents import announcements, decisions, tasks
from app.notify import acknowledgement, delivery_log
from app.playbooks import runner
from app.reactions.context import Happened
from app.resources import reservation
from app.reviews import draft, publishing
from app.wording import say


async def withdraw_everything(happened: Happened) -> None:
    """Calls, steps, tasks, questions, drafts and timers."""
    incident = await happened.incident()
    reason = say("playbooks.incident_over")
    await acknowledgement.stop(happened.session, ref=incident.id, reason=reason, at=happened.at)
    await runner.stop(happened.session, incident, reason, at=happened.at)
    await tasks.withdraw(happened.session, incident, at=happened.at)
    await decisions.withdraw(happened.session, incident, at=happened.at)
    await announcements.withdraw_drafts(happened.session, incident.id)
    await outbox.withdraw_all(happened.session, ref=incident.id)


async def release_resources(happened: Happened) -> None:
    """A closed incident holds nothing (EP-6)."""
    incident = await happened.incident()
    await reservation.release_all(happened.session, incident.id, "plan", happened.at)


async def tell_those_told(happened: Happened) -> None:
    """Whoever was called about it hears that it has ended."""
    incident = await happened.incident()
    positions = await delivery_log.positions_told(happened.session, incident.id)
    await happened.tell(incident, str(incident.state), positions, by=happened.payload["actor"])


async def open_review(happened: Happened) -> None:
    await draft.open_review(happened.session, await happened.incident(), at=happened.at)


async def publish_review(happened: Happened) -> None:
    """The review transition was made without publishing first: the draft is published as it stands."""
    incident = await happened.incident()
    await publishing.on_reviewed(happened.session, incident, by=happened.payload["actor"], at=happened.at)
