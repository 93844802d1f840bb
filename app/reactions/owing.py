"""Duties: updates owed while the work goes on, the review afterwards (EP-5.3, EP-4.2.5)."""

from app import outbox
from app.incidents import obligations, updates
from app.incidents.tables import Obligation, ObligationState, StatusUpdate, TimelineEntry
from app.reactions.context import Happened, is_open
from app.wording import say


async def owe_update(happened: Happened) -> None:
    """From activation on, and anew at each change of level, a status update is due by the level's cadence."""
    incident = await happened.incident()
    if is_open(incident) and incident.activated_at is not None:
        await obligations.owe_update(
            happened.session, incident, await happened.spec(incident), at=happened.at
        )


async def rearm_update(happened: Happened) -> None:
    """The incident follows another revision: the update it owes is owed by that one's cadence, and never later than it was."""
    incident = await happened.incident()
    owed = await obligations.unpaid(happened.session, incident.id, "update")
    if is_open(incident) and incident.activated_at is not None:
        latest = min((one.due_at for one in owed if one.state == ObligationState.OWED), default=None)
        spec = await happened.spec(incident)
        await obligations.owe_update(happened.session, incident, spec, at=happened.at, latest=latest)


async def owe_review(happened: Happened) -> None:
    incident = await happened.incident()
    closing = await happened.session.get_one(TimelineEntry, (incident.id, happened.payload["seq"]))
    reason = closing.data.get("reason")
    await obligations.settle_at_close(happened.session, incident, waived_because=reason, at=happened.at)
    await obligations.owe_review(happened.session, incident, await happened.spec(incident), at=happened.at)


async def withdraw_duties(happened: Happened) -> None:
    await obligations.withdraw_all(happened.session, await happened.incident())


async def settle_review(happened: Happened) -> None:
    await obligations.pay(happened.session, await happened.incident(), "review", at=happened.at)


async def remind(happened: Happened) -> None:
    incident = await happened.incident()
    owed = await happened.session.get_one(Obligation, happened.payload["obligation_id"])
    if (is_open(incident) or owed.kind in obligations.AFTER_THE_CLOSE) and owed.state == "owed":
        if owed.kind in obligations.REPORTS:
            what = say(f"duty.{owed.kind}")
            await happened.tell(incident, "report_reminder", [owed.owner], due_at=owed.due_at, report=what)
        else:
            await happened.tell(incident, "reminder", [owed.owner], due_at=owed.due_at)


async def escalate_missed(happened: Happened) -> None:
    """A duty was missed: the next rung of the level's chain hears of it, further up each time it goes on."""
    incident = await happened.incident()
    owed = await happened.session.get_one(Obligation, happened.payload["obligation_id"])
    if not (is_open(incident) or owed.kind in obligations.AFTER_THE_CLOSE):
        return
    if not await obligations.miss(happened.session, incident, owed, at=happened.at):
        return
    times = happened.payload["times"]
    hops = (await happened.chain(incident)).hops
    positions = [owed.owner, *hops[min(times, len(hops) - 1)].tell]
    notice = "missed_report" if owed.kind in obligations.REPORTS else f"missed_{owed.kind}"
    what = say(f"duty.{owed.kind}")
    await happened.tell(incident, notice, list(dict.fromkeys(positions)), due_at=owed.due_at, report=what)
    targets = (await happened.spec(incident)).targets
    after = targets.review_within if owed.kind in obligations.AFTER_THE_CLOSE else targets.update_every
    again = happened.at + after
    payload = {**happened.payload, "times": times + 1}
    key = f"obligation:{owed.id}:due:{times + 1}"
    await outbox.arm(happened.session, "obligation.due", payload, ref=incident.id, key=key, due_at=again)


async def post_update(happened: Happened) -> None:
    """Somebody answered with how things stand: it is an update like any other, and pays what is owed."""
    incident, said = await happened.incident(), happened.payload
    if is_open(incident):
        text = {"zh": said["text"], "en": said["text"]}
        await updates.post(
            happened.session, incident, text=text, audience="internal", author=said["by"], at=happened.at
        )


async def pass_update_on(happened: Happened) -> None:
    """Those an update is meant for get it: the command post's chiefs, or leadership at the end of the chain."""
    incident = await happened.incident()
    update = await happened.session.get_one(StatusUpdate, happened.payload["update_id"])
    positions = await happened.commander(incident)
    if update.audience != "internal":
        positions = [*positions, *(await happened.chain(incident)).hops[-1].tell]
    positions = [*positions, *(await happened.spec(incident)).update_to]
    await happened.tell(
        incident, "update", list(dict.fromkeys(positions)), update=update.text, author=update.author
    )
