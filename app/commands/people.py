"""The organisation, imported."""

from pathlib import Path

import typer

from app.access.parts import Parts
from app.commands.answering import Json, answer, do, fail
from app.people import contact_points, csv_import

commands = typer.Typer(no_args_is_help=True, help="The organisation.")


@commands.command("import")
def import_people(file: Path, as_json: Json = False) -> None:
    """Import people from a CSV; every mistake by line, and none imported then."""
    try:
        body = file.read_bytes()
    except OSError as error:
        fail(f"{file}: {error.strerror}")

    async def work(parts: Parts) -> csv_import.Imported:
        async with parts.db.transaction() as session:
            return await csv_import.import_people(
                session,
                parts.vault,
                body,
                check=contact_points.shape_problem,
                at=parts.clock.now(),
            )

    done = do(work, as_json=as_json)
    answer(done, as_json, f"{done.created} people added, {done.updated} brought up to date.")
