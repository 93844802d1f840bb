"""Drills at work: who hears of them, what is let happen, how they end, and what they leave behind (EP-8.3)."""

from collections.abc import Sequence

from app.incidents import facts
from app.incidents.tables import Status
from app.levels import matrix
from app.notify import pipeline, receivers
from app.notify.pipeline import News
from app.notify.receivers import Receiver
from app.plan import due, revisions
from app.plan.tables import Reason
from app.reactions.context import Happened, is_open
from app.readiness import drills
from app.readiness.tables import Drill, DrillPart, Topic
from app.reviews import figures, improvements
from app.wording import localised, say


async def brief(happened: Happened) -> None:
    """Those enrolled and those looking on hear scheme, time, place and their part."""
    await _tell(happened, "drill_briefed")


async def remind(happened: Happened) -> None:
    await _tell(happened, "drill_reminder")


async def call_off(happened: Happened) -> None:
    await _tell(happened, "drill_called_off")


async def let_happen(happened: Happened) -> None:
    """One line of the scenario: its facts are on the drill's incident, and those enrolled hear of it."""
    incident = await happened.incident()
    drill = await drills.locked(happened.session, happened.payload["drill_id"])
    if not is_open(incident) or incident.status != Status.EXERCISE:
        return
    inject = drill.scenario[happened.payload["number"]]
    if inject["facts"]:
        await facts.merge(happened.session, incident, inject["facts"], actor="plan", at=happened.at)
    await _tell(happened, "drill_inject", observe=False, happens=inject["text"], number=incident.number)


async def end_on_time(happened: Happened) -> None:
    await drills.time_is_up(happened.session, happened.payload["drill_id"], at=happened.at)


async def end_with_incident(happened: Happened) -> None:
    """The incident of a drill was closed or cancelled by those who took part."""
    incident = await happened.incident()
    if incident.status == Status.EXERCISE:
        await drills.end_with(happened.session, incident.id, by=happened.payload["actor"], at=happened.at)


async def take_figures(happened: Happened) -> None:
    """How it went beside the targets of its level, as a review of what really happened has it.

    A target whose time had not come when the drill ended is neither met nor missed.
    """
    incident = await happened.incident()
    drill = await drills.locked(happened.session, happened.payload["drill_id"])
    found = await figures.of_incident(happened.session, incident)
    ran = (drill.ended_at or happened.at) - incident.detected_at
    for one in found["times"].values():
        if one["took"] is None and one["target"] is not None and figures.from_iso(one["target"]) > ran:
            one["met"] = None
    drill.figures = found


async def open_improvements(happened: Happened) -> None:
    """Each finding is an improvement item, to be done from now on; one about the plan makes its revision due (ST-4)."""
    drill = await drills.found(happened.session, happened.payload["drill_id"])
    found = await drills.findings(happened.session, drill.id)
    if about_plan := [one.text for one in found if one.topic == Topic.FITNESS]:
        said, key = say("due.found_in_drill", title=drill.title, what=about_plan), f"found_wanting:{drill.id}"
        await due.note(happened.session, Reason.FOUND_WANTING, said, key=key, by="plan", at=happened.at)
    for finding in found:
        await improvements.open_of_drill(
            happened.session, finding.id, drill_id=drill.id, incident_id=drill.incident_id, title=finding.text,
            owner=finding.owner, due_on=finding.due_on, at=happened.at,
        )  # fmt: skip


async def look_at_year(happened: Happened) -> None:
    """A year without its drills does not comply with the plan: whoever the plan names where nothing else says whom hears of it."""
    session = happened.session
    year = await drills.of_year(session, happened.payload["year"])
    standing = await revisions.current(session)
    if year.is_met or standing is None:
        return
    plan = await revisions.document_of(session, standing.id)
    said = {"year": year.year, "needed": year.needed, "held": year.held, "types": len(year.types)}
    await pipeline.tell(
        session,
        News(
            ref=happened.ref,
            kind="drill_year_open",
            level=4,
            subject=localised(say("flow.drill_year_open.subject", **said)),
            text=localised(say("flow.drill_year_open.text", **said)),
        ),
        positions=[plan.organisation.default_position],
        at=happened.at,
    )


async def _tell(happened: Happened, what: str, *, observe: bool | None = None, **more: str) -> None:
    """Each by their own part; marked as a drill like all that is said in one."""
    session = happened.session
    drill = await drills.found(session, happened.payload["drill_id"])
    _, levels = await matrix.in_force(session)
    for part in await drills.parts(session, drill.id, observe=observe):
        said = {
            "title": drill.title, "starts": drill.starts_at, "place": drill.place, "scheme": drill.scheme,
            "role": part.role or say(f"flow.drill.{'observer' if part.observes else 'enrolled'}"), **more,
        }  # fmt: skip
        subject, text = (
            localised(say(f"flow.{what}.{piece}", **said), levels.zone) for piece in ("subject", "text")
        )
        await pipeline.tell_people(
            session,
            News(
                ref=drill.id,
                kind=what,
                number=more.get("number", ""),
                level=drill.level,
                exercise=True,
                subject=subject,
                text=text,
            ),
            people=await _people(happened, drill, part),
            at=happened.at,
        )


async def _people(happened: Happened, drill: Drill, part: DrillPart) -> Sequence[Receiver]:
    if not part.is_person:
        return await receivers.at_position(happened.session, part.who, at=happened.at)
    return [await receivers.somebody(happened.session, part.who, position="")]
