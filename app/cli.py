"""The command line: each command a few lines over the same room functions the routes call."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr

from app.commands import (
    audit,
    channels,
    demo,
    drills,
    incidents,
    keys,
    moving,
    parked,
    parties,
    people,
    plan,
    revisions,
    rosters,
    serving,
    simulating,
    sources,
    warnings,
)
from app.main import create_app
from app.service import reference
from app.settings import Settings

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Incident response for a customer service centre."
)
app.command()(serving.serve)
app.command()(serving.engine)
app.command()(moving.migrate)
app.command()(moving.backup)
app.command()(moving.restore)
app.command()(moving.hold)
app.command()(moving.release)
app.command()(plan.check)
app.command()(plan.schema)
app.command()(simulating.simulate)
app.command()(demo.demo)


def main() -> None:
    """Entry point of the `muster` command."""
    # Bytes that are no text come in as halves of characters, which no database keeps and no terminal prints.
    if any("\ud800" <= character <= "\udfff" for word in sys.argv[1:] for character in word):
        print("An argument is not text in this terminal's encoding (UTF-8 is best).", file=sys.stderr)
        raise SystemExit(1)
    app()


@app.command()
def docs(
    directory: Annotated[Path, typer.Argument()] = Path("docs/reference"),
    check_only: Annotated[
        bool, typer.Option("--check", help="Compare only; exit 1 when a page is stale.")
    ] = False,
) -> None:
    """Write the reference that is printed from the code."""
    interface = create_app(Settings(secret_key=SecretStr("none is needed to describe it"))).openapi()
    pages = reference.pages(interface=interface, commands=typer.main.get_command(app))
    stale = [
        name for name, text in sorted(pages.items())
        if not (directory / name).is_file() or (directory / name).read_text(encoding="utf-8") != text
    ]  # fmt: skip
    if check_only:
        for name in stale:
            print(f"{directory / name}: stale, make docs")
        raise typer.Exit(1 if stale else 0)
    directory.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (directory / name).write_text(pages[name], encoding="utf-8")
        print(directory / name)


app.command("raise")(incidents.raise_incident)
app.command()(incidents.incidents)
app.command()(warnings.warnings)
app.add_typer(warnings.commands, name="indicators")
app.command("answer")(incidents.answer_call)
app.command()(incidents.debts)
app.command("on-call")(rosters.on_call)
app.command("signing-secret")(serving.signing_secret)
app.add_typer(channels.commands, name="channels")
app.add_typer(keys.commands, name="keys")
app.add_typer(revisions.commands, name="plan")
app.add_typer(sources.commands, name="sources")
app.add_typer(people.commands, name="people")
app.add_typer(parties.commands, name="parties")
app.add_typer(audit.commands, name="audit")
app.add_typer(drills.commands, name="drills")
app.add_typer(parked.app, name="parked")
audit.commands.command("rows")(parked.audit_rows)
