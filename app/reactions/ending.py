"""When an incident ends, nothing of it is left running, held, or called (EP-4.2.5, EP-7.1.4)."""

from app import outbox
from app.incidents import announcements, decisions, facts, record, tasks, timeline
from app.incidents.tables import Incident
from app.notify import acknowledgement, delivery_log
from app.parties import requests
from app.playbooks import runner
from app.reactions.context import Happened, is_open
from app.resources import reservation
from app.reviews import draft, publishing
from app.wording import say


async def withdraw_everything(happened: Happened) -> None:
    """Calls, steps, tasks, questions, drafts, links of parties outside, and timers."""
    incident = await happened.incident()
    reason = say("playbooks.incident_over")
    await acknowledgement.stop(happened.session, ref=incident.id, reason=reason, at=happened.at)
    await runner.stop(happened.session, incident, reason, at=happened.at)
    await tasks.withdraw(happened.session, incident, at=happened.at)
    await decisions.withdraw(happened.session, incident, at=happened.at)
    await announcements.withdraw_drafts(happened.session, incident.id)
    await requests.end_all(happened.session, incident.id, at=happened.at)
    await announcements.end_all(happened.session, incident, at=happened.at)
    await outbox.withdraw_all(happened.session, ref=incident.id)


async def release_resources(happened: Happened) -> None:
    """A closed incident holds nothing (EP-6)."""
    incident = await happened.incident()
    await reservation.release_all(happened.session, incident.id, "plan", happened.at)


async def tell_those_told(happened: Happened) -> None:
    """Whoever was called about it hears that it has ended."""
    incident = await happened.incident()
    positions = await delivery_log.positions_told(happened.session, incident.id)
    if _is_part_of_storm(happened, incident):
        # One incident, told once: only who has not heard of that needs to hear of this end.
        told = await delivery_log.positions_told(happened.session, incident.merged_into or "")
        positions = [one for one in positions if one not in told]
    await happened.tell(incident, str(incident.state), positions, by=happened.payload["actor"])


async def pass_on_merged(happened: Happened) -> None:
    """What was merged leaves its trace on the incident it was merged into.

    By a message of that one's own: this reaction never waits for two locks, so two merged into each other cannot deadlock. What a
    storm took in is noted there already.
    """
    incident = await happened.incident()
    if (target := incident.merged_into) is not None and not _is_part_of_storm(happened, incident):
        payload = {"incident_id": target, "merged": incident.id, "actor": happened.payload["actor"]}
        outbox.put(happened.session, "incident.merged", payload, ref=target, at=happened.at)


async def take_in_merged(happened: Happened) -> None:
    """An entry, the facts it did not have itself, and word to its commander."""
    incident, by = await happened.incident(), happened.payload["actor"]
    # Read without its lock: it is cancelled, and nothing of a cancelled incident changes any more.
    merged = await record.found(happened.session, happened.payload["merged"])
    timeline.append(
        happened.session, incident, "incident.merged", actor=by, at=happened.at, merged=merged.id, number=merged.number,
        title=merged.title, facts=merged.facts,
    )  # fmt: skip
    if not is_open(incident):
        return
    if merged.status == incident.status:  # what a drill says never becomes a fact of what happened
        room = facts.MOST_FACTS - len(incident.facts)
        unknown = [(name, value) for name, value in merged.facts.items() if name not in incident.facts]
        await facts.merge(happened.session, incident, dict(unknown[:room]), actor=by, at=happened.at)
    to = await happened.commander(incident)
    await happened.tell(incident, "merged", to, merged=merged.number, merged_title=merged.title, by=by)


async def open_review(happened: Happened) -> None:
    await draft.open_review(happened.session, await happened.incident(), at=happened.at)


async def publish_review(happened: Happened) -> None:
    """The review transition was made without publishing first: the draft is published as it stands."""
    incident = await happened.incident()
    await publishing.on_reviewed(happened.session, incident, by=happened.payload["actor"], at=happened.at)


def _is_part_of_storm(happened: Happened, incident: Incident) -> bool:
    """Whether its own source merged it; nothing but a storm does."""
    return incident.merged_into is not None and str(happened.payload["actor"]).startswith("source:")
