"""Parties outside, imported."""

from pathlib import Path

import typer

from app.access.parts import Parts
from app.commands.answering import Json, answer, do, fail
from app.parties import importing
from app.people import contact_points
from app.people.csv_import import Imported

commands = typer.Typer(no_args_is_help=True, help="Parties outside: departments, suppliers, partners.")


@commands.callback()
def _parties() -> None:
    """Without this, the one command would lose its name."""


@commands.command("import")
def import_parties(file: Path, as_json: Json = False) -> None:
    """Import parties from a CSV; every mistake by line, and none imported then."""
    try:
        body = file.read_bytes()
    except OSError as error:
        fail(f"{file}: {error.strerror}")

    async def work(parts: Parts) -> Imported:
        async with parts.db.transaction() as session:
            return await importing.import_parties(
                session, parts.vault, body, check=contact_points.shape_problem, at=parts.clock.now()
            )

    done = do(work, as_json=as_json)
    answer(done, as_json, f"{done.created} parties added, {done.updated} brought up to date.")
