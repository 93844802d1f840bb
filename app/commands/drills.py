"""Drills on the command line: listed, shown as a document, and stopped at once."""

from typing import Annotated, Any, Final

import typer

from app.access.keys import Principal
from app.access.parts import Parts
from app.access.tables import Role
from app.commands.answering import Json, answer, do
from app.readiness import drill_report, drills
from app.readiness.drills import DrillEvent
from app.readiness.tables import Drill
from app.simulation import drill as simulated
from app.simulation.document import Manners

_STANDING: Final = {True: "met", False: "missed", None: "open"}
commands = typer.Typer(no_args_is_help=True, help="Drills of the plan.")


@commands.command("list")
def list_drills(as_json: Json = False) -> None:
    """Drills, the last planned first."""

    async def work(parts: Parts) -> list[dict[str, Any]]:
        async with parts.db.reading() as session:
            rows = await session.scalars(drills.every().order_by(Drill.id.desc()).limit(200))
            return [
                {
                    "id": one.id, "state": one.state, "mode": one.mode, "level": one.level, "type": one.type,
                    "starts_at": one.starts_at, "title": one.title,
                }
                for one in rows
            ]  # fmt: skip

    rows = do(work)
    lines = [f"{r['id']}  {r['state']:<9} {r['starts_at']:%Y-%m-%d %H:%M}  {r['title']}" for r in rows]
    answer(rows, as_json, "\n".join(lines))


@commands.command("report")
def report(drill: str, language: str = "en") -> None:
    """One drill as a Markdown document."""

    async def work(parts: Parts) -> str:
        async with parts.db.reading() as session:
            return await drill_report.of(session, await drills.found(session, drill), language)

    typer.echo(do(work))


@commands.command("year")
def year(of: int, as_json: Json = False) -> None:
    """Whether a year had the drills that are asked for (EP-8.3); exit code 1 when not."""

    async def work(parts: Parts) -> drills.Year:
        async with parts.db.reading() as session:
            return await drills.of_year(session, of)

    found = do(work)
    said = (
        f"{found.held} of {found.needed} drills, {len(found.types)} types of event: {', '.join(found.types)}"
    )
    answer({**vars(found), "is_met": found.is_met}, as_json, said)
    raise typer.Exit(0 if found.is_met else 1)


@commands.command("stop")
def stop(drill: str, reason: Annotated[str | None, typer.Option()] = None, as_json: Json = False) -> None:
    """End a running drill at once."""
    by = Principal("command line", Role.EXECUTION, "")

    async def work(parts: Parts) -> Drill:
        async with parts.db.transaction() as session:
            return await drills.move(
                session, drill, DrillEvent.STOP, by=by, at=parts.clock.now(), reason=reason
            )

    stopped = do(work)
    answer({"id": stopped.id, "state": stopped.state}, as_json, f"{stopped.id}  {stopped.state}")


@commands.command("play")
def play(
    drill: str, people: Annotated[Manners, typer.Option(help="How everybody behaves.")] = Manners.ANSWER,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Play a running simulated drill in memory, with the organisation in use; that ends it. Nobody is told."""

    async def work(parts: Parts) -> Drill:
        return await simulated.play(parts, drill, people, by="command line", at=parts.clock.now())

    played = do(work, as_json=as_json)
    times = (played.figures or {})["times"]
    lines = [f"{name:<12} {one['took'] or '-':<10} {one['target']:<10} {_STANDING[one['met']]}"
             for name, one in times.items()]  # fmt: skip
    answer({"id": played.id, "state": played.state, "figures": played.figures}, as_json, "\n".join(lines))
