"""`muster parked`: what was set aside, and trying it again; `muster audit rows`: what the auditor finds."""

from typing import Annotated, Any

import typer

from app.access.paging import Slice
from app.access.parts import Parts
from app.commands.answering import Json, answer, do
from app.service.parked import ParkedRead
from app.watch import auditor, set_aside
from app.watch.set_aside import Kind

app = typer.Typer(no_args_is_help=True, help="What was set aside.")
_BY = "command line"
_MOST = 200


@app.command("list")
def list_parked(kind: Annotated[Kind | None, typer.Option()] = None, as_json: Json = False) -> None:
    """What was set aside, kind by kind, the newest first."""

    async def work(parts: Parts) -> list[ParkedRead]:
        async with parts.db.reading() as session:
            found, _ = await set_aside.listed(session, Slice(_MOST, None), kind=kind)
            return [ParkedRead.of(one, "en") for one in found]

    rows = do(work, as_json=as_json)
    lines = [
        f"{one.id}  {one.what}  {one.incident.number if one.incident else one.ref}  {one.reason}"
        for one in rows
    ]
    answer([one.model_dump(mode="json") for one in rows], as_json, "\n".join(lines))


@app.command("retry")
def retry(
    parked_id: Annotated[str | None, typer.Argument()] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every reaction and delivery.")] = False,
    as_json: Json = False,
) -> None:
    """Try one again, or all reactions and deliveries; the running service does the work."""
    if (parked_id is None) != everything:
        raise typer.BadParameter("an id, or --all")

    async def work(parts: Parts) -> list[dict[str, Any]]:
        names = [parked_id] if parked_id is not None else await _every(parts)
        done = []
        for name in names:
            # One transaction each: a body that still cannot be read stands in nobody's way.
            async with parts.db.transaction() as session:
                one = await set_aside.retry(session, name, by=_BY, at=parts.clock.now())
            done.append({"id": one.id, "what": one.what})
        return done

    rows = do(work, as_json=as_json)
    answer(rows, as_json, "\n".join(f"{row['id']}  {row['what']}" for row in rows))


async def _every(parts: Parts) -> list[str]:
    """Reactions and deliveries; bodies of sources are read again one by one, once their mapping was mended."""
    names: list[str] = []
    async with parts.db.reading() as session:
        for kind in (Kind.REACTION, Kind.DELIVERY):
            found, _ = await set_aside.listed(session, Slice(_MOST, None), kind=kind)
            names += [one.id for one in found]
    return names


def audit_rows(as_json: Json = False) -> None:
    """Ask the auditor: rows that should not stand as they do, by rule. Exit 1 if there are any."""

    async def work(parts: Parts) -> list[auditor.Finding]:
        async with parts.db.reading() as session:
            return await auditor.findings(session, at=parts.clock.now())

    found = do(work, as_json=as_json)
    lines = [f"{one.rule}: {one.number} ({', '.join(one.examples)})" for one in found]
    answer(found, as_json, "\n".join(lines) or "nothing found")
    if found:
        raise typer.Exit(1)
