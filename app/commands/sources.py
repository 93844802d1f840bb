"""Monitoring sources."""

from typing import Annotated

import typer

from app.access.parts import Parts
from app.commands.answering import Json, answer, do, shaped
from app.intake import enrolment
from app.intake.schemas import EnrolSource

commands = typer.Typer(no_args_is_help=True, help="Monitoring sources.")


@commands.command("create")
def create_source(
    kind: Annotated[str, typer.Option()],
    slug: Annotated[str, typer.Option()],
    name: str | None = None,
    as_json: Json = False,
) -> None:
    """Make a monitoring source; prints its key alone."""
    asked = shaped(EnrolSource, {"slug": slug, "kind": kind, "name": name})

    async def work(parts: Parts) -> str:
        async with parts.db.transaction() as session:
            said = enrolment.Enrolment(slug=asked.slug, kind=asked.kind, name=asked.name or asked.slug)
            return (
                await enrolment.enrol(
                    session, said, vault=parts.vault, by="command line", at=parts.clock.now()
                )
            )[1]

    shown = do(work)
    answer({"slug": asked.slug, "key": shown}, as_json, shown)
