"""Incidents: raised by hand, and listed."""

import json
from typing import Annotated, Any

import typer

from app import door
from app.access.parts import Parts
from app.commands.answering import Json, answer, do, fail, shaped
from app.errors import Problem
from app.incidents import raising, record
from app.incidents.schemas import RaiseIncident
from app.incidents.tables import Incident, Status
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
