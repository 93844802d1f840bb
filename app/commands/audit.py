"""The record, verified."""

from typing import Any

import typer

from app.access.parts import Parts
from app.commands.answering import Json, answer, do
from app.incidents import record, timeline
from app.incidents.tables import Incident

commands = typer.Typer(no_args_is_help=True, help="The record.")


@commands.command("verify")
def verify(as_json: Json = False) -> None:
    """Walk every timeline: gapless, each entry sealed with the one before, the state equal to what it tells. Exit 1 if not."""

    async def work(parts: Parts) -> list[dict[str, Any]]:
        broken = []
        async with parts.db.reading() as session:
            for incident in await session.scalars(record.search().order_by(Incident.id)):
                chain = await timeline.entries(session, incident.id)
                first = timeline.first_break(chain)
                ends_so = len(chain) == incident.last_seq and timeline.fold(chain) == incident.state
                if first is not None or not ends_so:
                    broken.append({"number": incident.number, "first_broken_entry": first or len(chain)})
        return broken

    broken = do(work)
    answer(
        broken,
        as_json,
        "\n".join(f"{b['number']}: broken at entry {b['first_broken_entry']}" for b in broken) or "intact",
    )
    if broken:
        raise typer.Exit(1)
