"""Incidents: raised by hand, and listed."""

import json
from typing import Annotated, Any

import typer

from app import door
from app.access.parts import Parts
from app.commands.answering import Json, answer, do, fail, shaped
from app.errors import Problem
from app.incidents import acknowledging, obligations, raising, record, timeline
from app.incidents.schemas import Acknowledge, RaiseIncident
from app.incidents.tables import Incident, Obligation, Status
from app.people import holders, naming
from app.wording import render


def raise_incident(
    title: Annotated[str, typer.Option()], type_: Annotated[str, typer.Option("--type")] = "other",
    description: str | None = None, level: Annotated[int | None, typer.Option(min=1, max=4)] = None,
    fact: Annotated[list[str] | None, typer.Option(help="name=value, as often as needed")] = None,
    exercise: bool = False, as_json: Json = False,
) -> None:  # fmt: skip
    """Raise an incident; the running service calls the reporting chain."""
    said = {"title": title, "type": type_, "description": description, "level": level, "exercise": exercise}
    asked = shaped(RaiseIncident, {**said, "facts": dict(_fact(one) for one in fact or [])})
    alarm = raising.Alarm(
        title=asked.title, type=asked.type, description=asked.description, level=asked.level, facts=asked.facts,
        reporter="command line", status=Status.EXERCISE if asked.exercise else Status.ACTUAL,
    )  # fmt: skip

    async def work(parts: Parts) -> Incident:
        async with parts.db.transaction() as session:
            return (await raising.raise_incident(session, alarm, actor="command line", at=parts.clock.now()))[
                0
            ]

    incident = do(work)
    raised = {"id": incident.id, "number": incident.number, "level": incident.level, "state": incident.state}
    answer(raised, as_json, f"{incident.number}  level {incident.level}  {incident.id}")


def incidents(everything: Annotated[bool, typer.Option("--all")] = False, as_json: Json = False) -> None:
    """Incidents that are open, or all."""

    async def work(parts: Parts) -> list[dict[str, Any]]:
        async with parts.db.reading() as session:
            query = record.search(open_=None if everything else True).order_by(Incident.id.desc()).limit(200)
            return [
                {
                    "number": i.number,
                    "level": i.level,
                    "state": i.state,
                    "title": i.title,
                    "detected_at": i.detected_at,
                    "id": i.id,
                }
                for i in await session.scalars(query)
            ]

    rows = do(work)
    answer(
        rows, as_json, "\n".join(f"{r['number']}  {r['level']}  {r['state']:<11} {r['title']}" for r in rows)
    )


def debts(owner: str | None = None, as_json: Json = False) -> None:
    """Status updates and reviews that were missed, and the position that owes each."""

    async def work(parts: Parts) -> list[dict[str, Any]]:
        async with parts.db.reading() as session:
            missed = obligations.debts(owner=owner, missed=True).order_by(Obligation.due_at).limit(200)
            found = list(await session.scalars(missed))
            about = await record.by_id(session, [owed.incident_id for owed in found])
            return [
                {
                    "number": about[owed.incident_id].number, "kind": owed.kind, "owner": owed.owner, "due_at": owed.due_at,
                    "id": owed.id,
                }
                for owed in found
            ]  # fmt: skip

    rows = do(work)
    lines = [f"{r['number']}  {r['kind']:<7} {r['owner']:<28} {r['due_at']:%Y-%m-%d %H:%M}" for r in rows]
    answer(rows, as_json, "\n".join(lines))


def answer_call(
    incident: Annotated[str, typer.Argument(help="Id or number.")],
    given: Annotated[str, typer.Argument(metavar="take|cannot|add")] = "take",
    by: Annotated[str, typer.Option(help="Who answers: a name or a staff number.")] = "",
    add: Annotated[list[str] | None, typer.Option(help="Call these as well: positions or people.")] = None,
    note: str | None = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Answer the call about an incident: I have it, I cannot, or call others as well."""
    asked = shaped(Acknowledge, {"answer": given, "add": add or [], "note": note})

    async def work(parts: Parts) -> dict[str, Any]:
        async with parts.db.transaction() as session:
            (who,) = await naming.meant(session, [by])
            if who.person_id is None:
                fail(f"{by}: a position cannot answer, name a person")
            name = (await holders.names(session, [who.person_id]))[who.person_id]
            found = await record.locked(session, incident)
            entry = await acknowledging.answer(
                session, found, asked.answer, by=name, person_id=who.person_id, at=parts.clock.now(), via="cli",
                note=asked.note, add=asked.add,
            )  # fmt: skip
            return {"number": found.number, "by": name, "summary": timeline.summary(entry, "en")}

    told = do(work, as_json=as_json)
    answer(told, as_json, f"{told['number']}  {told['by']}: {told['summary']}")


def _fact(said: str) -> tuple[str, Any]:
    name, equals, value = said.partition("=")
    if not (name and equals):
        fail(f"{said}: a fact is written name=value")
    try:
        json.loads(value)
    except ValueError:
        return name, value
    try:
        return name, door.parse_json(value.encode())
    except Problem as problem:
        fail(f"{name}: {render(problem.detail, 'en')}")
